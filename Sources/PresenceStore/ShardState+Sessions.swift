import Presence

/// Sessions: only CONNECT opens one, heartbeats keep it, a goodbye or time ends it.
extension ShardState {
    /// Device, platform and server as the caller gave them; an empty one is none.
    struct Words {
        var device: UnsafeRawBufferPointer
        var platform: UnsafeRawBufferPointer
        var server: UnsafeRawBufferPointer
    }

    /// The same as the tables name them.
    struct WordNumbers {
        var device = WordTable.none
        var platform = WordTable.none
        var server = WordTable.none

        init() {}

        init(of session: SessionRecord) {
            device = session.device
            platform = session.platform
            server = session.server
        }
    }

    /// Opens a session, or opens it anew: a newer incarnation replaces all facts of an older one.
    mutating func connect(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, _ words: Words, _ facts: Session, reason: Reason,
        keeping kept: WordNumbers = WordNumbers(), at now: Timestamp
    ) throws(StoreError) -> Int {
        if hasLeases { endLeasesThatAreOver(at: now) }
        var facts = facts
        let known = find(user, userHash)
        var broughtBefore: SessionStatus?
        if known != 0 { broughtBefore = try makeRoom(known, for: key, at: now) }
        let numbers = try intern(words, keeping: kept)
        let number: UInt32
        do {
            number = try place(user, userHash, known, key, numbers, at: now)
        } catch {
            release(numbers)
            account()
            throw error
        }
        let record = record(number)
        facts.incarnation = stamps.next(at: now)
        facts.home = stamps.node
        guard let session = record.session(key) else { preconditionFailure("the session was just placed") }
        session.store(facts)
        if facts.isPassive { notePassive(session, 1) }
        record.isActivityToldForLong = false
        counters.connects += 1
        if let activity = facts.activity { noteReportedActivity(record, session, activity, at: now) }
        let evidence = evidence(of: record, at: now, near: now)
        // Of a user who was shown, what the session brings is the reason if that changed.
        let isStatusOnly = record.announced != .offline && facts.brought != broughtBefore
        let cause = Cause(reason: isStatusOnly ? .sessionStatus : reason, stamp: facts.incarnation, at: now)
        announce(number, evidence.verdict(at: now), cause, session, near: now)
        arm(number, evidence, at: now)
        replicaLog.note(userHash, .record)
        account()
        return evidence.liveCount
    }

    /// Settles the record and sees that one more session may be added to it. Returns what the session brought if it lives.
    private mutating func makeRoom(
        _ number: UInt32, for key: BytesKey, at now: Timestamp
    ) throws(StoreError) -> SessionStatus? {
        let evidence = settle(number, at: now)
        if let existing = record(number).session(key).map({ facts(of: $0, near: now) }),
            existing.isLive(at: now, settings.policy)
        {
            return existing.brought
        }
        if evidence.liveCount >= settings.maxSessionsPerUser {
            throw .tooManySessions(limit: settings.maxSessionsPerUser)
        }
        return nil
    }

    /// The number of the user's record, in which the session now has its place, with its words and without its facts.
    private mutating func place(
        _ user: BytesKey, _ userHash: UInt64, _ known: UInt32, _ key: BytesKey, _ words: WordNumbers, at now: Timestamp
    ) throws(StoreError) -> UInt32 {
        var number = known
        if number == 0 {
            let size = UserRecord.idOffset + user.storedCount + SessionRecord.fixedBytes + key.storedCount
            number = try allocate(size, at: now)
            record(number).initialize(user)
            enter(userHash, number)
            account()
            counters[.offline] += 1
        } else if let session = record(number).session(key) {
            if !session.isClosed { noteEnd(of: session) }
            counters.sessions += 1
            release(WordNumbers(of: session), ofTombstone: true)
            session.storeWords(device: words.device, platform: words.platform, server: words.server)
            return number
        } else {
            let isFull = record(number).sessionCount >= settings.maxSessionsPerUser
            number = try grow(
                number, by: SessionRecord.fixedBytes + key.storedCount, keepsTombstones: !isFull, at: now)
        }
        let record = record(number)
        let session = SessionRecord(record.address + record.byteCount)
        let blank = Session(incarnation: .zero, heartbeat: now, ttlMilliseconds: 0)
        session.initialize(blank, key, device: words.device, platform: words.platform, server: words.server)
        record.sessionCount += 1
        counters.sessions += 1
        return number
    }

