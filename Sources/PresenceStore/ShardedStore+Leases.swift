import Presence

/// Leases: a gateway's one sign of life for all sessions that it holds.
extension ShardedStore {
    /// Renews the lease of a server: all sessions opened with it live until its end, whatever their own TTL says, and no longer.
    ///
    /// If it is not renewed in time, its sessions are lost at that instant, and that is announced once `lostGrace` is over.
    ///
    /// - Parameters:
    ///   - server: the server as sessions name it, 1 to 128 bytes. It need not have any yet: those that it opens meanwhile are kept alive, too.
    ///   - milliseconds: 1 up to the policy's hard limit.
    ///   - now: when.
    /// - Returns: the server's sessions.
    /// - Throws: `serverMissing`, `wordTooLong`, `leaseOutOfBounds`, `tooManyWords`: then the lease is what it was, in all shards.
    /// - Complexity: O(shards). The first lease of a server, and one that ends earlier than the last, has all records looked at in slices by `advance`.
    @discardableResult
    public func lease(
        _ server: Span<UInt8>, forMilliseconds milliseconds: Int64, at now: Timestamp
    ) throws(StoreError) -> Int {
        try checkServer(server)
        let limit = withShard(0) { $0.settings.policy.heartbeatHardLimit }
        guard milliseconds > 0, milliseconds <= limit else { throw .leaseOutOfBounds(maximum: limit) }
        let until = now.advanced(byMilliseconds: milliseconds)
        try holdServer(server, at: now)
        var count = 0
        for shard in 0..<shardCount {
            while withShard(shard, at: now, { $0.finishSweep(beforeLeaseOf: server, at: $1) }) {}
        }
        for shard in 0..<shardCount { count += withShard(shard, at: now) { $0.lease(server, until: until, at: $1) } }
        return count
    }

    /// Takes the server's word in every shard, for its lease, or in none: a lease that half of the shards have would end the sessions of the other half.
    private func holdServer(_ server: Span<UInt8>, at now: Timestamp) throws(StoreError) {
        for shard in 0..<shardCount {
            do throws(StoreError) {
                try withShard(shard, at: now) { state, now throws(StoreError) in
                    try state.holdServer(server, at: now)
                }
            } catch {
                for taken in 0..<shard { withShard(taken) { $0.releaseServer(server) } }
                throw error
            }
        }
    }

    /// Ends all sessions of a server that were opened until now: they are lost, which is announced once `lostGrace` is over. Its lease is gone.
    ///
    /// - Returns: the sessions concerned; 0 if the server has none.
    /// - Throws: `serverMissing`, `wordTooLong`.
    /// - Complexity: O(shards); records are looked at in slices by `advance`, and reads know at once.
    @discardableResult
    public func drop(_ server: Span<UInt8>, at now: Timestamp) throws(StoreError) -> Int {
        try checkServer(server)
        var expected = 0
        for shard in 0..<shardCount { expected += withShard(shard) { $0.lossesOfDrop(server) } }
        if expected > 0 { storms.look(self, at: now, expecting: expected) }
        var count = 0
        for shard in 0..<shardCount { count += withShard(shard) { $0.drop(server, at: now) } }
        return count
    }

    /// Renews the lease of a server from now on.
    @discardableResult
    public func lease(_ server: String, for duration: Duration) throws(StoreError) -> Int {
        let milliseconds =
            duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        return try lease(server.utf8.span, forMilliseconds: milliseconds, at: clock.now())
    }

    /// Ends all sessions of a server now.
    @discardableResult
    public func drop(_ server: String) throws(StoreError) -> Int { try drop(server.utf8.span, at: clock.now()) }

    private func checkServer(_ server: Span<UInt8>) throws(StoreError) {
        if server.count == 0 { throw .serverMissing }
        if server.count > WordTable.maximumLength { throw .wordTooLong(limit: WordTable.maximumLength) }
    }
}
