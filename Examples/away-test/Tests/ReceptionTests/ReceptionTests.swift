import PresenceStore
import PresenceTesting
import Reception
import Testing

@Suite("Calls")
struct ReceptionTests {
    @Test("Who does nothing for half an hour is away, though his computer beats on, and his calls go to voicemail")
    func away() throws {
        let clock = TestClock()
        var configuration = ShardedStore.Configuration()
        configuration.clock = clock
        let store = ShardedStore(configuration)
        let reception = Reception(store)

        try store.connect("alice", session: "desk")
        store.beat("alice", session: "desk", isActive: true)
        for _ in 1..<60 {
            clock.advance(byMilliseconds: 30_000)
            #expect(store.beat("alice", session: "desk"))
            #expect(reception.destination(ofCallFor: "alice") == .desk)
        }
        clock.advance(byMilliseconds: 29_999)
        #expect(store.status(of: "alice") == .idle)
        clock.advance(byMilliseconds: 1)
        #expect(store.status(of: "alice") == .away)
        #expect(reception.destination(ofCallFor: "alice") == .voicemail)

        store.beat("alice", session: "desk", isActive: true)
        #expect(reception.destination(ofCallFor: "alice") == .desk)
    }

    @Test("What time does is announced at the instant at which it happened, however late the look")
    func announced() throws {
        let clock = TestClock()
        var configuration = ShardedStore.Configuration()
        configuration.clock = clock
        let store = ShardedStore(configuration)
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }

        try store.connect("alice", session: "desk", ConnectOptions(ttlMilliseconds: 60_000))
        let end = clock.now().advanced(byMilliseconds: 60_000)
        clock.advance(byMilliseconds: 75_000)
        store.advance(to: clock.now())

        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { reader.read(shard: shard, into: &events) }
        let changes = events.compactMap { if case .status(let change) = $0 { change } else { nil } }
        #expect(changes.map(\.new) == [.online, .offline])
        #expect(changes.last?.timestamp == end)
        #expect(changes.last?.reason == .heartbeatTimeout)
    }
}
