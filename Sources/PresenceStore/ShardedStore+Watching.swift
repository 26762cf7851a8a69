import Presence

/// What changed of a list since the frame before.
public struct WatchFrame: Sendable, Hashable {
    /// What a client gives back to go on from here.
    public var cursor: String
    /// Those who changed, each once, as they are now.
    public var rows: [ViewRow]
}

/// The answer to a `watch`.
public struct WatchReply: Sendable {
    /// The list.
    public var watch: Watch
    /// What a client gives back to go on from here, for the users whom it asked for; of others on the list it may have missed what frames told before.
    public var cursor: String
    /// Whether `rows` are what changed since the cursor that was given; else they are all that were asked for.
    public var isResumed: Bool
    /// The users, in the order in which they were asked for.
    public var rows: [ViewRow]
}

/// Watching: a viewer's list of users, of whom he is told what he may see, and when that changes.
///
/// The changes of shards become marks of watches when `pumpWatches` is called for them, and marks become frames by `takeFrame`: who drives a store calls
/// the first when a listener is woken, the second when a watch is. Registration and the first look at a user are one hold of his shard's lock, so no
/// change is lost in between.
///
/// A list's lock comes before those of shards, so a store that `atomically` hands out takes no lists: what changes one stops the process there.
extension ShardedStore {
    /// Users that are looked at while a watch's lock is held.
    private static let rowsPerHold = 64

    /// Adds users to the list of a viewer, which is made if he has none, and tells how he sees them.
    ///
    /// - Parameters:
    ///   - viewer: whose list it is.
    ///   - cursor: what an earlier reply or frame gave; empty for none. If it is of this list, only those come back who changed since, and those who
    ///     are new on the list. That of a reply speaks of the users who were asked for then, and of no others.
    ///   - bytes: what the ranges point into.
    ///   - users: the users' ids.
    ///   - now: the instant of the rows.
    ///   - wake: of a list that is made: called on any thread when there is something to take a frame of. Must return at once.
    /// - Throws: `tooManyWatched`, `tooManyWatchLists`, `idTooLong`, `idEmpty`, `tooManyWatchers`, `outOfMemory`: the list is what it was.
    /// - Complexity: O(users), 64 of them a hold of the watch's lock. A user on one list takes at most 64 bytes.
    public func watch(
        _ viewer: Span<UInt8>, since cursor: Span<UInt8>, _ bytes: Span<UInt8>, _ users: Span<KeyRange>,
        at now: Timestamp, wake: @escaping @Sendable (Watch) -> Void
    ) throws(StoreError) -> WatchReply {
        try watch(viewer, since: cursor, bytes, users, at: now, isNewList: false, wake: wake)
    }

    /// The same for who wants a list of his own, if `isNewList`.
    func watch(
        _ viewer: Span<UInt8>, since cursor: Span<UInt8>, _ bytes: Span<UInt8>, _ users: Span<KeyRange>,
        at now: Timestamp, isNewList: Bool, wake: @escaping @Sendable (Watch) -> Void
    ) throws(StoreError) -> WatchReply {
        refuseIfHeld()
        try checkID(viewer)
        for index in users.indices { try checkID(bytes.extracting(users[index].range)) }
        let limits = watchLimits
        let hash = userHash(viewer)
        while true {
            let found = watches.watch(ofViewer: hash, limit: limits.lists) { number in
                Watch(viewer: copy(viewer), viewerHash: hash, number: number, wake: wake)
            }
            guard let found else { throw .tooManyWatchLists(limit: limits.lists) }
            guard found.isNew || !isNewList else { throw .watchesAlready }
            let watch = found.watch
            let number = watch.state.withLock { $0.beginFill() }
            defer { if watch.state.withLock({ $0.endFill() }) { endWatch(watch) } }
            var added: [AddedUser] = []
            do throws(StoreError) {
                if let reply = try fill(watch, cursor, bytes, users, &added, limits.users, number, at: now) {
                    return reply
                }
            } catch {
                remove(added.map(\.hash), from: watch, byFill: number)
                for user in added where user.isNew {
                    withShard(shardIndex(user.hash)) { $0.forgetUnsaid(ofHash: user.hash, at: now) }
                }
                throw error
            }
        }
    }

