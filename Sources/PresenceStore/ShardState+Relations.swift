import Presence

/// Privacy: what a user set, whom he blocked, who is his friend, and what each viewer may know of him.
extension ShardState {
    /// What is known on the viewer's side, asked for before the target's shard is locked.
    struct ViewerSide {
        /// He blocked the target, and the store hides both.
        var hasBlocked = false
        /// What he could read then.
        var read: LastSeen?
        /// A rule of the embedder hides the target.
        var isRefused = false

        /// How the viewer stands to the target, as far as his side says it.
        @inline(__always)
        func standing(isSelf: Bool) -> Standing {
            var standing = Standing()
            standing.isSelf = isSelf
            standing.isRefused = isRefused
            standing.hasBlocked = hasBlocked
            standing.read = read
            return standing
        }
    }

    // MARK: Views

    /// What a viewer may know of the user of that record, who is looked at. Allocates nothing.
    @inline(__always)
    mutating func view(
        _ number: UInt32, for viewer: UInt64, isSelf: Bool, _ side: ViewerSide = ViewerSide(), at now: Timestamp
    ) -> View {
        let evidence = settle(number, at: now)
        let record = record(number)
        var standing = side.standing(isSelf: isSelf)
        var privacy = Privacy()
        if let relations = record.relations {
            privacy = relations.privacy(near: now)
            if let relation = relations.relation(to: viewer, near: now) {
                standing.isFriend = relation.isFriend
                standing.isBlocked = relation.isBlocked
                standing.read = side.read ?? relation.read
            }
        }
        return privacy.view(
            status: isSelf ? evidence.verdict(at: now).status : record.announced, announced: record.announced,
            lastSeen: record.lastSeen(near: now), standing)
    }

    /// The status alone of a view, which needs none of the instants that a view reads.
    @inline(__always)
    mutating func viewedStatus(
        _ number: UInt32, for viewer: UInt64, isSelf: Bool, _ side: ViewerSide, at now: Timestamp
    ) -> Status {
        guard !isSelf else { return view(number, for: viewer, isSelf: true, side, at: now).status }
        let announced = status(number, at: now)
        // Then he looks it, hidden or not.
        guard announced != .offline else { return .offline }
        let standing = side.standing(isSelf: false)
        let isHidden =
            record(number).relations?.hides(from: viewer, standing) ?? Visibility.everyone.rule(standing).hides
        return isHidden ? .offline : announced
    }

    /// The activity text in force, if the view shows it.
    func activity(_ number: UInt32, _ view: View, at now: Timestamp) -> [UInt8]? {
        view.showsActivity ? record(number).text(at: now).map { [UInt8]($0) } : nil
    }

    /// Asks for the relations of a record that may be looked at next: if it is a user's, and he has any.
    @inline(__always)
    func prefetchRelations(_ number: UInt32) {
        guard number != 0 else { return }
        let address = slabs.address(number)
        guard RecordHeader(address).kind == .user else { return }
        UserRecord(address).relations?.prefetch()
    }

    // MARK: Edges

    /// How a user stands to another; nil if he never said anything of him.
    func relation(_ number: UInt32, to other: UInt64, at now: Timestamp) -> Relation? {
        number == 0 ? nil : record(number).relations?.relation(to: other, near: now)
    }

    /// The number of a user whom others name from now on: one of whom nothing was known becomes known by it.
    mutating func name(_ user: BytesKey, _ userHash: UInt64, at now: Timestamp) throws(StoreError) -> UInt32 {
        let number = try known(user, userHash, at: now)
        if !record(number).isNamed {
            record(number).isNamed = true
            replicaLog.note(userHash, .record)
        }
        return number
    }

    /// The number of a user, of whom nothing need be known yet.
    mutating func known(_ user: BytesKey, _ userHash: UInt64, at now: Timestamp) throws(StoreError) -> UInt32 {
        let found = find(user, userHash)
        guard found == 0 else { return found }
        let number = try allocate(UserRecord.idOffset + user.storedCount, at: now)
        record(number).initialize(user)
        enter(userHash, number)
        account()
        counters[.offline] += 1
        return number
    }

