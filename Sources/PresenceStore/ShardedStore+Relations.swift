import Presence

/// A rule of the embedder's own: whether `target` is hidden from `viewer`. It can only hide more than the store does.
///
///     configuration.viewFilter = { target, viewer in game.areEnemies(target, viewer) }
///
/// Who is hidden by it is shown offline, without a last seen. It is asked at every view, and when a user blocks or befriends somebody or takes that back, on
/// the thread that does so, maybe by several at once. For a watch it is asked under the lock of that list, and in `atomically` under those of shards: so it
/// must be quick, must not call the store, and whoever calls the store must not hold a lock that the filter takes. What it says may change at any time;
/// `viewsChanged(of:)` tells watchers.
public typealias ViewFilter = @Sendable (_ target: Span<UInt8>, _ viewer: Span<UInt8>) -> Bool

/// What a user says of others.
public enum RelationChange: Sendable, Hashable, CaseIterable {
    /// He names them friends.
    case friend
    /// He does not any more.
    case unfriend
    /// He blocks them: they see him offline.
    case block
    /// He does not any more.
    case unblock

    var isFriendship: Bool { self == .friend || self == .unfriend }
    /// Whether it says something, and does not take it back.
    public var holds: Bool { self == .friend || self == .block }
}

/// What a user set of his privacy, and of whom he said what.
public struct Relations: Sendable, Hashable {
    /// The ids of those whom he names friends, in the order of their bytes.
    public var friends: [[UInt8]] = []
    /// The ids of those whom he blocked, in the order of their bytes.
    public var blocked: [[UInt8]] = []
    /// Who may see that he is here.
    public var visibility = Visibility.everyone
    /// Who may see when he was last seen.
    public var lastSeen = LastSeenVisibility.everyone
}

/// What one viewer may know of one user.
public struct UserView: Sendable, Hashable {
    /// The user's id, as it was asked for.
    public var id: [UInt8]
    /// The status that the viewer sees.
    public var status: Status
    /// When the user was last seen, as far as the viewer may know.
    public var lastSeen: LastSeen
    /// Since when the status is what it is: nil of who is offline, and of whose last seen the viewer may not know to the millisecond.
    public var lastStatusChange: Timestamp?
    /// The activity text in force, of who is not offline.
    public var activity: [UInt8]?
}

/// Privacy: who may know what of whom.
extension ShardedStore {
    /// Edges that are changed under one lock.
    private static let edgesPerHold = 64

    /// The same of one other, in texts and now.
    @discardableResult
    public func relate(_ user: String, _ change: RelationChange, to other: String) throws(StoreError) -> Bool {
        let range = [KeyRange(offset: 0, length: other.utf8.count)]
        return try relate(user.utf8.span, change, to: other.utf8.span, range.span, at: clock.now()) == 1
    }

    /// What `viewer` may know of `target` now.
    public func view(of target: String, for viewer: String) -> UserView {
        view(of: target.utf8.span, for: viewer.utf8.span, at: clock.now())
    }

    /// What a user set of his privacy, and of whom he said what.
    public func relations(of user: String) -> Relations { relations(of: user.utf8.span, at: clock.now()) }

    /// Blocks or befriends others, or takes it back, in the name of `user`. Whom an edge names is known from then on.
    ///
    /// - Parameters:
    ///   - user: the id of who says so.
    ///   - change: what he says of them.
    ///   - bytes: what the ranges point into.
    ///   - others: the ids of the others.
    ///   - now: when.
    /// - Returns: how many edges changed; of those who were named so already none does.
    /// - Throws: `idTooLong`, `idEmpty`, `selfRelation`, `tooManyRelations`, `tooManyEndedRelations`, `outOfMemory`; the first five before anything has
    ///   changed, of the last those before the one that failed have.
    /// - Complexity: O(others x log edges), 64 of them a lock hold. An edge takes at most 16 bytes among many. Who is friend
    ///   and blocked is two edges, and a block is two where the store hides both.
    @discardableResult
    public func relate(
        _ user: Span<UInt8>, _ change: RelationChange, to bytes: Span<UInt8>, _ others: Span<KeyRange>,
        at now: Timestamp
    ) throws(StoreError) -> Int {
        try checkID(user)
        let own = userHash(user)
        var hashes: [UInt64] = []
        hashes.reserveCapacity(others.count)
        for index in others.indices {
            let other = bytes.extracting(others[index].range)
            try checkID(other)
            hashes.append(userHash(other))
            if hashes[index] == own { throw .selfRelation }
        }
        try checkRoom(user, change, hashes, at: now)
        var changed = 0
        var start = 0
        while start < hashes.count {
            let end = min(start + ShardedStore.edgesPerHold, hashes.count)
            changed += try relate(user, change, hashes, bytes, others, start..<end, at: now)
            start = end
        }
        return changed
    }

