import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// How long the key of a user lives: what `TTL` says, and what writes do to it.
@Suite("Lifetimes of users' keys")
struct LifetimeTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: now, change)
    }

    private func later(_ milliseconds: Int64) -> Timestamp { now.advanced(byMilliseconds: milliseconds) }

    private func left(_ store: ShardedStore, _ milliseconds: Int64 = 0) -> TimeToLive {
        store.timeToLive(.presence, "u".utf8.span, at: later(milliseconds))
    }

    @Test("What is left of a key is left until it is gone: a passive session keeps it, and nobody online")
    func passive() throws {
        let store = store()
        try store.connect("u", session: "phone", ConnectOptions(ttlMilliseconds: 10_000), at: now)
        #expect(left(store) == .milliseconds(10_000))
        let calendar = ConnectOptions(ttlMilliseconds: 60_000, brought: .dnd, isPassive: true)
        try store.connect("u", session: "calendar", calendar, at: now)
        #expect(left(store) == .milliseconds(60_000))
        #expect(store.status(of: "u", at: later(9_999)) == .dnd)
        #expect(store.status(of: "u", at: later(10_000)) == .offline)
        #expect(store.exists(.presence, "u", at: later(10_000)))
        #expect(left(store, 10_000) == .milliseconds(50_000))
        store.advance(to: later(59_990))
        #expect(store.exists(.presence, "u", at: later(59_999)))
        #expect(!store.exists(.presence, "u", at: later(60_000)))
        #expect(left(store, 60_000) == .missing)
    }

    @Test("A session that is opened with KEEPTTL ends when the key does, whatever keeps the key")
    func keepTTL() throws {
        let store = store { $0.policy.disconnectGrace = 7_000 }
        let kept = RecordWrite(status: .online, keepsTTL: true)
        #expect(try store.write("u", session: "phone", kept, at: now))
        #expect(left(store) == .milliseconds(120_000), "there was no key: the TTL is that of any session")
        #expect(try store.write("u", session: "tablet", kept, at: later(110_000)))
        #expect(left(store, 110_000) == .milliseconds(10_000))
        let ends = store.sessions(of: "u".utf8.span, at: later(110_000)).map(\.expiresAt)
        #expect(ends == [later(120_000), later(120_000)])
        #expect(store.status(of: "u", at: later(119_999)) == .online)
        #expect(!store.exists(.presence, "u", at: later(120_000)))

        let calendar = ConnectOptions(ttlMilliseconds: 300_000, isPassive: true)
        try store.connect("u", session: "calendar", calendar, at: later(200_000))
        #expect(try store.write("u", session: "phone", kept, at: later(210_000)))
        #expect(left(store, 210_000) == .milliseconds(290_000))
        #expect(store.status(of: "u", at: later(499_999)) == .online)
        #expect(!store.exists(.presence, "u", at: later(500_000)))

        try store.connect("u", session: "phone", at: later(600_000))
        store.disconnect("u", session: "phone", at: later(600_000))
        #expect(try store.write("u", session: "phone", kept, at: later(605_000)))
        #expect(left(store, 605_000) == .milliseconds(2_000), "of a grace")
        #expect(!store.exists(.presence, "u", at: later(607_000)))
    }

    @Test("A record with KEEPTTL is a heartbeat of a session that lives, which keeps the TTL that it has")
    func keepTTLOfLiveSession() throws {
        let store = store()
        try store.connect("u", session: "phone", ConnectOptions(ttlMilliseconds: 60_000), at: now)
        #expect(try store.write("u", session: "phone", RecordWrite(status: .dnd, keepsTTL: true), at: later(50_000)))
        #expect(left(store, 50_000) == .milliseconds(60_000))
        #expect(store.beat("u", session: "phone", at: later(100_000)))
        #expect(left(store, 100_000) == .milliseconds(60_000))
    }
}