    /// Somebody whom a call put on a list, and whether he became known by it.
    private struct AddedUser {
        var hash: UInt64
        var isNew: Bool
    }

    /// Nil if the list was given up meanwhile.
    private func fill(
        _ watch: Watch, _ cursor: Span<UInt8>, _ bytes: Span<UInt8>, _ users: Span<KeyRange>,
        _ added: inout [AddedUser], _ limit: Int, _ number: UInt64, at now: Timestamp
    ) throws(StoreError) -> WatchReply? {
        let begin = try watch.state.withLock { rows throws(StoreError) -> (UInt32?, FrameNumbers.Turn)? in
            guard !rows.isEnded else { return nil }
            try checkRoom(rows, bytes, users, limit)
            return (cursor.count == 0 ? nil : rows.frames.number(cursor), rows.frames.begin())
        }
        guard let begin else { return nil }
        let since = begin.0
        var turn = begin.1
        var found: [ViewRow] = []
        if since == nil { found.reserveCapacity(users.count) }
        var start = 0
        var owes = false
        defer { if owes { watch.wakeUp() } }
        while start < users.count {
            let end = min(start + ShardedStore.rowsPerHold, users.count)
            let isAlive = try watch.state.withLock { rows throws(StoreError) -> Bool in
                guard !rows.isEnded else { return false }
                for index in start..<end {
                    let user = bytes.extracting(users[index].range)
                    if rows.isFilledByOthers { rows.claim(userHash(user), byFill: number) }
                    if rows.count >= limit, rows.row(of: userHash(user)) == nil { throw .tooManyWatched(limit: limit) }
                    let (row, sight) = try look(watch, &rows, user, &turn, &owes, &added, at: now)
                    if let since, rows.frames.series == turn.series, rows.rows[Int(row)].frame <= since { continue }
                    found.append(
                        ViewRow(
                            id: copy(user), status: sight.view.status, lastSeen: sight.view.lastSeen,
                            activity: sight.activity))
                }
                return true
            }
            guard isAlive else { return nil }
            start = end
        }
        // Who changes from here on gets a number that it does not speak of.
        let next = watch.state.withLock { rows in
            rows.isAnswered = true
            return rows.frames.cursor(rows.frames.covered(by: turn), of: turn.series)
        }
        return WatchReply(watch: watch, cursor: next, isResumed: since != nil, rows: found)
    }

    private func checkRoom(
        _ rows: borrowing WatchRows, _ bytes: Span<UInt8>, _ users: Span<KeyRange>, _ limit: Int
    ) throws(StoreError) {
        guard rows.count + users.count > limit else { return }
        var new: Set<UInt64> = []
        for index in users.indices {
            let hash = userHash(bytes.extracting(users[index].range))
            if rows.row(of: hash) == nil { new.insert(hash) }
        }
        // A limit that was lowered takes nobody from a list.
        if !new.isEmpty, rows.count + new.count > limit { throw .tooManyWatched(limit: limit) }
    }

    /// Puts a user on the list if he is not, and looks at him.
    private func look(
        _ watch: Watch, _ rows: inout WatchRows, _ user: Span<UInt8>, _ turn: inout FrameNumbers.Turn,
        _ owes: inout Bool, _ added: inout [AddedUser], at now: Timestamp
    ) throws(StoreError) -> (UInt32, ShardState.Sight) {
        let viewer = watch.viewer
        let side = viewerSide(of: user, for: viewer.span, at: now)
        let userHash = userHash(user)
        if let row = rows.row(of: userHash) {
            let sight = withShard(shardIndex(userHash), at: now) {
                $0.sight(ofHash: userHash, for: watch.viewerHash, side, withID: false, at: $1)
            }
            let seen = shown(sight, side)
            // Another connection of the viewer may be listening: the reply tells one of them only.
            if rows.update(row, seen.view.status, WatchText(seen.activity, hash), &turn), rows.owe(row) { owes = true }
            return (row, seen)
        }
        let next = rows.nextRow
        let (place, sight) = try withUser(user, at: now) { state, key, hash, now throws(StoreError) in
            let place = try state.addWatcher(
                .init(watch: watch.number, row: next), key, hash, isHimself: hash == watch.viewerHash, at: now)
            return (place, state.sight(ofHash: hash, for: watch.viewerHash, side, withID: false, at: now))
        }
        let seen = shown(sight, side)
        let row = rows.add(userHash, node: place.node)
        added.append(AddedUser(hash: userHash, isNew: place.isNew))
        if !rows.update(row, seen.view.status, WatchText(seen.activity, hash), &turn) { rows.stamp(row, &turn) }
        // Another connection may be listening, and know what he was before one took him off the list.
        if rows.hasRemoved, rows.owe(row) { owes = true }
        return (row, seen)
    }

