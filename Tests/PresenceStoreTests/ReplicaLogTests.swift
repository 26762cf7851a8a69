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
}
