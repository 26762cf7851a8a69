import Presence

/// What links read of one shard, by hashes, and the heartbeats that they bring.
extension ShardState {
    // MARK: Images

    /// Asks for the memory of keys that a link reads next, so that their misses overlap.
    func prefetch(entries positions: Range<UInt64>) {
        guard positions.count > 1 else { return }
        for position in positions { index.prefetch(replicaLog.entry(at: position).hash) }
        for position in positions { prefetchRecord(ofHash: replicaLog.entry(at: position).hash) }
    }

    /// Asks for the record that is likely the key's of that hash.
    @inline(__always)
    func prefetchRecord(ofHash keyHash: UInt64) {
        let number = index.likely(keyHash)
        if number != 0 { slabs.reader.prefetch(number) }
    }

    /// Appends the image of the key of that hash; false if there is nothing to tell.
    mutating func appendImage(
        ofHash keyHash: UInt64, form: ImageForm, at now: Timestamp, to output: inout [UInt8]
    ) -> Bool {
        let number = index.find(keyHash) { hash(of: $0) == keyHash }
        return number != 0 && appendImage(of: number, form: form, at: now, to: &output)
    }

    /// Appends the image of a key of either kind; false if there is nothing to tell.
    mutating func appendImage(
        of number: UInt32, form: ImageForm, at now: Timestamp, to output: inout [UInt8]
    ) -> Bool {
        if RecordHeader(slabs.address(number)).kind == .user {
            appendUserImage(of: number, form: form, at: now, to: &output)
            return true
        }
        return appendStringImage(of: number, at: now, to: &output)
    }

    /// The keys of the segment at `place`, from there on, in the order of their hashes if that matters. Returns where the next one begins; nil at the end
    /// of the shard.
    func segment(
        at place: UInt64, inOrder: Bool, into keys: inout [(hash: UInt64, number: UInt32)]
    ) -> UInt64? {
        let records = slabs.reader
        let next = index.numbers(around: place) {
            records.prefetch($0)
            keys.append((0, $0))
        }
        for index in keys.indices { keys[index].hash = hash(of: keys[index].number) }
        keys.removeAll { $0.hash < place }
        if inOrder { keys.sort { $0.hash < $1.hash } }
        return next
    }

    // MARK: Digests

    /// What a key adds to a digest; nil if it is over, or nothing holds of it.
    ///
    /// - Parameter countsForgettable: whether the version of a user counts of whom nothing else is left.
    func digest(of number: UInt32, _ keyHash: UInt64, countsForgettable: Bool, at now: Timestamp) -> UInt64? {
        let address = slabs.address(number)
        guard RecordHeader(address).kind == .user else { return stringDigest(number, at: now) }
        let record = UserRecord(address)
        var print = Fingerprint()
        var says = record.isNamed
        print.add(keyHash)
        print.add(record.isNamed ? 1 : 0)
        for stamp in [record.manual(near: now).stamp, record.textStamp] {
            print.add(stamp.rawValue)
            if stamp != .zero { says = true }
        }
        if let relations = record.relations {
            for stamp in [relations.visibilityStamp, relations.lastSeenStamp] where stamp != .zero {
                print.add(stamp.rawValue)
                says = true
            }
            let edges = digest(of: relations, near: now)
            if edges != 0 { says = true }
            print.add(edges)
        } else {
            print.add(0)
        }
        var sessions: UInt64 = 0
        record.forEachSession { session in
            guard facts(of: session, near: now).isLive(at: now, settings.policy) else { return }
            var part = Fingerprint()
            part.add(session.hash(hash))
            part.add(session.facts(near: now).incarnation.rawValue)
            sessions &+= part.value
            says = true
        }
        print.add(sessions)
        if isSettled(record, at: now) {
            print.add(record.version.rawValue)
            if countsForgettable, record.version != .zero { says = true }
        }
        return says ? print.value : nil
    }

    /// Whether all nodes call a user's status the same by now, if they know the same: none waits a margin for what time did.
    ///
    /// Past the deadline of a session that goes on beating its home calls him the same, and tells of the beat within the margin. That he is idle it calls
    /// him at once.
    private func isSettled(_ record: UserRecord, at now: Timestamp) -> Bool {
        let isOfTime = record.version.node == 0
        if isOfTime, now.milliseconds(since: record.version.timestamp) < 2 * settings.peerMargin { return false }
        return evidence(of: record, at: now, near: now, waits: .forBeats).verdict(at: now).publicStatus
            == record.announced
    }

