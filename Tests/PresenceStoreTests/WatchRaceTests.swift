import Presence
import PresenceTesting
import Synchronization
import Testing

@testable import PresenceStore

@Suite("Many who go on from cursors of one list")
struct WatchRaceTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    /// A client who goes on and on from what he was given last.
    private final class Client: Sendable {
        private struct State {
            var cursor = ""
            var known: [[UInt8]: Status] = [:]
        }

        private let state = Lock(State())

        func status(of user: SlowModel.Name) -> Status? { state.withLock { $0.known[user.bytes] } }

        func goOn(_ store: ShardedStore, _ bytes: [UInt8], _ ranges: [KeyRange], at now: Timestamp) {
            let cursor = state.withLock { $0.cursor }
            guard
                let reply = try? store.watch(
                    SlowModel.Name("me").bytes.span, since: Array(cursor.utf8).span, bytes.span, ranges.span, at: now,
                    wake: { _ in })
            else { return }
            state.withLock { state in
                if !reply.isResumed { state.known = [:] }
                for row in reply.rows { state.known[row.id] = row.status }
                state.cursor = reply.cursor
            }
        }
    }

    @Test("lose nobody by a call that is refused beside theirs, and come to no longer list than there may be")
    func refusedBeside() throws {
        let store = ShardedStore.standing(at: start, shards: 2) {
            $0.maxWatch = 400
            $0.maxWatchersPerUser = 1
        }
        let users = (0..<300).map { SlowModel.Name("user-\($0)") }
        let others = (0..<300).map { SlowModel.Name("other-\($0)") }
        let (me, start) = (SlowModel.Name("me").bytes, start)
        @Sendable func watch(_ viewer: [UInt8], _ users: [SlowModel.Name]) throws(StoreError) {
            let (bytes, ranges) = ModelRun.joined(users)
            _ = try store.watch(viewer.span, since: Span(), bytes.span, ranges.span, at: start) { _ in }
        }
        @Sendable func unwatch(_ users: [SlowModel.Name]) -> Int {
            let (bytes, ranges) = ModelRun.joined(users)
            return store.unwatch(me.span, bytes.span, ranges.span)
        }
        try watch(SlowModel.Name("somebody").bytes, ["full"])
        for _ in 0..<40 {
            onThreads([
                { #expect(throws: StoreError.tooManyWatchers(limit: 1)) { try watch(me, users + ["full"]) } },
                { #expect(throws: Never.self) { try watch(me, users) } },
            ])
            #expect(unwatch(users) == 300)
            let answered = Atomic(0)
            onThreads(
                [users, others].map { list in
                    { if (try? watch(me, list)) != nil { answered.add(1, ordering: .relaxed) } }
                })
            let count = unwatch(users) + unwatch(others)
            #expect(count == 300 * answered.load(ordering: .relaxed) && count <= 400)
        }
        // Who alone made a list, and was refused, leaves none.
        if let list = store.watch(of: me.span) { store.endWatch(list) }
        #expect(throws: StoreError.tooManyWatchers(limit: 1)) { try watch(me, users + ["full"]) }
        #expect(store.watchCount == 1)
    }

    @Test("know all that they may after quiet, while frames of it are taken and all change")
    func everybodyKnows() throws {
        var configuration = ShardedStore.Configuration()
        configuration.shards = 2
        configuration.clock = TestClock(start)
        configuration.statusChangesPerMinute = 0
        let store = ShardedStore(configuration)
        // More than are looked at under one hold of the list's lock.
        let users = (0..<640).map { SlowModel.Name("user-\($0)") }
        for user in users { try store.connect(user, session: "s", at: start) }
        let (bytes, ranges) = ModelRun.joined(users)
        let clients = (0..<3).map { _ in Client() }
        for client in clients { client.goOn(store, bytes, ranges, at: start) }
        let found = store.watch(of: SlowModel.Name("me").bytes.span)
        let watch = try #require(found)
        for round in 0..<12 {
            let isOver = Atomic<Bool>(false)
            let start = start
            let change: @Sendable () -> Void = {
                for status in [ManualStatus.dnd, .away, .dnd, round.isMultiple(of: 2) ? .away : .dnd] {
                    for user in users {
                        try? store.set(user.bytes.span, UserSettings(status: .some(status)), at: start)
                    }
                    for shard in 0..<store.shardCount { while store.pumpWatches(shard: shard) {} }
                }
                isOver.store(true, ordering: .releasing)
            }
            let frames: @Sendable () -> Void = {
                while !isOver.load(ordering: .acquiring) { _ = store.takeFrame(of: watch, at: start) }
            }
            let loops = clients.map { client -> @Sendable () -> Void in
                {
                    while !isOver.load(ordering: .acquiring) {
                        client.goOn(store, bytes, ranges, at: start)
                    }
                }
            }
            onThreads([change, frames] + loops)
            while store.takeFrame(of: watch, at: start).hasMore {}
            for client in clients {
                client.goOn(store, bytes, ranges, at: start)
                let wrong = users.filter { client.status(of: $0) != store.describe($0.bytes.span, at: start)?.status }
                #expect(wrong.isEmpty, "\(wrong.count) in round \(round)")
            }
        }
    }
}
