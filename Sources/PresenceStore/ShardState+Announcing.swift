import Presence

/// Reads, writes and the wheel come to one place: whoever computes a verdict that differs from what was announced announces it, under the same lock.
extension ShardState {
    /// What brought a change about.
    struct Cause {
        var reason: Reason
        /// The write's stamp, or that of the instant at which time changed it.
        var stamp: Stamp
        var at: Timestamp
        /// Whether nobody wrote anything: time went by.
        var isTime = false
        /// Whether time did it at the node that told of it: the key is called expired, as there, and not deleted.
        var hasExpired = false
    }

    /// Sessions of one user that ended together, and which of them a change is about: whoever is gone went with one that made him present, and whose status
    /// is another had it from one that brought it.
    struct EndedTogether {
        private var present: SessionRecord?
        private var bringing: SessionRecord?
        private var passive: SessionRecord?

        var isEmpty: Bool { present == nil && passive == nil }

        mutating func add(_ session: SessionRecord) {
            if session.isPassive { passive = session } else { present = session }
            if session.bringsStatus { bringing = session }
        }

        /// The session that the change is about.
        func session(of new: Status) -> SessionRecord? {
            new == .offline ? present ?? passive : bringing ?? present ?? passive
        }
    }

    /// Of what the word of other nodes is waited for where it may be on its way.
    enum Waits {
        /// Of everything.
        case forAll
        /// Of heartbeats, and not of activity.
        case forBeats
        /// Of nothing: as it is at the homes of the sessions.
        case forNothing
    }

    /// What a record says at an instant.
    @inline(__always)
    func evidence(
        of record: UserRecord, at instant: Timestamp, near now: Timestamp, waits: Waits = .forAll
    ) -> Evidence {
        let manual = record.hasManual ? record.manual(near: now) : Register<ManualStatus>()
        var evidence = Evidence(
            at: instant, policy: settings.policy, announced: record.announced, manual: manual.value,
            manualUntil: manual.until, pacing: settings.policy.storm == nil ? 0 : pacing(of: record))
        record.forEachSession {
            switch waits {
            case .forAll:
                var facts = facts(of: $0, near: now)
                // Who was told idle before the stall was noticed is not told active again for it.
                if facts.stalledActivityMilliseconds != 0, record.announced == .idle || record.announced == .away {
                    facts.stalledActivityMilliseconds = 0
                }
                evidence.add(facts, settings.policy)
            case .forBeats: evidence.add(factsWaitingForBeats(of: $0, near: now), settings.policy)
            case .forNothing: evidence.add(plainFacts(of: $0, near: now), settings.policy)
            }
        }
        return evidence
    }

    /// The place of a user among those whom a storm holds: as good as random, and the same on every node.
    func pacing(of record: UserRecord) -> UInt16 { UInt16(truncatingIfNeeded: record.hash(hash) &>> 20) }

    /// Announces what time has changed up to `now` and returns the evidence at `now`.
    ///
    /// A late look announces every change in between, each at its own instant: versions and events do not tell how late it was.
    ///
    /// - Parameter firedTick: what the record's armed tick was, if the wheel asks.
    @inline(__always)
    mutating func settle(_ number: UInt32, at now: Timestamp, firedTick: UInt32? = nil) -> Evidence {
        let record = record(number)
        var isSettled = false
        if hasLeases, let end = endLeased(number, at: now, firedTick: firedTick) {
            announceWhatTimeChanged(number, from: end, until: now, firedTick: firedTick)
            isSettled = true
            // A look of a reader, too: the timer was armed for another end.
            arm(number, self.evidence(of: record, at: now, near: now), at: now)
        }
        if record.hasText { endText(number, at: now, firedTick: firedTick, isSettled: isSettled) }
        let evidence = evidence(of: record, at: now, near: now)
        let verdict = evidence.verdict(at: now)
        if verdict.publicStatus == record.announced && verdict.isPresent == record.isPresent {
            // Time alone never brings anyone back to online, nor to life. To another status it can: away by hand, then online, then away.
            // Nor does a grace, or a storm, but it holds whatever time had made of him before.
            if verdict.publicStatus == .online && verdict.rule != .grace || !verdict.isPresent { return evidence }
            if firedTick == nil && !wheel.mayHaveComeUp(record.header, by: now) { return evidence }
        }
        announceWhatTimeChanged(number, until: now, firedTick: firedTick)
        return self.evidence(of: record, at: now, near: now)
    }