    /// Alive, and if `isActive` a person acted. False, and nothing changes, if the session is unknown or over.
    @inline(__always)
    mutating func beat(_ number: UInt32, _ key: BytesKey, isActive: Bool, at now: Timestamp) -> Bool {
        guard number != 0, let session = record(number).session(key), !session.isClosed else {
            counters.unknownBeats += 1
            return false
        }
        if session.home != stamps.node { return beatAwayFromHome(number, session, isActive: isActive, at: now) }
        if hasLeases, leases[session.server] != nil { return beatLeased(number, session, isActive: isActive, at: now) }
        guard session.isBeforeDeadline(at: now, settings.policy) else {
            return beatPastDeadline(number, session, isActive: isActive, at: now)
        }
        counters.beats += 1
        if isActive {
            act(number, session, at: now, reason: .activity)
        } else {
            session.beat(at: now)
        }
        return true
    }

    /// A beat of a session at home here that has run out: it is too late, but where it could not come in time.
    @inline(never)
    private mutating func beatPastDeadline(
        _ number: UInt32, _ session: SessionRecord, isActive: Bool, at now: Timestamp
    ) -> Bool {
        // The wheel is a little late: this is the look that announces it.
        arm(number, settle(number, at: now), at: now)
        guard facts(of: session, near: now).isLive(at: now, settings.policy) else {
            counters.unknownBeats += 1
            return false
        }
        counters.beats += 1
        session.beat(at: now)
        if isActive { act(number, session, at: now, reason: .activity) }
        arm(number, evidence(of: record(number), at: now, near: now), at: now)
        // The others may have taken it for over.
        noteChange(number)
        return true
    }

    /// A beat of a session whose server has a lease.
    @inline(never)
    private mutating func beatLeased(
        _ number: UInt32, _ session: SessionRecord, isActive: Bool, at now: Timestamp
    ) -> Bool {
        _ = settle(number, at: now)
        guard facts(of: session, near: now).isLive(at: now, settings.policy) else {
            arm(number, settle(number, at: now), at: now)
            counters.unknownBeats += 1
            return false
        }
        counters.beats += 1
        if isActive { act(number, session, at: now, reason: .activity) } else { session.beat(at: now) }
        return true
    }

    /// A beat of a session that was last beaten at another node: it is at home here from now on, and the others are told.
    @inline(never)
    private mutating func beatAwayFromHome(
        _ number: UInt32, _ session: SessionRecord, isActive: Bool, at now: Timestamp
    ) -> Bool {
        _ = settle(number, at: now)
        var facts = facts(of: session, near: now)
        guard facts.isLive(at: now, settings.policy) else {
            arm(number, settle(number, at: now), at: now)
            counters.unknownBeats += 1
            return false
        }
        counters.beats += 1
        bringHome(&facts, at: now)
        store(facts, over: session)
        record(number).isActivityToldForLong = false
        announceWhatMarginsHeld(number, at: now)
        if isActive { act(number, session, at: now, reason: .activity) }
        arm(number, evidence(of: record(number), at: now, near: now), at: now)
        noteChange(number)
        return true
    }

    /// A heartbeat with activity: may bring the user back to online.
    mutating func act(_ number: UInt32, _ session: SessionRecord, at now: Timestamp, reason: Reason) {
        if !isPlainlyOnline(record(number), at: now) { _ = settle(number, at: now) }
        let isFirst = !session.hasActivity
        let isBack = isIdleElsewhere(session, at: now)
        session.beat(at: now)
        session.act(at: now)
        let record = record(number)
        noteActivity(record, session, now, at: now)
        // Other activity is told with the beats that matter, of which there is none in the millisecond in which the session was opened.
        if announceWrite(number, session, reason: reason, at: now) || isFirst
            || isBack && session.incarnation.timestamp >= now
        {
            noteChange(number)
        } else if isBack {
            noteBeats(number, at: now)
        }
    }

