import PresenceStore

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
