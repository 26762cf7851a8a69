import Presence

/// What is read of users, and what they set.
extension ShardState {
    /// The public status of a user; offline if he is unknown.
    @inline(__always)
    mutating func status(_ user: BytesKey, _ userHash: UInt64, at now: Timestamp) -> Status {
        let number = find(user, userHash)
        guard number != 0 else { return .offline }
        return settle(number, at: now).verdict(at: now).publicStatus
    }

    mutating func describe(_ user: BytesKey, _ userHash: UInt64, at now: Timestamp) -> UserDescription? {
        let number = find(user, userHash)
        guard number != 0 else { return nil }
        _ = settle(number, at: now)
        let record = record(number)
        return UserDescription(
            id: BytesText.expand(record.id, isPacked: record.isPacked), status: record.announced,
            lastSeen: record.lastSeen(near: now),
            lastStatusChange: record.version == .zero ? nil : record.version.timestamp,
            activity: record.text(at: now).map { [UInt8]($0) }, version: record.version, isPresent: record.isPresent)
    }

    mutating func sessions(_ user: BytesKey, _ userHash: UInt64, at now: Timestamp) -> [SessionDescription] {
        let number = find(user, userHash)
        guard number != 0 else { return [] }
        _ = settle(number, at: now)
        let policy = settings.policy
        var list: [SessionDescription] = []
        record(number).forEachSession { session in
            let facts = session.facts(near: now)
            guard facts.isLive(at: now, policy) else { return }
            list.append(
                SessionDescription(
                    id: BytesText.expand(session.id, isPacked: session.isPacked),
                    status: facts.status(at: now, policy), device: devices.bytes(session.device),
                    platform: platforms.bytes(session.platform), server: servers.bytes(session.server),
                    lastHeartbeat: facts.heartbeat, lastActivity: facts.activity, expiresAt: facts.deadline(policy),
                    brought: facts.brought, isPassive: facts.isPassive))
        }
        return list
    }

    /// The live session from which a record of the user is written; in a grace, the one that ended last.
    private func mostPresent(_ record: UserRecord, at now: Timestamp) -> (SessionRecord, Session)? {
        var best: (SessionRecord, Session)?
        record.forEachSession { session in
            let facts = session.facts(near: now)
            guard let known = best else {
                best = (session, facts)
                return
            }
            if facts.isMorePresent(than: known.1, at: now, settings.policy) { best = (session, facts) }
        }
        return best
    }

    mutating func fields(_ user: BytesKey, _ userHash: UInt64, at now: Timestamp) -> RecordFields? {
        let number = find(user, userHash)
        guard number != 0 else { return nil }
        _ = settle(number, at: now)
        let record = record(number)
        guard record.isPresent, let (session, facts) = mostPresent(record, at: now) else { return nil }
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
        _ = settle(number, at: now)
        let record = record(number)
        guard record.isPresent, let (session, facts) = mostPresent(record, at: now) else { return false }
        let device = devices.bytes(session.device)
        let platform = platforms.bytes(session.platform)
        let server = servers.bytes(session.server)
        let text = record.text(at: now)
        withUnsafeTemporaryAllocation(byteCount: 2 * BytesKey.maximumIDLength, alignment: 8) { scratch in
            let user = BytesText.spell(record.id, isPacked: record.isPacked, into: scratch, at: 0)
            let connection = BytesText.spell(
                session.id, isPacked: session.isPacked, into: scratch, at: BytesKey.maximumIDLength)
            PresenceRecordWriter.write(
                userID: user.span, status: record.announced, lastSeen: record.lastSeen(near: now),
                lastHeartbeat: facts.heartbeat, device: device?.span, platform: platform?.span,
                connectionID: connection.span, server: server?.span,
                activity: text?.bindMemory(to: UInt8.self).span, into: &out)
        }
        return true
    }

