import Presence

/// Plain images: the usual user is taken up, or found to be known already, without making anything of his facts in between.
///
/// What comes of it is what `merge` of his facts makes: `MergeTests` compares the two.
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

    /// Takes a plain image, if nothing is known of the user, or exactly this.
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
        guard number == 0 else { return isKnown(number, image, at: now) ? .known : .notPlain }
        let margin = plain.session.home == sender ? settings.peerMargin : 0
        guard plain.session.incarnation > flushStamp, !isOver(plain.session, waiting: margin, at: now) else {
            return .notPlain
        }
        try takeUp(plain, image, user, userHash, at: now)
        return .taken
    }

    /// Whether an image says of a user what is known of him, byte by byte.
    private mutating func isKnown(_ number: UInt32, _ image: UnsafeRawBufferPointer, at now: Timestamp) -> Bool {
        var own: [UInt8] = []
        swap(&own, &imageScratch)
        own.removeAll(keepingCapacity: true)
        appendUserImage(of: number, at: now, to: &own)
        let isSame =
            own.count == image.count
            && own.withUnsafeBytes { BytesKey.equal($0.baseAddress!, image.baseAddress, image.count) }
        swap(&own, &imageScratch)
        return isSame
    }

    private mutating func takeUp(
        _ plain: PlainImage, _ image: UnsafeRawBufferPointer, _ user: BytesKey, _ userHash: UInt64, at now: Timestamp
    ) throws(StoreError) {
        let idCount = plain.sessionID.count
        let size = UserRecord.idOffset + user.storedCount + SessionRecord.fixedBytes + idCount
        let number = try allocate(size, at: now)
        let record = record(number)
        record.initialize(user)
        enter(userHash, number)
        counters[.offline] += 1
        record.isNamed = plain.isNamed
        if let lastSeen = plain.lastSeen { record.raiseLastSeen(to: lastSeen, near: now) }
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
        account()
        let newest = max(plain.version, plain.session.incarnation)
        stamps.observe(newest)
        let evidence = evidence(of: record, at: now, near: now)
        let verdict = evidence.verdict(at: now)
        let stamp = verdict.publicStatus == plain.status ? plain.version : newest
        announce(number, verdict, Cause(reason: .connect, stamp: stamp, at: now), session, near: now)
        if plain.status == record.announced { record.version = max(record.version, plain.version) }
        if record.version != plain.version || record.announced != plain.status { replicaLog.note(userHash, .record) }
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
}
