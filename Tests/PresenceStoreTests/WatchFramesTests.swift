import Presence
import PresenceStore
import PresenceTesting
import Testing

/// A list as an asynchronous sequence, under a clock that the test holds.
@Suite("Frames of a list", .timeLimit(.minutes(5)))
struct WatchFramesTests {
    private let clock = TestClock()
    private let store: ShardedStore

    init() {
        var configuration = ShardedStore.Configuration(clock: clock)
        configuration.shards = 4
        store = ShardedStore(configuration)
    }

    private func statuses(_ frame: WatchFrame?) -> [String: Status] {
        Dictionary((frame?.rows ?? []).map { ($0.user, $0.status) }, uniquingKeysWith: { first, _ in first })
    }

    @Test("begin with all, then tell of those who changed, each once as he is now")
    func frames() async throws {
        try store.connect("bob", session: "phone")
        let frames = try store.frames(for: "alice", of: ["bob", "carol"], every: .zero)
        let iterator = frames.makeAsyncIterator()
        #expect(statuses(await iterator.next()) == ["bob": .online, "carol": .offline])

        try store.connect("carol", session: "phone")
        try store.connect("dora", session: "phone")
        store.disconnect("bob", session: "phone")
        try store.connect("bob", session: "laptop")
        store.disconnect("bob", session: "laptop")
        store.pumpWatches()
        #expect(statuses(await iterator.next()) == ["bob": .offline, "carol": .online])

        clock.advance(byMilliseconds: 600_000)
        store.advance(to: clock.now())
        store.pumpWatches()
        #expect(statuses(await iterator.next()) == ["carol": .offline])
    }

    @Test("tell of who is added, and no more of who is removed")
    func addAndRemove() async throws {
        let frames = try store.frames(for: "alice", of: ["bob"], every: .zero)
        let iterator = frames.makeAsyncIterator()
        _ = await iterator.next()
        try store.connect("carol", session: "phone")
        try frames.add(["carol", "carol"])
        let first = try #require(await iterator.next())
        #expect(first.rows.count == 1, "each once, however often he was named")
        #expect(statuses(first) == ["carol": .online])

        #expect(frames.remove(["bob", "nobody"]) == 1)
        try store.connect("bob", session: "phone")
        store.disconnect("carol", session: "phone")
        store.pumpWatches()
        #expect(statuses(await iterator.next()) == ["carol": .offline])
        // Added and removed before anybody looked.
        try frames.add(["bob"])
        #expect(frames.remove(["bob"]) == 1)
        try store.connect("carol", session: "phone")
        store.pumpWatches()
        #expect(statuses(await iterator.next()) == ["carol": .online])
        // Who was put back is told once.
        try frames.add(["bob"])
        #expect(statuses(await iterator.next()) == ["bob": .online])
        store.disconnect("carol", session: "phone")
        store.pumpWatches()
        #expect(statuses(await iterator.next()) == ["carol": .offline])
    }

    @Test("end with the task, and with the sequence; then the viewer may have another list")
    func ends() async throws {
        let store = store
        let waiting = Task {
            var count = 0
            for await _ in try store.frames(for: "alice", of: ["bob"], every: .zero) { count += 1 }
            return count
        }
        while store.watchCount == 0 { await Task.yield() }
        waiting.cancel()
        #expect(try await waiting.value <= 1)
        #expect(store.watchCount == 0)

        var frames: WatchFrames? = try store.frames(for: "alice", of: ["bob"])
        #expect(throws: StoreError.watchesAlready) { try store.frames(for: "alice", of: ["carol"]) }
        #expect(store.watchCount == 1)
        try frames?.add(["carol"])
        frames = nil
        #expect(store.watchCount == 0)
        _ = try store.frames(for: "alice", of: ["carol"])
    }

    @Test("of a list that ended do not end the one that the viewer has now")
    func anotherList() async throws {
        let store = store
        var old: WatchFrames? = try store.frames(for: "alice", of: ["bob"], every: .zero)
        if let sequence = old {
            let waiting = Task { for await _ in sequence {} }
            waiting.cancel()
            await waiting.value
        }
        #expect(store.watchCount == 0)
        let new = try store.frames(for: "alice", of: ["bob"], every: .zero)
        old = nil
        #expect(store.watchCount == 1)
        #expect(new.remove(["bob"]) == 1)
    }

    @Test("are empty of those who are over the limit: there is no list then")
    func limits() throws {
        store.setWatchLimits(users: 2, watchersPerUser: 10, lists: 1)
        #expect(throws: StoreError.tooManyWatched(limit: 2)) { try store.frames(for: "alice", of: ["a", "b", "c"]) }
        #expect(store.watchCount == 0)
        let frames = try store.frames(for: "alice", of: ["a", "b"])
        #expect(throws: StoreError.tooManyWatched(limit: 2)) { try frames.add(["c"]) }
        #expect(throws: StoreError.tooManyWatchLists(limit: 1)) { try store.frames(for: "bob", of: ["a"]) }
        #expect(frames.remove(["a", "b"]) == 2)
    }

    @Test("come by themselves where a ticker runs, and end as the truth however fast users change")
    func ticker() async throws {
        let store = ShardedStore()
        let ticker = Ticker(store)
        defer { ticker.stop() }
        let users = (0..<40).map { "user-\($0)" }
        let frames = try store.frames(for: "alice", of: users, every: .milliseconds(5))
        let writer = Task.detached {
            for turn in 0..<50 {
                for user in users {
                    if turn % 2 == 0 {
                        try store.connect(user, session: "phone")
                    } else {
                        store.disconnect(user, session: "phone")
                    }
                }
                try await Task.sleep(for: .milliseconds(1))
            }
            for user in users.prefix(20) { try store.connect(user, session: "phone") }
            try store.connect("the end", session: "phone")
            try frames.add(["the end"])
        }
        var known: [String: Status] = [:]
        for await frame in frames {
            for row in frame.rows { known[row.user] = row.status }
            if known["the end"] != nil && users.allSatisfy({ known[$0] == store.status(of: $0) }) { break }
        }
        try await writer.value
        #expect(users.filter { known[$0] == .online }.count == 20)
    }
}
