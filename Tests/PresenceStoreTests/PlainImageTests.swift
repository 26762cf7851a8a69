import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Images of the usual user are taken the short way, and nobody can tell.
@Suite("Plain images")
struct PlainImageTests {
    /// A store that takes images, and what it told.
    private final class Taker {
        let store: ShardedStore
        let reader: EventReader

        init(_ clock: TestClock) {
            store = MergeTests.store(2, clock) {
                $0.replicaLogEntries = 64
                $0.policy.idleAfter = 20_000
                $0.policy.awayAfter = 40_000
            }
            store.setKeyspaceInterest([.new, .expired, .generic])
            reader = store.makeReader { _ in }
        }

        func told() -> [StoreEvent] {
            var events: [StoreEvent] = []
            for shard in 0..<store.shardCount { reader.read(shard: shard, limit: 1_000, into: &events) }
            return events
        }
    }

    private func write(_ store: ShardedStore, _ clock: TestClock, _ user: String, _ random: inout SeededRandom) throws {
        let session = random.pick(["phone", "7d444840-9dc0-11d1-b245-5ffdce74fad2", "x"])
        let options = ConnectOptions(
            ttlMilliseconds: Int64.random(in: 5_000...100_000, using: &random),
            brought: random.chance(oneIn: 4) ? random.pick(SessionStatus.allCases) : nil,
            isPassive: random.chance(oneIn: 6))
        try store.connect(
            user, session: session, device: random.pick(["", "mobile"]), platform: random.pick(["", "ios"]),
            server: random.pick(["", "gate-1"]), options)
        clock.advance(byMilliseconds: Int64.random(in: 0...30_000, using: &random))
        store.beat(user, session: session, isActive: random.chance(oneIn: 2))
        if random.chance(oneIn: 3) { try set(store, clock, user, &random) }
        if random.chance(oneIn: 8) { store.disconnect(user, session: session) }
        if random.chance(oneIn: 8) { try store.connect(user, session: "second") }
        clock.advance(byMilliseconds: Int64.random(in: 0...30_000, using: &random))
    }

    /// A status or a text by hand, which may end, or the end of one.
    private func set(
        _ store: ShardedStore, _ clock: TestClock, _ user: String, _ random: inout SeededRandom
    ) throws {
        let until = clock.now().advanced(byMilliseconds: Int64.random(in: 1...60_000, using: &random))
        var change = UserSettings(until: random.chance(oneIn: 3) ? until : nil)
        if random.chance(oneIn: 2) { change.status = .some(random.pick([nil] + ManualStatus.allCases)) }
        if random.chance(oneIn: 2) { change.activity = .some(random.pick([nil, Array("reading".utf8), [65]])) }
        if !change.setsWhatMayEnd { change.until = nil }
        if change.changesSomething { try store.set(user, change) }
    }

    /// Something that changes a user, but none of his sessions' beginnings.
    private func change(
        _ store: ShardedStore, _ clock: TestClock, _ user: String, _ random: inout SeededRandom
    ) throws {
        switch Int.random(in: 0..<4, using: &random) {
        case 0, 1: try set(store, clock, user, &random)
        case 2: store.beat(user, session: "phone", isActive: random.chance(oneIn: 2))
        default: try store.relate(user, .friend, to: "bob")
        }
    }

