import Presence

/// A session's newest heartbeat, as its home tells it before the deadline that the others know.
package struct ReplicaBeat: Sendable, Equatable {
    /// The hash of the user's name, with the secret that all nodes have in common.
    package var user: UInt64
    /// The hash of the session's id, likewise.
    package var session: UInt64
    /// The last sign of life.
    package var heartbeat: Timestamp
    /// When a person last did something there; nil if that was never reported.
    package var activity: Timestamp?

    /// A heartbeat.
    package init(user: UInt64, session: UInt64, heartbeat: Timestamp, activity: Timestamp?) {
        self.user = user
        self.session = session
        self.heartbeat = heartbeat
        self.activity = activity
    }
}

/// How far a reader of a shard's changes came.
package enum ReplicaLogRead: Sendable, Equatable {
    /// All before this position was handed out; whether nothing lies behind it, so that the next change wakes who listens.
    case upTo(UInt64, isEnd: Bool)
    /// The reader's place is not kept any more, or never was: he must have the shard as a whole.
    case overwritten
}

/// What links to other nodes work with: what changed here, all that is known here, and whether that is the same elsewhere.
///
/// Closures that are handed in are called under the lock of a shard: they copy bytes and return.
extension ShardedStore {
    /// Entries that are told in one hold of a lock.
    private static let entriesPerHold: UInt64 = 64

    /// Whether changes are noted for other nodes. While they are not, those find out only by digests: for tests of these.
    package func noteChanges(_ isOn: Bool) {
        for shard in 0..<shardCount { withShard(shard) { $0.replicaLog.isHeard = isOn } }
    }

    /// The position behind the newest change of a shard.
    package func replicaLogEnd(shard: Int) -> UInt64 { withShard(shard) { $0.replicaLog.end } }

    /// The same for who copies what is there now, and goes on from that position: what changes from now on has entries behind it, also of who changed last.
    package func closeReplicaLog(shard: Int) -> UInt64 {
        withShard(shard) { state in
            state.replicaLog.close(upTo: state.replicaLog.end)
            return state.replicaLog.end
        }
    }

    /// Hands out what changed from a position on: each key once, as it is now. What changes meanwhile is left for the next call.
    ///
    /// Whoever read to the end is woken after the next change: see ``listenToReplicaLogs(wake:)``.
    ///
    /// - Parameters:
    ///   - shard: whose changes.
    ///   - from: what an earlier call returned, or `replicaLogEnd`.
    ///   - limit: entries to look at, at most.
    ///   - form: of the images of users.
    ///   - now: the instant of what is handed out.
    ///   - image: called with the image of a key; false if there is no room for it: then its entry does not count as read, and nothing follows.
    ///   - beat: called with a heartbeat that matters to others.
    /// - Complexity: O(entries); a lock is held for 64 of them at a time.
    package func readReplicaLog(
        shard: Int, from: UInt64, limit: Int, form: ImageForm = .newest, at now: Timestamp,
        image: (Span<UInt8>) -> Bool, beat: (ReplicaBeat) -> Void
    ) -> ReplicaLogRead {
        var last = from.addingReportingOverflow(UInt64(max(limit, 0))).partialValue
        var position = from
        // Whoever is told already is told no more, so what changes between two holds of the lock is left for the next call, with entries of its own.
        var told = HashMarks()
        var isBegun = false
        var bytes: [UInt8] = []
        // What most images fit into, so that making one takes one block of memory.
        bytes.reserveCapacity(256)
        var isDone = false
        var isEnd = false
        while !isDone {
            let isKept = withShard(shard, isLong: true, at: now) { state, now in
                guard position >= state.replicaLog.begin, position <= state.replicaLog.end else { return false }
                if !isBegun {
                    last = min(last, state.replicaLog.end)
                    state.replicaLog.close(upTo: last)
                    isBegun = true
                }
                let end = min(last, position + ShardedStore.entriesPerHold)
                state.prefetch(entries: position..<end)
                while position < end, !isDone {
                    let entry = state.replicaLog.entry(at: position)
                    switch entry.kind {
                    case .beat:
                        // An image has the heartbeats, too.
                        guard !told.contains(entry.hash), told.insert(~entry.hash) else { break }
                        state.tellBeats(ofHash: entry.hash, at: now, beat)
                    case .record:
                        guard !told.contains(entry.hash) else { break }
                        bytes.removeAll(keepingCapacity: true)
                        guard state.appendImage(ofHash: entry.hash, form: form, at: now, to: &bytes) else { break }
                        isDone = !image(bytes.span)
                        if !isDone { _ = told.insert(entry.hash) }
                    }
                    if !isDone { position += 1 }
                }
                if position == state.replicaLog.end {
                    state.awaitChanges()
                    isEnd = true
                    isDone = true
                }
                if position == last { isDone = true }
                return true
            }
            guard isKept else { return .overwritten }
        }
        return .upTo(position, isEnd: isEnd)
    }