    /// Of edges only those that hold: which of the others are kept is each store's own.
    private func digest(of relations: RelationsRecord, near now: Timestamp) -> UInt64 {
        var sum: UInt64 = 0
        relations.forEach(near: now) { other, relation in
            guard !relation.hasEnded else { return }
            var part = Fingerprint()
            part.add(other)
            for (holds, stamp) in [
                (relation.isFriend, relation.friendStamp), (relation.isBlocked, relation.blockStamp),
            ] {
                part.add(holds ? stamp.at : nil)
                part.add(holds ? UInt64(stamp.node) : 0)
            }
            sum &+= part.value
        }
        return sum
    }

    // MARK: Heartbeats

    /// Hands out the heartbeats of the user of that hash that matter to others.
    func tellBeats(ofHash userHash: UInt64, at now: Timestamp, _ body: (ReplicaBeat) -> Void) {
        let number = find(userHash: userHash)
        if number != 0 { forEachBeat(number, userHash, at: now, body) }
    }

    /// Takes a heartbeat that a session's home tells of.
    mutating func merge(_ beat: ReplicaBeat, from sender: UInt8, at now: Timestamp) -> ShardedStore.BeatOutcome {
        let number = find(userHash: beat.user)
        guard number != 0 else { return .unknown }
        guard sender != stamps.node else { return .stale }
        _ = settle(number, at: now)
        var found: SessionRecord?
        record(number).forEachSession { if $0.hash(hash) == beat.session { found = $0 } }
        guard let session = found else { return .unknown }
        var facts = facts(of: session, near: now)
        guard facts.closed == nil else { return .stale }
        // What ran out here while its home went on: the sender's image brings it back.
        guard facts.isLive(at: now, settings.policy) else { return .unknown }
        let isNewer = (facts.heartbeat, facts.home) < (beat.heartbeat, sender)
        // The sender may not have heard yet that the session was opened anew: what was done before that is not of this one.
        let known = facts.activity ?? facts.incarnation.timestamp
        let acted = beat.activity.flatMap { $0 > known ? $0 : nil }
        guard isNewer || acted != nil else {
            // Beaten at both, and here last: the other one must know before it takes it for over.
            if facts.home == stamps.node, sender != 0 { replicaLog.note(beat.user, .record) }
            return .stale
        }
        // What the home called him before that, its image says.
        if let acted, session.home == sender, isIdleAtHome(number, by: acted, facts, at: now) { return .unknown }
        if isNewer {
            facts.heartbeat = beat.heartbeat
            facts.home = sender
        }
        if let acted {
            facts.activity = acted
            noteActivity(record(number), session, acted, at: now)
        }
        let wasAtHome = session.home == stamps.node
        let isActivityNews = facts.activity ?? .distantPast > beat.activity ?? .distantPast
        store(facts, over: session)
        noteStray(session.server, home: facts.home)
        if acted != nil {
            // Shown otherwise meanwhile: what he is called now, the others do not know.
            if announceWrite(number, session, reason: .activity, at: now) { replicaLog.note(beat.user, .record) }
        } else {
            // That no activity came with it is news, too.
            announceIfChanged(number, at: now, until: now, isTimer: false)
            arm(number, evidence(of: record(number), at: now, near: now), at: now)
        }
        // What was done here while it was at home here is told by nobody else.
        if wasAtHome, isNewer, isActivityNews { replicaLog.note(beat.user, .record) }
        return .merged
    }

    /// Whether the user is called what he is only since activity may be on its way from a session's home, and what comes was done later.
    private func isIdleAtHome(_ number: UInt32, by acted: Timestamp, _ facts: Session, at now: Timestamp) -> Bool {
        let limit = min(settings.policy.idleAfter, settings.policy.awayAfter)
        guard settings.peerMargin > 0, let known = facts.activity, known.advanced(byMilliseconds: limit) <= acted else {
            return false
        }
        let record = record(number)
        return evidence(of: record, at: now, near: now, waits: .forBeats).verdict(at: now).publicStatus
            != record.announced
    }
}
