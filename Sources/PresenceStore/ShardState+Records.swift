import Presence

/// The seed's record of a user: the JSON that `SET` writes and `GET` reads.
extension ShardState {
    /// The live session from which a record of the user is written; if none lives, the one whose end is held back longest.
    private func mostPresent(_ record: UserRecord, at now: Timestamp) -> SessionRecord? {
        if record.sessionCount == 1 { return record.firstSession }
        var best: (SessionRecord, Session)?
        record.forEachSession { session in
            let facts = self.facts(of: session, near: now)
            guard let known = best else {
                best = (session, facts)
                return
            }
            if facts.isMorePresent(than: known.1, at: now, settings.policy) { best = (session, facts) }
        }
        guard let best, !best.1.isLive(at: now, settings.policy) else { return best?.0 }
        return sessionHeldLongest(record, at: now).map { SessionRecord($0) } ?? best.0
    }

    mutating func fields(_ user: BytesKey, _ userHash: UInt64, at now: Timestamp) -> RecordFields? {
        let number = find(user, userHash)
        guard number != 0 else { return nil }
        _ = settle(number, at: now)
        let record = record(number)
        guard record.isPresent, let session = mostPresent(record, at: now) else { return nil }
        let facts = facts(of: session, near: now)
        return RecordFields(
            userID: BytesText.expand(record.id, isPacked: record.isPacked), status: record.announced,
            lastSeen: record.lastSeen(near: now), lastHeartbeat: facts.heartbeat,
            deviceType: devices.bytes(session.device), platform: platforms.bytes(session.platform),
            connectionID: BytesText.expand(session.id, isPacked: session.isPacked),
            serverID: servers.bytes(session.server), activity: record.text(at: now).map { [UInt8]($0) })
    }

    /// Writes the seed's record as JSON. False if the key does not exist.
    mutating func writeRecord(
        _ user: BytesKey, _ userHash: UInt64, at now: Timestamp, into out: inout OutputSpan<UInt8>
    ) -> Bool {
        let number = find(user, userHash)
        guard number != 0 else { return false }
        let record = record(number)
        if !isPlainlyOnline(record, at: now) { _ = settle(number, at: now) }
        guard record.isPresent, let session = mostPresent(record, at: now) else { return false }
        // Only a lease makes it another one than the record says.
        let heartbeat = hasLeases ? facts(of: session, near: now).heartbeat : session.heartbeat(near: now)
        let text = record.text(at: now)
        withUnsafeTemporaryAllocation(byteCount: 2 * BytesKey.maximumIDLength, alignment: 8) { scratch in
            let user = BytesText.spell(record.id, isPacked: record.isPacked, into: scratch, at: 0)
            let connection = BytesText.spell(
                session.id, isPacked: session.isPacked, into: scratch, at: BytesKey.maximumIDLength)
            withWords(of: session) { device, platform, server in
                PresenceRecordWriter.write(
                    userID: user.span, status: record.announced, lastSeen: record.lastSeen(near: now),
                    lastHeartbeat: heartbeat, device: device, platform: platform, connectionID: connection.span,
                    server: server, activity: text?.bindMemory(to: UInt8.self).span, into: &out)
            }
        }
        return true
    }

    /// Calls `body` with the device, platform and server of a session, where they lie.
    @inline(__always)
    private func withWords(
        of session: SessionRecord, _ body: (Span<UInt8>?, Span<UInt8>?, Span<UInt8>?) -> Void
    ) {
        devices.withBytes(session.device) { device in
            platforms.withBytes(session.platform) { platform in
                servers.withBytes(session.server) { server in body(device, platform, server) }
            }
        }
    }

    /// `SET` of the seed's record, whatever it says. False, and nothing has changed, if its condition is not met.
    mutating func setRecord(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, _ words: Words, _ write: RecordWrite, at now: Timestamp
    ) throws(StoreError) -> Bool {
        if write.condition != .always {
            let exists = exists(.presence, user, userHash, at: now)
            guard exists == (write.condition == .ifPresent) else { return false }
        }
        if let ttl = write.ttlMilliseconds, ttl <= 0 {
            _ = remove(.presence, user, userHash, reason: .deleted, at: now)
        } else if write.status == .offline {
            endRecord(user, userHash, key, endsAll: write.endsAllSessions, at: now)
        } else {
            _ = try settings.ttl(write.ttlMilliseconds, atLeast: 1)
            if let activity = write.activity, activity < now.advanced(byMilliseconds: -RecordInstant.bound) {
                throw .activityTooOld(limit: RecordInstant.bound)
            }
            try self.write(user, userHash, key, words, write, at: now)
            tell(.set, ofUser: user)
            if write.ttlMilliseconds != nil { tell(.expire, ofUser: user) }
        }
        return true
    }

