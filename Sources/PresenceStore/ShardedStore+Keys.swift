import Presence

/// What works on keys of either kind, and on all keys.
extension ShardedStore {
    /// Ends a key: a string is gone, a presence has no session any more. What else is known of a user stays.
    ///
    /// - Returns: whether the key existed.
    @discardableResult
    public func remove(_ kind: KeyKind, _ key: Span<UInt8>, reason: Reason = .deleted, at now: Timestamp) -> Bool {
        withKey(kind, key, at: now) { state, key, hash, now in state.remove(kind, key, hash, reason: reason, at: now) }
    }

    /// Whether a key exists: a string whose time is not over, a user with a live session or in a grace.
    public func exists(_ kind: KeyKind, _ key: Span<UInt8>, at now: Timestamp) -> Bool {
        withKey(kind, key, at: now) { state, key, hash, now in
            let found = state.exists(kind, key, hash, at: now)
            if found { state.counters.keyHits += 1 } else { state.counters.keyMisses += 1 }
            return found
        }
    }

    /// How long a key will exist if nothing is written: of a presence, until its last live session or grace is over.
    public func timeToLive(_ kind: KeyKind, _ key: Span<UInt8>, at now: Timestamp) -> TimeToLive {
        withKey(kind, key, at: now) { state, key, hash, now in state.timeToLive(kind, key, hash, at: now) }
    }

    /// Gives a key an end; one that is not later than `now` ends it. Of a presence it is a heartbeat of all live sessions with that TTL.
    ///
    /// - Parameters:
    ///   - kind: what the key names.
    ///   - key: the key; of a presence, the user's id.
    ///   - deadline: the first instant at which the key is gone.
    ///   - now: when.
    ///   - isAllowed: asked with the time that the key has left, under the lock of its shard; false leaves the key as it is.
    /// - Returns: whether the key existed (for a presence: had a live session) and its end was set.
    /// - Throws: `ttlOutOfBounds` for a presence beyond the hard limit.
    @discardableResult
    public func expire(
        _ kind: KeyKind, _ key: Span<UInt8>, at deadline: Timestamp, now: Timestamp,
        if isAllowed: (TimeToLive) -> Bool = { _ in true }
    ) throws(StoreError) -> Bool {
        try withKey(kind, key, at: now) { state, key, hash, now throws(StoreError) in
            guard isAllowed(state.timeToLive(kind, key, hash, at: now)) else { return false }
            return try state.expire(kind, key, hash, at: deadline, now: now)
        }
    }

    // MARK: All keys

    /// Strings, and users whose key exists.
    ///
    /// - Complexity: O(shards).
    public func keyCount() -> Int {
        var count = 0
        for index in 0..<shardCount {
            count += withShard(index) { $0.counters.strings + $0.counters.presentUsers }
        }
        return count
    }

    /// Hands some keys from `cursor` on to `body`, in the order of their hashes.
    ///
    /// A key that exists during the whole walk is handed out exactly once, however the table grows or shrinks meanwhile.
    ///
    /// - Parameters:
    ///   - cursor: 0 to begin, then what the call before returned.
    ///   - count: how many keys to look for, at least 1; about a segment (up to 160 keys) is looked at in any case. Where there are many users who are not
    ///     present, it may be none: so many records are looked at, or a thousand, and not more.
    ///   - now: the instant at which the keys exist.
    ///   - body: called with each key, outside of locks; of a presence, with the user's id.
    /// - Returns: the next cursor, 0 at the end. It is below 2^53: clients in JavaScript read it into a double.
    public func scan(
        cursor: UInt64, count: Int, at now: Timestamp, _ body: (KeyKind, Span<UInt8>) -> Void
    ) -> UInt64 {
        scanPart(cursor: cursor, count: count, at: now) { kind, key in
            body(kind, key)
            return true
        }
    }

