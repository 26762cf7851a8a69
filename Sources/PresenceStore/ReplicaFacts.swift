import Presence

/// All that a node knows of a user and that another one must know: what they merge.
///
/// The facts are a join: merging any number of copies, in any order, however often, gives the same. What follows from them (a status at an instant, a
/// timer, counters) is not here; `status` and `version` say what was announced last, so that all holders give one change one version.
struct ReplicaFacts: Sendable, Hashable {
    /// Device, platform and server of a session; an empty one is none.
    struct Words: Sendable, Hashable {
        var device: [UInt8] = []
        var platform: [UInt8] = []
        var server: [UInt8] = []
    }

    /// What he set of his privacy: two registers.
    struct PrivacyRegisters: Sendable, Hashable {
        var value = Privacy()
        var visibilityStamp = Stamp.zero
        var lastSeenStamp = Stamp.zero
    }

    var id: [UInt8]
    var isNamed = false
    var status = Status.offline
    var version = Stamp.zero
    /// What the rules need.
    var facts = UserFacts()
    /// The words of each session.
    var words: [[UInt8]: Words] = [:]
    var privacy: PrivacyRegisters?
    /// How he stands to others, by their hashes.
    var edges: [UInt64: Relation] = [:]

    init(id: [UInt8]) { self.id = id }

    /// The ids of the sessions in the order of their bytes: that in which they are written down.
    var sessionIDs: [[UInt8]] { facts.sessions.keys.sorted { $0.lexicographicallyPrecedes($1) } }

    /// Forgets a session and its words.
    mutating func forgetSession(_ id: [UInt8]) {
        facts.sessions[id] = nil
        words[id] = nil
    }

    /// The same with every session ended that a flush ended: one that comes late from a node which has not heard of it.
    func flushed(upTo flush: Stamp) -> ReplicaFacts {
        guard flush != .zero, facts.sessions.values.contains(where: { $0.incarnation <= flush }) else { return self }
        var user = self
        for (id, session) in facts.sessions where session.incarnation <= flush {
            var closed = session.closed ?? Closure(at: flush.timestamp, isLoss: false)
            closed.leavesGrace = false
            user.facts.sessions[id]?.closed = closed
            user.facts.sessions[id]?.activity = nil
        }
        return user
    }

    /// The newest stamp of all writes that made these facts.
    var newestStamp: Stamp {
        var newest = max(version, facts.manual.stamp, facts.text.stamp)
        newest = max(newest, privacy?.visibilityStamp ?? .zero, privacy?.lastSeenStamp ?? .zero)
        for session in facts.sessions.values { newest = max(newest, session.incarnation) }
        return newest
    }

    /// When something was written last that nodes compare, which signs of life are not. An edge may have been written earlier than its stamp says
    /// (``EdgeDistance``).
    var lastWrite: Timestamp {
        var last = newestStamp.timestamp
        for relation in edges.values {
            let stamp = max(relation.friendStamp.at, relation.blockStamp.at)
            last = max(last, stamp.advanced(byMilliseconds: -EdgeDistance.greatestLead))
        }
        for session in facts.sessions.values { last = max(last, session.closed?.at ?? .distantPast) }
        return last
    }

    /// The latest instant at which something happened for sure, by the clock of whoever wrote it down. Ends that were set lie beyond, and do not count.
    var latestInstant: Timestamp {
        var latest = max(lastWrite, facts.lastSeen ?? .distantPast)
        for session in facts.sessions.values {
            latest = max(latest, session.heartbeat, session.activity ?? .distantPast)
        }
        return latest
    }
}

extension ReplicaFacts {
    /// Whether a record can hold every instant: none is farther from `now` than `RecordInstant` reaches. Beyond, one would be read as another.
    func isWithinReach(of now: Timestamp) -> Bool {
        let reach =
            now.advanced(byMilliseconds: -RecordInstant.reach)...now.advanced(byMilliseconds: RecordInstant.reach)
        var instants = [facts.lastSeen, facts.manual.until, facts.text.until].compactMap { $0 }
        for session in facts.sessions.values {
            instants += [
                session.heartbeat, session.activity ?? session.heartbeat, session.closed?.at ?? session.heartbeat,
            ]
        }
        for relation in edges.values {
            instants += [relation.friendStamp, relation.blockStamp].filter { $0 != .zero }.map(\.at)
            instants += [relation.read, relation.othersRead].compactMap { $0?.instant }
        }
        instants += [privacy?.value.strangersRead, privacy?.value.friendsRead].compactMap { $0?.instant }
        return instants.allSatisfy { reach.contains($0) }
    }
}

// MARK: - The join

