import PresenceStore
import PresenceTesting
import Testing

/// The code that the articles of the documentation show and no example has. `Tests/TidyTests` hold the two to be the same.
@Suite("The articles' code does what they say")
struct ArticleTests {
    private let store: ShardedStore
    private let now: Timestamp

    init() {
        let clock = TestClock()
        var configuration = ShardedStore.Configuration()
        configuration.clock = clock
        store = ShardedStore(configuration)
        now = clock.now()
    }

    @Test("Asking of a user: his status, when he was last seen, his devices")
    func asking() throws {
        try store.connect("alice", session: "phone", device: "mobile")
        store.beat("alice", session: "phone", isActive: true)

        let status = store.status(of: "alice")
        let lastSeen = store.describe("alice")?.lastSeen
        let devices = store.sessions(of: "alice").compactMap(\.device)

        #expect(status == .online)
        #expect(lastSeen == now)
        #expect(devices == [Array("mobile".utf8)])
    }

    @Test("Asking why a viewer sees what he sees")
    func explaining() throws {
        try store.relate("alice", .block, to: "bob")

        let rule = store.explain("alice", for: "bob").viewer?.rule

        #expect(rule == .blocked)
    }

    @Test("Keeping what events say, and beginning anew after some were missed")
    func missing() throws {
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        var known: [[UInt8]: Status] = [:]
        var misses = 0
        func read() {
            var events: [StoreEvent] = []
            for shard in 0..<store.shardCount { while !reader.read(shard: shard, into: &events) {} }
            for event in events {
                switch event {
                case .status(let change): known[change.userID] = change.new
                case .missed: known = [:]
                default: break
                }
                if case .missed = event { misses += 1 }
            }
        }
        try store.connect("alice", session: "phone")
        try store.connect("bob", session: "phone")
        store.disconnect("bob", session: "phone")
        read()
        #expect(known == [Array("alice".utf8): .online, Array("bob".utf8): .offline])
        #expect(misses == 0)
        // More than a ring of 128 KiB holds, all of them bob's.
        for _ in 0..<5_000 {
            try store.connect("bob", session: "phone")
            store.disconnect("bob", session: "phone")
        }
        read()
        #expect(misses == 1)
        #expect(known[Array("bob".utf8)] == .offline)
    }

    @Test("Two users' statuses of one instant")
    func atomically() throws {
        let alice = Array("alice".utf8)
        let bob = Array("bob".utf8)
        func canMeet() -> Bool {
            var shards = ShardSet()
            shards.insert(store.shard(of: .presence, alice.span))
            shards.insert(store.shard(of: .presence, bob.span))
            let canMeet = store.atomically(shards) { held in
                held.status(of: alice.span, at: now) == .online && held.status(of: bob.span, at: now) == .online
            }
            return canMeet
        }
        try store.connect("alice", session: "phone")
        #expect(!canMeet())
        try store.connect("bob", session: "phone")
        #expect(canMeet())
    }
}
