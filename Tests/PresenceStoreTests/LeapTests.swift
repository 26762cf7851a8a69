import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// A wheel that was not turned for longer than it reaches.
@Suite("Leaps of the wheel")
struct LeapTests {
    /// After 497 days, when a record's armed tick looks like one of now, and with a leap that is not through when the next one begins.
    @Test("What ends while the wheel leaps has its own instant, wherever its windows lie")
    func leapWhileItLeaps() throws {
        for offset in 0..<40 {
            let start = Timestamp(milliseconds: 1_767_225_600_000 + 17 * Int64(offset))
            var configuration = ShardedStore.Configuration()
            configuration.shards = 1
            configuration.clock = TestClock(start.advanced(byMilliseconds: -5_000))
            configuration.policy.disconnectGrace = 0
            configuration.sessionTTLMilliseconds = 8_000
            let store = ShardedStore(configuration)
            let reader = store.makeReader { _ in }
            defer { reader.cancel() }
            // The first leap comes to the guest, and no farther.
            try store.connect("guest", session: "s", at: start.advanced(byMilliseconds: -5_000))
            try store.connect("alice", session: "a", at: start)
            let again = start.advanced(byMilliseconds: (10 << 32) - 5_000)
            try store.connect("alice", session: "b", at: again)
            store.advance(to: again, budget: 1)
            store.advance(to: again.advanced(byMilliseconds: 20_000))
            var events: [StoreEvent] = []
            while !reader.read(shard: 0, into: &events) {}
            let ends = events.compactMap { event -> Timestamp? in
                guard case .status(let change) = event, change.userID == Array("alice".utf8), change.new == .offline
                else { return nil }
                return change.timestamp
            }
            #expect(ends == [start, again].map { $0.advanced(byMilliseconds: 8_000) }, "offset \(offset)")
        }
    }
}