extension ReplicaFacts {
    /// These facts and those of another copy. The announced status is not joined: it follows.
    ///
    /// - Complexity: O(sessions + edges).
    func merged(with other: ReplicaFacts) -> ReplicaFacts {
        var merged = self
        merged.isNamed = isNamed || other.isNamed
        merged.facts.merge(other.facts)
        for (id, session) in merged.facts.sessions where session.closed != nil {
            // A record keeps the end of a session where its activity was.
            merged.facts.sessions[id]?.activity = nil
        }
        for (id, theirs) in other.words { merged.words[id] = words(of: id, joinedWith: theirs, of: other) }
        if let theirs = other.privacy { merged.privacy = privacy.map { $0.merged(with: theirs) } ?? theirs }
        let order = (privacy?.newestStamp ?? .zero, other.privacy?.newestStamp ?? .zero)
        merged.edges.merge(other.edges) { mine, theirs in
            // A change of privacy writes anew what those read who are hidden.
            if order.0 == order.1 { return mine.merged(with: theirs) }
            return order.0 > order.1
                ? mine.merged(with: theirs.reading(as: mine)) : mine.reading(as: theirs).merged(with: theirs)
        }
        return merged
    }

    /// The newer incarnation has the words; of one incarnation there is one set of them, or none where a table was full.
    private func words(of id: [UInt8], joinedWith theirs: Words, of other: ReplicaFacts) -> Words {
        guard let own = words[id], let session = facts.sessions[id], let copy = other.facts.sessions[id]
        else { return theirs }
        guard session.incarnation == copy.incarnation else {
            return session.incarnation < copy.incarnation ? theirs : own
        }
        func greater(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { left.precedes(right) ? right : left }
        return Words(
            device: greater(own.device, theirs.device), platform: greater(own.platform, theirs.platform),
            server: greater(own.server, theirs.server))
    }
}

extension ReplicaFacts.PrivacyRegisters {
    /// The last write of either.
    var newestStamp: Stamp { max(visibilityStamp, lastSeenStamp) }

    /// What those go on reading from whom `visibility` hides him belongs to the write of the visibility.
    func merged(with other: Self) -> Self {
        var merged = self
        if visibilityStamp < other.visibilityStamp {
            merged.visibilityStamp = other.visibilityStamp
            merged.value.visibility = other.value.visibility
            merged.value.strangersRead = other.value.strangersRead
            merged.value.friendsRead = other.value.friendsRead
        } else if visibilityStamp == other.visibilityStamp {
            merged.value.strangersRead = value.strangersRead.joined(other.value.strangersRead)
            merged.value.friendsRead = value.friendsRead.joined(other.value.friendsRead)
        }
        if lastSeenStamp < other.lastSeenStamp {
            merged.lastSeenStamp = other.lastSeenStamp
            merged.value.lastSeen = other.value.lastSeen
        }
        return merged
    }
}

extension Relation {
    /// The same with what the other could read by another copy, if that is one of the same writes.
    fileprivate func reading(as other: Relation) -> Relation {
        guard friendStamp == other.friendStamp, blockStamp == other.blockStamp else { return self }
        var copy = self
        copy.read = other.read
        return copy
    }

    /// Two registers. What the other could read belongs to the block while there is one, and else to what was said of friendship.
    func merged(with other: Relation) -> Relation {
        let friendship = Relation.newer(self, other, \.friendStamp)
        let block = Relation.newer(self, other, \.blockStamp)
        var merged = Relation()
        merged.isFriend = friendship.isFriend
        merged.friendStamp = friendship.friendStamp
        merged.isBlocked = block.isBlocked
        merged.blockStamp = block.blockStamp
        merged.othersRead = Relation.read(self, other, \.blockStamp, \.othersRead)
        merged.read = Relation.read(self, other, merged.isBlocked ? \.blockStamp : \.friendStamp, \.read)
        return merged
    }

    private static func newer(
        _ left: Relation, _ right: Relation, _ stamp: KeyPath<Relation, EdgeStamp>
    ) -> Relation { left[keyPath: stamp] < right[keyPath: stamp] ? right : left }

    /// Of two copies of one write what both come to.
    private static func read(
        _ left: Relation, _ right: Relation, _ stamp: KeyPath<Relation, EdgeStamp>, _ read: KeyPath<Relation, LastSeen?>
    ) -> LastSeen? {
        guard left[keyPath: stamp] == right[keyPath: stamp] else {
            return newer(left, right, stamp)[keyPath: read]
        }
        guard let mine = left[keyPath: read], let others = right[keyPath: read] else {
            return left[keyPath: read] ?? right[keyPath: read]
        }
        return mine.joined(others)
    }
}

extension EdgeStamp: Comparable {
    static func < (left: EdgeStamp, right: EdgeStamp) -> Bool {
        (left.at, left.node) < (right.at, right.node)
    }
}

extension LastSeen {
    /// What two copies of one write come to: a lattice, in which `ShardState.raiseReads` goes up and never down, so that who raised and who wrote agree.
    ///
    /// Nothing is the least, since a write of one node has one value, and another is there only where a node had shown it; then an exact instant, then a
    /// coarse one, which tells less. Of one form the later instant.
    func joined(_ other: LastSeen) -> LastSeen {
        switch (self, other) {
        case (.exact(let one), .exact(let two)): .exact(max(one, two))
        case (.coarse(let one), .coarse(let two)): .coarse(max(one, two))
        case (.unknown, _), (.exact, .coarse): other
        case (_, .unknown), (.coarse, .exact): self
        }
    }
}
