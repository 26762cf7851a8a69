import Presence
import PresenceStore
import PresenceTesting
import Testing

@Suite("What bounds tell of those who are hidden: nothing")
struct HiddenWatcherTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: start, change)
    }

    private func watch(_ store: ShardedStore, _ viewer: String, _ users: [String]) throws(StoreError) -> Watch {
        let (bytes, ranges) = ModelRun.joined(users.map { SlowModel.Name(stringLiteral: $0) })
        return try store.watch(
            Array(viewer.utf8).span, since: Span(), bytes.span, ranges.span, at: start, wake: { _ in }
        ).watch
    }

    private func block(_ store: ShardedStore, _ user: String, _ other: String) throws {
        let ranges = [KeyRange(offset: 0, length: other.utf8.count)]
        try store.relate(Array(user.utf8).span, .block, to: Array(other.utf8).span, ranges.span, at: start)
    }

    @Test("Frames end where they do without him, whatever he does", arguments: [64, 100, 1_000])
    func frames(_ limit: Int) throws {
        func sizes(hiddenOnes acting: Int) throws -> [Int] {
            let store = store()
            let friends = (0..<(limit + 24)).map { "friend-\($0)" }
            let hidden = (0..<300).map { "hidden-\($0)" }
            for user in friends + hidden { try store.connect(.init(stringLiteral: user), session: "s", at: start) }
            for user in hidden { try block(store, user, "me") }
            let watch = try watch(store, "me", friends + hidden)
            for user in hidden.prefix(acting) {
                store.disconnect(.init(stringLiteral: user), session: "s", at: start)
            }
            for user in friends { store.disconnect(.init(stringLiteral: user), session: "s", at: start) }
            store.pumpWatches()
            var sizes: [Int] = []
            while true {
                let (frame, hasMore) = store.takeFrame(of: watch, at: start, limit: limit)
                if let frame { sizes.append(frame.rows.count) }
                if !hasMore { return sizes }
            }
        }
        for acting in [0, 1, 300] { #expect(try sizes(hiddenOnes: acting) == [limit, 24]) }
    }

    /// The mark that he got while he was hidden lies before those of all who changed later.
    @Test("Whether he did something while he was hidden does not tell where he stands in a frame", arguments: [3, 100])
    func order(_ limit: Int) throws {
        func frames(isBusy: Bool) throws -> [[String]] {
            let store = store()
            let users = (0..<5).map { "user-\($0)" }
            for user in users { try store.connect(.init(stringLiteral: user), session: "s", at: start) }
            let watch = try watch(store, "me", users)
            try block(store, "user-3", "me")
            store.pumpWatches()
            _ = store.takeFrame(of: watch, at: start)
            if isBusy {
                for text in [Array("secret".utf8), nil] {
                    try store.set(Array("user-3".utf8).span, UserSettings(activity: .some(text)), at: start)
                    store.pumpWatches()
                }
            }
            for user in ["user-4", "user-0", "user-2", "user-1"] {
                store.disconnect(.init(stringLiteral: user), session: "s", at: start)
                store.pumpWatches()
            }
            let me = [KeyRange(offset: 0, length: 2)]
            try store.relate(Array("user-3".utf8).span, .unblock, to: Array("me".utf8).span, me.span, at: start)
            store.pumpWatches()
            var frames: [[String]] = []
            while true {
                let (frame, hasMore) = store.takeFrame(of: watch, at: start, limit: limit)
                if let frame { frames.append(frame.rows.map(\.user)) }
                if !hasMore { return frames }
            }
        }
        let quiet = try frames(isBusy: false)
        #expect(Set(quiet.joined()).count == 5)
        #expect(try frames(isBusy: true) == quiet)
    }

    @Test("A look that finds nothing ends all the same")
    func bounded() throws {
        let store = store()
        let hidden = (0..<100).map { "hidden-\($0)" }
        for user in hidden { try block(store, user, "me") }
        let watch = try watch(store, "me", hidden)
        for user in hidden { try store.connect(.init(stringLiteral: user), session: "s", at: start) }
        store.pumpWatches()
        var looks = 0
        while true {
            let (frame, hasMore) = store.takeFrame(of: watch, at: start, limit: 1)
            #expect(frame == nil)
            looks += 1
            if !hasMore { break }
        }
        #expect(looks == 7, "sixteen a look")
    }

    @Test("A list of his own takes no viewer's place, as often as he comes and goes")
    func ownList() throws {
        let store = store { $0.maxWatchersPerUser = 2 }
        _ = try watch(store, "v1", ["x"])
        let x = Array("x".utf8)
        for _ in 0..<3 {
            let own = try watch(store, "x", ["x"])
            _ = try watch(store, "v2", ["x"])
            #expect(throws: StoreError.tooManyWatchers(limit: 2)) { try watch(store, "v3", ["x"]) }
            #expect(store.explain(x.span, for: nil, at: start).watcherCount == 3)
            store.endWatch(own)
            #expect(throws: StoreError.tooManyWatchers(limit: 2)) { try watch(store, "v3", ["x"]) }
            // His own list has room when all places are taken.
            store.endWatch(try watch(store, "x", ["y", "x"]))
            store.unwatch(Array("v2".utf8).span, x.span, [KeyRange(offset: 0, length: 1)].span)
            #expect(store.explain(x.span, for: nil, at: start).watcherCount == 1)
        }
        #expect(store.statistics().watched == 1)
    }
}
