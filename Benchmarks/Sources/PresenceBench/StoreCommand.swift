import ArgumentParser
import CAllocator
import Foundation
import Presence
import PresenceStore

/// The store in process, one thread: time an operation, bytes a user, a million expiries.
struct StoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "The store in process: time an operation, bytes a user, expiries.")

    @Option(help: "Users of the store.")
    var users = 1_000_000
    @Option(help: "Rounds; the median is told.")
    var rounds = 5

    func validate() throws {
        try Bounds.check("--users", users, 1_000...100_000_000)
        try Bounds.check("--rounds", rounds, Bounds.rounds)
    }

    func run() throws { print(try StoreCommand.measure(users: users, rounds: rounds).text) }

    /// All figures of the store as a table.
    static func measure(users: Int, rounds: Int) throws -> Table {
        var table = Table(
            "The store in process, one thread, \(grouped(users)) users",
            ["work", "median", "spread", "allocated", "goal"])
        floor(users, rounds, &table)
        var run = try StoreRun(users: users, rounds: rounds)
        try run.operations(&table)
        run.ticks(&table)
        run.memory(&table)
        try StoreRun.expiries(users, rounds: min(rounds, 3), &table)
        try StoreRun.punctuality(users, &table)
        table.notes = [
            "Time is processor time of the one thread; *allocated* is bytes from the allocator an operation. Names are read in the order of use."
        ]
        return table
    }

    private static func floor(_ users: Int, _ rounds: Int, _ table: inout Table) {
        Progress.say("store: what memory costs")
        let memory = MemoryFloor(lines: 2 * users)
        for (name, touch) in [
            ("floor: one cold line, known only after the one before", memory.dependent),
            ("floor: one cold line of many known beforehand", memory.overlapped),
        ] {
            var times = Sample()
            for _ in 0..<rounds { times.add(touch()) }
            table.add(name, fixed(times.median, 0) + " ns", times.spread(0), "", "")
        }
    }
}

/// One store with its users, and what is done with it.
private struct StoreRun {
    let crowd: Crowd
    let shuffled: Names
    let rounds: Int
    let residentBefore: Int
    var now = Crowd.start
    var connecting = 0.0

    init(users: Int, rounds: Int) throws {
        Progress.say("store: \(grouped(users)) users connect")
        let names = Names(count: users)
        self.rounds = rounds
        shuffled = names.shuffled()
        // Memory that making the names has freed is given back before the store is measured.
        usleep(200_000)
        residentBefore = ResidentMemory.bytes()
        crowd = Crowd(names)
        connecting = try ProcessorTime.spent { try crowd.connect(at: Crowd.start) { _ in Crowd.longTTL } }
        now = now.advanced(byMilliseconds: 1_000)
        crowd.act(at: now)
    }

    mutating func operations(_ table: inout Table) throws {
        Progress.say("store: beats and reads")
        let users = crowd.names.count
        let (inOrder, mixed) = (crowd.names.pairs, shuffled.pairs)
        table.add("connect", ns(connecting / Double(users)), "", "", "")
        let works: [(String, String, (Timestamp) -> Int)] = [
            ("beat, in the order of connecting", "", { [crowd] in crowd.beat(crowd.names, 0..<users, at: $0) }),
            ("beat, random order", "150 ns", { [crowd, shuffled] in crowd.beat(shuffled, 0..<users, at: $0) }),
            (
                "beat with activity, random order", "",
                { [crowd, shuffled] in
                    crowd.beat(shuffled, 0..<users, isActive: true, at: $0)
                }
            ),
            (
                "beat by 500, in the order of connecting", "",
                { [crowd] in
                    crowd.beatAll(crowd.names, inOrder, batch: 500, at: $0)
                }
            ),
            (
                "beat by 500, random order", "60 ns",
                { [crowd, shuffled] in
                    crowd.beatAll(shuffled, mixed, batch: 500, at: $0)
                }
            ),
            ("status, random order", "", { [crowd, shuffled] in crowd.read(shuffled, 0..<users, at: $0) }),
        ]
        for (name, goal, work) in works {
            var times = Sample()
            var allocated: UInt64 = 0
            for _ in 0..<rounds {
                now = now.advanced(byMilliseconds: 1_000)
                var answered = 0
                let before = bench_thread_allocated()
                times.add(ProcessorTime.spent { answered = work(now) } / Double(users))
                allocated = bench_thread_allocated() - before
                guard answered == users else { throw BenchError("\(name): \(answered) of \(users) answered") }
            }
            table.add(name, ns(times.median), times.spread(0), "\(allocated / UInt64(users)) B", goal)
        }
    }

