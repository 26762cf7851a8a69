import Presence

/// What other nodes know of users, joined with what is known here.
extension ShardState {
    /// What a merge did.
    struct MergeOutcome {
        /// Whether anything is known now that was not.
        var hasChanged = false
        /// Those to whom the user stands otherwise than before, by their hashes: their watches are to look again.
        var changedEdges: [UInt64] = []
    }

    /// All that is known of a user, as it stands in his record.
    func facts(of number: UInt32, near now: Timestamp) -> ReplicaFacts {
        let record = record(number)
        var user = ReplicaFacts(id: BytesText.expand(record.id, isPacked: record.isPacked))
        user.isNamed = record.isNamed
        user.status = record.announced
        user.version = record.version
        user.facts.lastSeen = record.lastSeen(near: now)
        user.facts.manual = record.manual(near: now)
        user.facts.text = record.textRegister(near: now)
        if let relations = record.relations {
            user.privacy = ReplicaFacts.PrivacyRegisters(
                value: relations.privacy(near: now), visibilityStamp: relations.visibilityStamp,
                lastSeenStamp: relations.lastSeenStamp)
            relations.forEach(near: now) { user.edges[$0] = $1 }
        }
        var place = record.sessionsOffset
        for _ in 0..<record.sessionCount {
            let session = SessionRecord(record.address + place)
            let id = BytesText.expand(session.id, isPacked: session.isPacked)
            user.facts.sessions[id] = session.facts(near: now)
            user.words[id] = ReplicaFacts.Words(
                device: devices.bytes(session.device) ?? [], platform: platforms.bytes(session.platform) ?? [],
                server: servers.bytes(session.server) ?? [])
            place += session.byteCount
        }
        return user
    }

    /// Joins another node's facts of a user with what is known of him, and announces what comes of it.
    ///
    /// - Parameter sender: the node that made them, whose word counts for what is at home there; 0 if nobody says.
    mutating func merge(
        _ incoming: ReplicaFacts, from sender: UInt8, _ user: BytesKey, _ userHash: UInt64, at now: Timestamp
    ) throws(StoreError) -> MergeOutcome {
        let incoming = incoming.flushed(upTo: flushStamp)
        var number = find(user, userHash)
        let isNew = number == 0
        if isNew {
            number = try known(user, userHash, at: now)
        } else {
            // What time changed before this came is announced as of then.
            _ = settle(number, at: now)
            announceIdlenessAtHome(number, before: incoming.version, from: sender, at: now) {
                incoming.facts.sessions[BytesText.expand($0.id, isPacked: $0.isPacked)]
            }
            endMargins(number, ofHome: sender, at: now) { session in
                incoming.facts.sessions[BytesText.expand(session.id, isPacked: session.isPacked)] != nil
            }
            number = prune(number, at: now, mayShrink: false, tellsOfKept: false)
        }
        let local = facts(of: number, near: now)
        var merged = local.merged(with: incoming)
        for (id, theirs) in incoming.facts.sessions where theirs.home == sender {
            guard let ours = local.facts.sessions[id], var session = merged.facts.sessions[id] else { continue }
            takeTTL(of: theirs, from: sender, over: ours, &session)
            merged.facts.sessions[id] = session
        }
        let hasEndedLeased = keepGracesOfLeased(&merged, number, at: now)
        var hasEndedLongAgo = false
        for (id, session) in merged.facts.sessions where local.facts.sessions[id] == nil {
            if let ended = endedLongAgo(session, ofServer: merged.words[id]?.server ?? [], at: now) {
                merged.facts.sessions[id] = ended
                hasEndedLongAgo = true
                continue
            }
            // What is over everywhere is not taken up again. What is over here goes by the next look.
            // What only its home can know to live is taken up while it is waited for; of a user of whom nothing was known here whoever says so, as in a copy.
            let isWaitedFor = session.home == sender || isNew && session.home != 0 && session.home != stamps.node
            if isOver(session, waiting: isWaitedFor ? settings.peerMargin : 0, at: now) {
                merged.forgetSession(id)
            }
        }
        boundSessions(&merged)
        let hasReadLater = raiseReads(&merged, over: local)
        noteConflicts(of: local, with: incoming, from: sender, userHash)
        countLosses(merged, local)
        stamps.observe(incoming.newestStamp)
        if merged != local {
            do throws(StoreError) {
                number = try resize(number, to: byteCount(of: merged), at: now)
                try write(merged, over: number, edgesOf: local, at: now)
            } catch {
                // It may have moved, and left its timer behind.
                number = find(user, userHash)
                arm(number, evidence(of: record(number), at: now, near: now), at: now)
                throw error
            }
        }
        let hasNews = announce(merged, local, incoming, isNew: isNew, from: sender, number, userHash, at: now)
        if hasReadLater || hasEndedLongAgo || hasEndedLeased || mayLeaveUntold(local, incoming, merged) {
            replicaLog.note(userHash, .record)
        }
        let hasChanged = isNew || merged != local || hasNews
        return MergeOutcome(
            hasChanged: hasChanged,
            changedEdges: merged.edges.filter { local.edges[$0.key] != $0.value }.map(\.key))
    }

