import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

@Suite("One call of a walk is bounded")
struct WalkTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    @Test("A call of a walk looks at a thousand records that are no keys, and not at all there are")
    func scanPastOfflineUsers() throws {
        let store = ShardedStore.standing(at: now, shards: 4)
        for number in 0..<5_000 {
            let name = SlowModel.Name("n\(number)")
            try store.connect(name, session: "s", at: now)
            if number % 1_000 != 0 { store.remove(.presence, name, at: now) }
        }
        var seen = 0
        var calls = 0
        var cursor: UInt64 = 0
        repeat {
            cursor = store.scan(cursor: cursor, count: 10, at: now) { _, _ in seen += 1 }
            calls += 1
        } while cursor != 0
        #expect(seen == 5)
        #expect((4...6).contains(calls))
    }

    @Test("A walk copies long keys some at a time, each once")
    func scanLongKeys() throws {
        let store = ShardedStore.standing(at: now, shards: 1)
        let long = String(repeating: "x", count: 20_000)
        for number in 0..<100 { try store.setString(.init(long + "\(number)"), "v", at: now) }
        var seen: Set<[UInt8]> = []
        var calls = 0
        var cursor: UInt64 = 0
        repeat {
            cursor = store.scanPart(cursor: cursor, count: 1_000, at: now) { _, key in
                #expect(seen.insert(Array(copying: key)).inserted)
                return seen.count % 10 != 0
            }
            calls += 1
        } while cursor != 0
        #expect(seen.count == 100)
        #expect((10...11).contains(calls))
        store.resetStatistics()
        _ = store.scan(cursor: 0, count: 1_000, at: now) { _, _ in }
        #expect(store.statistics().lockHolds.count >= 25, "four keys a lock hold")
    }
}