    /// Goes from change to change. What lies before the newest stamp, or before the armed tick, was settled then, by facts that may be gone now.
    ///
    /// - Parameter begin: where to begin, if that is known better.
    mutating func announceWhatTimeChanged(
        _ number: UInt32, from begin: Timestamp? = nil, until now: Timestamp, firedTick: UInt32?
    ) {
        let record = record(number)
        let isTimer = firedTick != nil
        var instant = min(begin ?? settledUntil(record, firedTick: firedTick, near: now), now)
        var wasSeen = isSeenLater(record, at: instant, near: now)
        // Every step passes a deadline, an activity limit, an end of a grace or of a manual status.
        for _ in 0..<(4 * record.sessionCount + 4) {
            let next = evidence(of: record, at: instant, near: now).nextTransition(after: instant)
            guard next <= now else { break }
            instant = next
            if wasSeen { wasSeen = isSeenLater(record, at: instant, near: now) }
            if !wasSeen { announceIfChanged(number, at: instant, until: now, isTimer: isTimer, isPassed: true) }
        }
        announceIfChanged(number, at: now, until: now, isTimer: isTimer)
    }

    /// Whether what was announced is not so yet by what is seen at `instant`. What a margin, or a stall, held back has a version of when it became true, and
    /// was announced when it was seen; and that a key has gone of which nobody sees a status has no version at all. What lies between was passed by then.
    @inline(__always)
    private func isSeenLater(_ record: UserRecord, at instant: Timestamp, near now: Timestamp) -> Bool {
        let isHeldBack = settings.peerMargin > 0 && (stall.isRemembered || hasSessionsFromElsewhere(record))
        guard isHeldBack || record.announced == .offline else { return false }
        let verdict = evidence(of: record, at: instant, near: now).verdict(at: instant)
        return verdict.publicStatus != record.announced || verdict.isPresent != record.isPresent
    }

    /// Up to when everything was announced, as far as the record and its timer tell.
    private func settledUntil(_ record: UserRecord, firedTick: UInt32?, near now: Timestamp) -> Timestamp {
        var instant = max(record.version, record.manual(near: now).stamp).timestamp
        instant = max(instant, wheel.settledUntil(firedTick ?? record.header.armedTick))
        record.forEachSession { session in
            let facts = self.facts(of: session, near: now)
            instant = max(instant, facts.incarnation.timestamp, facts.closed?.at ?? .distantPast)
        }
        return instant
    }

    /// - Parameter isPassed: whether more is looked at behind this instant. Then what became true before the last change that was announced is none: a margin, or a stall,
    ///   held both back, and an earlier look passed them.
    mutating func announceIfChanged(
        _ number: UInt32, at instant: Timestamp, until now: Timestamp, isTimer: Bool, isPassed: Bool = false
    ) {
        let record = record(number)
        let verdict = evidence(of: record, at: instant, near: now).verdict(at: instant)
        guard verdict.publicStatus != record.announced || verdict.isPresent != record.isPresent else { return }
        let change = instantOfChange(to: verdict, seenAt: instant, record, near: now)
        guard !isPassed || change >= record.version.timestamp else { return }
        let (reason, session) = reasonOfTime(record, at: change, of: verdict, near: now)
        if isTimer { counters.lateness.record(now.milliseconds(since: instant)) }
        let cause = Cause(reason: reason, stamp: Stamp(change), at: change, isTime: true)
        announce(number, verdict, cause, session, near: now)
    }

    /// What ended or passed at `instant`.
    ///
    /// - Parameter verdict: what is so now. If nobody is left and no end lies at that instant, a limit was changed, and it is the last one before; if he
    ///   is more present than he was, which time alone makes nobody, a limit was raised, and what he did last counts again.
    func reasonOfTime(
        _ record: UserRecord, at instant: Timestamp, of verdict: Verdict, near now: Timestamp
    ) -> (Reason, SessionRecord?) {
        let isGone = verdict.status == .offline
        var found: (Reason, SessionRecord?)?
        var weight = -1
        record.forEachSession { session in
            let facts = plainFacts(of: session, near: now)
            guard let reason = reasonOfEnd(of: facts, at: instant, record) else { return }
            let isDeadline = facts.closed == nil && facts.deadline(settings.policy) == instant
            let kind = isDeadline ? 2 : reason == .hardLimit ? 1 : 0
            // Whoever is gone went with a session that made him present; whose status is another had it from one that brought it.
            let its = isGone ? kind + (facts.isPassive ? 0 : 3) : 2 * kind + (facts.brought == nil ? 0 : 1)
            if its > weight || its == weight && isDeadline { (found, weight) = ((reason, session), its) }
        }
        if let found { return found }
        let manual = record.manual(near: now)
        if manual.value != nil, manual.until == instant { return (.manualEnded, nil) }
        if verdict.status == .offline { return reasonOfLastEnd(record, by: instant, near: now) }
        return (verdict.publicStatus > record.announced ? .activity : .inactivity, nil)
    }