    /// Another node ended sessions that a lease keeps alive here, of which it knows nothing: their graces are those of sessions under a lease (`Session.endOfGateway`).
    /// Returns whether that is so of any: then the others are to be told.
    private func keepGracesOfLeased(_ merged: inout ReplicaFacts, _ number: UInt32, at now: Timestamp) -> Bool {
        guard hasLeases else { return false }
        var found = false
        record(number).forEachSession { session in
            let id = BytesText.expand(session.id, isPacked: session.isPacked)
            var ours = facts(of: session, near: now)
            guard ours.leasedUntil != nil, ours.closed == nil, let theirs = merged.facts.sessions[id],
                theirs.incarnation == ours.incarnation, let closed = theirs.closed,
                ours.close(closed, isTold: true, settings.policy)
            else { return }
            // A record keeps the end of a session where its activity was.
            ours.activity = nil
            merged.facts.sessions[id]?.merge(ours)
            found = true
        }
        return found
    }

    /// Whether activity of a session at home here, which was not known where somebody ended, moved or hid it, would stay untold.
    private func mayLeaveUntold(_ local: ReplicaFacts, _ incoming: ReplicaFacts, _ merged: ReplicaFacts) -> Bool {
        guard let seen = local.facts.lastSeen, seen > incoming.facts.lastSeen ?? .distantPast else { return false }
        let own = local.facts.sessions.filter { $0.value.home == stamps.node && $0.value.closed == nil }
        guard !own.isEmpty else { return false }
        if merged.facts.manual != local.facts.manual, merged.facts.manual.value == .invisible { return true }
        return own.contains { id, _ in
            guard let session = merged.facts.sessions[id] else { return true }
            return session.closed != nil || session.home != stamps.node
        }
    }

    /// Whether a session says nothing any more: it ran out, or it was ended and its tombstone is over.
    func isOver(_ session: Session, waiting margin: Int64 = 0, at now: Timestamp) -> Bool {
        guard session.closed == nil else { return session.tombstoneEnd(settings.policy) <= now }
        return session.deadline(settings.policy).advanced(byMilliseconds: margin) <= now
    }

    /// Notes what the sender is to hear of each session that both take for their own.
    private mutating func noteConflicts(
        of local: ReplicaFacts, with incoming: ReplicaFacts, from sender: UInt8, _ userHash: UInt64
    ) {
        for (id, session) in local.facts.sessions {
            guard let theirs = incoming.facts.sessions[id] else { continue }
            noteConflict(of: session, with: theirs, from: sender, userHash)
            noteGrace(of: session, endedBy: theirs, from: sender, userHash)
        }
    }

    /// A session was beaten at two nodes, and here last: the other one must know before it takes it for over. Or it has moved there, and what was done
    /// last, as far as is known here, is told by nobody else.
    mutating func noteConflict(
        of session: Session, with theirs: Session, from sender: UInt8, _ userHash: UInt64
    ) {
        guard replicaLog.isKept, sender != 0, session.home != sender, session.closed == nil,
            theirs.home == sender, theirs.closed == nil, theirs.incarnation == session.incarnation
        else { return }
        let hasActedLater = session.activity ?? .distantPast > theirs.activity ?? .distantPast
        guard session.home == stamps.node else {
            // Its home before told it here, perhaps here alone, and may be gone.
            if hasActedLater { replicaLog.note(userHash, .record) }
            return
        }
        if (theirs.heartbeat, theirs.ttlMilliseconds, theirs.home)
            < (session.heartbeat, session.ttlMilliseconds, session.home)
        {
            let isWhole = theirs.heartbeat < session.heartbeat && theirs.ttlMilliseconds == session.ttlMilliseconds
            replicaLog.note(userHash, isWhole ? .beat : .record)
        } else if hasActedLater {
            replicaLog.note(userHash, .record)
        }
    }