    private func checkRoom(
        _ user: Span<UInt8>, _ change: RelationChange, _ hashes: [UInt64], at now: Timestamp
    ) throws(StoreError) {
        guard change.holds else { return }
        // Those who are named twice are new once.
        let distinct = hashes.count > 1 ? Array(Set(hashes)) : hashes
        try withUser(user, at: now) { state, key, hash, now throws(StoreError) in
            try state.checkRoom(state.find(key, hash), toName: distinct.span, at: now)
        }
    }

    private func relate(
        _ user: Span<UInt8>, _ change: RelationChange, _ hashes: [UInt64], _ bytes: Span<UInt8>,
        _ others: Span<KeyRange>, _ part: Range<Int>, at now: Timestamp
    ) throws(StoreError) -> Int {
        let mirrors = blockHidesBoth && change == .block
        let own = userHash(user)
        var read: [LastSeen?] = []
        // Of those who block him themselves, and read him no more: what they could read then.
        var blockersRead: [LastSeen?] = []
        var isRefused: [Bool] = []
        for index in part {
            let other = bytes.extracting(others[index].range)
            read.append(mirrors ? view(of: other, for: user, at: now).lastSeen : nil)
            blockersRead.append(blockHidesBoth ? readByBlocker(other, of: own, at: now) : nil)
            isRefused.append(viewFilter.map { $0(user, other) } ?? false)
            if change.holds {
                try withUser(other, at: now) { state, key, hash, now throws(StoreError) in
                    _ = try state.name(key, hash, at: now)
                }
            }
        }
        var changed: [Int] = []
        // Whom those that were changed before one failed concern hear of it.
        defer { for index in changed { relationChanged(own, hashes[index]) } }
        try withUser(user, at: now) { state, key, hash, now throws(StoreError) in
            if !change.holds, state.find(key, hash) == 0 { return }
            var number = try state.known(key, hash, at: now)
            for index in part {
                let place = index - part.lowerBound
                if try state.relate(
                    &number, change, to: hashes[index], othersRead: read[place], blockersRead: blockersRead[place],
                    isRefused: isRefused[place], at: now)
                {
                    changed.append(index)
                }
            }
        }
        return changed.count
    }

    /// What a user set of his privacy, and of whom he said what.
    ///
    /// - Complexity: one look-up an edge.
    public func relations(of user: Span<UInt8>, at now: Timestamp) -> Relations {
        var relations = Relations()
        var edges: [(hash: UInt64, isFriend: Bool, isBlocked: Bool)] = []
        withUser(user, at: now) { state, key, hash, now in
            let number = state.find(key, hash)
            guard number != 0, let record = state.record(number).relations else { return }
            let privacy = record.privacy(near: now)
            relations.visibility = privacy.visibility
            relations.lastSeen = privacy.lastSeen
            record.forEach(near: now) { edges.append(($0, $1.isFriend, $1.isBlocked)) }
        }
        for edge in edges where edge.isFriend || edge.isBlocked {
            let id = withShard(shardIndex(edge.hash)) { $0.id(ofHash: edge.hash) }
            guard let id else { continue }
            if edge.isFriend { relations.friends.append(id) }
            if edge.isBlocked { relations.blocked.append(id) }
        }
        relations.friends.sort { $0.lexicographicallyPrecedes($1) }
        relations.blocked.sort { $0.lexicographicallyPrecedes($1) }
        return relations
    }

    // MARK: Views

