import ArgumentParser
import CCallgrind
import Presence
import PresenceRESP
import PresenceStore

/// Work of one kind, so many times: what an instruction counter is put over.
enum Work: String, CaseIterable, ExpressibleByArgument {
    case beat, active, batch, read, tick, expiry, connect
    case connectAlone = "connect-alone"
    case connectKnown = "connect-known"
    case connectTold = "connect-told"
    case parse = "resp-parse"
    case port1 = "port-1"
    case port16 = "port-16"
    case port100 = "port-100"
    case portGet = "port-get-64"
    case portSet = "port-set-64"
    case portPresenceGet = "port-presence-get-16"
    case rulesVerdict = "rules-verdict"
    case rulesMerge = "rules-merge"
    case ringAppend = "ring-append"
    case ringRead = "ring-read"
    case replyResp2 = "reply-resp2"
    case replyResp3 = "reply-resp3"
    case event
    case eventResp2 = "event-resp2"
    case eventResp3 = "event-resp3"

    /// What one operation is, for the table.
    var operation: String {
        switch self {
        case .beat: "a beat"
        case .active: "a beat with activity"
        case .batch: "a beat in a batch of 100"
        case .read: "a status read"
        case .tick: "a tick of 32 shards, nothing due"
        case .expiry: "an expiry, announced"
        case .connect: "a connect with all fields"
        case .connectAlone: "a connect or a disconnect"
        case .connectKnown: "the same with 200 edges and 200 watchers, not told yet"
        case .connectTold: "the same, each watcher told by a frame"
        case .parse: "a PRESENCE.BEAT parsed"
        case .port1: "a PRESENCE.BEAT through the port, one a write"
        case .port16: "the same, 16 a write"
        case .port100: "the same, 100 a write"
        case .portGet: "a GET of 250 bytes through the port, 64 a write"
        case .portSet: "a SET EX of 250 bytes, 64 a write"
        case .portPresenceGet: "a GET of a presence, 16 a write"
        case .rulesVerdict: "a verdict of one session, and its next change"
        case .rulesMerge: "two copies of a session merged"
        case .ringAppend: "a status by hand, put into the ring"
        case .ringRead: "the same, and read from it as an event"
        case .replyResp2: "a reply of eight parts written, RESP2"
        case .replyResp3: "the same, RESP3"
        case .event: "an event as JSON"
        case .eventResp2: "the same, made, as a message of RESP2"
        case .eventResp3: "the same of RESP3"
        }
    }

    /// Makes all ready, then does the work. Everything follows from the arguments: two runs execute the same instructions.
    ///
    /// - Parameter isMarked: whether the work alone is marked for callgrind; of those that are repeated.
    /// - Throws: when the work did not do what it should.
    func perform(_ operations: Int, users: Int, isMarked: Bool = false) throws {
        switch self {
        case .parse: return try parse(operations)
        case .connectAlone: return try KnownCount(isKnown: false, tells: false).run(operations)
        case .connectKnown: return try KnownCount(isKnown: true, tells: false).run(operations)
        case .connectTold: return try KnownCount(isKnown: true, tells: true).run(operations)
        case .port1: return try PortWork.beat.run(operations, pipeline: 1)
        case .port16: return try PortWork.beat.run(operations, pipeline: 16)
        case .port100: return try PortWork.beat.run(operations, pipeline: 100)
        case .portGet: return try PortWork.get.run(operations, pipeline: 64)
        case .portSet: return try PortWork.set.run(operations, pipeline: 64)
        case .portPresenceGet: return try PortWork.presenceGet.run(operations, pipeline: 16)
        case .rulesVerdict: return try RulesCount.verdicts(operations)
        case .rulesMerge: return try RulesCount.merges(operations)
        case .ringAppend: return try RingCount(isRead: false).run(operations)
        case .ringRead: return try RingCount(isRead: true).run(operations)
        case .replyResp2: return try CodecCount.replies(operations, .resp2)
        case .replyResp3: return try CodecCount.replies(operations, .resp3)
        case .event: return try CodecCount.events(operations)
        case .eventResp2: return try CodecCount.frames(operations, .resp2)
        case .eventResp3: return try CodecCount.frames(operations, .resp3)
        default: break
        }
        // Users who are not worked on make the numbers of two runs differ by the work alone.
        let crowd = Crowd(Names(count: users))
        let now = Crowd.start.advanced(byMilliseconds: 1_000)
        var done = operations
        switch self {
        case .connect:
            try crowd.connect(first: operations, at: now) { _ in Crowd.longTTL }
            done = crowd.store.statistics().sessions
        case .expiry:
            try crowd.connect(at: Crowd.start) { $0 < operations ? 120_000 : Crowd.longTTL }
            crowd.store.advance(to: Crowd.start.advanced(byMilliseconds: 130_000))
            done = Int(crowd.store.statistics().expiredSessions)
        default:
            try crowd.connect(at: Crowd.start) { _ in Crowd.longTTL }
            done = repeated(operations, crowd, at: now, isMarked: isMarked)
        }
        guard done == operations else { throw BenchError("\(rawValue): \(done) of \(operations) were done") }
    }