    /// Sees to it that there is room for what a user is to say of others, each of them named once.
    ///
    /// Those that ended stay, beside those that hold, up to twice as many as may hold: while he is hidden one of them may have what the other read before, and
    /// another node may not have heard yet that it ended.
    func checkRoom(_ number: UInt32, toName others: Span<UInt64>, at now: Timestamp) throws(StoreError) {
        let limit = settings.maxRelations
        var (new, added) = (0, 0)
        for index in others.indices {
            let relation = relation(number, to: others[index], at: now)
            if relation?.hasEnded ?? true { new += 1 }
            if relation == nil { added += 1 }
        }
        guard new > 0 else { return }
        let relations = number == 0 ? nil : record(number).relations
        let counts = relations?.edgeCounts ?? (holding: 0, ended: 0)
        guard counts.holding + new <= limit else { throw .tooManyRelations(limit: limit) }
        let excess = counts.holding + counts.ended + added - 2 * limit
        guard excess > 0 else { return }
        let forgettable = relations?.forgettableCount(endedBefore: forgottenBefore(now), near: now) ?? 0
        guard excess <= forgettable else { throw .tooManyEndedRelations(limit: limit) }
    }

    /// What a user said of others and took back before this instant may be forgotten, if it is of no use here: other nodes have heard of it by then.
    private func forgottenBefore(_ now: Timestamp) -> Timestamp {
        replicaLog.isKept ? now.advanced(byMilliseconds: -ShardState.endedEdgeLife) : .distantFuture
    }

    /// A week: so long may a node be cut off, and come back with what it knew.
    private static let endedEdgeLife: Int64 = 7 * 86_400_000

    /// Changes one edge. Returns false if it was so already; `number` may be another afterwards.
    ///
    /// - Parameters:
    ///   - othersRead: what the user could read of the other, in stores that hide both.
    ///   - blockersRead: what the other could read when he blocked the user, and reads until he takes that back, in such stores; nil if he does not.
    ///   - isRefused: whether a rule of the embedder hides the user from the other, who can read nothing of him then.
    mutating func relate(
        _ number: inout UInt32, _ change: RelationChange, to other: UInt64, othersRead: LastSeen?,
        blockersRead: LastSeen?, isRefused: Bool, at now: Timestamp
    ) throws(StoreError) -> Bool {
        let known = relation(number, to: other, at: now)
        var relation = known ?? Relation()
        let isSo = change.isFriendship ? relation.isFriend : relation.isBlocked
        guard isSo != change.holds else { return false }
        let relations = try makeRelations(&number, at: now)
        let (holding, ended) = relations.edgeCounts
        let limit = settings.maxRelations
        if change.holds, relation.hasEnded, holding >= limit { throw .tooManyRelations(limit: limit) }
        if known == nil, holding + ended >= 2 * limit,
            !relations.forgetEnded(before: forgottenBefore(now), near: now)
        {
            throw .tooManyEndedRelations(limit: limit)
        }
        let privacy = relations.privacy(near: now)
        let lastSeen = record(number).lastSeen(near: now)
        var before = Standing(relation)
        // Who is hidden otherwise as well keeps what was read before that.
        before.isRefused = isRefused && !privacy.rule(before).hides
        let read = blockersRead ?? privacy.lastSeen(lastSeen, before)
        if change.isFriendship {
            relation.isFriend = change.holds
        } else {
            relation.isBlocked = change.holds
            relation.othersRead = change.holds ? othersRead : nil
        }
        relation.read = privacy.kept(read, for: Standing(relation))
        if change.isFriendship {
            // A block has it, as a rule.
            let isKept = relation.blockStamp != .zero && relation.read.map(relation.blockStamp.hasRoom(for:)) ?? true
            relation.friendStamp = relation.friendStamp.next(
                at: now, node: stamps.node, keeping: isKept ? nil : relation.read)
        } else {
            relation.blockStamp = relation.blockStamp.next(at: now, node: stamps.node, keeping: relation.read)
        }
        try grow(number, for: relation, to: other, at: now).store(relation, to: other)
        noteChange(number)
        return true
    }

