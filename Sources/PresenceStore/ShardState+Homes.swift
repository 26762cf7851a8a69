import Presence

/// Homes: the node that a session was last beaten at knows first of its heartbeats, and the others wait a margin for its word.
///
/// **Kept true.** At a session's home the record's timer is armed no later than the deadline that the others know. So a look of the timer comes
/// before they would end it, and tells them of the heartbeats since: one message a TTL, and not one a beat. If only a deadline comes then, it is told
/// behind it, with the window that begins next: a beat that came just at the deadline is told too, and the others wait their margin meanwhile.
extension ShardState {
    // MARK: At home

    /// A sign of life of a session here: this node is its home from now on. The facts are the caller's to store.
    @inline(__always)
    func bringHome(_ facts: inout Session, at now: Timestamp) {
        if facts.home != stamps.node {
            // Of the same instant the other node's heartbeat could win.
            facts.heartbeat = facts.heartbeat.advanced(byMilliseconds: 1)
            facts.home = stamps.node
            facts.marginMilliseconds = 0
        }
        facts.stalledMilliseconds = 0
        facts.heartbeat = max(facts.heartbeat, now)
    }

    /// The same with another TTL.
    func beat(_ facts: inout Session, ttlMilliseconds: Int64, at now: Timestamp) {
        let last = facts.heartbeat
        bringHome(&facts, at: now)
        // Of heartbeats of one instant the one with the greater TTL wins: a lesser one is of the next.
        if replicaLog.isKept, ttlMilliseconds < facts.ttlMilliseconds, facts.heartbeat == last {
            facts.heartbeat = last.advanced(byMilliseconds: 1)
        }
        facts.ttlMilliseconds = ttlMilliseconds
    }

    /// Sessions have come home here, and nothing is waited for any more: what a margin held back is announced as of when it became so, as at the home before.
    mutating func announceWhatMarginsHeld(_ number: UInt32, at now: Timestamp) {
        let begin = now.advanced(byMilliseconds: -settings.peerMargin - 1)
        announceWhatTimeChanged(number, from: begin, until: now, firedTick: nil)
    }

    /// Whether a session that is open was last beaten here.
    func hasSessionAtHome(_ record: UserRecord) -> Bool {
        var isFound = false
        record.forEachSession { if !$0.isClosed, $0.home == stamps.node { isFound = true } }
        return isFound
    }

    /// What a user is is to be told: facts that an image has have changed.
    @inline(__always)
    mutating func noteChange(_ number: UInt32) {
        if replicaLog.isKept { replicaLog.note(hash(of: number), .record) }
    }

    /// The timer fired, and is armed anew: the others are told of the heartbeats since they were told last, or will be when the next window begins.
    @inline(never)
    mutating func tellBeats(_ number: UInt32, _ evidence: Evidence, firedTick: UInt32, at now: Timestamp) {
        let record = record(number)
        if let later = laterToTell(record, evidence, firedTick: firedTick, at: now) {
            record.isTellingPutOff = true
            arm(number, record.header, by: later)
            arm(number, evidence, at: now)
            return
        }
        record.isTellingPutOff = false
        noteBeats(number, at: now)
        arm(number, evidence, at: now)
        let known = deadlineAndLimitTold(record, at: now)
        record.isActivityToldForLong =
            known.limit.milliseconds(since: known.deadline) > 2 * TimerWheel.windowMilliseconds
    }

    /// The others wait a margin that is so long, in milliseconds, or are told before the deadline that they know.
    private static let marginForLater = TimerWheel.windowMilliseconds + 860

    /// When heartbeats are told if that may wait past the deadline that the others know: the next window's begin. Nil if they are to be told now.
    ///
    /// Past a deadline the others wait, and call the user what he is called here. Past a limit of activity they wait too, but what he is called then nobody
    /// can know: so nothing waits if they may know of one that is near.
    private func laterToTell(
        _ record: UserRecord, _ evidence: Evidence, firedTick: UInt32, at now: Timestamp
    ) -> Timestamp? {
        guard !record.isTellingPutOff, settings.peerMargin >= ShardState.marginForLater, !hasLeases,
            !stall.isRemembered, let later = wheel.windowBehind(firedTick, at: now),
            evidence.nextTransition(after: now) > later
        else { return nil }
        var isAtHome = false
        var hasActivity = false
        record.forEachSession { session in
            guard !session.isClosed, session.home == stamps.node else { return }
            isAtHome = true
            if session.hasActivity { hasActivity = true }
        }
        return isAtHome && (!hasActivity || record.isActivityToldForLong) ? later : nil
    }

