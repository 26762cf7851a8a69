import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Who listens for what other nodes are to be told.
@Suite("Who listens to the log of a shard")
struct LogListenerTests {
    private let clock = TestClock()
    private let store: ShardedStore
    private let heard = Heard()
    private let listener: ShardListener

    init() throws {
        store = MergeTests.store(1, clock) {
            $0.shards = 1
            $0.replicaLogEntries = 64
            $0.sessionTTLMilliseconds = 10_000
        }
        listener = store.listenToReplicaLogs { [heard] _, isUrgent in heard.all.withLock { $0.append(isUrgent) } }
    }

    /// What a listener heard: whether it was urgent, each time.
    private final class Heard: Sendable {
        let all = Lock<[Bool]>([])
    }

    private func takeHeard() -> [Bool] {
        heard.all.withLock { all in
            defer { all = [] }
            return all
        }
    }

    /// Reads all that there is, as a link does that has told it.
    @discardableResult
    private func readAll(from position: UInt64 = 0) -> (images: Int, beats: Int) {
        var (images, beats) = (0, 0)
        let read = store.readReplicaLog(
            shard: 0, from: position, limit: 64, at: clock.now(),
            image: { _ in
                images += 1
                return true
            }, beat: { _ in beats += 1 })
        #expect(read == .upTo(store.replicaLogEnd(shard: 0), isEnd: true))
        return (images, beats)
    }

    /// Users beat until the first deadline that others know, and a timer has noted it.
    private func beat(_ users: [String]) {
        for _ in 0..<5 {
            clock.advance(byMilliseconds: 2_500)
            for user in users { store.beat(user, session: "phone") }
            store.advance(to: clock.now())
        }
    }

    @Test("Heartbeats are not urgent; the first change behind them is, though nobody has read since")
    func beats() throws {
        try store.connect("alice", session: "phone")
        #expect(takeHeard() == [true])
        let told = store.replicaLogEnd(shard: 0)
        #expect(readAll() == (1, 0))
        beat(["alice"])
        #expect(takeHeard() == [false])
        try store.connect("bob", session: "phone")
        #expect(takeHeard() == [true])
        try store.connect("carol", session: "phone")
        #expect(takeHeard() == [], "nobody has read since")
        #expect(readAll(from: told) == (2, 1))
    }

    @Test("A change of the very user whose heartbeat is noted last, and not read, is urgent")
    func sameUser() throws {
        try store.connect("alice", session: "phone")
        readAll()
        beat(["alice"])
        let told = store.replicaLogEnd(shard: 0) - 1
        #expect(takeHeard() == [true, false])
        try store.set("alice", UserSettings(status: .some(.dnd)))
        #expect(takeHeard() == [true])
        #expect(readAll(from: told).images == 1)
        #expect(takeHeard() == [])
    }

    @Test("Heartbeats are told of each time, until nobody listens")
    func again() throws {
        try store.connect("alice", session: "phone")
        try store.connect("bob", session: "phone")
        readAll()
        #expect(takeHeard() == [true])
        for _ in 0..<2 {
            beat(["alice", "bob"])
            let news = takeHeard()
            #expect(!news.isEmpty && !news.contains(true))
        }
        store.cancel(listener)
        beat(["alice", "bob"])
        #expect(takeHeard() == [])
    }
}
