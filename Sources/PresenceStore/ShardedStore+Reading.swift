import Presence

/// What is read of users, and what they set.
extension ShardedStore {
    /// The public status of a user at `now`: offline if he is unknown, or invisible.
    ///
    /// - Complexity: one look-up; allocates nothing.
    public func status(of user: Span<UInt8>, at now: Timestamp) -> Status {
        withUser(user, at: now) { state, user, hash, now in state.status(state.find(user, hash), at: now) }
    }

    /// What is known of a user; nil if nothing is.
    public func describe(_ user: Span<UInt8>, at now: Timestamp) -> UserDescription? {
        withUser(user, at: now) { state, user, hash, now in state.describe(user, hash, at: now) }
    }

    /// The live sessions of a user, in the order in which they were opened as a rule.
    public func sessions(of user: Span<UInt8>, at now: Timestamp) -> [SessionDescription] {
        withUser(user, at: now) { state, user, hash, now in state.sessions(user, hash, at: now) }
    }

    /// Sets or clears a manual status and an activity text.
    ///
    /// - Throws: when the id is empty, it or the text is too long, the text is no text, an end is given and nothing that ends, or one more than eight years
    ///   from now, he may not be invisible, has changed too often within this minute, or memory is out; then nothing has changed.
    public func set(_ user: Span<UInt8>, _ change: UserSettings, at now: Timestamp) throws(StoreError) {
        try checkID(user)
        guard change.until == nil || change.setsWhatMayEnd else { throw .nothingEnds }
        if let until = change.until, until != .distantFuture {
            let bound = RecordInstant.bound
            let reach = now.advanced(byMilliseconds: -bound)...now.advanced(byMilliseconds: bound)
            guard reach.contains(until) else { throw .endTooFar(limit: bound) }
        }
        try withUser(user, at: now) { state, user, hash, now throws(StoreError) in
            let limit = state.settings.maxActivityLength
            if let text = change.activity, let text {
                if text.count > limit { throw .activityTooLong(limit: limit) }
                if !text.span.isText { throw .activityNotText }
            }
            if change.status == .some(.invisible), !state.settings.allowsInvisible { throw .invisibleNotAllowed }
            let most = state.settings.statusChangesPerMinute
            guard state.changeRate.allows(hash, limit: most, at: now) else { throw .tooManyChanges(limit: most) }
            try state.set(user, hash, change, at: now)
        }
    }

    /// The most bytes that `writeRecord` appends.
    public static let maximumRecordBytes = PresenceRecordWriter.maximumByteCount(
        textByteCount: 2 * BytesKey.maximumIDLength + 3 * WordTable.maximumLength + 255)

    /// Appends the seed's record of a user as JSON: that of his most present session.
    ///
    /// - Parameters:
    ///   - user: the id.
    ///   - now: the instant of the record.
    ///   - out: has room for `maximumRecordBytes`.
    /// - Returns: false, and nothing is appended, if the key does not exist: no session is live.
    public func writeRecord(of user: Span<UInt8>, at now: Timestamp, into out: inout OutputSpan<UInt8>) -> Bool {
        withUser(user, at: now) { state, user, hash, now in state.writeRecord(user, hash, at: now, into: &out) }
    }

    /// The same as values; nil if the key does not exist.
    public func recordFields(of user: Span<UInt8>, at now: Timestamp) -> RecordFields? {
        withUser(user, at: now) { state, user, hash, now in state.fields(user, hash, at: now) }
    }

    // MARK: Counting

    /// Known users by public status.
    ///
    /// - Complexity: O(shards): kept as records change, so it may lag time by a tick of the wheel.
    public func countByStatus() -> [(status: Status, count: Int)] {
        var counts = [Status: Int]()
        for index in 0..<shardCount {
            withShard(index) { state in
                for status in Status.allCases { counts[status, default: 0] += state.counters[status] }
            }
        }
        return Status.allCases.map { ($0, counts[$0] ?? 0) }
    }

    /// Sessions by device, platform or server, the most frequent first. Sessions without the word are not among them.
    ///
    /// - Complexity: O(shards x words).
    public func countSessions(by kind: WordKind) -> [(word: [UInt8], count: Int)] {
        var counts = [[UInt8]: Int]()
        for shard in 0..<shardCount {
            for (word, count) in countSessions(by: kind, shard: shard) { counts[word, default: 0] += count }
        }
        return ShardedStore.inOrder(counts)
    }

    /// Those of one shard, in no order.
    ///
    /// - Complexity: O(words of the shard), of which there are `max-words`.
    package func countSessions(by kind: WordKind, shard: Int) -> [(word: [UInt8], count: Int)] {
        var counts: [(word: [UInt8], count: Int)] = []
        withShard(shard, isLong: true) { state in
            switch kind {
            case .device: state.devices.forEach { counts.append(($1, $2)) }
            case .platform: state.platforms.forEach { counts.append(($1, $2)) }
            case .server: state.forEachServer { counts.append(($0, $1)) }
            }
        }
        return counts
    }

    /// Words with their counts, the most frequent first, of equal ones by their bytes.
    package static func inOrder(_ counts: [[UInt8]: Int]) -> [(word: [UInt8], count: Int)] {
        let order = counts.sorted { left, right in
            left.value != right.value ? left.value > right.value : left.key.lexicographicallyPrecedes(right.key)
        }
        return order.map { (word: $0.key, count: $0.value) }
    }
}