    private func repeated(_ operations: Int, _ crowd: Crowd, at now: Timestamp, isMarked: Bool) -> Int {
        let users = crowd.names.count
        let pairs = crowd.names.pairs
        if isMarked { bench_count_begin() }
        defer { if isMarked { bench_count_end() } }
        if self == .tick { return operations + crowd.tick(operations, from: now) }
        var done = 0
        var round: Int64 = 0
        while done < operations {
            let part = min(users, operations - done)
            round += 1
            let now = now.advanced(byMilliseconds: round * 1_000)
            switch self {
            case .batch: done += crowd.beatAll(crowd.names, Array(pairs.prefix(2 * part)), batch: 100, at: now)
            case .read: done += crowd.read(crowd.names, 0..<part, at: now)
            default: done += crowd.beat(crowd.names, 0..<part, isActive: self == .active, at: now)
            }
        }
        return done
    }

    /// Reads commands out of pipelines of 100, as they lie in a socket's buffer.
    private func parse(_ operations: Int) throws {
        let batch = 100
        let command =
            "*3\r\n$13\r\nPRESENCE.BEAT\r\n$26\r\npresence:user:000000000042\r\n$20\r\nconnection-000000001\r\n"
        let bytes = Array(String(repeating: command, count: batch).utf8)
        var reader = RequestReader(limits: RequestLimits())
        var done = 0
        while done < operations {
            var offset = 0
            while reader.next(in: bytes.span, from: offset) == .command {
                guard reader.argumentCount == 3, reader.argument(2).count == 20 else { break }
                offset += reader.consumed
                done += 1
            }
            guard offset == bytes.count else { throw BenchError("the pipeline was read to \(offset) only") }
        }
        guard done == operations else { throw BenchError("operations must be a multiple of \(batch)") }
    }
}

/// Does one kind of work and says nothing.
struct CountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count",
        abstract: "One kind of work, so many times, for an instruction counter.",
        discussion: """
            Run it twice under one, with N and with 2N operations, and divide the difference by N: that is what `instructions` does.
            """
    )

    @Argument(help: "\(Work.allCases.map(\.rawValue).joined(separator: ", "))")
    var work: Work
    @Option(help: "How often.")
    var operations = 10_000
    @Option(help: "Users of the store.")
    var users = 40_000

    @Flag(
        help:
            "Mark the work alone for callgrind --instr-atstart=no: getting ready is quick then, and one run is enough.")
    var marked = false

    func validate() throws {
        try Bounds.check("--operations", operations, 1...Bounds.operations.upperBound)
        try Bounds.check("--users", users, 1...100_000_000)
    }

    func run() throws {
        guard !marked || bench_can_mark() else {
            throw BenchError(
                "this was built without valgrind's header (Debian package valgrind): make clean, then build again")
        }
        try work.perform(operations, users: users, isMarked: marked)
    }
}