    private func shown(_ sight: ShardState.Sight?, _ side: ShardState.ViewerSide) -> ShardState.Sight {
        sight
            ?? ShardState.Sight(
                view: View(
                    status: .offline, lastSeen: .unknown, showsActivity: false, showsChange: false, rule: .everyone),
                activity: nil, id: nil)
    }

    /// The list of a viewer, if he has one.
    public func watch(of viewer: Span<UInt8>) -> Watch? { watches.watch(ofViewer: userHash(viewer)) }

    /// Takes users off a viewer's list.
    ///
    /// - Returns: how many were on it.
    @discardableResult
    public func unwatch(_ viewer: Span<UInt8>, _ bytes: Span<UInt8>, _ users: Span<KeyRange>) -> Int {
        refuseIfHeld()
        guard let watch = watch(of: viewer) else { return 0 }
        var hashes: [UInt64] = []
        for index in users.indices { hashes.append(userHash(bytes.extracting(users[index].range))) }
        let count = remove(hashes, from: watch)
        if count > 0 { watch.state.withLock { $0.hasRemoved = true } }
        return count
    }

    /// Takes users off a list; of those whom a call that failed put on it, nobody whom another call has asked for meanwhile.
    @discardableResult
    private func remove(_ users: [UInt64], from watch: Watch, byFill number: UInt64? = nil) -> Int {
        var count = 0
        for hash in users {
            watch.state.withLock { rows in
                if let number, rows.isClaimed(hash, byOtherThan: number) { return }
                guard let row = rows.row(of: hash) else { return }
                removeRow(row, &rows)
                count += 1
            }
        }
        return count
    }

    private func removeRow(_ row: UInt32, _ rows: inout WatchRows) {
        let hash = rows.rows[Int(row)].userHash
        let node = rows.rows[Int(row)].node
        withShard(shardIndex(hash)) { $0.removeWatcher(node, ofHash: hash) }
        rows.remove(row)
    }

    /// Gives a list up. Its cursors are of no use any more.
    ///
    /// - Returns: how many users were on it.
    /// - Complexity: O(users), 64 of them a hold of the watch's lock.
    @discardableResult
    public func endWatch(_ watch: Watch) -> Int {
        refuseIfHeld()
        guard watches.remove(watch) else { return 0 }
        var count = 0
        var start: UInt32 = 0
        while true {
            let isDone = watch.state.withLock { rows -> Bool in
                rows.isEnded = true
                let end = min(start + UInt32(ShardedStore.rowsPerHold), UInt32(rows.rows.count))
                for row in start..<end where rows.rows[Int(row)].node != 0 {
                    removeRow(row, &rows)
                    count += 1
                }
                start = end
                return end == rows.rows.count
            }
            if isDone { return count }
        }
    }

    // MARK: Telling

    /// Marks the watches of those who changed in a shard, up to `limit` of them.
    ///
    /// - Returns: whether there are more; if not, listeners are woken when there are.
    public func pumpWatches(shard: Int, limit: Int = 256) -> Bool {
        var marks: [ShardWatchers.Mark] = []
        let hasMore = withShard(shard, isLong: true) { state in
            let hasMore = state.takeMarks(limit, into: &marks)
            if !hasMore { state.idleReaders.formUnion(.ofNews) }
            return hasMore
        }
        guard !marks.isEmpty else { return hasMore }
        for (mark, watch) in zip(marks, watches.watches(of: marks)) { watch?.mark(row: mark.row) }
        return hasMore
    }

