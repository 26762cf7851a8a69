import Presence

/// Flushes between stores.
extension ShardedStore {
    /// The newest flush that this store knows, its own or another node's; `zero` if there was none. What is not newer is never taken from others.
    package var flushStamp: Stamp { withShard(0) { $0.flushStamp } }

    /// Has the log of the first shard go on by a place that tells of no key: whoever has what comes before it was told of a flush that links tell before the
    /// logs. O(1).
    package func noteFlush() { withShard(0) { $0.replicaLog.note(0, .record) } }

    /// Begins the flush of another node. ``removeAll(from:upTo:at:)`` then does it, in slices.
    ///
    ///     guard store.beginFlush(upTo: stamp, at: now) else { return }
    ///     var cursor: UInt64 = 0
    ///     repeat { cursor = store.removeAll(from: cursor, upTo: stamp, at: now) } while cursor != 0
    ///
    /// - Parameters:
    ///   - stamp: that of the flush: what is not newer is gone.
    ///   - now: when this store hears of it.
    /// - Returns: false, and nothing is to be done, if this flush or a newer one is known already, or if the stamp lies further ahead than
    ///   `maxClockOffset`.
    /// - Complexity: O(shards).
    package func beginFlush(upTo stamp: Stamp, at now: Timestamp) -> Bool {
        guard stamp.timestamp.milliseconds(since: now) <= maxClockOffset else { return false }
        var isNew = false
        for shard in 0..<shardCount where withShard(shard, { $0.noteFlush(stamp) }) { isNew = true }
        return isNew
    }
}