    /// Another node ended a session that was beaten here later than it knows: a grace ends with the deadline at the latest, and of that all must know the same.
    private mutating func noteGrace(
        of session: Session, endedBy theirs: Session, from sender: UInt8, _ userHash: UInt64
    ) {
        guard replicaLog.isKept, sender != 0, session.home == stamps.node, session.closed == nil,
            theirs.closed?.leavesGrace == true, theirs.incarnation == session.incarnation,
            theirs.deadline(settings.policy) < session.deadline(settings.policy)
        else { return }
        replicaLog.note(userHash, .record)
    }

    /// Losses that another node noticed are losses here, too: storms are seen everywhere.
    private mutating func countLosses(_ merged: ReplicaFacts, _ local: ReplicaFacts) {
        for (id, session) in merged.facts.sessions {
            guard let closed = session.closed, closed.isLoss, let before = local.facts.sessions[id] else { continue }
            if before.closed == nil, !before.isPassive { counters.countLosses(at: closed.at) }
        }
    }

    /// Two nodes may each have let in as many sessions as a user may have, and a record has a greatest size. Those that are ended go first, then those
    /// that end first.
    private func boundSessions(_ merged: inout ReplicaFacts) {
        let policy = settings.policy
        while merged.facts.sessions.count > Int(UInt8.max) || byteCount(of: merged) > Slabs.maximumSize {
            let victim = merged.facts.sessions.min { left, right in
                let (one, other) = (left.value, right.value)
                if (one.closed == nil) != (other.closed == nil) { return one.closed != nil }
                return (one.deadline(policy), one.incarnation) < (other.deadline(policy), other.incarnation)
            }
            guard let victim else { return }
            merged.forgetSession(victim.key)
        }
    }

    /// The bytes that the facts take in a record, watchers included.
    private func byteCount(of user: ReplicaFacts) -> Int {
        var size = UserRecord.idOffset + ShardState.storedCount(user.id) + UserRecord.watchersBytes
        if user.privacy != nil { size += UserRecord.relationsBytes }
        if user.facts.manual.stamp != .zero { size += UserRecord.manualBytes }
        if user.facts.text.stamp != .zero { size += UserRecord.textBytes + (user.facts.text.value?.count ?? 0) }
        for id in user.facts.sessions.keys { size += SessionRecord.fixedBytes + ShardState.storedCount(id) }
        return size
    }

    private static func storedCount(_ id: [UInt8]) -> Int { id.withUnsafeBytes { BytesKey($0).storedCount } }

    // MARK: Writing

    /// Writes facts over a record that has the room. Nothing has changed if there is no memory for the edges.
    private mutating func write(
        _ user: ReplicaFacts, over number: UInt32, edgesOf local: ReplicaFacts, at now: Timestamp
    ) throws(StoreError) {
        let record = record(number)
        var relations = record.relations
        if let privacy = user.privacy, privacy != local.privacy || user.edges != local.edges {
            relations = try makeRelations(privacy, user.edges, replacing: relations, sparing: number, at: now)
        }
        let firstWatcher = record.hasWatchers ? record.firstWatcher : nil
        let text = user.facts.text
        let ids = user.sessionIDs
        // The new uses first, so that no word goes that comes again.
        let words = ids.map { intern(user.words[$0] ?? .init(), isClosed: user.facts.sessions[$0]?.closed != nil) }
        record.forEachSession { session in
            if !session.isClosed { noteEnd(of: session) }
            release(WordNumbers(of: session), ofTombstone: true)
        }
        record.clearParts()
        if let relations { record.storeRelations(relations) }
        if let firstWatcher { record.firstWatcher = firstWatcher }
        record.isNamed = user.isNamed
        if user.facts.manual.stamp != .zero { record.storeManual(user.facts.manual) }
        if text.stamp != .zero {
            (text.value ?? []).withUnsafeBytes { record.storeText($0, stamp: text.stamp, until: text.until, at: now) }
        }
        if let lastSeen = user.facts.lastSeen { record.raiseLastSeen(to: lastSeen, near: now) }
        var place = record.sessionsOffset
        for (id, words) in zip(ids, words) {
            guard let session = user.facts.sessions[id] else { continue }
            let target = SessionRecord(record.address + place)
            id.withUnsafeBytes {
                target.initialize(
                    session, BytesKey($0), device: words.device, platform: words.platform, server: words.server)
            }
            place += target.byteCount
            record.sessionCount += 1
            if session.closed == nil {
                counters.sessions += 1
                if session.isPassive { notePassive(target, 1) } else { noteAway(words.server, home: session.home, 1) }
            }
            noteStray(words.server, home: session.home)
        }
        account()
    }

