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
            configuration.wheelTick = .tenMilliseconds
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

    /// A record's ticks have 32 bits and 0 is none of them, so that of the wrap looks like the next one.
    @Test("What ends about the wrap of the ticks has its own instant", arguments: [1, 8])
    func wrapOfTicks(shards: Int) throws {
        let wrap = Timestamp(milliseconds: 42 * 10 << 32)
        var configuration = ShardedStore.Configuration()
        configuration.shards = shards
        configuration.clock = TestClock(wrap.advanced(byMilliseconds: -9_000))
        configuration.wheelTick = .tenMilliseconds
        configuration.policy.disconnectGrace = 0
        configuration.sessionTTLMilliseconds = 8_000
        let store = ShardedStore(configuration)
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        // Shards shift their ticks by up to 63: one at least ends at the wrap of its own.
        let ends = (-700...100).map { wrap.advanced(byMilliseconds: Int64($0)) }
        for end in ends {
            let user = SlowModel.Name(Array("user:\(end.milliseconds)".utf8))
            try store.connect(user, session: "s", at: end.advanced(byMilliseconds: -8_000))
        }
        store.advance(to: wrap.advanced(byMilliseconds: 1_000))
        var told: [Timestamp] = []
        for shard in 0..<shards {
            var events: [StoreEvent] = []
            while !reader.read(shard: shard, into: &events) {}
            for case .status(let change) in events where change.new == .offline {
                #expect(String(decoding: change.userID, as: UTF8.self) == "user:\(change.timestamp.milliseconds)")
                #expect(change.reason == .heartbeatTimeout)
                told.append(change.timestamp)
            }
        }
        #expect(told.sorted() == ends)
    }
}