    /// Ticks with nothing due, among few users and among all.
    mutating func ticks(_ table: inout Table) {
        Progress.say("store: ticks with nothing due")
        let few = Crowd(Names(count: 1_000, seed: 3))
        try? few.connect(at: now) { _ in Crowd.longTTL }
        for crowd in [few, crowd] {
            // Stale entries left by the beats above are looked at once and gone.
            crowd.store.advance(to: now)
            var times = Sample()
            var lookedAt = 0
            for _ in 0..<rounds {
                let start = now
                times.add(ProcessorTime.spent { lookedAt += crowd.tick(1_000, from: start) } / 1_000)
                now = now.advanced(byMilliseconds: 10_000)
            }
            let shards = crowd.store.shardCount
            table.add(
                "tick of \(shards) shards, nothing due, \(grouped(crowd.names.count)) users", ns(times.median),
                times.spread(0), lookedAt == 0 ? "" : "\(lookedAt) looked at", "the same")
        }
    }

    func memory(_ table: inout Table) {
        let users = crowd.names.count
        let memory = crowd.store.statistics().memory
        let resident = ResidentMemory.bytes() - residentBefore
        for (part, bytes) in [
            ("records, slots in use", memory.slabsInUse), ("records, slab chunks", memory.slabs),
            ("index", memory.index),
            ("timer wheels", memory.wheels), ("change rings", memory.rings), ("words", memory.words),
            ("all that is counted", memory.total),
        ] {
            table.add("bytes a user: \(part)", fixed(Double(bytes) / Double(users), 1) + " B", "", "", "")
        }
        table.add("bytes a user: resident", fixed(Double(resident) / Double(users), 1) + " B", "", "", "120 B")
    }

    /// All users of a store run out: at one instant, and spread over 5 s of ticks.
    static func expiries(_ users: Int, rounds: Int, _ table: inout Table) throws {
        Progress.say("store: \(grouped(users)) expiries")
        let names = Names(count: users)
        for (name, spread) in [("at one instant", Int64(0)), ("within 5 s, ticks of 10 ms", 5_000)] {
            var times = Sample()
            for _ in 0..<rounds {
                let crowd = Crowd(names)
                try crowd.connect(at: Crowd.start) { 120_000 + Int64($0) * spread / Int64(users) }
                let due = Crowd.start.advanced(byMilliseconds: 119_990)
                crowd.store.advance(to: due)
                times.add(ProcessorTime.spent { _ = crowd.tick(2 + Int(spread) / 10, from: due) } / 1_000_000)
                let expired = crowd.store.statistics().expiredSessions
                guard expired == users else { throw BenchError("\(expired) of \(users) sessions ran out") }
            }
            table.add(
                "\(grouped(users)) expiries \(name)", fixed(times.median, 0) + " ms", times.spread(0),
                "", "")
        }
    }

    /// Users that run out within 5 s by the machine's clock, with a `Ticker`, while nothing else is done.
    static func punctuality(_ users: Int, _ table: inout Table) throws {
        Progress.say("store: \(grouped(users)) expiries by the machine's clock")
        let clock = SystemClock()
        let crowd = Crowd(Names(count: users), clock: clock)
        let ticker = Ticker(crowd.store)
        let start = clock.now()
        let window: Int64 = 5_000
        // Connecting takes its time: each TTL is counted from here all the same.
        try crowd.connect(at: start) { 8_000 + Int64($0) * window / Int64(users) }
        let deadline = start.advanced(byMilliseconds: 8_000 + window + 2_000)
        while clock.now() < deadline { usleep(20_000) }
        ticker.stop()
        let statistics = crowd.store.statistics()
        guard statistics.expiredSessions == users else {
            throw BenchError("\(statistics.expiredSessions) of \(users) sessions ran out")
        }
        let late = statistics.lateness
        table.add(
            "the same by the clock: lateness p99", "\(late.percentile(0.99)) ms",
            "p50 \(late.percentile(0.5)), max \(late.maximum)", "", "20 ms")
    }

    private func ns(_ value: Double) -> String { fixed(value, 0) + " ns" }
}
