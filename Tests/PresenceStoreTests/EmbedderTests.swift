import PresenceStore
import Testing

/// What an embedder sees who imports the store alone, as this file does.
@Suite("Embedding")
struct EmbedderTests {
    private struct StoppedClock: PresenceClock {
        func now() -> Timestamp { Timestamp(milliseconds: 1_767_225_600_000) }
    }

    @Test("The types of the rules have their names here too")
    func names() throws {
        var policy = Policy()
        policy.idleAfter = 60_000
        var configuration = ShardedStore.Configuration()
        configuration.policy = policy
        configuration.clock = StoppedClock()
        let store = ShardedStore(configuration)
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        let brought: SessionStatus = .dnd
        try store.connect("alice", session: "calendar", ConnectOptions(brought: brought))
        let manual: ManualStatus = .away
        try store.set("alice", UserSettings(status: .some(manual)))
        let status: Status = store.status(of: "alice")
        #expect(status == .away)
        #expect(store.disconnect("alice", session: "calendar", reason: Reason.disconnect))
        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { reader.read(shard: shard, into: &events) }
        let changes: [StatusChange] = events.compactMap { if case .status(let change) = $0 { change } else { nil } }
        let versions: [Stamp] = changes.map(\.version)
        #expect(changes.map(\.new) == [.dnd, .away, .offline])
        #expect(versions == versions.sorted() && Set(versions).count == 3)
    }

    @Test("Strings with a TTL, by text and with the store's own clock")
    func strings() throws {
        var configuration = ShardedStore.Configuration()
        configuration.clock = StoppedClock()
        let store = ShardedStore(configuration)
        try store.setString("greeting", "hello", lifetime: .milliseconds(1_500))
        #expect(store.getString("greeting") == "hello")
        #expect(store.timeToLive(.string, "greeting") == .milliseconds(1_500))
        #expect(store.remove(.string, "greeting"))
        #expect(store.getString("greeting") == nil)
        try store.setString("greeting", "hello")
        #expect(store.timeToLive(.string, "greeting") == .persistent)
    }
}
