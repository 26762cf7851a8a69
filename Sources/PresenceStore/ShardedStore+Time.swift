import Presence

/// Time goes on because somebody says so: a ticker, an event loop, a test.
extension ShardedStore {
    /// Does what time has brought about up to `now`, in all shards: announces who turned idle, away, offline, ends strings.
    ///
    /// - Parameters:
    ///   - now: the time; one that is earlier than the last does nothing.
    ///   - budget: how many records to look at, at most, a shard.
    /// - Returns: what was done; `isBehind` says that there is more: call again soon. Whoever reads meanwhile sees the truth all the same.
    @discardableResult
    public func advance(to now: Timestamp, budget: Int = .max) -> AdvanceResult {
        var result = AdvanceResult()
        for shard in 0..<shardCount { result += advance(shard: shard, to: now, budget: budget) }
        return result
    }

    /// As `advance(to:budget:)`, of one shard: for those who share the shards among threads.
    @discardableResult
    public func advance(shard: Int, to now: Timestamp, budget: Int = .max) -> AdvanceResult {
        storms.look(self, at: now)
        // A lock is held for one slice at a time: others get in between.
        let slice = 128
        var result = AdvanceResult()
        repeat {
            let step = withShard(shard) { $0.advance(to: now, budget: min(slice, budget - result.lookedAt)) }
            result.lookedAt += step.lookedAt
            result.isBehind = step.isBehind
            result.hasTimers = step.hasTimers
        } while result.isBehind && result.lookedAt < budget
        return result
    }
}
