import Presence

/// What is read of users, and what they set.
extension ShardState {
    /// The public status of a user; offline if he is unknown: number 0.
    @inline(__always)
    mutating func status(_ number: UInt32, at now: Timestamp) -> Status {
        guard number != 0 else { return .offline }
        if isPlainlyOnline(record(number), at: now) { return .online }
        return settle(number, at: now).verdict(at: now).publicStatus
    }

    /// Whether a user is online by one session alone, was told to be, and nothing else needs a look: as nearly everyone who is online. Registers that hold
    /// nothing count as none.
    ///
    /// The one case in which the rules need no `Evidence`: then a verdict says the same, and `settle` has nothing to do. Other nodes' margins make
    /// deadlines later only; leases may make them earlier.
    @inline(__always)
    func isPlainlyOnline(_ record: UserRecord, at now: Timestamp) -> Bool {
        guard !hasLeases else { return false }
        if record.isShownOnlineByOneSession { return record.firstSession.isPlainlyOnline(at: now, settings.policy) }
        return record.isShownOnlineBesideRegisters && isPlainlyOnlineBesideRegisters(record, at: now)
    }

    @inline(never)
    private func isPlainlyOnlineBesideRegisters(_ record: UserRecord, at now: Timestamp) -> Bool {
        record.firstSession.isPlainlyOnline(at: now, settings.policy)
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
            let facts = self.facts(of: session, near: now)
            guard facts.isLive(at: now, policy) else { return }
            list.append(
                SessionDescription(
                    id: BytesText.expand(session.id, isPacked: session.isPacked),
                    status: facts.status(at: now, policy), device: devices.bytes(session.device),
                    platform: platforms.bytes(session.platform), server: servers.bytes(session.server),
                    lastHeartbeat: facts.heartbeat, lastActivity: facts.activity,
                    expiresAt: facts.deadline(policy).advanced(
                        byMilliseconds: -facts.marginMilliseconds - facts.stalledMilliseconds),
                    brought: facts.brought, isPassive: facts.isPassive, home: facts.home))
        }
        return list
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
        if change.changesPrivacy {
            try makeRelations(&number, at: now)
        }
        _ = settle(number, at: now)
        let old = record(number)
        let until = change.until == .distantFuture ? nil : change.until
        let manualGrowth = change.status != nil && !old.hasManual ? UserRecord.manualBytes : 0
        let oldText = old.hasText ? UserRecord.textBytes + old.textCount : 0
        let newText = text.map { UserRecord.textBytes + $0.count } ?? oldText
        // A record that moves leaves its timer behind, and with it the look at what has run out. The manual status gets its place before a shorter text gives
        // up its own.
        number = try grow(number, by: manualGrowth + max(newText - oldText, 0), at: now)
        let oldSize = record(number).byteCount
        let stamp = stamps.next(at: now)
        if change.changesPrivacy {
            try setPrivacy(
                &number, visibility: change.visibility, lastSeen: change.lastSeen, stamp: stamp, at: now)
        }
        let record = record(number)
        if manualGrowth > 0 {
            shift(record, from: record.manualOffset, by: manualGrowth, end: oldSize)
        }
        if let status = change.status {
            record.storeManual(
                Register(stamp: stamp, value: status, until: status == nil ? nil : until))
        }
        var hasNewText = false
        if let text {
            let start = record.textOffset
            let before = record.text(at: now).map { [UInt8]($0) }
            shift(record, from: start + oldText, by: newText - oldText, end: oldSize + manualGrowth)
            text.withUnsafeBytes {
                record.storeText($0, stamp: stamp, until: $0.count == 0 ? nil : until, at: now)
            }
            hasNewText = record.text(at: now).map { [UInt8]($0) } != before
        }
        let evidence = evidence(of: record, at: now, near: now)
        let cause = Cause(reason: .manual, stamp: stamp, at: now)
        let place = record.header.changePlace
        announce(number, evidence.verdict(at: now), cause, nil, near: now)
        if hasNewText { announceActivity(number, record.text(at: now), cause, since: place) }
        arm(number, evidence, at: now)
        replicaLog.note(userHash, .record)
    }

    /// Moves the end of a record, from `offset` on, by some bytes.
    func shift(_ record: UserRecord, from offset: Int, by bytes: Int, end: Int) {
        guard bytes != 0, end > offset else { return }
        (record.address + offset + bytes).copyMemory(from: record.address + offset, byteCount: end - offset)
    }
}
