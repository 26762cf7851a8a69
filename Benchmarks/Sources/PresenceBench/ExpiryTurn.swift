import Foundation

/// Sessions that run out within a few seconds among many that live on: how late one subscriber hears of each. An operation is an end that was announced.
///
/// Elsewhere they are strings with a TTL, and the announcement is the keyspace event. Their lateness counts from the acknowledged write and its TTL, a
/// little in favour of the server. presenced must announce all; whom another server does not announce in time is counted.
struct ExpiryTurn: LoadTurn {
    private static let shortestMilliseconds = 6_000

    private let target: LoadTarget
    private let due: Int
    private let windowMilliseconds: Int
    private let patienceMilliseconds: Int64
    private let connection: Connection
    /// Epoch milliseconds at which each ends.
    private var ends: [Int64] = []
    /// The longest time that connecting a part took, in milliseconds.
    private var longestPart: Int64 = 1

    /// What is measured begins so long before the first of them runs out.
    private static let leadMilliseconds: Int64 = 250
    /// What was received behind the answer to the subscription.
    private var line: [UInt8] = []

    /// Gives the server `users`, of whom `due` will run out, and waits until the first of them is about to: neither is measured.
    ///
    /// - Parameters:
    ///   - window: seconds within which they do.
    ///   - patience: seconds after the last end for which announcements are waited for.
    init(_ target: LoadTarget, users: Int, due: Int, window: Int = 5, patience: Int = 30) throws {
        self.target = target
        self.due = due
        windowMilliseconds = window * 1_000
        patienceMilliseconds = Int64(patience) * 1_000
        connection = try target.connect()
        if !target.traits.isPresenced {
            try target.set([("notify-keyspace-events", "Ex")])
        }
        try connect(due..<users) { _ in 300_000 }
        try connectDue()
        try connection.subscribe(target.traits.isPresenced ? StatusChannel.name : StatusChannel.expired)
        line = connection.takeRest()
        while let first = ends.first, WallClock.milliseconds() < first - ExpiryTurn.leadMilliseconds {
            guard !Interruption.isEnding else { throw BenchError("the run was interrupted") }
            usleep(20_000)
        }
    }

    /// What is due is connected last, in parts, so that it is known when each was.
    private mutating func connectDue() throws {
        for start in stride(from: 0, to: due, by: 512) {
            let part = start..<min(start + 512, due)
            let before = WallClock.milliseconds()
            try connect(part, ttl)
            let now = WallClock.milliseconds()
            longestPart = max(longestPart, now - before + 1)
            ends += part.map { now + Int64(ttl($0)) }
        }
        guard let first = ends.first, WallClock.milliseconds() < first - ExpiryTurn.leadMilliseconds else {
            throw BenchError("connecting \(due) users took longer than the first of them lives: ask for fewer --users")
        }
    }

    private func ttl(_ number: Int) -> Int {
        ExpiryTurn.shortestMilliseconds + number * windowMilliseconds / due
    }

    private func connect(_ range: Range<Int>, _ ttl: (Int) -> Int) throws {
        let isPresenced = target.traits.isPresenced
        try connection.load(range.count, expecting: isPresenced ? .integer(1) : .simple("OK")) { offset in
            let number = range.lowerBound + offset
            let user = Heartbeat.name(number)
            let lifetime = ["PX", "\(ttl(number))"]
            guard !isPresenced else { return Record.connect(user: user, session: Heartbeat.session, options: lifetime) }
            return ["SET", Heartbeat.key(user), Record.json(user: user, session: Heartbeat.session)] + lifetime
        }
    }

    mutating func run() throws -> LoadOutcome {
        let began = MonotonicClock.nanoseconds()
        guard let last = ends.last else { throw BenchError("nobody is due") }
        var outcome = LoadOutcome()
        outcome.expected = due
        var isAnnounced = Array(repeating: false, count: due)
        while outcome.operations < due, WallClock.milliseconds() < last + patienceMilliseconds {
            var socket = pollfd(fd: connection.handle, events: Int16(POLLIN), revents: 0)
            guard poll(&socket, 1, 100) > 0 else { continue }
            let bytes = try connection.receive()
            let now = WallClock.milliseconds()
            for byte in bytes {
                guard byte == 10 else {
                    line.append(byte)
                    continue
                }
                if let number = try user(line) {
                    guard number < due, !isAnnounced[number] else {
                        throw BenchError("user \(number) ended who lives on")
                    }
                    isAnnounced[number] = true
                    outcome.operations += 1
                    // Its end counts from the reply to the last of its part: it was connected that much earlier at most.
                    guard now >= ends[number] - longestPart else {
                        throw BenchError("user \(number) ended \(ends[number] - now) ms before his TTL")
                    }
                    try outcome.record(max(1, (now - ends[number]) * 1_000_000))
                }
                line.removeAll(keepingCapacity: true)
            }
        }
        outcome.elapsed = Double(MonotonicClock.nanoseconds() - began) / 1e9
        guard !target.traits.isPresenced || outcome.operations == due else {
            throw BenchError("\(outcome.operations) of \(due) sessions that ran out were announced")
        }
        return outcome
    }

    /// The user whose end a line of the subscription tells, if it tells one.
    private func user(_ line: [UInt8]) throws -> Int? {
        let text = String(decoding: line, as: UTF8.self)
        let (mark, isEnd) =
            target.traits.isPresenced
            ? ("\"userId\":\"", text.contains("\"newStatus\":\"offline\"")) : (Heartbeat.key(""), true)
        guard isEnd, let place = text.range(of: mark) else { return nil }
        guard let number = Int(text[place.upperBound...].prefix(12)) else { throw BenchError("not an event: \(text)") }
        return number
    }
}
