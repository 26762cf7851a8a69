import Presence

/// Sessions: only CONNECT opens one, heartbeats keep it, a goodbye or time ends it.
extension ShardState {
    /// Device, platform and server as the caller gave them; an empty one is none.
    struct Words {
        var device: UnsafeRawBufferPointer
        var platform: UnsafeRawBufferPointer
        var server: UnsafeRawBufferPointer
    }

    private struct WordNumbers {
        var device: UInt16
        var platform: UInt16
        var server: UInt16
    }

    /// Opens a session, or opens it anew: a newer incarnation replaces all facts of an older one.
    mutating func connect(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, _ words: Words, _ facts: Session, reason: Reason,
        at now: Timestamp
    ) throws(StoreError) -> Int {
        var facts = facts
        let known = find(user, userHash)
        if known != 0 { try makeRoom(known, for: key, at: now) }
        let numbers = try intern(words)
        let number: UInt32
        do {
            number = try place(user, userHash, known, key, numbers, at: now)
        } catch {
            release(numbers)
            throw error
        }
        let record = record(number)
        facts.incarnation = stamps.next(at: now)
        guard let session = record.session(key) else { preconditionFailure("the session was just placed") }
        session.store(facts)
        counters.connects += 1
        if let activity = facts.activity { noteActivity(record, activity, at: now) }
        let evidence = evidence(of: record, at: now, near: now)
        let isStatusOnly = record.announced != .offline && facts.brought != nil
        let cause = Cause(reason: isStatusOnly ? .sessionStatus : reason, stamp: facts.incarnation, at: now)
        announce(number, evidence.verdict(at: now), cause, session, near: now)
        arm(number, evidence, at: now)
        return evidence.liveCount
    }