    /// Of the sessions at home here, all of which was just told, the first deadline, and the first limit of activity to come.
    private func deadlineAndLimitTold(_ record: UserRecord, at now: Timestamp) -> (
        deadline: Timestamp, limit: Timestamp
    ) {
        var deadline = Timestamp.distantFuture
        record.forEachSession { session in
            guard !session.isClosed, session.home == stamps.node else { return }
            deadline = min(deadline, session.deadline(near: now, settings.policy))
        }
        return (deadline, activityLimitTold(record, at: now))
    }

    /// The others are told of the heartbeats since they were told last.
    @inline(__always)
    mutating func noteBeats(_ number: UInt32, at now: Timestamp) {
        if replicaLog.isKept { noteBeatsOfKept(number, at: now) }
    }

    @inline(never)
    private mutating func noteBeatsOfKept(_ number: UInt32, at now: Timestamp) {
        var hasBeaten = false
        record(number).forEachSession { if factsOfBeat($0, at: now) != nil { hasBeaten = true } }
        if hasBeaten { replicaLog.note(hash(of: number), .beat) }
    }

    /// The others are told of a user's heartbeats here, if any of them is of `since` or later. Returns whether one is.
    mutating func noteBeats(_ number: UInt32, since: Timestamp, at now: Timestamp) -> Bool {
        guard let address = slabs.addressIfPresent(number), RecordHeader(address).kind == .user else { return false }
        var hasBeaten = false
        UserRecord(address).forEachSession { session in
            if let facts = factsOfBeat(session, at: now), facts.heartbeat >= since { hasBeaten = true }
        }
        if hasBeaten { replicaLog.note(hash(of: number), .beat) }
        return hasBeaten
    }

    /// The last heartbeats of those of a user's sessions of which others are told.
    ///
    /// - Parameter userHash: the hash of his name.
    func forEachBeat(_ number: UInt32, _ userHash: UInt64, at now: Timestamp, _ body: (ReplicaBeat) -> Void) {
        record(number).forEachSession { session in
            guard let facts = factsOfBeat(session, at: now) else { return }
            body(
                ReplicaBeat(
                    user: userHash, session: session.hash(hash), heartbeat: facts.heartbeat, activity: facts.activity))
        }
    }

    /// The facts of a session of whose heartbeat others are told: it lives, is at home here, and was kept alive since it was opened. Else nil.
    private func factsOfBeat(_ session: SessionRecord, at now: Timestamp) -> Session? {
        guard !session.isClosed, session.home == stamps.node else { return nil }
        let facts = factsToTell(of: session, at: now)
        guard facts.heartbeat > facts.incarnation.timestamp, facts.isLive(at: now, settings.policy) else { return nil }
        return facts
    }

    /// The facts of a session as others are told of them.
    ///
    /// Others know nothing of leases. What one keeps alive is told with a heartbeat of now, but of no later than lets it end with the lease.
    func factsToTell(of session: SessionRecord, at now: Timestamp) -> Session {
        var facts = plainFacts(of: session, near: now)
        guard facts.closed == nil, let end = facts.leasedUntil else { return facts }
        let life = facts.life(settings.policy)
        facts.leasedUntil = nil
        facts.heartbeat = max(facts.heartbeat, min(now, end.advanced(byMilliseconds: -life)))
        return facts
    }

    /// The earliest deadline that others know of a session that a lease keeps alive here.
    @inline(never)
    func deadlineToldOfLeased(_ record: UserRecord, at now: Timestamp) -> Timestamp {
        var earliest = Timestamp.distantFuture
        record.forEachSession { session in
            guard !session.isClosed, session.home == stamps.node, leases[session.server] != nil else { return }
            let deadline = factsToTell(of: session, at: now).deadline(settings.policy)
            if deadline > now { earliest = min(earliest, deadline) }
        }
        return earliest
    }

    /// When others will take a session that is at home here for idle or away, by the activity that they know, though nothing of the user changes here: a
    /// status by hand or another session stands before it.
    @inline(never)
    func activityLimitTold(_ record: UserRecord, at now: Timestamp) -> Timestamp {
        let policy = settings.policy
        var earliest = Timestamp.distantFuture
        record.forEachSession { session in
            guard !session.isClosed, session.home == stamps.node, session.hasActivity else { return }
            guard let activity = plainFacts(of: session, near: now).activity else { return }
            for limit in [policy.idleAfter, policy.awayAfter] {
                let instant = activity.advanced(byMilliseconds: limit)
                if instant > now { earliest = min(earliest, instant) }
            }
        }
        return earliest
    }