    /// Why a session goes by what lies at `instant`: its deadline, an end that a margin held back, the end of its grace, or of what a storm held. Nil if nothing
    /// of it lies there.
    private func reasonOfEnd(of facts: Session, at instant: Timestamp, _ record: UserRecord) -> Reason? {
        let policy = settings.policy
        if facts.closed == nil && facts.deadline(policy) == instant {
            return facts.isCutByHardLimit(policy) ? .hardLimit : .heartbeatTimeout
        }
        if let end = facts.closed, end.at == instant, !facts.isPassive { return facts.reason(of: end, policy) }
        if facts.closed != nil && facts.graceEnd(policy) == instant { return .graceEnded }
        guard policy.storm != nil, facts.stormRelease(policy, pacing: pacing(of: record)) == instant else { return nil }
        return reasonOfRelease(of: facts, at: instant)
    }

    /// Why a storm lets go of a session: it is over for its user, or holds nobody past the hard limit.
    private func reasonOfRelease(of facts: Session, at instant: Timestamp) -> Reason {
        facts.hardLimit(settings.policy) == instant ? .hardLimit : .graceEnded
    }

    @inline(never)
    private func reasonOfLastEnd(
        _ record: UserRecord, by instant: Timestamp, near now: Timestamp
    ) -> (Reason, SessionRecord?) {
        let policy = settings.policy
        var last: (at: Timestamp, reason: Reason, session: SessionRecord)?
        // Of other nodes it may be heard that he went before that is so by what is known here.
        var latest: (at: Timestamp, reason: Reason, session: SessionRecord)?
        record.forEachSession { session in
            let facts = plainFacts(of: session, near: now)
            guard !facts.isPassive else { return }
            var (end, reason): (Timestamp, Reason) =
                facts.closed.map { ($0.at, facts.reason(of: $0, policy)) }
                ?? (facts.deadline(policy), facts.isCutByHardLimit(policy) ? .hardLimit : .heartbeatTimeout)
            if end > latest?.at ?? .distantPast { latest = (end, reason, session) }
            if facts.closed != nil { (end, reason) = (facts.graceEnd(policy), .graceEnded) }
            if policy.storm != nil {
                let release = facts.stormRelease(policy, pacing: pacing(of: record))
                if release > end { (end, reason) = (release, reasonOfRelease(of: facts, at: release)) }
            }
            if end <= instant, end > last?.at ?? .distantPast { last = (end, reason, session) }
        }
        return (last ?? latest).map { ($0.reason, $0.session) } ?? (.heartbeatTimeout, nil)
    }

    /// Announces `verdict` if it differs from what was announced last, of the status or of the key's existence.
    mutating func announce(
        _ number: UInt32, _ verdict: Verdict, _ cause: Cause, _ session: SessionRecord?, near now: Timestamp
    ) {
        let record = record(number)
        let wasPresent = record.isPresent
        toldUntil = max(toldUntil, now)
        if verdict.publicStatus != record.announced {
            let old = record.announced
            let since = record.version == .zero ? nil : record.version.timestamp
            // A stamp that is newer by its node alone is the version, too: of one instant all holders come to the greatest, and stay there.
            record.version = cause.stamp > record.version ? cause.stamp : record.version.successor
            record.announced = verdict.publicStatus
            // What time did has the same version everywhere, unless something of that instant was told here before.
            if cause.isTime, record.version != cause.stamp { noteChange(number) }
            counters[old] -= 1
            counters[verdict.publicStatus] += 1
            counters.statusChanges += 1
            let entry = ChangeRing.StatusEntry(
                record: number, old: old, new: verdict.publicStatus, reason: cause.reason, version: record.version,
                timestamp: cause.at, since: since)
            append(entry, record, session, near: now)
            noteForWatchers(record)
        }
        guard verdict.isPresent != wasPresent else { return }
        record.isPresent = verdict.isPresent
        counters.presentUsers += verdict.isPresent ? 1 : -1
        // As Redis: a flush of everything names no key.
        guard cause.reason != .flushed else { return }
        tell(verdict.isPresent ? .new : cause.isTime || cause.hasExpired ? .expired : .deleted, of: record)
    }

    /// Tells those who listen for it what happened to the key of a user.
    @inline(__always)
    mutating func tell(_ event: KeyEvent, of record: UserRecord) {
        guard settings.keyspaceInterest.contains(event.kind) else { return }
        ring.append(event, .presence, key: .init(bytes: record.id, isPacked: record.isPacked))
    }