    /// A record that says offline: a goodbye of one session, or of all.
    private mutating func endRecord(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, endsAll: Bool, at now: Timestamp
    ) {
        let number = find(user, userHash)
        guard number != 0 else { return }
        let hasEnded =
            endsAll
            ? closeAll(number, reason: .disconnect, leavesGrace: true, isClean: true, at: now)
            : disconnect(user, userHash, key, reason: .disconnect, at: now)
        // Of a key that is gone its end was told.
        if hasEnded, record(number).isPresent { tell(.set, ofUser: user) }
    }

    /// The session is opened, or beaten, with the activity that the record tells.
    private mutating func write(
        _ user: BytesKey, _ userHash: UInt64, _ key: BytesKey, _ words: Words, _ write: RecordWrite, at now: Timestamp
    ) throws(StoreError) {
        let policy = settings.policy
        let brought: SessionStatus? = write.status == .dnd ? .dnd : nil
        var activity = min(write.activity ?? now, now)
        switch write.status {
        case .idle: activity = min(activity, now.advanced(byMilliseconds: -policy.idleAfter))
        case .away: activity = min(activity, now.advanced(byMilliseconds: -policy.awayAfter))
        default: break
        }
        // One that was given is within the bound; a limit may lie beyond it.
        activity = max(activity, now.advanced(byMilliseconds: -RecordInstant.bound))
        var kept = WordNumbers()
        var reason = Reason.connect
        var isPassive = false
        var ttl = write.ttlMilliseconds ?? settings.sessionTTLMilliseconds
        let number = find(user, userHash)
        if number != 0 {
            _ = settle(number, at: now)
            if write.keepsTTL, case .milliseconds(let left) = timeToLive(.presence, user, userHash, at: now) {
                ttl = min(left, policy.heartbeatHardLimit)
            }
            if let session = record(number).session(key) {
                var facts = self.facts(of: session, near: now)
                if facts.isLive(at: now, policy) {
                    if write.keepsTTL { ttl = facts.ttlMilliseconds }
                    kept = WordNumbers(of: session)
                    isPassive = facts.isPassive
                    if facts.brought == brought {
                        // By what becomes of his activity, not by the word: an `idle` brings back who was away.
                        let isLater = facts.activity.map { $0 <= activity } ?? (write.status == .online)
                        reason = isLater ? .activity : .inactivity
                    }
                    // A write that only adds, and whose activity has all its limits ahead, is a heartbeat. Any other is a new incarnation: its stamp
                    // tells a later look where to begin (see `announceWhatTimeChanged`).
                    let isAhead = activity > now.advanced(byMilliseconds: -min(policy.idleAfter, policy.awayAfter))
                    if isAhead, facts.brought == brought, facts.activity ?? .distantPast <= activity,
                        hasWords(session, words)
                    {
                        let isPlain =
                            facts.home == stamps.node && facts.ttlMilliseconds == ttl && facts.activity != nil
                        beat(&facts, ttlMilliseconds: ttl, at: now)
                        facts.activity = activity
                        store(facts, over: session)
                        counters.beats += 1
                        noteReportedActivity(record(number), session, activity, at: now)
                        if announceWrite(number, session, reason: reason, at: now) || !isPlain { noteChange(number) }
                        return
                    }
                }
            }
        }
        let facts = Session(
            incarnation: .zero, heartbeat: now, ttlMilliseconds: ttl, activity: activity, brought: brought,
            isPassive: isPassive)
        _ = try connect(user, userHash, key, words, facts, reason: reason, keeping: kept, at: now)
    }

    /// Whether the session has these words; one that is not given counts as the same.
    private func hasWords(_ session: SessionRecord, _ words: Words) -> Bool {
        (words.device.count == 0 || devices.matches(session.device, words.device.bindMemory(to: UInt8.self).span))
            && (words.platform.count == 0
                || platforms.matches(session.platform, words.platform.bindMemory(to: UInt8.self).span))
            && (words.server.count == 0
                || servers.matches(session.server, words.server.bindMemory(to: UInt8.self).span))
    }
}