    /// As ``scan(cursor:count:at:_:)``, until `body` says that it is enough.
    ///
    /// - Parameter body: returns whether it takes another key. It may be given some more all the same: those whose hash has the same leading bits.
    package func scanPart(
        cursor: UInt64, count: Int, at now: Timestamp, _ body: (KeyKind, Span<UInt8>) -> Bool
    ) -> UInt64 {
        var position = cursor << ShardedStore.cursorShift
        var last: UInt64?
        var left = max(count, 1)
        // What is no key now, and segments that have none at all, cost time too.
        var others = max(count, ShardedStore.otherRecordsOfScan)
        var segments = ShardedStore.segmentsOfScan
        while true {
            let shard = shardIndex(position)
            let (found, looked, next) = withShard(shard, isLong: true, at: now) { $0.keys(from: position, at: $1) }
            others -= looked - found.count
            segments -= 1
            for entry in found {
                let place = entry.hash >> ShardedStore.cursorShift
                // Keys of one place go out together: the cursor cannot stand between them.
                if left <= 0 && place != last { return place }
                left = body(entry.kind, entry.key.span) ? left - 1 : 0
                last = place
            }
            if let next {
                position = next
            } else {
                guard shard + 1 < shardCount else { return 0 }
                position = UInt64(shard + 1) << shardShift
            }
            if left <= 0 || others <= 0 || segments <= 0 { return position >> ShardedStore.cursorShift }
        }
    }

    /// Records that one call of `scan` looks at though they are no keys: 50 microseconds' work.
    private static let otherRecordsOfScan = 1_000
    /// Segments that one call of `scan` looks into, if most of them are empty.
    private static let segmentsOfScan = 4_096

    /// A cursor is the leading 53 bits of a hash. A segment of that depth, the only one that could end inside of a place, would take 2^53 keys.
    static let cursorShift: UInt64 = 11

    /// Ends all keys that exist at the call: strings are gone, sessions end (`flushed`). What else is known of users stays.
    ///
    /// Goes segment by segment, so other callers wait for none of it; what they write meanwhile stays.
    public func removeAll(at now: Timestamp) {
        let limit = beginRemoveAll(at: now)
        var cursor: UInt64 = 0
        repeat {
            cursor = removeAll(from: cursor, upTo: limit, at: now)
        } while cursor != 0
    }

    /// Begins a `removeAll` that goes in slices: what is written from now on has a newer stamp than the one returned.
    ///
    ///     let limit = store.beginRemoveAll(at: now)
    ///     var cursor: UInt64 = 0
    ///     repeat { cursor = store.removeAll(from: cursor, upTo: limit, at: now) } while cursor != 0
    public func beginRemoveAll(at now: Timestamp) -> Stamp {
        var limit = Stamp.zero
        for shard in 0..<shardCount { limit = max(limit, withShard(shard, at: now) { $0.stamps.next(at: $1) }) }
        // Shards' clocks may have run ahead of each other.
        for shard in 0..<shardCount { withShard(shard) { _ = $0.noteFlush(limit) } }
        return limit
    }

    /// Ends the keys of one segment, at most 160, that were written no later than `limit`.
    ///
    /// - Parameters:
    ///   - cursor: 0 to begin, then what the call before returned.
    ///   - limit: what ``beginRemoveAll(at:)`` returned.
    ///   - now: when.
    /// - Returns: the next cursor, 0 at the end. Its shard is the one that the next call empties (`shardOfRemoval(at:)`).
    public func removeAll(from cursor: UInt64, upTo limit: Stamp, at now: Timestamp) -> UInt64 {
        let shard = shardIndex(cursor)
        let next = withShard(shard, isLong: true, at: now) { $0.flush(from: cursor, upTo: limit, at: $1) }
        if let next { return next }
        return shard + 1 < shardCount ? UInt64(shard + 1) << shardShift : 0
    }

    /// The shard that a `removeAll` goes on in.
    package func shardOfRemoval(at cursor: UInt64) -> Int { shardIndex(cursor) }

    // MARK: Memory

    /// The bytes that a key takes: its slot, a block outside if it has one, and its part of the index; nil if it does not exist.
    public func memoryUsage(_ kind: KeyKind, _ key: Span<UInt8>, at now: Timestamp) -> Int? {
        withKey(kind, key, at: now) { state, key, hash, now in state.memoryUsage(kind, key, hash, at: now) }
    }
}
