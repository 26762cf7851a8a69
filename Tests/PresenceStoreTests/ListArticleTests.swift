import PresenceStore
import Testing

/// A person's friends as he may see them: all of them first, then what changes.
struct FriendList {
    /// The friends when the list was made.
    let friends: [ViewRow]
    private let store: ShardedStore
    private let watch: Watch
    private let signal: AsyncStream<Void>.Continuation
    private var signals: AsyncStream<Void>.Iterator

    init(of viewer: String, _ names: [String], in store: ShardedStore) throws {
        // All ids in one piece of memory, and where each of them lies.
        var bytes: [UInt8] = []
        var ranges: [KeyRange] = []
        for name in names {
            ranges.append(KeyRange(offset: bytes.count, length: name.utf8.count))
            bytes += name.utf8
        }
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let reply = try store.watch(
            viewer.utf8.span, since: Span(), bytes.span, ranges.span, at: store.clock.now()
        ) { _ in signal.yield() }
        self.store = store
        self.signal = signal
        self.signals = signals.makeAsyncIterator()
        watch = reply.watch
        friends = reply.rows
    }

    /// Waits until something differs from what was told last; nil once the task is cancelled.
    mutating func next() async -> [ViewRow]? {
        while await signals.next() != nil {
            let (frame, hasMore) = store.takeFrame(of: watch, at: store.clock.now())
            if hasMore { signal.yield() }
            if let frame { return frame.rows }
        }
        return nil
    }

    /// Gives the list up.
    func end() { store.endWatch(watch) }
}

/// Brings what changes to the lists of those who watch: one task for the whole store.
final class WatchPump: Sendable {
    private let store: ShardedStore
    private let listener: ShardListener
    private let task: Task<Void, Never>

    init(_ store: ShardedStore) {
        self.store = store
        // One signal waits at most, and stands for all shards: a burst of changes piles up nothing.
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        listener = store.listen { _ in signal.yield() }
        task = Task {
            for await _ in signals {
                for shard in 0..<store.shardCount {
                    while store.pumpWatches(shard: shard) { await Task.yield() }
                }
            }
        }
    }

    deinit {
        store.cancel(listener)
        task.cancel()
    }
}

@Suite("A list by hand", .timeLimit(.minutes(1)))
struct ListArticleTests {
    @Test("All of them first, then what changes, carried there by a pump")
    func list() async throws {
        let store = ShardedStore()
        let pump = WatchPump(store)
        try store.connect("alice", session: "phone")
        var list = try FriendList(of: "bob", ["alice", "carol"], in: store)
        #expect(list.friends.map(\.status) == [.online, .offline])
        try store.connect("carol", session: "phone")
        #expect(await list.next()?.map(\.user) == ["carol"])
        list.end()
        #expect(store.watchCount == 0)
        withExtendedLifetime(pump) {}
    }
}
