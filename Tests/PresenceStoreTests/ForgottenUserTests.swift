import Presence
import PresenceStore
import PresenceTesting
import Testing

@Suite("Changes of users who are forgotten for memory")
struct ForgottenUserTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    private func changes(
        _ store: ShardedStore, since cursor: inout ShardedStore.ChangeCursor, limit: Int, at now: Timestamp
    ) throws -> [ChangedUser] {
        var users: [ChangedUser] = []
        while true {
            let found = try store.changes(since: cursor, limit: limit, at: now)
            cursor = .text(Array(found.cursor.utf8))
            if found.users.isEmpty { return users }
            users += found.users
        }
    }

    @Test(
        "A busy user keeps nobody else's changes from who asks for fewer than there are shards", arguments: [1, 3, 40])
    func fairShares(_ limit: Int) throws {
        let store = ShardedStore.standing(at: start, shards: 32) {
            $0.changeRingBytes = 1 << 16
            $0.statusChangesPerMinute = 0
        }
        var cursor = ShardedStore.ChangeCursor.text(Array(try store.changes(since: .newest, at: start).cursor.utf8))
        let quiet = Set((0..<64).map { Array("quiet-\($0)".utf8) })
        for user in quiet { try store.connect(SlowModel.Name(user), session: "s", at: start) }
        var missing = quiet
        for round in 0..<300 where !missing.isEmpty {
            for busy in 0..<32 {
                let change = UserSettings(status: .some(round % 2 == 0 ? .dnd : .away))
                try store.set(SlowModel.Name("busy-\(busy)").bytes.span, change, at: start)
            }
            let found = try store.changes(since: cursor, limit: limit, at: start)
            cursor = .text(Array(found.cursor.utf8))
            #expect(found.users.count <= limit)
            missing.subtract(found.users.map(\.id))
        }
        #expect(missing.isEmpty)
    }

    @Test(
        "tell once that they are offline, in their order, also of those who are known anew", arguments: [1, 7, 1_000])
    func offline(_ limit: Int) throws {
        var configuration = ShardedStore.Configuration()
        configuration.shards = 1
        configuration.changeRingBytes = 1 << 20
        configuration.clock = TestClock(start)
        let store = ShardedStore(configuration)
        let users = (0..<1_000).map { SlowModel.Name("user-\($0)") }
        // Twice on and once off: only the last change counts.
        for user in users { try store.connect(user, session: "s", at: start) }
        var cursor = ShardedStore.ChangeCursor.newest
        #expect(try changes(store, since: &cursor, limit: limit, at: start).isEmpty)
        for user in users {
            store.remove(.presence, user, at: start)
            try store.connect(user, session: "t", at: start.advanced(byMilliseconds: 1))
        }
        let left = start.advanced(byMilliseconds: 2)
        for user in users { store.remove(.presence, user, at: left) }
        let later = start.advanced(byMilliseconds: 400_000)
        store.advance(to: later)
        store.setMaxMemory(store.usedBytes)
        for number in 0..<400 {
            _ = try? store.setString(
                .init("key-\(number)"), .init(String(repeating: "v", count: 200)), at: later)
        }
        store.setMaxMemory(0)
        let evicted = users.filter { store.describe($0.bytes.span, at: later) == nil }
        #expect(evicted.count > 300 && evicted.count == Int(store.statistics().evictedUsers))
        // Some of them are known again, since somebody watches them.
        let (bytes, ranges) = ModelRun.joined(Array(evicted.prefix(100)))
        _ = try store.watch(SlowModel.Name("me").bytes.span, since: Span(), bytes.span, ranges.span, at: later) { _ in }
        let found = try changes(store, since: &cursor, limit: limit, at: later)
        #expect(found.map { SlowModel.Name($0.id) } == users)
        #expect(found.allSatisfy { $0.status == .offline && $0.activity == nil })
        #expect(found.allSatisfy { $0.version > Stamp(start) })
        // Who comes back is told as any other.
        let back = evicted[evicted.count - 1]
        try store.connect(back, session: "s", at: later)
        let again = try changes(store, since: &cursor, limit: limit, at: later)
        #expect(again.map { SlowModel.Name($0.id) } == [back] && again.first?.status == .online)
    }
}
