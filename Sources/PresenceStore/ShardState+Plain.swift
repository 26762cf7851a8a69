import Presence

/// Plain images: the usual user is taken up, or joined with what is known of him, without making anything of his facts in between.
///
/// What comes of it is what `merge` of his facts makes: `PlainImageTests` compares the two.
///
/// **Cost.** Nothing is allocated but what a record grows by.
extension ShardState {
    /// What became of an image.
    enum PlainOutcome {
        /// All of it was known.
        case known
        /// The user is known from now on.
        case taken
        /// It is to be merged by its facts.
        case notPlain
    }

    /// Takes a plain image, if nothing is known of the user, or this session of him and no other.
    ///
    /// - Parameters:
    ///   - plain: the image as it was read.
    ///   - image: the same in bytes.
    ///   - sender: the node that made it; 0 if nobody says.
    ///   - now: when.
    mutating func take(
        _ plain: PlainImage, _ image: UnsafeRawBufferPointer, from sender: UInt8, _ user: BytesKey, _ userHash: UInt64,
        at now: Timestamp
    ) throws(StoreError) -> PlainOutcome {
        let number = find(user, userHash)
        guard plain.session.incarnation > flushStamp else { return .notPlain }
        guard number == 0 else { return try join(plain, image, from: sender, number, userHash, at: now) }
        // What ended at home here long ago is for the long way.
        guard unwrittenEnds.isEmpty || plain.session.home != stamps.node else { return .notPlain }
        let margin = plain.session.home == sender ? settings.peerMargin : 0
        guard !isOver(plain.session, waiting: margin, at: now) else { return .notPlain }
        try takeUp(plain, image, from: sender, user, userHash, at: now)
        return .taken
    }

    private mutating func takeUp(
        _ plain: PlainImage, _ image: UnsafeRawBufferPointer, from sender: UInt8, _ user: BytesKey,
        _ userHash: UInt64, at now: Timestamp
    ) throws(StoreError) {
        var size = UserRecord.idOffset + user.storedCount + SessionRecord.fixedBytes + plain.sessionID.count
        if plain.manual.stamp != .zero { size += UserRecord.manualBytes }
        if plain.textStamp != .zero { size += UserRecord.textBytes + plain.text.count }
        let number = try allocate(size, at: now)
        let record = record(number)
        record.initialize(user)
        enter(userHash, number)
        counters[.offline] += 1
        record.isNamed = plain.isNamed
        if let lastSeen = plain.lastSeen { record.raiseLastSeen(to: lastSeen, near: now) }
        if plain.manual.stamp != .zero { record.storeManual(plain.manual) }
        if plain.textStamp != .zero {
            let text = UnsafeRawBufferPointer(rebasing: image[plain.text])
            record.storeText(text, stamp: plain.textStamp, until: plain.textUntil, at: now)
        }
        let session = SessionRecord(record.address + record.byteCount)
        let id = UnsafeRawBufferPointer(rebasing: image[plain.sessionID])
        let (hash, limit) = (hash, settings.maxWords)
        let device = ShardState.intern(image, plain.device, &devices, hash, limit: limit)
        let platform = ShardState.intern(image, plain.platform, &platforms, hash, limit: limit)
        let server = ShardState.intern(image, plain.server, &servers, hash, limit: limit)
        session.initialize(
            plain.session, BytesKey(stored: id, isPacked: plain.isSessionPacked), device: device, platform: platform,
            server: server)
        record.sessionCount += 1
        counters.sessions += 1
        if session.isPassive { notePassive(session, 1) } else { noteAway(server, home: plain.session.home, 1) }
        noteStray(server, home: plain.session.home)
        account()
        stamps.observe(plain.newestStamp)
        let evidence = evidence(of: record, at: now, near: now)
        _ = announce(
            number, evidence.verdict(at: now), Heard(plain, from: sender), .connect, session, before: .zero,
            hasLearned: true, userHash, at: now)
        if let text = record.text(at: now) { announceActivity(number, text, of: plain, since: 0, at: now) }
        arm(number, evidence, at: now)
    }