    /// Looks again at those who are marked on a list, and takes what differs from what was sent last.
    ///
    /// One at a time for each watch.
    ///
    /// - Parameters:
    ///   - watch: the list.
    ///   - now: the instant of the rows.
    ///   - limit: how many users to tell of, at most. Those who are looked at for nothing do not count, since who cannot be seen must not show by where a
    ///     frame ends; but the look stops at sixteen times as many.
    /// - Returns: a frame, nil if nothing differs; and whether there are more marks.
    /// - Complexity: O(marks), 64 of them a hold of the watch's lock.
    public func takeFrame(
        of watch: Watch, at now: Timestamp, limit: Int = 1_000
    ) -> (frame: WatchFrame?, hasMore: Bool) {
        refuseIfHeld()
        guard limit > 0 else { return (nil, watch.state.withLock { $0.hasMarks }) }
        var changed: [ViewRow] = []
        var looked = 0
        var begun: FrameNumbers.Turn?
        while true {
            let end = watch.state.withLock { rows -> (cursor: String?, hasMore: Bool)? in
                var turn = begun ?? rows.frames.beginFrame()
                let marked = rows.takeMarked(min(limit - changed.count, ShardedStore.rowsPerHold))
                looked += marked.count
                for row in marked {
                    let hash = rows.rows[Int(row)].userHash
                    guard let (side, sight) = sight(ofHash: hash, for: watch, at: now), let id = sight.id else {
                        continue
                    }
                    let seen = shown(sight, side)
                    let isOwed = rows.settleDebt(row)
                    let text = WatchText(seen.activity, self.hash)
                    guard rows.update(row, seen.view.status, text, &turn) || isOwed else { continue }
                    changed.append(
                        ViewRow(
                            id: id, status: seen.view.status, lastSeen: seen.view.lastSeen, activity: seen.activity))
                }
                begun = turn
                if rows.hasMarks, changed.count < limit, looked / 16 < limit { return nil }
                return (changed.isEmpty ? nil : rows.cursor(ofFrame: turn), rows.hasMarks)
            }
            guard let end else { continue }
            return (end.cursor.map { WatchFrame(cursor: $0, rows: changed) }, end.hasMore)
        }
    }

    private func sight(
        ofHash userHash: UInt64, for watch: Watch, at now: Timestamp
    ) -> (ShardState.ViewerSide, ShardState.Sight)? {
        var side = ShardState.ViewerSide()
        if blockHidesBoth || viewFilter != nil {
            // The rules of others want his id.
            guard let id = withShard(shardIndex(userHash), { $0.id(ofHash: userHash) }) else { return nil }
            let viewer = watch.viewer
            side = viewerSide(of: id.span, for: viewer.span, at: now)
        }
        let sight = withShard(shardIndex(userHash), at: now) {
            $0.sight(ofHash: userHash, for: watch.viewerHash, side, withID: true, at: $1)
        }
        return sight.map { (side, $0) }
    }

    /// Tells those who watch a user to look again: what a ``ViewFilter`` says of him has changed.
    public func viewsChanged(of user: Span<UInt8>) {
        let hash = userHash(user)
        withShard(shardIndex(hash)) { $0.noteForWatchers(ofHash: hash) }
    }

    /// An edge changed: whichever of the two watches the other looks again.
    func relationChanged(_ user: UInt64, _ other: UInt64) {
        if keepRelation(user, other) { return }
        watches.watch(ofViewer: other)?.mark(userHash: user)
        if blockHidesBoth { watches.watch(ofViewer: user)?.mark(userHash: other) }
    }

    // MARK: Limits

    /// The bounds of watching: users on one viewer's list, and lists.
    struct WatchLimits {
        var users: Int
        var lists: Int
    }

    private var watchLimits: WatchLimits {
        withShard(0) { WatchLimits(users: $0.settings.maxWatch, lists: $0.settings.maxWatchLists) }
    }

    /// Other bounds of watching, from now on: users on one viewer's list, viewers of one user, lists.
    public func setWatchLimits(users: Int, watchersPerUser: Int, lists: Int) {
        updateSettings {
            $0.maxWatch = max(users, 0)
            $0.maxWatchersPerUser = max(watchersPerUser, 0)
            $0.maxWatchLists = max(lists, 0)
        }
    }

    /// Lists there are now.
    public var watchCount: Int { watches.count }

    private func copy(_ bytes: Span<UInt8>) -> [UInt8] { bytes.withUnsafeBytes { [UInt8]($0) } }
}
