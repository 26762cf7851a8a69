import Presence

/// Several keys at once: the one place where more than one shard's lock is held.
extension ShardedStore {
    /// The shard that a key belongs to, from 0 on.
    public func shard(of kind: KeyKind, _ key: Span<UInt8>) -> Int {
        key.withUnsafeBytes { bytes in
            shardIndex(kind == .presence ? hash(BytesKey(bytes), .user) : hash(BytesKey(verbatim: bytes), .string))
        }
    }

    /// All shards of this store.
    public var allShards: ShardSet { ShardSet(first: shardCount) }

    /// Runs `body` while nobody else reads or writes these shards: what it does through the store that it is given is seen as a whole or not at all.
    ///
    ///     var shards = ShardSet()
    ///     shards.insert(store.shard(of: .string, from))
    ///     shards.insert(store.shard(of: .string, to))
    ///     store.atomically(shards) { held in ... held.increment(from, by: -1, at: now) ... }
    ///
    /// The locks are taken in ascending order, so that two callers can never wait for each other, and all are held until `body` ends; then readers
    /// are woken in the order in which things were told them.
    ///
    /// - Precondition: the shards are this store's. `body` works on keys of these shards only, and through the store that it is given only: this one
    ///   would wait for itself. The given store is of no use once `body` has ended. It takes no lists of viewers
    ///   (`watch`, `unwatch`, `takeFrame`) and no settings of storms. Inside `body`, another `atomically` of the given store runs as a part of it.
    /// - Complexity: one lock a shard and one allocation, beside what `body` does: keep it short, all users of these shards wait.
    public func atomically<Result, Failure: Error>(
        _ shards: ShardSet, _ body: (ShardedStore) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if isHeld { return try body(self) }
        let held = ShardedStore(holdingFrom: self)
        defer { held.wakeWhoWaits() }
        return try hold(shards, from: 0, for: held, body)
    }

    private func hold<Result, Failure: Error>(
        _ shards: ShardSet, from start: Int, for held: ShardedStore,
        _ body: (ShardedStore) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let shard = shards.first(from: start) else { return try body(held) }
        precondition(shard < shardCount, "the shards are those of another store")
        return try withPlace(shard) { place throws(Failure) in
            let state = place.state
            let start = state?.pointee.holds.begin(isLong: true)
            held.withPlace(shard) { $0 = place }
            defer {
                held.withPlace(shard) { $0 = ShardPlace() }
                if let start { state?.pointee.holds.end(start) }
            }
            return try hold(shards, from: shard + 1, for: held, body)
        }
    }
}