    /// Whether others may take a session for idle or away.
    func isIdleElsewhere(_ session: SessionRecord, at now: Timestamp) -> Bool {
        guard replicaLog.isKept, let activity = plainFacts(of: session, near: now).activity else { return false }
        let policy = settings.policy
        return activity.advanced(byMilliseconds: min(policy.idleAfter, policy.awayAfter)) <= now
    }

    /// Whether an open session has no home any more: that it ran out is told for a margin, since others may know of a later deadline.
    func isToldPastItsEnd(_ session: SessionRecord) -> Bool {
        !session.isClosed && session.home == 0 && stamps.node != 0 && replicaLog.isKept
    }

    /// Until when that is told, and a later deadline may still be heard of.
    func awaitedUntil(_ session: SessionRecord, near now: Timestamp) -> Timestamp {
        session.deadline(near: now, settings.policy).advanced(byMilliseconds: settings.peerMargin)
    }

    // MARK: Away from home

    /// Whether a session that is open was last beaten at another node, or nobody says where.
    func hasSessionsFromElsewhere(_ record: UserRecord) -> Bool {
        var isFound = false
        record.forEachSession { if !$0.isClosed, $0.home != stamps.node { isFound = true } }
        return isFound
    }

    /// When that became true which is seen at `instant`: of sessions from elsewhere it is seen a margin later.
    @inline(__always)
    func instantOfChange(
        to verdict: Verdict, seenAt instant: Timestamp, _ record: UserRecord, near now: Timestamp
    ) -> Timestamp {
        guard settings.peerMargin > 0, stall.isRemembered || hasSessionsFromElsewhere(record) else { return instant }
        return instantBehindMargin(of: verdict, seenAt: instant, record, near: now)
    }

    /// Goes through the margin before `instant` by what is known, without waiting for anyone.
    ///
    /// A session that somebody ended meanwhile kept the user what he was until then, and no record says what it was itself: so it begins there.
    @inline(never)
    private func instantBehindMargin(
        of verdict: Verdict, seenAt instant: Timestamp, _ record: UserRecord, near now: Timestamp,
        waits: Waits = .forNothing
    ) -> Timestamp {
        let begin = stall.isRemembered ? min(instant, stall.since) : instant
        var place = begin.advanced(byMilliseconds: -settings.peerMargin - 1)
        var found = instant
        var isSo = false
        func look(at place: Timestamp) {
            let plain = evidence(of: record, at: place, near: now, waits: waits).verdict(at: place)
            let wasSo = isSo
            isSo = plain.publicStatus == verdict.publicStatus && plain.isPresent == verdict.isPresent
            if isSo && !wasSo { found = place }
        }
        if let end = lastEnd(record, after: place, by: instant, near: now) {
            place = end
            look(at: place)
        }
        for _ in 0..<(4 * record.sessionCount + 4) {
            let next = evidence(of: record, at: place, near: now, waits: waits).nextTransition(after: place)
            guard next <= instant else { break }
            place = next
            look(at: place)
        }
        return found
    }

    /// When somebody last ended a session that made the user present; nil if that was not in this time.
    private func lastEnd(
        _ record: UserRecord, after begin: Timestamp, by end: Timestamp, near now: Timestamp
    ) -> Timestamp? {
        var last: Timestamp?
        record.forEachSession { session in
            guard session.isClosed, !session.isPassive, let at = session.facts(near: now).closed?.at else { return }
            if at > begin, at <= end, at > last ?? .distantPast { last = at }
        }
        return last
    }

    /// Whether the user is called what he is only since the word of other nodes is waited for. As of when that is not so, if none comes, what ended here
    /// meanwhile says (`instantBehindMargin`).
    func isHeldByMargins(_ record: UserRecord, at now: Timestamp) -> Bool {
        guard settings.peerMargin > 0, hasSessionsFromElsewhere(record) else { return false }
        let verdict = evidence(of: record, at: now, near: now, waits: .forNothing).verdict(at: now)
        return verdict.publicStatus != record.announced || verdict.isPresent != record.isPresent
    }