    /// A word of an image as a number, a use more. One for which its table has no room is none.
    private static func intern(
        _ image: UnsafeRawBufferPointer, _ range: Range<Int>, _ table: inout WordTable, _ hash: BytesHash, limit: Int
    ) -> UInt16 {
        guard !range.isEmpty else { return WordTable.none }
        let word = UnsafeRawBufferPointer(rebasing: image[range])
        return table.intern(
            word.bindMemory(to: UInt8.self).span, hash: hash.bytes(word, .free), limit: limit) ?? WordTable.none
    }

    // MARK: Joining

    /// Joins a plain image with the record of a user whose only session is the same one.
    private mutating func join(
        _ plain: PlainImage, _ image: UnsafeRawBufferPointer, from sender: UInt8, _ known: UInt32, _ userHash: UInt64,
        at now: Timestamp
    ) throws(StoreError) -> PlainOutcome {
        _ = settle(known, at: now)
        let old = record(known)
        guard let session = session(of: plain, image, in: old, at: now) else { return .notPlain }
        let local = session.facts(near: now)
        var merged = local
        merged.merge(plain.session)
        takeTTL(of: plain.session, from: sender, over: local, &merged)
        // What ends by it, copies that differ in what one CONNECT said, and texts of one stamp that differ, are for the long way.
        guard merged.deadline(settings.policy) > now, merged.isPassive == local.isPassive else { return .notPlain }
        let text = UnsafeRawBufferPointer(rebasing: image[plain.text])
        let takesText = plain.textStamp > old.textStamp
        if plain.textStamp == old.textStamp, plain.textStamp != .zero {
            guard old.isText(text), old.endOfText(near: now) == plain.textUntil else { return .notPlain }
        }
        announceIdlenessAtHome(known, before: plain.version, from: sender, at: now) { _ in plain.session }
        let before = old.version
        let localManual = old.manual(near: now)
        var manual = localManual
        manual.merge(plain.manual)
        let hasLearned =
            merged != local || manual != localManual || takesText || plain.isNamed && !old.isNamed
            || plain.lastSeen ?? .distantPast > old.lastSeen(near: now) ?? .distantPast
        noteConflict(of: local, with: plain.session, from: sender, userHash)
        if !hasLearned, plain.version == before, plain.status == old.announced { return .known }
        stamps.observe(plain.newestStamp)
        let newText = takesText ? text : nil
        let number = try makeRoom(known, manual: manual.stamp != .zero, text: newText, at: now)
        let record = record(number)
        if manual != localManual { record.storeManual(manual) }
        if plain.isNamed { record.isNamed = true }
        if let lastSeen = plain.lastSeen { record.raiseLastSeen(to: lastSeen, near: now) }
        let isTextNews = newText.map { take($0, of: plain, number, at: now) } ?? false
        let place = SessionRecord(record.address + record.sessionsOffset)
        if merged != local { store(merged, over: place) }
        let entry = record.header.changePlace
        let hasActed = merged.activity != local.activity
        // He may have done something, too, before he said what he is.
        let isSaid = manual.value != localManual.value || manual != localManual && !hasActed
        let reason = isSaid ? Reason.manual : hasActed ? .activity : .merged
        let hasNews = announce(
            number, evidence(of: record, at: now, near: now).verdict(at: now), Heard(plain, from: sender), reason,
            reason == .activity ? place : nil, before: before, hasLearned: hasLearned, userHash, at: now)
        if isTextNews { announceActivity(number, record.text(at: now), of: plain, since: entry, at: now) }
        let isTaken = merged.home != stamps.node || manual != localManual && manual.value == .invisible
        let hasSeenLater = record.lastSeen(near: now) ?? .distantPast > plain.lastSeen ?? .distantPast
        if local.home == stamps.node, isTaken, hasSeenLater {
            // Activity that was not known where somebody moved or hid him, and would stay untold.
            replicaLog.note(userHash, .record)
        }
        if hasLearned { noteForWatchers(record) }
        arm(number, evidence(of: record, at: now, near: now), at: now)
        return hasLearned || hasNews ? .taken : .known
    }