    /// Manual status and activity text: registers, the newer stamp wins.
    mutating func set(
        _ user: BytesKey, _ userHash: UInt64, _ change: UserSettings, at now: Timestamp
    ) throws(StoreError) {
        var number = find(user, userHash)
        let text = change.activity.map { $0 ?? [] }
        if number == 0 {
            // Room for all at once: what fails later would leave him known.
            let manual = change.status == nil ? 0 : UserRecord.manualBytes
            let texts = text.map { UserRecord.textBytes + $0.count } ?? 0
            number = try allocate(UserRecord.idOffset + user.storedCount + manual + texts, at: now)
            record(number).initialize(user)
            enter(userHash, number)
            account()
            counters[.offline] += 1
        }
        _ = settle(number, at: now)
        // A record that moves leaves its timer behind, and with it the look at what has run out.
        number = prune(number, at: now, mayShrink: false)
        let stamp = stamps.next(at: now)
        let old = record(number)
        let until = change.until.map { min($0, now.advanced(byMilliseconds: RecordInstant.reach)) }
        let manualGrowth = change.status != nil && !old.hasManual ? UserRecord.manualBytes : 0
        let oldText = old.hasText ? UserRecord.textBytes + old.textCount : 0
        let newText = text.map { UserRecord.textBytes + $0.count } ?? oldText
        let oldSize = old.byteCount
        let size = oldSize + manualGrowth + newText - oldText
        number = try resize(number, to: size, at: now)
        let record = record(number)
        if manualGrowth > 0 {
            shift(record, from: record.manualOffset, by: manualGrowth, end: oldSize)
        }
        if let status = change.status {
            record.storeManual(
                Register(stamp: stamp, value: status, until: status == nil ? nil : until))
        }
        if let text {
            let start = record.textOffset
            shift(record, from: start + oldText, by: newText - oldText, end: oldSize + manualGrowth)
            text.withUnsafeBytes {
                record.storeText($0, stamp: stamp, until: $0.count == 0 ? nil : until)
            }
        }
        let evidence = evidence(of: record, at: now, near: now)
        let cause = Cause(reason: .manual, stamp: stamp, at: now)
        announce(number, evidence.verdict(at: now), cause, nil, near: now)
        arm(number, evidence, at: now)
    }

    /// Moves the end of a record, from `offset` on, by some bytes.
    private func shift(_ record: UserRecord, from offset: Int, by bytes: Int, end: Int) {
        guard bytes != 0, end > offset else { return }
        (record.address + offset + bytes).copyMemory(from: record.address + offset, byteCount: end - offset)
    }

    /// `SET` of the seed's record: the session is opened, or beaten, with the activity that the record tells.
    mutating func write(
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
        activity = max(activity, now.advanced(byMilliseconds: -RecordInstant.reach))
        var kept = WordNumbers()
        var reason = Reason.connect
        var isPassive = false
        var ttl = write.ttlMilliseconds ?? settings.sessionTTLMilliseconds
        let number = find(user, userHash)
        if number != 0 {
            _ = settle(number, at: now)
            if let session = record(number).session(key) {
                var facts = session.facts(near: now)
                if facts.isLive(at: now, policy) {
                    if write.keepsTTL { ttl = facts.ttlMilliseconds }
                    kept = WordNumbers(of: session)
                    isPassive = facts.isPassive
                    if facts.brought == brought {
                        reason = write.status == .idle || write.status == .away ? .inactivity : .activity
                    }
                    // A write that only adds, and whose activity has all its limits ahead, is a heartbeat. Any other is a new incarnation: its stamp
                    // tells a later look where to begin (see `announceWhatTimeChanged`).
                    let isAhead = activity > now.advanced(byMilliseconds: -min(policy.idleAfter, policy.awayAfter))
                    if isAhead, facts.brought == brought, facts.activity ?? .distantPast <= activity,
                        hasWords(session, words)
                    {
                        facts.heartbeat = max(facts.heartbeat, now)
                        facts.ttlMilliseconds = ttl
                        facts.activity = activity
                        session.store(facts)
                        counters.beats += 1
                        noteActivity(record(number), session, activity, at: now)
                        announceWrite(number, session, reason: reason, at: now)
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
