import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// What a shard's log tells other nodes, where changes and reading meet.
@Suite("The log for other nodes")
struct ReplicaLogTests {
    /// Reads the only shard's log to its end, by calls one after the other. Returns the last image of each user, and where the end is.
    private func readAll(
        _ store: ShardedStore, from begin: UInt64 = 0, at now: Timestamp
    ) throws -> (images: [String: ReplicaFacts], end: UInt64) {
        var images: [String: ReplicaFacts] = [:]
        var position = begin
        while true {
            var bytes: [[UInt8]] = []
            let read = store.readReplicaLog(
                shard: 0, from: position, limit: 1_024, at: now,
                image: { image in
                    bytes.append(image.withUnsafeBufferPointer { Array($0) })
                    return true
                }, beat: { _ in })
            for image in bytes {
                let facts = try UserImage.facts(in: image.span)
                images[String(decoding: facts.id, as: UTF8.self)] = facts
            }
            guard case .upTo(let end, let isEnd) = read else {
                Issue.record("overwritten")
                return (images, position)
            }
            position = end
            if isEnd { return (images, position) }
        }
    }

    private func store(_ clock: TestClock) -> ShardedStore {
        MergeTests.store(1, clock) {
            $0.shards = 1
            $0.replicaLogEntries = 4_096
            // Time goes on in leaps.
            $0.stallHold = 0
        }
    }

    @Test(
        "Who changes while a long log is read, between two holds of its lock, is told again by the next call",
        arguments: [false, true])
    func changesWhileRead(isLast: Bool) throws {
        let clock = TestClock()
        let store = store(clock)
        try store.connect("alice", session: "phone")
        for number in 0..<100 { try store.connect("user-\(number)", session: "phone") }
        // The entry that is last when reading begins stands for no change of later.
        if isLast { try store.connect("alice", session: "laptop") }
        // All have run out, and nobody has looked: the first hold announces that, and whoever listens is woken once it is over.
        clock.advance(byMilliseconds: 600_000)
        let hasSet = Lock(false)
        let listener = store.listen { _ in
            let isFirst = hasSet.withLock { hasSet in
                defer { hasSet = true }
                return !hasSet
            }
            if isFirst { _ = try? store.set("alice", UserSettings(status: .some(.dnd))) }
        }
        defer { store.cancel(listener) }
        let told = try readAll(store, at: clock.now()).images
        #expect(hasSet.withLock { $0 } && told.count == 101)
        #expect(told["alice"]?.facts.manual.value == .dnd)
    }

    @Test(
        "Who changes while everybody is copied is told from the position that was taken before, also who changed last")
    func changesWhileCopied() throws {
        let clock = TestClock()
        let store = store(clock)
        try store.connect("alice", session: "phone")
        // Nobody has read yet: a copy begins, and goes on from here.
        let position = store.closeReplicaLog(shard: 0)
        try store.set("alice", UserSettings(status: .some(.dnd)))
        let told = try readAll(store, from: position, at: clock.now()).images
        #expect(told["alice"]?.facts.manual.value == .dnd)
    }

    @Test("A flush is told by itself; what it comes to where something newer was told before, no other node can know")
    func flushOfNewer() throws {
        let clock = TestClock()
        let store = store(clock)
        for user in ["alice", "bob", "carol"] { try store.connect(user, session: "phone") }
        try store.set("carol", UserSettings(status: .some(.invisible)))
        // Another node's clock is behind, and it has not heard of what is written here now.
        let flush = Stamp(clock.now().advanced(byMilliseconds: 5), node: 2)
        clock.advance(byMilliseconds: 10)
        try store.set("alice", UserSettings(status: .some(.dnd)))
        let position = try readAll(store, at: clock.now()).end
        #expect(store.beginFlush(upTo: flush, at: clock.now()))
        var cursor: UInt64 = 0
        repeat { cursor = store.removeAll(from: cursor, upTo: flush, at: clock.now()) } while cursor != 0
        #expect(["alice", "bob", "carol"].allSatisfy { store.status(of: $0) == .offline })
        let told = try readAll(store, from: position, at: clock.now()).images
        #expect(Array(told.keys) == ["alice"])
        #expect(told["alice"]?.version ?? .zero > flush)
    }

    @Test("Activity that a home told to one node alone is told on to the next home: the first may be gone")
    func activityOfWhoIsGone() throws {
        let clock = TestClock()
        let stores = (1...3).map { node in
            MergeTests.store(UInt8(node), clock) {
                $0.shards = 1
                $0.replicaLogEntries = 64
                $0.stallHold = 0
            }
        }
        func tell(_ from: Int, to: Int) throws {
            let image = try #require(stores[from].image(of: "alice"))
            _ = try stores[to].merge(image.span, from: UInt8(from + 1), at: clock.now())
        }
        try stores[0].connect("alice", session: "phone")
        try tell(0, to: 1)
        try tell(0, to: 2)
        clock.advance(byMilliseconds: 5_000)
        #expect(stores[0].beat("alice", session: "phone", isActive: true))
        let acted = clock.now()
        try tell(0, to: 2)
        let position = try readAll(stores[2], at: clock.now()).end
        clock.advance(byMilliseconds: 1_000)
        #expect(stores[1].beat("alice", session: "phone"))
        try tell(1, to: 2)
        let told = try readAll(stores[2], from: position, at: clock.now()).images
        #expect(told["alice"]?.facts.sessions[Array("phone".utf8)]?.activity == acted)
        try tell(2, to: 1)
        // Both know the same now, and have no more to say.
        let (second, third) = (stores[1].replicaLogEnd(shard: 0), stores[2].replicaLogEnd(shard: 0))
        try tell(1, to: 2)
        try tell(2, to: 1)
        #expect(stores[1].replicaLogEnd(shard: 0) == second && stores[2].replicaLogEnd(shard: 0) == third)
    }
}
