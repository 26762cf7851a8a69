import Presence
import PresenceStore
import PresenceTesting
import Testing

/// Threads read the clock once for many operations, and wait for locks: what comes to a shard may be of an instant before what others were told there.
@Suite("Operations of an older time")
struct OlderTimeTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)
    private func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }
    private let alice = SlowModel.Name("alice").bytes

    private func store() -> ShardedStore {
        .standing(at: start) {
            $0.policy.idleAfter = 10_000
            $0.policy.lostGrace = 0
            $0.policy.disconnectGrace = 0
            $0.sessionTTLMilliseconds = 60_000
        }
    }

    private func told(_ reader: EventReader) -> [String] {
        var events: [StoreEvent] = []
        while !reader.read(shard: 0, into: &events) {}
        return events.compactMap { event in
            guard case .status(let change) = event else { return nil }
            let since = change.since.map { "\($0.milliseconds(since: start))" } ?? "never"
            return "\(change.timestamp.milliseconds(since: start)): "
                + "\(change.old.word) -> \(change.new.word), since \(since)"
        }
    }

    /// How others were told that he is idle: by the wheel, or by somebody's read.
    enum Teller: CaseIterable { case wheel, reader }

    /// Alice acts, and is told idle 10 s later by a look at 10.1 s.
    private func turnIdle(_ store: ShardedStore, _ teller: Teller) throws {
        try store.connect("alice", session: "s", at: start)
        store.beat("alice", session: "s", isActive: true, at: start)
        switch teller {
        case .wheel: store.advance(to: later(10_100))
        case .reader: #expect(store.status(of: "alice", at: later(10_100)) == .idle)
        }
    }

    @Test("Who was told idle is not active again for a read of before", arguments: Teller.allCases)
    func reads(_ teller: Teller) throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        try turnIdle(store, teller)
        #expect(store.status(of: "alice", at: later(9_900)) == .idle)
        #expect(store.describe(alice.span, at: later(9_900))?.status == .idle)
        #expect(store.beat("alice", session: "s", at: later(9_900)))
        #expect(told(reader) == ["0: offline -> online, since never", "10000: online -> idle, since 0"])
    }

    @Test("What happens after it, by an older clock, happens no earlier", arguments: Teller.allCases)
    func writes(_ teller: Teller) throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        try turnIdle(store, teller)
        #expect(store.beat("alice", session: "s", isActive: true, at: later(9_900)))
        #expect(store.disconnect("alice", session: "s", reason: .disconnect, at: later(9_950)))
        #expect(
            told(reader) == [
                "0: offline -> online, since never", "10000: online -> idle, since 0",
                "10100: idle -> online, since 10000", "10100: online -> offline, since 10100",
            ])
    }

    @Test("Whose TTL ran out is not back for a read, nor a heartbeat, of before", arguments: Teller.allCases)
    func ends(_ teller: Teller) throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        try store.connect("alice", session: "s", at: start)
        switch teller {
        case .wheel: store.advance(to: later(60_020))
        case .reader: #expect(store.status(of: "alice", at: later(60_020)) == .offline)
        }
        #expect(store.status(of: "alice", at: later(59_900)) == .offline)
        #expect(!store.beat("alice", session: "s", at: later(59_900)))
        #expect(told(reader) == ["0: offline -> online, since never", "60000: online -> offline, since 0"])
    }
}
