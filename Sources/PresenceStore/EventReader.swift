import Presence

/// One reader of the store's change rings, with a place of its own in each.
///
/// A ring is read by one thread at a time; different rings may be read at once. A reader that is too slow gets `missed` in place of what was
/// overwritten. It costs the store nothing but its place.
public final class EventReader: Sendable {
    private let store: ShardedStore
    private let places: [Place]
    fileprivate let listener: ShardListener

    init(_ store: ShardedStore, _ listener: ShardListener) {
        self.store = store
        self.listener = listener
        places = (0..<store.shardCount).map { shard in Place(store.withShard(shard) { $0.ring.end }) }
    }

    /// The reader's place in one ring.
    private final class Place: Sendable {
        let cursor: Lock<ChangeRing.Cursor>
        init(_ cursor: ChangeRing.Cursor) { self.cursor = Lock(cursor) }
    }

    /// Appends up to `limit` events of a shard that were not read yet, in their order.
    ///
    /// - Returns: whether all were read: then `wake` is called after the next one is written.
    @discardableResult
    public func read(shard: Int, limit: Int = 64, into events: inout [StoreEvent]) -> Bool {
        places[shard].cursor.withLock { cursor in
            // Up to 64 entries are copied; of one alone the time is no longer than of an operation.
            store.withShard(shard, isLong: true) { state in
                state.ring.read(&cursor, limit: limit, into: &events)
                guard !state.ring.hasEntries(after: cursor) else { return false }
                state.idleReaders.formUnion(.ofNews)
                return true
            }
        }
    }

    /// Whether more than half of a shard's ring was not read yet. Who writes a lot there in slices lets the reader catch up first, or it misses some.
    package func isFarBehind(shard: Int) -> Bool {
        places[shard].cursor.withLock { cursor in store.withShard(shard) { $0.ring.isHalfUnread(cursor) } }
    }

    /// Ends the reader: `wake` is not called any more.
    public func cancel() { store.cancel(listener) }
}

/// Somebody who is woken when a shard has news after all was read.
public final class ShardListener: Sendable {
    /// Called with a shard whose ring was written to, or whose users' watchers are to be told, after this or another listener had seen all of it. May
    /// be called from any thread, and must return at once.
    let wake: @Sendable (Int, IdleReaders) -> Void

    /// What wakes it.
    let kind: IdleReaders

    init(_ kind: IdleReaders, _ wake: @escaping @Sendable (Int, IdleReaders) -> Void) {
        self.kind = kind
        self.wake = wake
    }
}

/// The listeners of a store. The lock is taken after a shard's was given back, never under it.
final class ListenerList: Sendable {
    private let list = Lock<[ShardListener]>([])

    func withLock<Result>(_ body: (inout [ShardListener]) -> Result) -> Result { list.withLock { body(&$0) } }
}

extension ShardedStore {
    /// A reader of everything that is announced from now on.
    ///
    /// - Parameter wake: called with a shard that has news; must return at once. Until `cancel` the store keeps the reader alive.
    public func makeReader(wake: @escaping @Sendable (_ shard: Int) -> Void) -> EventReader {
        EventReader(self, listen(wake: wake))
    }

    /// Listens for news of shards: for who pumps watches (``pumpWatches(shard:limit:)``).
    ///
    /// - Parameter wake: called with a shard that has news; must return at once. Until `cancel` the store keeps the listener alive.
    public func listen(wake: @escaping @Sendable (_ shard: Int) -> Void) -> ShardListener {
        let listener = ShardListener(.ofNews) { shard, _ in wake(shard) }
        readers.withLock { $0.append(listener) }
        awaitNews()
        return listener
    }

    /// Listens for what other nodes are to be told (``readReplicaLog(shard:from:limit:form:at:image:beat:)``). What is merged from them wakes nobody.
    ///
    /// - Parameter wake: as that of ``listen(wake:)``, and whether it is urgent: heartbeats alone may wait for a moment. They are told of each time, and the
    ///   first change behind them all the same.
    package func listenToReplicaLogs(
        wake: @escaping @Sendable (_ shard: Int, _ isUrgent: Bool) -> Void
    ) -> ShardListener {
        let listener = ShardListener([.ofLog, .ofBeats]) { shard, idle in wake(shard, idle.contains(.ofLog)) }
        readers.withLock { $0.append(listener) }
        for shard in 0..<shardCount { withShard(shard) { $0.awaitChanges() } }
        return listener
    }

    /// Ends a listener: it is not woken any more.
    public func cancel(_ listener: ShardListener) {
        readers.withLock { list in list.removeAll { $0 === listener } }
    }
}
