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
        if random.chance(oneIn: 8) { try store.set(user, UserSettings(status: .some(.away))) }
        if random.chance(oneIn: 8) { store.disconnect(user, session: session) }
        if random.chance(oneIn: 8) { try store.connect(user, session: "second") }
        clock.advance(byMilliseconds: Int64.random(in: 0...30_000, using: &random))
    }

    @Test("What is taken the short way is what a merge of the facts makes", arguments: SeededRandom.cases(300))
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

    @Test("Bytes that are cut or changed are taken by the short way only where the long way takes them")
    func broken() throws {
        var random = SeededRandom.fromEnvironment()
        let clock = TestClock()
        let source = MergeTests.store(1, clock)
        try source.connect("alice", session: "phone", device: "mobile", server: "gate")
        let image = try #require(source.image(of: "alice"))
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
