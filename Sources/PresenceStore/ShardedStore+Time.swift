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

    /// Between two looks at the time that come many times a second: so long, in milliseconds, is a stall.
    package static var shortestStall: Int64 { Stall.shortest }

    /// Somebody who looks at the time many times a second could not from `last` until `now`: the process was stopped, or the machine suspended. Whoever finds
    /// that out says so before anything else, so that nothing is read, or announced, of sessions that could not be heard of. `advance` finds it out too.
    ///
    /// Cost: every shard is locked once.
    package func noteStall(since last: Timestamp, at now: Timestamp) {
        for shard in 0..<shardCount { withShard(shard) { $0.noteStall(since: last, at: now) } }
    }

    /// Whether another node that may hold sessions cannot be heard of now. Until it is, no silence is written down as the end of a session: it runs out here,
    /// and one that lives there lives everywhere once the nodes hear of each other.
    ///
    /// Cost: every shard is locked once.
    package func setHasUnheardPeer(_ isUnheard: Bool) {
        for shard in 0..<shardCount { withShard(shard) { $0.settings.hasUnheardPeer = isUnheard } }
    }

    /// As `advance(to:budget:)`, of one shard: for those who share the shards among threads.
    @discardableResult
    public func advance(shard: Int, to now: Timestamp, budget: Int = .max) -> AdvanceResult {
        storms.look(self, at: now)
        pages.touchAhead()
        // A lock is held for one slice at a time: others get in between.
        let slice = 128
        var result = AdvanceResult()
        repeat {
            let step = withShard(shard) { $0.advance(to: now, budget: min(slice, budget - result.lookedAt)) }
            // Who has just been lost was told; of those behind them a storm may hold the more, the sooner it is seen.
            if step.lost > 0 { storms.note(step.lost, self, at: now) }
            result.lookedAt += step.lookedAt
            result.isBehind = step.isBehind
            result.hasTimers = step.hasTimers
        } while result.isBehind && result.lookedAt < budget
        return result
    }
}