    /// Settles the record and sees that one more session may be added to it.
    private mutating func makeRoom(_ number: UInt32, for key: BytesKey, at now: Timestamp) throws(StoreError) {
        let evidence = settle(number, at: now)
        let existing = record(number).session(key)
        if existing?.facts(near: now).isLive(at: now, settings.policy) == true { return }
        if evidence.liveCount >= settings.maxSessionsPerUser {
            throw .tooManySessions(limit: settings.maxSessionsPerUser)
        }
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
            if session.isClosed { counters.sessions += 1 }
            release(WordNumbers(device: session.device, platform: session.platform, server: session.server))
            session.storeWords(device: words.device, platform: words.platform, server: words.server)
            return number
        } else {
            let live = record(number).sessionCount
            number = prune(number, at: now, keepsTombstones: live < settings.maxSessionsPerUser, mayShrink: false)
            let size = record(number).byteCount + SessionRecord.fixedBytes + key.storedCount
            if size > Slabs.maximumSize {
                number = prune(number, at: now, keepsTombstones: false, mayShrink: false)
            }
            let needed = record(number).byteCount + SessionRecord.fixedBytes + key.storedCount
            guard needed <= Slabs.maximumSize else { throw .tooManySessions(limit: record(number).sessionCount) }
            number = try resize(number, to: needed, at: now)
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
    mutating func beat(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, isActive: Bool, at now: Timestamp
    ) -> Bool {
        let number = find(user, userHash)
        guard number != 0, let session = record(number).session(key), !session.isClosed else {
            counters.unknownBeats += 1
            return false
        }
        guard now < session.deadline(near: now, settings.policy) else {
            // The wheel is a little late: this is the look that announces it.
            arm(number, settle(number, at: now), at: now)
            counters.unknownBeats += 1
            return false
        }
        counters.beats += 1
        if isActive {
            act(number, session, at: now, reason: .activity)
        } else {
            session.beat(at: now)
        }
        return true
    }

    /// A heartbeat with activity: may bring the user back to online.
    mutating func act(_ number: UInt32, _ session: SessionRecord, at now: Timestamp, reason: Reason) {
        _ = settle(number, at: now)
        session.beat(at: now)
        session.act(at: now)
        let record = record(number)
        noteActivity(record, now, at: now)
        announceWrite(number, session, reason: reason, at: now)
    }

    /// Announces what a write that needs no stamp of its own has changed, and arms the timer.
    mutating func announceWrite(_ number: UInt32, _ session: SessionRecord?, reason: Reason, at now: Timestamp) {
        let record = record(number)
        let evidence = evidence(of: record, at: now, near: now)
        let verdict = evidence.verdict(at: now)
        if verdict.publicStatus != record.announced || verdict.isPresent != record.isPresent {
            let cause = Cause(reason: reason, stamp: stamps.next(at: now), at: now)
            announce(number, verdict, cause, session, near: now)
        }
        arm(number, evidence, at: now)
    }

    /// `lastSeen` moves with what a visible user does.
    func noteActivity(_ record: UserRecord, _ instant: Timestamp, at now: Timestamp) {
        if record.hasManual, record.manual(near: now).value(at: now) == .invisible { return }
        record.raiseLastSeen(to: min(instant, now), near: now)
    }

    /// A goodbye, or a loss that was noticed. False if the session was not live.
    mutating func disconnect(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, reason: Reason, at now: Timestamp
    ) -> Bool {
        let number = find(user, userHash)
        guard number != 0 else { return false }
        _ = settle(number, at: now)
        guard let session = record(number).session(key),
            close(session, Closure(at: now, isLoss: reason.isLoss), at: now)
        else { return false }
        if !reason.isLoss { noteActivity(record(number), now, at: now) }
        announceWrite(number, session, reason: reason, at: now)
        return true
    }

    /// Ends all live sessions that were opened no later than `limit`. Returns whether the key existed before.
    mutating func closeAll(
        _ number: UInt32, reason: Reason, leavesGrace: Bool, isClean: Bool, openedUpTo limit: Stamp? = nil,
        at now: Timestamp
    ) -> Bool {
        let evidence = settle(number, at: now)
        guard evidence.isPresent else { return false }
        let record = record(number)
        var last: SessionRecord?
        record.forEachSession { session in
            if let limit, session.facts(near: now).incarnation > limit { return }
            let closure = Closure(at: now, isLoss: reason.isLoss, leavesGrace: leavesGrace)
            if close(session, closure, at: now) {
                last = session
            } else if !leavesGrace && session.isClosed {
                // A grace that still runs ends with the key.
                var facts = session.facts(near: now)
                facts.closed?.leavesGrace = false
                session.store(facts)
            }
        }
        if isClean && last != nil { noteActivity(record, now, at: now) }
        announceWrite(number, last, reason: reason, at: now)
        return true
    }

    private mutating func close(_ session: SessionRecord, _ closure: Closure, at now: Timestamp) -> Bool {
        var facts = session.facts(near: now)
        guard facts.close(closure, settings.policy) else { return false }
        session.store(facts)
        counters.sessions -= 1
        return true
    }

    // MARK: Room

    /// Drops sessions that ran out, and tombstones that are over. The record must be settled; its number may change.
    mutating func prune(
        _ number: UInt32, at now: Timestamp, keepsTombstones: Bool = true, mayShrink: Bool = true
    ) -> UInt32 {
        let record = record(number)
        let policy = settings.policy
        var source = record.sessionsOffset
        var target = source
        var kept = 0
        for _ in 0..<record.sessionCount {
            let session = SessionRecord(record.address + source)
            let size = session.byteCount
            let isOver = session.keptUntil(near: now, policy) <= now
            if isOver || (session.isClosed && !keepsTombstones) {
                if !session.isClosed {
                    counters.sessions -= 1
                    counters.expiredSessions += 1
                }
                release(WordNumbers(device: session.device, platform: session.platform, server: session.server))
            } else {
                if target != source {
                    (record.address + target).copyMemory(from: record.address + source, byteCount: size)
                }
                target += size
                kept += 1
            }
            source += size
        }
        record.sessionCount = kept
        guard mayShrink, Slabs.sizeClass(for: target) < Slabs.sizeClass(of: number) else { return number }
        // Without room for the smaller slot the record stays where it is.
        let growth = slabs.growth(forSize: target)
        guard growth == 0 || budget.hasRoom(for: growth) else { return number }
        let other = slabs.allocate(target)
        move(number, to: other, byteCount: target)
        return other
    }

    private mutating func intern(_ words: Words) throws(StoreError) -> WordNumbers {
        let limit = settings.maxWords
        func hashed(_ bytes: UnsafeRawBufferPointer) -> UInt64 { hash.bytes(bytes, .free) }
        var numbers = WordNumbers(device: 0, platform: 0, server: 0)
        let all = (words.device, words.platform, words.server)
        if all.0.count > 0 {
            guard let number = devices.intern(all.0.bindMemory(to: UInt8.self).span, hash: hashed(all.0), limit: limit)
            else {
                throw .tooManyWords(limit: limit)
            }
            numbers.device = number
        }
        if all.1.count > 0 {
            guard
                let number = platforms.intern(all.1.bindMemory(to: UInt8.self).span, hash: hashed(all.1), limit: limit)
            else {
                release(numbers)
                throw .tooManyWords(limit: limit)
            }
            numbers.platform = number
        }
        if all.2.count > 0 {
            guard let number = servers.intern(all.2.bindMemory(to: UInt8.self).span, hash: hashed(all.2), limit: limit)
            else {
                release(numbers)
                throw .tooManyWords(limit: limit)
            }
            numbers.server = number
        }
        return numbers
    }

    private mutating func release(_ numbers: WordNumbers) {
        devices.release(numbers.device)
        platforms.release(numbers.platform)
        servers.release(numbers.server)
    }
}