    /// The home of a session knows nothing of it any more: what has run out is not waited for, and announced as of then.
    ///
    /// - Parameter isKnown: whether the home still says that a session is open.
    mutating func endMargins(
        _ number: UInt32, ofHome home: UInt8, at now: Timestamp, unless isKnown: (SessionRecord) -> Bool
    ) {
        guard settings.peerMargin > 0, home != 0, home != stamps.node else { return }
        let policy = settings.policy
        var hasEnded = false
        record(number).forEachSession { session in
            guard !session.isClosed, session.home == home, session.deadline(near: now, policy) <= now else { return }
            guard !isKnown(session) else { return }
            session.home = 0
            hasEnded = true
            if session.hasBeaten(near: now), !session.isPassive {
                counters.countLosses(at: session.deadline(near: now, policy))
            }
        }
        if hasEnded { announceIfChanged(number, at: now, until: now, isTimer: false) }
    }

    /// Of a heartbeat that is known here already its home says with which TTL it came: a beat has none, and may have come before a TTL that was lowered with it.
    /// At its home the TTL of one heartbeat only rises.
    func takeTTL(of theirs: Session, from sender: UInt8, over ours: Session, _ merged: inout Session) {
        guard sender != 0, sender != stamps.node, theirs.home == sender, ours.home == sender,
            theirs.incarnation == ours.incarnation, theirs.heartbeat == ours.heartbeat
        else { return }
        merged.ttlMilliseconds = theirs.ttlMilliseconds
    }

    // MARK: For less than a margin

    /// A user who was idle, or away, at his home for less than the margin: what the home wrote then says that he was, and that is announced here too, as of
    /// then and with the version that it has there.
    ///
    /// Only where it is sure: all his sessions that are waited for are at home at the sender, whose write made the newer version, and nothing was done there
    /// before the limit that was not known here; or the write opened a session anew, which is a change only for who was idle. The end of a session says
    /// nothing of what was done there before.
    ///
    /// - Parameters:
    ///   - version: since which write the sender calls him what he does.
    ///   - said: the facts that the sender has of a session; nil if it has none.
    @inline(__always)
    mutating func announceIdlenessAtHome(
        _ number: UInt32, before version: Stamp, from sender: UInt8, at now: Timestamp,
        said: (SessionRecord) -> Session?
    ) {
        let record = record(number)
        guard version.node == sender, version > record.version, settings.peerMargin > 0, sender != stamps.node,
            !stall.isRemembered
        else { return }
        var (isWaitedFor, isSure) = (false, true)
        record.forEachSession { session in
            guard !session.isClosed, !session.isPassive, session.home != stamps.node else { return }
            let facts = facts(of: session, near: now)
            guard let activity = facts.activity, let limit = limitWaitedFor(facts, at: now) else { return }
            isWaitedFor = true
            guard session.home == sender, let said = said(session),
                said.incarnation == facts.incarnation
                    ? said.activity == activity || said.activity ?? .distantPast >= limit
                    : said.incarnation == version && version.timestamp >= limit
            else {
                isSure = false
                return
            }
        }
        if isWaitedFor, isSure { announceIdleness(number, before: version, at: now) }
    }

    /// The limit of a session's activity that is behind, and of which the word of its home is waited for.
    private func limitWaitedFor(_ facts: Session, at now: Timestamp) -> Timestamp? {
        let policy = settings.policy
        guard let activity = facts.activity, let seen = facts.idleAsSeen(policy) else { return nil }
        let wait = seen.milliseconds(since: activity) - min(policy.idleAfter, policy.awayAfter)
        for after in [policy.idleAfter, policy.awayAfter] {
            let limit = activity.advanced(byMilliseconds: after)
            if limit <= now, now < limit.advanced(byMilliseconds: wait) { return limit }
        }
        return nil
    }

    /// Announces the idleness of which no word is waited for any more, if it was before a write.
    @inline(never)
    private mutating func announceIdleness(_ number: UInt32, before version: Stamp, at now: Timestamp) {
        let record = record(number)
        let verdict = evidence(of: record, at: now, near: now, waits: .forBeats).verdict(at: now)
        guard verdict.publicStatus != record.announced else { return }
        let change = instantBehindMargin(of: verdict, seenAt: now, record, near: now, waits: .forBeats)
        guard Stamp(change) > record.version, Stamp(change) < version else { return }
        let (reason, session) = reasonOfTime(record, at: change, of: verdict, near: now)
        announce(
            number, verdict, Cause(reason: reason, stamp: Stamp(change), at: change, isTime: true), session, near: now)
    }
}