    private mutating func makeRelations(
        _ privacy: ReplicaFacts.PrivacyRegisters, _ edges: [UInt64: Relation], replacing old: RelationsRecord?,
        sparing number: UInt32, at now: Timestamp
    ) throws(StoreError) -> RelationsRecord {
        let plan = RelationsPlan(edges.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        let growth = plan.sizes.byteCount - (old?.byteCount ?? 0)
        try makeBudget(for: max(growth, 0), sparing: number, at: now)
        let new = RelationsRecord.make(plan)
        new.store(privacy.value)
        new.visibilityStamp = privacy.visibilityStamp
        new.lastSeenStamp = privacy.lastSeenStamp
        old?.destroy()
        blockBytes += growth
        return new
    }

    /// The words of a session as numbers, a use more each. A word for which its table has no room is none.
    private mutating func intern(_ words: ReplicaFacts.Words, isClosed: Bool) -> WordNumbers {
        let limit = settings.maxWords
        let hash = hash
        func take(_ word: [UInt8], _ table: inout WordTable) -> UInt16 {
            guard !word.isEmpty else { return WordTable.none }
            let wordHash = word.withUnsafeBytes { hash.bytes($0, .free) }
            let number = table.intern(word.span, hash: wordHash, limit: limit) ?? WordTable.none
            if isClosed { table.endSession(number) }
            return number
        }
        var numbers = WordNumbers()
        numbers.device = take(words.device, &devices)
        numbers.platform = take(words.platform, &platforms)
        numbers.server = take(words.server, &servers)
        return numbers
    }

    // MARK: Announcing

    /// Announces what follows from the joined facts. Returns whether it is of another version than what was announced before.
    private mutating func announce(
        _ merged: ReplicaFacts, _ local: ReplicaFacts, _ incoming: ReplicaFacts, isNew: Bool, from sender: UInt8,
        _ number: UInt32, _ userHash: UInt64, at now: Timestamp
    ) -> Bool {
        let record = record(number)
        let entry = record.header.changePlace
        var verdict = evidence(of: record, at: now, near: now).verdict(at: now)
        if verdict.rule == .grace,
            (record.version, record.announced) < (incoming.version, incoming.status),
            incoming.status != record.announced
        {
            // What a grace holds is what was said last, wherever it was said; of two things that time said at one instant, the more present.
            (verdict.status, verdict.publicStatus) = (incoming.status, incoming.status)
        }
        let (reason, session) = reason(merged, local, at: now)
        let heard = Heard(
            status: incoming.status, version: incoming.version, newestStamp: incoming.newestStamp, sender: sender)
        let place = session.flatMap { id in id.withUnsafeBytes { record.session(BytesKey($0)) } }
        let hasNews = announce(
            number, verdict, heard, reason, place, before: local.version, hasLearned: isNew || merged != local,
            userHash, at: now)
        let newText = merged.facts.text.value(at: now)
        if newText != local.facts.text.value(at: now) {
            let stamp = merged.facts.text.stamp
            let cause = Cause(reason: .manual, stamp: stamp, at: min(stamp.timestamp, now))
            newText.map { $0.withUnsafeBytes { announceActivity(number, $0, cause, since: entry) } }
                ?? announceActivity(number, nil, cause, since: entry)
        }
        if merged != local { noteForWatchers(record) }
        arm(number, evidence(of: record, at: now, near: now), at: now)
        return hasNews
    }

    /// What the sender of an image had announced.
    struct Heard {
        var status: Status
        var version: Stamp
        /// The newest of all stamps in the image.
        var newestStamp: Stamp
        /// 0 if nobody says.
        var sender: UInt8
    }

    /// Announces what follows from joined facts, by the version that it has at the sender, and notes if others are to hear of it.
    ///
    /// - Parameters:
    ///   - before: the version before.
    ///   - hasLearned: whether any of the facts was not known.
    /// - Returns: whether the version is another one now.
    mutating func announce(
        _ number: UInt32, _ verdict: Verdict, _ heard: Heard, _ reason: Reason, _ session: SessionRecord?,
        before: Stamp, hasLearned: Bool, _ userHash: UInt64, at now: Timestamp
    ) -> Bool {
        let record = record(number)
        // Both holders have the same facts now, and give the change the same version; unless it is one here alone, where he was something else meanwhile.
        let isSame = verdict.publicStatus == heard.status && heard.version > record.version
        let newest = isSame ? heard.version : max(heard.newestStamp, newestStamp(of: record, near: now))
        // When it happened, also if that was told late. The clock of who wrote it may be ahead, and what came of it be told already.
        let instant = min(max(newest, record.version).timestamp, now)
        var cause = Cause(reason: reason, stamp: newest, at: instant)
        cause.hasExpired = reason == .heartbeatTimeout || reason == .hardLimit
        var session = session
        if isSame, heard.version == Stamp(heard.version.timestamp), verdict.publicStatus != record.announced {
            // Nobody did it but time, which was waited for here.
            cause.at = min(heard.version.timestamp, now)
            (cause.reason, session) = reasonOfTime(record, at: cause.at, of: verdict, near: now)
            cause.hasExpired = cause.reason != .dropped
        }
        announce(number, verdict, cause, session, near: now)
        if heard.status == record.announced { record.version = max(record.version, heard.version) }
        let hasNews = record.version != before
        // Two wrote at once: neither knows yet what both come to, and what that is called. Where nothing was learned nothing is told, so this ends.
        if record.version != heard.version || record.announced != heard.status,
            hasLearned || hasNews || isOlder(heard, than: record, at: now)
        {
            replicaLog.note(userHash, .record)
        }
        return hasNews
    }

    /// The newest stamp of the writes that a record knows of. The end of a session has none, but an instant, which is the same everywhere.
    private func newestStamp(of record: UserRecord, near now: Timestamp) -> Stamp {
        var newest = max(record.manual(near: now).stamp, record.textStamp)
        if let relations = record.relations {
            newest = max(newest, relations.visibilityStamp, relations.lastSeenStamp)
        }
        record.forEachSession { session in
            newest = max(newest, session.incarnation)
            if !session.isPassive, let end = session.facts(near: now).closed { newest = max(newest, Stamp(end.at)) }
        }
        return newest
    }

    /// Whether the sender gave the status that was announced here a moment ago an older version. All take the newer one, and have nothing to tell then.
    private func isOlder(_ heard: Heard, than record: UserRecord, at now: Timestamp) -> Bool {
        heard.sender != 0 && heard.version < record.version && heard.status == record.announced
            && record.version.timestamp > now.advanced(byMilliseconds: -ShardState.newsMilliseconds)
    }

    /// For how long a change of status counts as one of a moment ago: messages and margins are over by then.
    private static let newsMilliseconds: Int64 = 10_000

    /// What the write was that another node tells of, as far as the facts say, and of which session.
    private func reason(
        _ merged: ReplicaFacts, _ local: ReplicaFacts, at now: Timestamp
    ) -> (Reason, session: [UInt8]?) {
        var found: (Reason, session: [UInt8]?)?
        // He may have done something, too, before he said what he is.
        let isSaid = merged.facts.manual.value != local.facts.manual.value
        for id in merged.sessionIDs {
            guard let session = merged.facts.sessions[id] else { continue }
            let before = local.facts.sessions[id]
            if session.closed == nil, before?.incarnation != session.incarnation {
                return (reasonOfOpening(session, before, local.status, at: now), id)
            }
            if let closed = session.closed, before?.closed != closed {
                found = (session.incarnation <= flushStamp ? .flushed : session.reason(of: closed, settings.policy), id)
            } else if found == nil, !isSaid, before?.activity != session.activity {
                found = (.activity, id)
            }
        }
        return found ?? (merged.facts.manual != local.facts.manual ? .manual : .merged, nil)
    }

    /// Why a session was opened, or opened anew, as `connect` and `write` of a record have it.
    private func reasonOfOpening(
        _ session: Session, _ before: Session?, _ announced: Status, at now: Timestamp
    ) -> Reason {
        let live = before.flatMap { $0.isLive(at: now, settings.policy) ? $0 : nil }
        if announced != .offline, session.brought != live?.brought { return .sessionStatus }
        // Only a record that is written says what was done before it.
        guard let live, let activity = session.activity, activity <= session.incarnation.timestamp else {
            return .connect
        }
        return live.activity.map { $0 <= activity } ?? false ? .activity : .inactivity
    }
}
