import Presence
import PresenceStore
import PresenceTesting
import Synchronization
import Testing

/// Lists of viewers: bounds, memory, cursors, and telling in slices.
@Suite("Watching in the store")
struct WatchTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: start, change)
    }

    private func watch(
        _ store: ShardedStore, _ viewer: String, _ users: [String], since cursor: String = "", at now: Timestamp? = nil
    ) throws(StoreError) -> WatchReply {
        let (bytes, ranges) = ModelRun.joined(users.map { SlowModel.Name(stringLiteral: $0) })
        return try store.watch(
            Array(viewer.utf8).span, since: Array(cursor.utf8).span, bytes.span, ranges.span, at: now ?? start
        ) { _ in }
    }

    private func frame(_ store: ShardedStore, _ watch: Watch) -> WatchFrame? {
        for shard in 0..<store.shardCount { while store.pumpWatches(shard: shard) {} }
        return store.takeFrame(of: watch, at: start).frame
    }

    private func names(_ rows: [ViewRow]) -> [String] { rows.map { String(decoding: $0.id, as: UTF8.self) } }

    @Test(
        "Three changes among a thousand friends are three rows after a cursor, and a block made meanwhile one offline")
    func resume() throws {
        let store = store()
        let friends = (0..<1_000).map { "friend-\($0)" }
        for friend in friends { try store.connect(SlowModel.Name(stringLiteral: friend), session: "s", at: start) }
        let first = try watch(store, "me", friends)
        #expect(!first.isResumed)
        #expect(first.rows.count == 1_000)
        for friend in ["friend-7", "friend-500"] {
            store.disconnect(SlowModel.Name(stringLiteral: friend), session: "s", at: start)
        }
        let me = [KeyRange(offset: 0, length: 2)]
        try store.relate(Array("friend-9".utf8).span, .block, to: Array("me".utf8).span, me.span, at: start)
        let second = try watch(store, "me", friends, since: first.cursor)
        #expect(second.isResumed)
        #expect(names(second.rows) == ["friend-7", "friend-9", "friend-500"])
        #expect(second.rows.allSatisfy { $0.status == .offline })
        // Who listens on another connection hears of them as well, once.
        #expect(frame(store, second.watch)?.rows.count == 3)
        #expect(frame(store, second.watch) == nil)
        // The older cursor still tells all three, the newer one nothing.
        #expect(try watch(store, "me", friends, since: first.cursor).rows.count == 3)
        #expect(try watch(store, "me", friends, since: second.cursor).rows.isEmpty)
    }

    @Test("A cursor of a list that was given up, and one of nobody's, give a snapshot")
    func oldCursors() throws {
        let store = store()
        let first = try watch(store, "me", ["anna"])
        #expect(store.endWatch(first.watch) == 1)
        for cursor in [first.cursor, "", "1-1", "\(first.cursor)0", "x"] where cursor != "" {
            #expect(try !watch(store, "me", ["anna"], since: cursor).isResumed)
        }
        #expect(store.statistics().watched == 1)
    }

    @Test("A watch of a thousand friends takes at most 64 bytes a watched user")
    func memory() throws {
        let store = store()
        let friends = (0..<1_000).map { "00000000-0000-4000-8000-\(100_000_000_000 + $0)" }
        for friend in friends {
            try store.connect(SlowModel.Name(stringLiteral: friend), session: "ws-conn-abc123def456", at: start)
        }
        let before = store.statistics().memory
        let reply = try watch(store, "me", friends)
        let after = store.statistics().memory
        // The lists of watchers, what records grew by (one size class: 97 bytes do not fit into 96), and the rows with their index.
        let shard = after.watchers - before.watchers + after.slabsInUse - before.slabsInUse
        let perUser = Double(shard + reply.watch.byteCount) / 1_000
        #expect(perUser <= 64, "\(perUser) bytes")
    }

    @Test("Bounds: users on a list, viewers of a user, lists; each refused with its setting, nothing half done")
    func bounds() throws {
        let store = store {
            $0.maxWatch = 3
            $0.maxWatchersPerUser = 2
            $0.maxWatchLists = 4
        }
        #expect(throws: StoreError.tooManyWatched(limit: 3)) { try watch(store, "a", ["1", "2", "3", "4"]) }
        #expect(store.watchCount == 0)
        _ = try watch(store, "a", ["1", "2", "3"])
        _ = try watch(store, "a", ["1", "2", "3"])
        #expect(throws: StoreError.tooManyWatched(limit: 3)) { try watch(store, "a", ["4"]) }
        #expect(store.statistics().watched == 3)
        _ = try watch(store, "b", ["1"])
        #expect(throws: StoreError.tooManyWatchers(limit: 2)) { try watch(store, "c", ["1"]) }
        #expect(store.watchCount == 2)
        _ = try watch(store, "c", ["2"])
        let before = store.statistics()
        // The same for a list that is made for it, and for one that there is.
        for viewer in ["c", "d"] {
            #expect(throws: StoreError.tooManyWatchers(limit: 2)) { try watch(store, viewer, ["new", "2", "1"]) }
            let after = store.statistics()
            #expect(after.watched == before.watched, "the list is what it was")
            #expect(after.users == before.users, "nobody is known by what was refused")
            #expect(store.countByStatus().contains { $0.0 == .offline && $0.1 == before.users })
        }
        let (bytes, ranges) = ModelRun.joined(["new", "1"])
        #expect(store.unwatch(Array("c".utf8).span, bytes.span, ranges.span) == 0)
        _ = try watch(store, "d", ["3"])
        #expect(throws: StoreError.tooManyWatchLists(limit: 4)) { try watch(store, "e", ["9"]) }
        // A limit that is lowered takes nobody from a list, and refuses nobody who is on it.
        store.setWatchLimits(users: 1, watchersPerUser: 2, lists: 4)
        _ = try watch(store, "a", ["1", "2"])
        #expect(throws: StoreError.tooManyWatched(limit: 1)) { try watch(store, "a", ["1", "4"]) }
    }

    @Test(
        "Who is taken off a list and put back on it is told to those who go on listening, once, and on a list that grows nobody is told twice"
    )
    func putBack() throws {
        let store = store()
        let list = try watch(store, "me", ["ann", "bob"]).watch
        try store.connect("cid", session: "s", at: start)
        #expect(try watch(store, "me", ["cid"]).rows.map(\.status) == [.online])
        #expect(frame(store, list) == nil, "the reply told who asked, and nobody else knew of him")
        func unwatch(_ user: String) -> Int {
            let (bytes, ranges) = ModelRun.joined([SlowModel.Name(stringLiteral: user)])
            return store.unwatch(Array("me".utf8).span, bytes.span, ranges.span)
        }
        // Nor is he told of who was put on it in vain.
        store.setWatchLimits(users: 5_000, watchersPerUser: 1, lists: 100)
        _ = try watch(store, "another", ["taken"])
        #expect(throws: StoreError.tooManyWatchers(limit: 1)) { try watch(store, "me", ["dan", "taken"]) }
        #expect(try watch(store, "me", ["dan"]).rows.count == 1)
        #expect(frame(store, list) == nil)
        // He comes while he is on no list.
        #expect(unwatch("ann") == 1)
        try store.connect("ann", session: "s", at: start)
        #expect(frame(store, list) == nil)
        #expect(try watch(store, "me", ["ann"]).rows.map(\.status) == [.online])
        let told = try #require(frame(store, list))
        #expect(names(told.rows) == ["ann"] && told.rows.map(\.status) == [.online])
        #expect(frame(store, list) == nil)
        // He hides meanwhile: one last offline.
        #expect(unwatch("ann") == 1)
        #expect(try store.relate("ann", .block, to: "me"))
        #expect(try watch(store, "me", ["ann"]).rows.map(\.status) == [.offline])
        #expect(frame(store, list)?.rows.map(\.status) == [.offline])
        // What changed in the window in which he was taken off is not lost with it.
        store.remove(.presence, "cid", at: start)
        #expect(unwatch("cid") == 1)
        #expect(try watch(store, "me", ["cid"]).rows.map(\.status) == [.offline])
        let last = try #require(frame(store, list))
        #expect(names(last.rows) == ["cid"] && last.rows.map(\.status) == [.offline])
    }

    @Test("A watch that memory has no room for leaves nobody known whom it named", arguments: 4...40)
    func noMemory(length: Int) throws {
        let store = store { $0.shards = 1 }
        _ = try watch(store, "a", [String(repeating: "x", count: length)])
        store.setMaxMemory(1)
        // Records of this length have room, until there is none for one that has a watcher besides.
        let full = #expect(throws: StoreError.self) {
            for number in 1_000..<10_000 {
                _ = try watch(store, "b", [String(repeating: "x", count: length - 4) + "\(number)"])
            }
        }
        #expect(full == .outOfMemory)
        let statistics = store.statistics()
        #expect(statistics.users == statistics.watched)
    }

    @Test("Who is watched by 100 000 is told in slices: no hold takes more than its limit, and all hear it once")
    func slices() throws {
        let count = 100_000
        let limit = 256
        let store = store()
        #expect(ShardedStore.Configuration().maxWatchersPerUser == count)
        // Viewers who are told in the step under way.
        let told = Atomic<Int>(0)
        let (bytes, ranges) = ModelRun.joined(["star"])
        var watches: [Watch] = []
        watches.reserveCapacity(count)
        for viewer in 0..<count {
            let reply = try store.watch(
                Array("viewer-\(viewer)".utf8).span, since: Span(), bytes.span, ranges.span, at: start
            ) { _ in told.wrappingAdd(1, ordering: .relaxed) }
            watches.append(reply.watch)
        }
        #expect(throws: StoreError.tooManyWatchers(limit: count)) { try watch(store, "one more", ["star"]) }

        /// Tells all that there is to tell; how many viewers each step told.
        func pump() -> [Int] {
            var steps: [Int] = []
            var hasMore = true
            while hasMore {
                hasMore = store.pumpWatches(shard: 0, limit: limit)
                steps.append(told.exchange(0, ordering: .relaxed))
            }
            return steps
        }
        try store.connect("star", session: "s", at: start)
        #expect(told.load(ordering: .relaxed) == 0, "whoever connects tells none of them")
        let steps = pump()
        #expect(steps.allSatisfy { $0 <= limit }, "\(steps.max() ?? 0)")
        #expect(steps.reduce(0, +) == count)
        #expect(steps.count >= count / limit)
        var wrong = 0
        for watch in watches {
            if store.takeFrame(of: watch, at: start).frame?.rows.map(\.status) != [.online] { wrong += 1 }
            if store.takeFrame(of: watch, at: start).frame != nil { wrong += 1 }
        }
        #expect(wrong == 0)
        // Leaving while a list is told leaves nobody out, and whoever disconnects tells none of them either.
        store.disconnect("star", session: "s", at: start)
        #expect(told.load(ordering: .relaxed) == 0)
        _ = store.pumpWatches(shard: 0, limit: limit)
        for watch in watches[..<(count / 2)] { store.endWatch(watch) }
        #expect(pump().dropFirst().allSatisfy { $0 <= limit })
        for watch in watches[(count / 2)...] {
            if store.takeFrame(of: watch, at: start).frame?.rows.map(\.status) != [.offline] { wrong += 1 }
        }
        #expect(wrong == 0)
        #expect(store.statistics().watched == count / 2)
    }

    @Test("A list is woken once, and again after its frame was taken")
    func waking() throws {
        let store = store()
        let count = Atomic<Int>(0)
        let (bytes, ranges) = ModelRun.joined(["anna", "bert"])
        let reply = try store.watch("me".utf8Bytes.span, since: Span(), bytes.span, ranges.span, at: start) { _ in
            count.wrappingAdd(1, ordering: .relaxed)
        }
        for user: SlowModel.Name in ["anna", "bert"] { try store.connect(user, session: "s", at: start) }
        _ = store.pumpWatches(shard: 0)
        #expect(count.load(ordering: .relaxed) == 1)
        #expect(store.takeFrame(of: reply.watch, at: start).frame?.rows.count == 2)
        store.disconnect("anna", session: "s", at: start)
        _ = store.pumpWatches(shard: 0)
        #expect(count.load(ordering: .relaxed) == 2)
    }
}

extension String {
    fileprivate var utf8Bytes: [UInt8] { Array(utf8) }
}