    @Test(
        "What is taken the short way is what a merge of the facts makes",
        // The first: what a margin had held back was announced anew by a second look at the same instant.
        // The second: a stall that was noticed after he was told idle made him active again.
        // The third: two changes that a margin had held back were announced anew, since what was seen when the second became true was like what came of it.
        arguments: [1_436_922_221_070_767_185, 11_311_477_349_934_618_072, 16_367_223_634_117_918_955]
            .map { SeededRandom(seed: $0) }
            + SeededRandom.cases(300))
    func sameAsFacts(random: SeededRandom) throws {
        var random = random
        let clock = TestClock()
        let source = MergeTests.store(1, clock) {
            $0.replicaLogEntries = 64
            $0.policy.idleAfter = 20_000
            $0.policy.awayAfter = 40_000
        }
        let (short, long) = (Taker(clock), Taker(clock))
        let user = random.pick([
            "alice", "0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5B-D9CB-469F-A165-70867728950E",
        ])
        for _ in 0..<3 {
            try write(source, clock, user, &random)
            let image = try #require(source.image(of: user))
            let now = clock.now()
            let outcomes = try [
                short.store.merge(image.span, from: 1, at: now),
                long.store.mergeFacts(of: image.span, from: 1, at: now),
            ]
            #expect(outcomes[0] == outcomes[1], "\(random)")
            #expect(short.store.image(of: user) == long.store.image(of: user), "\(random)")
            #expect(short.told() == long.told(), "\(random)")
            #expect(short.store.sessions(of: user) == long.store.sessions(of: user), "\(random)")
            for shard in 0..<short.store.shardCount {
                #expect(
                    short.store.replicaLogEnd(shard: shard) == long.store.replicaLogEnd(shard: shard), "\(random)")
            }
            // The same once more is no news, by either way.
            #expect(try !short.store.merge(image.span, from: 1, at: now), "\(random)")
            #expect(try !long.store.mergeFacts(of: image.span, from: 1, at: now), "\(random)")
            #expect(short.told() == long.told(), "\(random)")
        }
        for _ in 0..<40 {
            clock.advance(byMilliseconds: 5_000)
            for store in [short.store, long.store] { store.advance(to: clock.now()) }
            #expect(short.told() == long.told(), "\(random)")
        }
        let counts = [short, long].map { $0.store.statistics() }
        #expect(
            counts[0].sessions == counts[1].sessions && counts[0].presentUsers == counts[1].presentUsers, "\(random)")
    }

    @Test(
        "A user who is known is joined the short way as by his facts, whatever else happened where",
        // Who came home in the margin behind his idleness was told idle by the next look, as of then.
        arguments: [SeededRandom(seed: 8_237_263_924_030_556_063)] + SeededRandom.cases(max(400, ModelTests.seedCount)))
    func joined(random: SeededRandom) throws {
        var random = random
        let clock = TestClock()
        let source = MergeTests.store(1, clock) {
            $0.replicaLogEntries = 64
            $0.policy.idleAfter = 20_000
            $0.policy.awayAfter = 40_000
        }
        let (short, long) = (Taker(clock), Taker(clock))
        try source.connect("alice", session: "phone", device: "mobile", server: "gate")
        for _ in 0..<12 {
            if random.chance(oneIn: 5) {
                try source.connect("alice", session: "phone", device: random.pick(["", "web"]))
            }
            if random.chance(oneIn: 20) { source.disconnect("alice", session: "phone") }
            try change(source, clock, "alice", &random)
            if random.chance(oneIn: 3) {
                // The same at both.
                var copy = random
                try change(short.store, clock, "alice", &random)
                try change(long.store, clock, "alice", &copy)
            }
            if random.chance(oneIn: 3), let image = short.store.image(of: "alice") {
                // Who reads one of them announces what time has changed there: the other is read, too.
                try #require(long.store.image(of: "alice") == image, "\(random)")
                _ = try source.mergeFacts(of: image.span, from: 2, at: clock.now())
            }
            if random.chance(oneIn: 2) { clock.advance(byMilliseconds: Int64.random(in: 0...12_000, using: &random)) }
            let image = source.image(of: "alice", form: random.pick(ImageForm.allCases))
            if random.chance(oneIn: 4) { continue }
            let now = clock.now()
            let outcomes = try [
                short.store.merge(image.span, from: 1, at: now),
                long.store.mergeFacts(of: image.span, from: 1, at: now),
            ]
            #expect(outcomes[0] == outcomes[1], "\(random)")
            try expectSame(short, long, "alice", "\(random)")
        }
        for _ in 0..<30 {
            clock.advance(byMilliseconds: 5_000)
            for store in [short.store, long.store] { store.advance(to: clock.now()) }
            try expectSame(short, long, "alice", "\(random)")
        }
    }

    private func expectSame(_ short: Taker, _ long: Taker, _ user: String, _ seed: String) throws {
        try #require(short.store.image(of: user) == long.store.image(of: user), "\(seed)")
        try #require(short.told() == long.told(), "\(seed)")
        try #require(short.store.sessions(of: user) == long.store.sessions(of: user), "\(seed)")
        let counts = [short, long].map { $0.store.statistics() }
        try #require(
            counts[0].sessions == counts[1].sessions && counts[0].presentUsers == counts[1].presentUsers, "\(seed)")
        for shard in 0..<short.store.shardCount {
            let ends = [short, long].map { $0.store.replicaLogEnd(shard: shard) }
            try #require(ends[0] == ends[1], "\(seed)")
        }
    }

    @Test("What changes of a user with one session is joined the short way, an image after the other")
    func usual() throws {
        let clock = TestClock()
        let (source, target) = (MergeTests.store(1, clock), MergeTests.store(2, clock))
        func expect(_ outcome: ShardState.PlainOutcome) throws {
            for (form, outcome) in zip(ImageForm.allCases, [outcome, .known]) {
                let image = source.image(of: "alice", form: form)
                #expect(try target.take(image.span, from: 1, at: clock.now()) == outcome)
            }
            #expect(target.image(of: "alice") == source.image(of: "alice"))
        }
        try source.connect("alice", session: "phone", device: "mobile", server: "gate")
        try expect(.taken)
        try expect(.known)
        clock.advance(byMilliseconds: 10)
        let end = clock.now().advanced(byMilliseconds: 60_000)
        let texts: [[UInt8]?] = [
            Array("reading".utf8), Array("a much longer text than the one before".utf8), [65], nil,
        ]
        for (status, text) in zip([ManualStatus.dnd, .away, .invisible, nil], texts) {
            try source.set("alice", UserSettings(status: .some(status)))
            try expect(.taken)
            try source.set("alice", UserSettings(activity: .some(text), until: text?.count == 1 ? end : nil))
            try expect(.taken)
            clock.advance(byMilliseconds: 10)
            source.beat("alice", session: "phone", isActive: true)
            try expect(.taken)
            try expect(.known)
        }
    }

    @Test(
        "Bytes that are cut or changed are taken by the short way only where the long way takes them",
        arguments: ImageForm.allCases)
    func broken(form: ImageForm) throws {
        var random = SeededRandom.fromEnvironment()
        let clock = TestClock()
        let source = MergeTests.store(1, clock)
        try source.connect("alice", session: "phone", device: "mobile", server: "gate")
        let end = clock.now().advanced(byMilliseconds: 60_000)
        try source.set("alice", UserSettings(status: .some(.away), activity: .some([65, 66]), until: end))
        let image = source.image(of: "alice", form: form)
        for _ in 0..<4_000 {
            var bytes = image
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
                case 1: bytes.append(UInt8.random(in: 0...255, using: &random))
                default:
                    guard !bytes.isEmpty else { continue }
                    bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            // That would be an image of a string, which goes another way.
            guard bytes.first != StringImage.form else { continue }
            let (short, long) = (MergeTests.store(2, clock), MergeTests.store(2, clock))
            let outcomes = [
                Result { () throws(MergeError) in try short.merge(bytes.span, from: 1, at: clock.now()) },
                Result { () throws(MergeError) in try long.mergeFacts(of: bytes.span, from: 1, at: clock.now()) },
            ]
            check(outcomes[0] == outcomes[1], "\(bytes): \(random)")
            check(short.recordCount() == long.recordCount(), "\(bytes): \(random)")
        }
    }
}