    /// Announces what a write that needs no stamp of its own has changed, and arms the timer. Returns whether there was anything to announce.
    ///
    /// - Parameter stamp: of a write that has one: it is done by every node, and is one change.
    @discardableResult
    mutating func announceWrite(
        _ number: UInt32, _ session: SessionRecord?, reason: Reason, stamp: Stamp? = nil, at now: Timestamp
    ) -> Bool {
        let record = record(number)
        let evidence = evidence(of: record, at: now, near: now)
        let verdict = evidence.verdict(at: now)
        let isNews = verdict.publicStatus != record.announced || verdict.isPresent != record.isPresent
        if isNews {
            let cause = Cause(reason: reason, stamp: stamp ?? stamps.next(at: now), at: stamp?.timestamp ?? now)
            announce(number, verdict, cause, session, near: now)
        }
        arm(number, evidence, at: now)
        return isNews
    }

    /// `lastSeen` moves with what a visible user does, not with what a passive session does.
    func noteActivity(_ record: UserRecord, _ session: SessionRecord, _ instant: Timestamp, at now: Timestamp) {
        if session.isPassive { return }
        if record.hasManual, record.manual(near: now).value(at: now) == .invisible { return }
        record.raiseLastSeen(to: min(instant, now), near: now)
    }

    /// The same of activity that a client says was at some instant: at one at which he was hidden, or before the last change by hand, when nobody knows any more
    /// whether he was, it is not seen.
    func noteReportedActivity(
        _ record: UserRecord, _ session: SessionRecord, _ instant: Timestamp, at now: Timestamp
    ) {
        if record.hasManual, instant < now {
            let manual = record.manual(near: now)
            let hidden = manual.value == .invisible ? manual.until ?? .distantFuture : manual.stamp.timestamp
            if instant < hidden { return }
        }
        noteActivity(record, session, instant, at: now)
    }

    /// A goodbye, or a loss that was noticed. False if the session was not live, and no loss of it is held back that a goodbye ends.
    mutating func disconnect(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, reason: Reason, at now: Timestamp
    ) -> Bool {
        let number = find(user, userHash)
        guard number != 0 else { return false }
        _ = settle(number, at: now)
        guard let session = record(number).session(key) else { return false }
        let closure = Closure(at: now, reason: reason)
        if reason.isLoss {
            guard close(session, closure, at: now) else { return false }
            if !session.isPassive { counters.countLosses(at: now) }
        } else {
            guard sayGoodbye(session, of: record(number), closure, at: now) else { return false }
        }
        announceWrite(number, session, reason: reason, at: now)
        replicaLog.note(userHash, .record)
        return true
    }

    /// Ends all live sessions that were opened no later than `limit`. Returns whether the key existed before.
    mutating func closeAll(
        _ number: UInt32, reason: Reason, leavesGrace: Bool, isClean: Bool, openedUpTo limit: Stamp? = nil,
        at now: Timestamp
    ) -> Bool {
        let isPresent = settle(number, at: now).isPresent
        // Of who is invisible a storm holds nothing now, but it will what he does not take back when he is seen again.
        guard isPresent || isClean else { return false }
        let record = record(number)
        var ended = EndedTogether()
        record.forEachSession { session in
            if let limit, self.facts(of: session, near: now).incarnation > limit { return }
            // The end by a flush has one instant, whenever it comes to it and at every node.
            let closure = Closure(at: limit?.timestamp ?? now, reason: reason, leavesGrace: leavesGrace)
            if isClean {
                if sayGoodbye(session, of: record, closure, at: now) { ended.add(session) }
            } else if close(session, closure, at: now) {
                ended.add(session)
            } else if !leavesGrace && !session.isClosed {
                // It ran out, and a storm held that back.
                var facts = self.facts(of: session, near: now)
                facts.closed = closure
                session.store(facts)
                noteEnd(of: session)
            } else if !leavesGrace && session.isClosed {
                // A grace that still runs ends with the key.
                var facts = self.facts(of: session, near: now)
                facts.closed?.leavesGrace = false
                session.store(facts)
            }
        }
        guard isPresent || !ended.isEmpty else { return false }
        // So is its version.
        let before = record.version
        announceWrite(number, ended.session(of: .offline), reason: reason, stamp: limit, at: now)
        // The others hear of a flush, and do the same. What it comes to where something newer was told before, they cannot know.
        if reason != .flushed || record.version != before && record.version != limit { noteChange(number) }
        return isPresent
    }