    /// Hands out the images of all keys from a place in hash order on, a segment (at most 160 keys) a lock hold.
    ///
    /// - Parameters:
    ///   - from: where to begin: the first hash.
    ///   - end: the last hash.
    ///   - room: bytes after which no further image is handed out. One is in any case.
    ///   - form: of the images of users.
    ///   - now: the instant of what is handed out.
    ///   - image: called with the image of a key.
    /// - Returns: where to go on; nil at the end.
    package func readImages(
        from: UInt64, through end: UInt64, room: Int, form: ImageForm = .newest, at now: Timestamp,
        image: (Span<UInt8>) -> Void
    ) -> UInt64? {
        var left = room
        var bytes: [UInt8] = []
        var place = Optional(from)
        while let start = place, start <= end, left > 0 {
            place = withSegment(at: start, inOrder: true, at: now) { state, keys, now in
                for (index, key) in keys.enumerated() where key.hash <= end {
                    // Keys of one hash go out together: a place cannot stand between them.
                    if left <= 0, index > 0, keys[index - 1].hash != key.hash { return key.hash }
                    bytes.removeAll(keepingCapacity: true)
                    guard state.appendImage(of: key.number, form: form, at: now, to: &bytes) else { continue }
                    image(bytes.span)
                    left -= bytes.count
                }
                return nil
            }
        }
        return place.flatMap { $0 <= end ? $0 : nil }
    }

    /// Has others told of the heartbeats that came here at an instant or later, of users from a place in hash order on, a segment of them: what this node alone
    /// knows, and would take with it.
    ///
    /// - Returns: where to go on; nil at the end.
    package func noteBeats(from place: UInt64, since: Timestamp, at now: Timestamp) -> UInt64? {
        withSegment(at: place, inOrder: false, at: now) { state, keys, now in
            for key in keys { _ = state.noteBeats(key.number, since: since, at: now) }
            return nil
        }
    }

    /// Of how many changes of a shard others can be told that they have not read yet.
    package var replicaLogCapacity: Int { withShard(0) { $0.replicaLog.capacity } }

    /// What a range of the hash order comes to: the same at two stores that know the same of its keys, whatever heartbeats, activities, last seen, homes
    /// they know of, and whatever time has just done to a status. What is over does not count.
    ///
    /// - Parameters:
    ///   - start: the first hash of the range.
    ///   - bits: how many leading bits its hashes have in common, 0 to 64.
    ///   - countsForgettable: whether the version of a user counts of whom nothing else is left: where nodes forget such users for room (``mayForget``), they
    ///     differ in whom they know, and none of them is wrong.
    ///   - now: the instant at which it counts.
    /// - Returns: the digest, and how many keys count.
    /// - Complexity: O(keys of the range), a segment a lock hold.
    package func digest(
        start: UInt64, bits: UInt8, countsForgettable: Bool = false, at now: Timestamp
    ) -> (digest: UInt64, count: Int) {
        let end = start | (bits >= 64 ? 0 : UInt64.max >> UInt64(bits))
        var sum: UInt64 = 0
        var count = 0
        var place = Optional(start)
        while let first = place, first <= end {
            place = withSegment(at: first, inOrder: false, at: now) { state, keys, now in
                for key in keys where key.hash <= end {
                    let part = state.digest(of: key.number, key.hash, countsForgettable: countsForgettable, at: now)
                    guard let digest = part else { continue }
                    sum &+= digest
                    count += 1
                }
                return nil
            }
        }
        return (sum, count)
    }