    /// Changes what a user set of his privacy. `number` may be another afterwards. His edges take no more bytes than before.
    mutating func setPrivacy(
        _ number: inout UInt32, visibility: Visibility?, lastSeen: LastSeenVisibility?, stamp: Stamp, at now: Timestamp
    ) throws(StoreError) {
        let relations = try makeRelations(&number, at: now)
        let seen = record(number).lastSeen(near: now)
        let old = relations.privacy(near: now)
        var new = old
        if let lastSeen {
            new.lastSeen = lastSeen
            relations.lastSeenStamp = stamp
        }
        if let visibility {
            // Those from whom this hides him go on reading what they could until now, by the settings of until now.
            var hidden = old
            hidden.setVisibility(visibility, lastSeen: seen)
            hidden.lastSeen = new.lastSeen
            new = hidden
            relations.visibilityStamp = stamp
        }
        noteForWatchers(record(number))
        relations.store(new)
        let plan = relations.plan(near: now) { relation in
            if relation.isBlocked {
                // Whom he blocked stays hidden. A block always has what was read; one from elsewhere that has not tells nothing.
                relation.read = relation.read ?? .unknown
            } else {
                relation.read = new.kept(old.lastSeen(seen, Standing(relation)), for: Standing(relation))
            }
        }
        guard let plan else { return }
        let changed = RelationsRecord.make(plan)
        changed.storePrivacy(of: relations)
        replace(relations, of: number, with: changed)
    }

    /// His relations; they are made if he has none.
    @discardableResult
    mutating func makeRelations(
        _ number: inout UInt32, at now: Timestamp
    ) throws(StoreError) -> RelationsRecord {
        if let relations = record(number).relations { return relations }
        let record = try insertRoom(
            &number, record(number).relationsOffset, UserRecord.relationsBytes,
            blockBytes: RelationsRecord.Sizes().byteCount, at: now)
        let relations = RelationsRecord.make()
        record.storeRelations(relations)
        blockBytes += relations.byteCount
        arm(number, evidence(of: record, at: now, near: now), at: now)
        account()
        return relations
    }

    /// His relations, with room for one more edge.
    private mutating func grow(
        _ number: UInt32, for relation: Relation, to other: UInt64, at now: Timestamp
    ) throws(StoreError) -> RelationsRecord {
        guard let old = record(number).relations else { preconditionFailure("the relations were just made") }
        let rooms = old.rooms(toStore: relation, to: other)
        guard rooms != old.rooms else { return old }
        try makeBudget(for: rooms.byteCount - old.byteCount, sparing: number, at: now)
        let new = old.copy(rooms)
        replace(old, of: number, with: new)
        return new
    }

    /// Puts relations in the place of others, which are gone then.
    private mutating func replace(_ old: RelationsRecord, of number: UInt32, with new: RelationsRecord) {
        blockBytes += new.byteCount - old.byteCount
        record(number).storeRelations(new)
        old.destroy()
        account()
    }

    /// Sees that there is room for so many bytes outside the slabs, by eviction if need be.
    mutating func makeBudget(
        for bytes: Int, sparing spared: UInt32, at now: Timestamp
    ) throws(StoreError) {
        while !budget.hasRoom(for: bytes) {
            guard evictChunk(sparing: spared, at: now) else {
                counters.refusedForMemory += 1
                throw .outOfMemory
            }
        }
    }

    /// Opens a gap of some bytes in a record, which may move for it: the caller fills it and arms the timer anew.
    mutating func insertRoom(
        _ number: inout UInt32, _ offset: Int, _ bytes: Int, blockBytes: Int = 0, at now: Timestamp
    ) throws(StoreError) -> UserRecord {
        _ = settle(number, at: now)
        try makeBudget(for: blockBytes, sparing: number, at: now)
        // A record that moves leaves its timer behind, and with it the look at what has run out.
        number = try grow(number, by: bytes, at: now)
        let size = record(number).byteCount
        let record = record(number)
        (record.address + offset + bytes).copyMemory(from: record.address + offset, byteCount: size - offset)
        return record
    }
}

extension Privacy {
    /// What is to be kept for one viewer alone of what he could read: nil if the user is not hidden from him, or if he reads what all do who stand to him
    /// like that, and will whenever that changes. Who is blocked has his own, since what others read may go on.
    func kept(_ read: LastSeen, for standing: Standing) -> LastSeen? {
        guard rule(standing).hides else { return nil }
        return !standing.isBlocked && read == (standing.isFriend ? friendsRead : strangersRead) ? nil : read
    }
}

extension Standing {
    /// How the user of a relation stands to the other.
    init(_ relation: Relation) {
        self.init()
        isFriend = relation.isFriend
        isBlocked = relation.isBlocked
        read = relation.read
    }
}