    /// A goodbye of a session that lives, or was lost while that is held back. False if it is neither.
    private mutating func sayGoodbye(
        _ session: SessionRecord, of record: UserRecord, _ closure: Closure, at now: Timestamp
    ) -> Bool {
        guard close(session, closure, at: now) || leave(session, of: record, closure, at: now) else { return false }
        noteActivity(record, session, now, at: now)
        return true
    }

    /// A goodbye ends what holds a loss back, at every node: it is the later end.
    private mutating func leave(
        _ session: SessionRecord, of record: UserRecord, _ closure: Closure, at now: Timestamp
    ) -> Bool {
        var facts = self.facts(of: session, near: now)
        guard facts.leave(closure, pacing: pacing(of: record), settings.policy) else { return false }
        // Of one that ran out nobody has noted that yet.
        if !session.isClosed { noteEnd(of: session) }
        session.store(facts)
        return true
    }

    private mutating func close(_ session: SessionRecord, _ closure: Closure, at now: Timestamp) -> Bool {
        var facts = self.facts(of: session, near: now)
        guard facts.close(closure, isTold: replicaLog.isKept, settings.policy) else { return false }
        store(facts, over: session)
        noteEnd(of: session)
        return true
    }

    // MARK: Room

    /// The number of a settled record once it has room for some bytes more: what has run out goes, and if need be, or at once, all tombstones that may.
    mutating func grow(
        _ number: UInt32, by bytes: Int, keepsTombstones: Bool = true, at now: Timestamp
    ) throws(StoreError) -> UInt32 {
        var number = prune(number, at: now, keepsTombstones: keepsTombstones, mayShrink: false)
        if record(number).byteCount + bytes > Slabs.maximumSize {
            number = prune(number, at: now, keepsTombstones: false, mayShrink: false)
        }
        let size = record(number).byteCount + bytes
        guard size <= Slabs.maximumSize else { throw .userTooLarge(limit: Slabs.maximumSize) }
        return try resize(number, to: size, at: now)
    }

    /// Drops sessions that ran out, and tombstones that are over; all tombstones but that of the last grace, if they are not to be kept. The record
    /// must be settled; its number may change.
    ///
    /// What ran out at home here, and says as of when the user is what margins hold back yet, stays as long as they may.
    ///
    /// - Parameter tellsOfKept: whether the others are told that it ran out. Not by who merges: two who do would tell each other for as long as it stays. The
    ///   timer of its end tells.
    mutating func prune(
        _ number: UInt32, at now: Timestamp, keepsTombstones: Bool = true, mayShrink: Bool = true,
        tellsOfKept: Bool = true
    ) -> UInt32 {
        let record = record(number)
        let policy = settings.policy
        let heldLongest = keepsTombstones ? nil : sessionHeldLongest(record, at: now)
        let marginHeld = isHeldByMargins(record, at: now) ? settings.peerMargin : 0
        var source = record.sessionsOffset
        var target = source
        var kept = 0
        var hasRunOutHere = false
        for _ in 0..<record.sessionCount {
            let session = SessionRecord(record.address + source)
            let size = session.byteCount
            let end = keptUntil(session, of: record, near: now)
            let mayComeBack = isToldPastItsEnd(session) && now < awaitedUntil(session, near: now)
            var isOver = end <= now
            if isOver, marginHeld > 0, !session.isClosed, session.home == stamps.node {
                if tellsOfKept { hasRunOutHere = true }
                isOver = end.advanced(byMilliseconds: marginHeld) <= now
            }
            if !keepsTombstones, session.isClosed || facts(of: session, near: now).deadline(policy) <= now {
                isOver = session.address != heldLongest
            }
            if isOver {
                if !session.isClosed {
                    if session.home == stamps.node { hasRunOutHere = true }
                    noteEnd(of: session)
                    counters.expiredSessions += 1
                }
                release(WordNumbers(of: session), ofTombstone: true)
            } else {
                if marginHeld == 0, !session.isClosed, !mayComeBack, noteRunOut(session, at: now) {
                    hasRunOutHere = true
                }
                if target != source {
                    (record.address + target).copyMemory(from: record.address + source, byteCount: size)
                }
                target += size
                kept += 1
            }
            source += size
        }
        record.sessionCount = kept
        if hasRunOutHere { noteChange(number) }
        guard mayShrink, Slabs.sizeClass(for: target) < Slabs.sizeClass(of: number) else { return number }
        // Without room for the smaller slot the record stays where it is.
        let growth = slabs.growth(forSize: target)
        guard growth == 0 || budget.hasRoom(for: growth) else { return number }
        let other = slabs.allocate(target)
        move(number, to: other, byteCount: target)
        return other
    }