    /// Whether offline users of whom nothing is set may be forgotten for room: there is a memory limit.
    package var mayForget: Bool { budget.limitBytes != 0 }

    /// Records in the store: keys that exist, offline users, and what is kept of keys that are gone.
    package func recordCount() -> Int {
        var count = 0
        for shard in 0..<shardCount { count += withShard(shard) { $0.index.count } }
        return count
    }

    /// Hands the keys of the segment at `place` to `body`, from there on, in the order of their hashes if that matters.
    ///
    /// - Returns: what `body` returns, or else where the next segment begins; nil behind the last.
    private func withSegment(
        at place: UInt64, inOrder: Bool, at now: Timestamp,
        _ body: (inout ShardState, [(hash: UInt64, number: UInt32)], Timestamp) -> UInt64?
    ) -> UInt64? {
        let shard = shardIndex(place)
        let (stop, next) = withShard(shard, isLong: true, at: now) { state, now in
            var keys: [(hash: UInt64, number: UInt32)] = []
            let next = state.segment(at: place, inOrder: inOrder, into: &keys)
            return (body(&state, keys, now), next)
        }
        if let stop { return stop }
        if let next { return next }
        return shard + 1 < shardCount ? UInt64(shard + 1) << shardShift : nil
    }

    // MARK: What comes from others

    /// What became of a heartbeat that another node told of.
    package enum BeatOutcome: Sendable, Equatable {
        /// It is known now.
        case merged
        /// It was known, or something newer; or it is none of this world.
        case stale
        /// Nothing is known of the session, or it is over here: the sender's image of the user tells.
        case unknown
    }

    /// Asks for the memory of up to ``prefetchLimit`` users, by the hashes of their names, of whom heartbeats are merged next.
    package func prefetch(userHashes hashes: Span<UInt64>) {
        let count = min(hashes.count, ShardedStore.prefetchLimit)
        for place in 0..<count {
            withPlace(shardIndex(hashes[place])) { $0.state?.pointee.index.prefetch(hashes[place]) }
        }
        for place in 0..<count {
            withPlace(shardIndex(hashes[place])) { $0.state?.pointee.prefetchRecord(ofHash: hashes[place]) }
        }
    }

    /// Takes a heartbeat that a session's home tells of.
    package func merge(_ beat: ReplicaBeat, from sender: UInt8, at now: Timestamp) -> BeatOutcome {
        for instant in [beat.heartbeat, beat.activity ?? beat.heartbeat] {
            let ahead = instant.milliseconds(since: now)
            guard ahead <= maxClockOffset, ahead >= -RecordInstant.reach else { return .stale }
        }
        return withShard(shardIndex(beat.user), at: now) { $0.merge(beat, from: sender, at: $1) }
    }
}

/// Which hashes were seen. One takes no memory of its own: most slices of a log have no more.
private struct HashMarks {
    private var first: UInt64 = 0
    private var places: [UInt64] = []
    private var count = 0

    func contains(_ hash: UInt64) -> Bool {
        places.isEmpty ? first != 0 && first == hash : places[place(of: hash)] != 0
    }

    /// False if it was seen before.
    mutating func insert(_ hash: UInt64) -> Bool {
        if places.isEmpty {
            guard first != 0 else {
                first = hash
                return true
            }
            guard first != hash else { return false }
            places = [UInt64](repeating: 0, count: 64)
            places[place(of: first)] = first
            count = 1
        }
        let free = place(of: hash)
        guard places[free] == 0 else { return false }
        places[free] = hash
        count += 1
        if 2 * count > places.count { grow() }
        return true
    }

    /// Where it is, or would be.
    private func place(of hash: UInt64) -> Int {
        var place = Int(truncatingIfNeeded: hash >> 20) & (places.count - 1)
        while places[place] != 0, places[place] != hash { place = (place + 1) & (places.count - 1) }
        return place
    }

    private mutating func grow() {
        let old = places
        places = [UInt64](repeating: 0, count: 2 * old.count)
        for hash in old where hash != 0 { places[place(of: hash)] = hash }
    }
}