    /// The same by the user's name.
    @inline(__always)
    mutating func tell(_ event: KeyEvent, ofUser user: BytesKey) {
        guard settings.keyspaceInterest.contains(event.kind) else { return }
        // Packed keys keep their text at hand.
        ring.append(event, .presence, key: .init(bytes: user.bytes))
    }

    private mutating func append(
        _ entry: ChangeRing.StatusEntry, _ record: UserRecord, _ session: SessionRecord?, near now: Timestamp
    ) {
        let user = ChangeRing.Piece(bytes: record.id, isPacked: record.isPacked)
        var connection = ChangeRing.Piece()
        if let session { connection = .init(bytes: session.id, isPacked: session.isPacked) }
        var activity = ChangeRing.Piece()
        if let text = record.text(at: entry.timestamp) { activity.bytes = text }
        let device = devices.bytes(session?.device ?? WordTable.none) ?? []
        let server = servers.bytes(session?.server ?? WordTable.none) ?? []
        let place = device.withUnsafeBytes { device in
            server.withUnsafeBytes { server in
                ring.append(
                    entry, user: user, session: connection, device: .init(bytes: device), server: .init(bytes: server),
                    activity: activity)
            }
        }
        record.header.changePlace = place
    }

    // MARK: Activity

    /// Tells that the activity text is another, or none: behind the status that came with it, if one did, since the event tells that, too.
    ///
    /// - Parameter place: that of the record's newest entry before both. The entry of a status stays the newest: it says why he is what he is, and who reads states reads
    ///   the text with it.
    mutating func announceActivity(
        _ number: UInt32, _ text: UnsafeRawBufferPointer?, _ cause: Cause, since place: UInt32? = nil
    ) {
        let record = record(number)
        let entry = ChangeRing.StatusEntry(
            record: number, old: record.announced, new: record.announced, reason: cause.reason, version: cause.stamp,
            timestamp: cause.at, since: nil)
        var activity = ChangeRing.Piece()
        if let text { activity.bytes = text }
        let newPlace = ring.append(
            activityChange: entry, user: .init(bytes: record.id, isPacked: record.isPacked), activity: activity,
            behind: record.header.changePlace)
        if record.header.changePlace == place ?? record.header.changePlace { record.header.changePlace = newPlace }
        counters.activityChanges += 1
        noteForWatchers(record)
    }

    /// Tells that a text has come to its end, if it has, behind what time changed before.
    ///
    /// - Parameter isSettled: whether all that time changed has been announced by this look, which must not go back then.
    @inline(never)
    private mutating func endText(_ number: UInt32, at now: Timestamp, firedTick: UInt32?, isSettled: Bool) {
        let record = record(number)
        guard let end = record.untoldEndOfText(near: now), end <= now else { return }
        if !isSettled { announceWhatTimeChanged(number, until: end, firedTick: firedTick) }
        record.noteEndOfText()
        announceActivity(number, nil, Cause(reason: .manualEnded, stamp: Stamp(end), at: end, isTime: true))
    }

    // MARK: Timers

    /// Sees to it that the wheel looks at the record when time changes something next, or a tombstone is over.
    mutating func arm(_ number: UInt32, _ evidence: Evidence, at now: Timestamp) {
        let record = record(number)
        assert(record.byteCount <= slabs.slotSize(of: number), "a record has grown beyond its slot")
        var next = evidence.nextTransition(after: now)
        if evidence.liveCount < record.sessionCount {
            record.forEachSession { session in
                guard session.isClosed || isToldPastItsEnd(session) else { return }
                next = min(next, keptUntil(session, of: record, near: now))
            }
        }
        if record.hasText, let end = record.untoldEndOfText(near: now) { next = min(next, end) }
        if record.isSetByHand {
            record.noteWhetherSetByHand(
                hasStatus: evidence.manual != nil && now < evidence.manualUntil, hasText: record.holdsText(at: now))
        }
        if replicaLog.isKept {
            if hasLeases { next = min(next, deadlineToldOfLeased(record, at: now)) }
            next = min(next, activityLimitTold(record, at: now))
        }
        noteForHimself(record)
        arm(number, record.header, by: next)
    }

    /// Sees to it that the wheel looks at the record by `deadline`.
    @inline(__always)
    mutating func arm(_ number: UInt32, _ header: RecordHeader, by deadline: Timestamp) {
        let pages = wheel.pageCount
        wheel.arm(number, header, by: deadline)
        if wheel.pageCount != pages { account() }
    }
}