    /// The only session of a record, if it is the image's, by the same CONNECT, and lives.
    private func session(
        of plain: PlainImage, _ image: UnsafeRawBufferPointer, in record: UserRecord, at now: Timestamp
    ) -> SessionRecord? {
        guard record.sessionCount == 1 else { return nil }
        let session = SessionRecord(record.address + record.sessionsOffset)
        let id = UnsafeRawBufferPointer(rebasing: image[plain.sessionID])
        guard !session.isClosed, session.isNamed(BytesKey(stored: id, isPacked: plain.isSessionPacked)),
            session.facts(near: now).incarnation == plain.session.incarnation,
            session.deadline(near: now, settings.policy) > now, !hasLeases || leases[session.server] == nil
        else { return nil }
        func isSame(_ number: UInt16, _ word: Range<Int>, _ table: borrowing WordTable) -> Bool {
            table.matches(number, UnsafeRawBufferPointer(rebasing: image[word]).bindMemory(to: UInt8.self).span)
        }
        guard isSame(session.device, plain.device, devices), isSame(session.platform, plain.platform, platforms),
            isSame(session.server, plain.server, servers)
        else { return nil }
        return session
    }

    /// The number of a record once it has room for a manual status and a text in place of its own.
    private mutating func makeRoom(
        _ number: UInt32, manual: Bool, text: UnsafeRawBufferPointer?, at now: Timestamp
    ) throws(StoreError) -> UInt32 {
        let old = record(number)
        let growth = manual && !old.hasManual ? UserRecord.manualBytes : 0
        let oldText = old.hasText ? UserRecord.textBytes + old.textCount : 0
        let textGrowth = text.map { max(UserRecord.textBytes + $0.count - oldText, 0) } ?? 0
        guard growth + textGrowth > 0 else { return number }
        let size = old.byteCount
        var place = number
        do throws(StoreError) {
            place = try resize(number, to: size + growth + textGrowth, at: now)
        } catch {
            arm(number, evidence(of: old, at: now, near: now), at: now)
            throw error
        }
        let record = record(place)
        shift(record, from: record.manualOffset, by: growth, end: size)
        if growth > 0 { record.storeManual(Register()) }
        return place
    }

    /// Writes a newer text. Returns whether another one is in force now.
    private mutating func take(
        _ text: UnsafeRawBufferPointer, of plain: PlainImage, _ number: UInt32, at now: Timestamp
    ) -> Bool {
        let record = record(number)
        let old = record.hasText ? UserRecord.textBytes + record.textCount : 0
        let holds = plain.textUntil.map { $0 > now } ?? true
        let known = record.text(at: now)
        let isSame = holds && !text.isEmpty ? known != nil && record.isText(text) : known == nil
        shift(
            record, from: record.textOffset + old, by: UserRecord.textBytes + text.count - old, end: record.byteCount)
        record.storeText(text, stamp: plain.textStamp, until: plain.textUntil, at: now)
        return !isSame
    }

    private mutating func announceActivity(
        _ number: UInt32, _ text: UnsafeRawBufferPointer?, of plain: PlainImage, since place: UInt32, at now: Timestamp
    ) {
        let instant = min(plain.textStamp.timestamp, now)
        announceActivity(number, text, Cause(reason: .manual, stamp: plain.textStamp, at: instant), since: place)
    }
}

extension ShardState.Heard {
    fileprivate init(_ plain: PlainImage, from sender: UInt8) {
        self.init(status: plain.status, version: plain.version, newestStamp: plain.newestStamp, sender: sender)
    }
}
