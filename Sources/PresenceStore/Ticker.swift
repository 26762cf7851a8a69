/// Drives a store by its own clock: one task that advances it every few milliseconds and carries changes to the lists of those who watch, for those who
/// have no event loop to do it.
///
///     let store = ShardedStore()
///     let ticker = Ticker(store)      // runs until it is released or stopped
///
/// Cost: with nothing due, about a microsecond a tick and shard group. Under overload it runs late, and `statistics().lateness` says how much.
public final class Ticker: Sendable {
    private let task: Task<Void, Never>

    /// Begins to tick.
    ///
    /// - Parameters:
    ///   - store: what to advance. It is kept alive until the ticker stops.
    ///   - interval: the time between two ticks; the wheel itself is no finer than 10 ms.
    public init(_ store: ShardedStore, every interval: Duration = .milliseconds(10)) {
        task = Task.detached(priority: .high) {
            while !Task.isCancelled {
                let result = store.advance(to: store.clock.now(), budget: 4_096)
                if store.watchCount > 0 { store.pumpWatches() }
                if result.isBehind {
                    await Task.yield()
                } else {
                    try? await Task.sleep(for: interval, tolerance: .milliseconds(1))
                }
            }
        }
    }

    deinit { task.cancel() }

    /// Ends the ticking; a tick under way finishes.
    public func stop() { task.cancel() }
}