    /// What `viewer` may know of `target`. Everybody may know all of himself.
    ///
    /// Who is hidden looks like who is offline, in every field. While he is hidden, his last seen stays what the viewer could read when that began.
    ///
    /// - Complexity: one look-up, a second one in stores that hide both.
    public func view(of target: Span<UInt8>, for viewer: Span<UInt8>, at now: Timestamp) -> UserView {
        let viewerHash = userHash(viewer)
        let side = viewerSide(of: target, for: viewer, at: now)
        return withUser(target, at: now) { state, key, hash, now in
            var found = UserView(
                id: [UInt8](key.bytes), status: .offline, lastSeen: .unknown, lastStatusChange: nil, activity: nil)
            let number = state.find(key, hash)
            guard number != 0 else { return found }
            let view = state.view(number, for: viewerHash, isSelf: hash == viewerHash, side, at: now)
            found.status = view.status
            found.lastSeen = view.lastSeen
            found.activity = state.activity(number, view, at: now)
            if view.showsChange { found.lastStatusChange = state.record(number).version.timestamp }
            return found
        }
    }

    /// The statuses of many users as `viewer` may see them, handed out in their order.
    ///
    /// - Parameters:
    ///   - viewer: the id of who asks.
    ///   - bytes: what the ranges point into.
    ///   - users: the users' ids.
    ///   - now: the instant of all statuses.
    ///   - body: called with the 0-based position and the status of every user, in ascending order.
    /// - Complexity: one look-up a user, overlapped; one more each in stores that hide both. Allocates nothing for up to 512 users without a filter.
    public func views(
        for viewer: Span<UInt8>, _ bytes: Span<UInt8>, _ users: Span<KeyRange>, at now: Timestamp,
        _ body: (Int, Status) -> Void
    ) {
        let viewerHash = userHash(viewer)
        var sides: [ShardState.ViewerSide] = []
        if blockHidesBoth || viewFilter != nil {
            for index in users.indices {
                sides.append(viewerSide(of: bytes.extracting(users[index].range), for: viewer, at: now))
            }
        }
        forEachStatus(bytes, users, readsRelations: true, at: now, body) { state, number, hash, position, now in
            guard number != 0 else { return .offline }
            let side = sides.isEmpty ? ShardState.ViewerSide() : sides[position]
            return state.viewedStatus(number, for: viewerHash, isSelf: hash == viewerHash, side, at: now)
        }
    }

    /// What a user could read of another one when he blocked him; nil if he does not.
    private func readByBlocker(_ blocker: Span<UInt8>, of target: UInt64, at now: Timestamp) -> LastSeen? {
        withUser(blocker, at: now) { state, key, hash, now in
            guard let relation = state.relation(state.find(key, hash), to: target, at: now), relation.isBlocked
            else { return nil }
            return relation.othersRead ?? .unknown
        }
    }

    /// What the viewer's own edges and the embedder's filter say.
    func viewerSide(
        of target: Span<UInt8>, for viewer: Span<UInt8>, at now: Timestamp
    ) -> ShardState.ViewerSide {
        var side = ShardState.ViewerSide()
        if blockHidesBoth {
            let targetHash = userHash(target)
            withUser(viewer, at: now) { state, key, hash, now in
                guard let relation = state.relation(state.find(key, hash), to: targetHash, at: now) else { return }
                side.hasBlocked = relation.isBlocked
                side.read = relation.isBlocked ? relation.othersRead : nil
            }
        }
        if let viewFilter, viewFilter(target, viewer) { side.isRefused = true }
        return side
    }

    /// The hash that names a user in edges and watches. Two users of one hash would be taken for each other: of 30 million, the odds that any two
    /// have one are 1 in 40 000, and the secret keeps them from being made.
    func userHash(_ user: Span<UInt8>) -> UInt64 {
        user.withUnsafeBytes { hash(BytesKey($0), .user) }
    }
}

extension ShardState {
    /// The number of the user with this hash, 0 if none is known.
    func find(userHash: UInt64) -> UInt32 {
        index.find(userHash) { number in
            let address = slabs.address(number)
            return RecordHeader(address).kind == .user && UserRecord(address).hash(hash) == userHash
        }
    }

    /// The id of the user with this hash, if one is known.
    func id(ofHash userHash: UInt64) -> [UInt8]? {
        let number = find(userHash: userHash)
        guard number != 0 else { return nil }
        return BytesText.expand(record(number).id, isPacked: record(number).isPacked)
    }
}