    /// Of those that ended, the one whose end is held back longest stands for all: of several, as when a storm lets go of all at once, the one that ended last.
    func sessionHeldLongest(_ record: UserRecord, at now: Timestamp) -> UnsafeMutableRawPointer? {
        var longest = (hold: now, end: Timestamp.distantPast)
        var place: UnsafeMutableRawPointer?
        record.forEachSession { session in
            let hold = holdEnd(of: session, record, near: now)
            guard hold > now, hold >= longest.hold else { return }
            let facts = facts(of: session, near: now)
            let end = facts.closed?.at ?? facts.deadline(settings.policy)
            guard hold > longest.hold || end >= longest.end else { return }
            longest = (hold, end)
            place = session.address
        }
        return place
    }

    /// Until when the end of a session is held back, by a grace or a storm; `distantPast` if it lives, or nothing holds it.
    private func holdEnd(of session: SessionRecord, _ record: UserRecord, near now: Timestamp) -> Timestamp {
        let policy = settings.policy
        let pacing = policy.storm == nil ? 0 : pacing(of: record)
        return facts(of: session, near: now).heldUntil(at: now, pacing: pacing, policy)
    }

    /// A session that ran out and is kept, since a storm holds that back, is an ended one from now on. Returns whether it did so at its home.
    private mutating func noteRunOut(_ session: SessionRecord, at now: Timestamp) -> Bool {
        var facts = facts(of: session, near: now)
        guard facts.deadline(settings.policy) <= now, !settings.hasUnheardPeer else { return false }
        facts.marginMilliseconds = 0
        facts.stalledMilliseconds = 0
        facts.closed = Closure(at: facts.deadline(settings.policy), isLoss: true)
        session.store(facts)
        noteEnd(of: session)
        counters.expiredSessions += 1
        return facts.home == stamps.node
    }

    /// Words as numbers, one use more each; those that were not given are the `kept` ones.
    private mutating func intern(_ words: Words, keeping kept: WordNumbers) throws(StoreError) -> WordNumbers {
        let limit = settings.maxWords
        let hash = hash
        func take(_ bytes: UnsafeRawBufferPointer, _ kept: UInt16, _ table: inout WordTable) -> UInt16? {
            guard bytes.count > 0 else {
                table.retain(kept)
                return kept
            }
            return table.intern(bytes.bindMemory(to: UInt8.self).span, hash: hash.bytes(bytes, .free), limit: limit)
        }
        var numbers = WordNumbers()
        if let device = take(words.device, kept.device, &devices) {
            numbers.device = device
            if let platform = take(words.platform, kept.platform, &platforms) {
                numbers.platform = platform
                if let server = take(words.server, kept.server, &servers) {
                    numbers.server = server
                    return numbers
                }
            }
        }
        release(numbers)
        account()
        throw .tooManyWords(limit: limit)
    }

    /// Gives words back; those of a tombstone were not counted as a session's any more.
    mutating func release(_ numbers: WordNumbers, ofTombstone isTombstone: Bool = false) {
        devices.release(numbers.device, isSession: !isTombstone)
        platforms.release(numbers.platform, isSession: !isTombstone)
        servers.release(numbers.server, isSession: !isTombstone)
    }
}
