import Presence

/// Images of users, straight from their records, as `UserImage` has them.
///
/// **Cost.** One of a user with one session allocates nothing but what the output grows by.
extension ShardState {
    /// Appends the image of a user to `output`: all that is known of him but sessions that say nothing any more.
    ///
    /// What time has changed is announced first.
    mutating func appendUserImage(
        of number: UInt32, form: ImageForm = .newest, at now: Timestamp, to output: inout [UInt8]
    ) {
        _ = settle(number, at: now)
        let record = record(number)
        var flags: UInt8 = record.isNamed ? UserImage.Flag.isNamed : 0
        let lastSeen = record.lastSeen(near: now)
        if lastSeen != nil { flags |= UserImage.Flag.hasLastSeen }
        let manual = record.manual(near: now)
        if manual.stamp != .zero { flags |= UserImage.Flag.hasManual }
        if record.textStamp != .zero { flags |= UserImage.Flag.hasText }
        let relations = record.relations
        if let relations {
            flags |= UserImage.Flag.hasPrivacy
            if relations.hasEdges { flags |= UserImage.Flag.hasEdges }
        }
        if record.isPacked { flags |= UserImage.Flag.isPacked }
        let start = output.count
        output.append(form.rawValue)
        output.append(flags)
        output.append(record.announced.rawValue)
        output.append(word: record.version.rawValue)
        if let lastSeen { output.append(shrunk: lastSeen, from: record.version.timestamp) }
        output.append(short: record.id)
        if manual.stamp != .zero {
            if form == .one {
                output.append(word: manual.stamp.rawValue)
                output.append(manual.value?.rawValue ?? 0)
                output.append(instant: manual.until ?? .distantFuture)
            } else {
                output[start + 2] |= append(manual, from: record.version, to: &output)
            }
        }
        if record.textStamp != .zero { append(textOf: record, form, at: now, to: &output) }
        if let relations { append(relations, at: now, to: &output) }
        let count = output.count
        appendSessions(of: record, form, at: now, to: &output)
        if form == .three, output[count] == 1 {
            output.remove(at: count)
            output[start + 1] |= UserImage.Flag.hasOneSession
        }
    }

    /// Appends what there is of a status by hand in form 3, and returns what the byte of the status has of it.
    private func append(_ manual: Register<ManualStatus>, from version: Stamp, to output: inout [UInt8]) -> UInt8 {
        var bits = (manual.value?.rawValue ?? 0) << UserImage.StatusByte.manualShift
        if manual.stamp != version {
            bits |= UserImage.StatusByte.hasStamp
            output.append(manual.stamp, from: version)
        }
        if let until = manual.until {
            bits |= UserImage.StatusByte.hasEnd
            output.append(shrunk: until, from: version.timestamp)
        }
        return bits
    }

    private func append(
        textOf record: UserRecord, _ form: ImageForm, at now: Timestamp, to output: inout [UInt8]
    ) {
        let text = record.textRegister(near: now)
        output.append(text.stamp, from: record.version, form)
        if form == .one {
            output.append(instant: text.until ?? .distantFuture)
        } else if let until = text.until {
            output.append(shrunk: [UInt8].zigzag(until, from: record.version.timestamp) + 1)
        } else {
            output.append(0)
        }
        (text.value ?? []).withUnsafeBytes { output.append(short: $0) }
    }

    // MARK: Relations

    private func append(_ relations: RelationsRecord, at now: Timestamp, to output: inout [UInt8]) {
        let privacy = relations.privacy(near: now)
        output.append(word: relations.visibilityStamp.rawValue)
        output.append(word: relations.lastSeenStamp.rawValue)
        output.append(privacy.visibility.rawValue)
        output.append(privacy.lastSeen.rawValue)
        output.append(privacy.strangersRead)
        output.append(privacy.friendsRead)
        guard relations.hasEdges else { return }
        output.append(half: UInt32(relations.edgeCount))
        relations.forEach(near: now) { other, relation in
            output.append(word: other)
            for stamp in [relation.friendStamp, relation.blockStamp] {
                output.append(instant: stamp.at)
                output.append(stamp.node)
            }
            var flags: UInt8 = relation.isFriend ? UserImage.EdgeFlag.isFriend : 0
            if relation.isBlocked { flags |= UserImage.EdgeFlag.isBlocked }
            if relation.read != nil { flags |= UserImage.EdgeFlag.hasRead }
            if relation.othersRead != nil { flags |= UserImage.EdgeFlag.hasOthersRead }
            output.append(flags)
            if let read = relation.read { output.append(read) }
            if let read = relation.othersRead { output.append(read) }
        }
    }

    // MARK: Sessions

    private func appendSessions(
        of record: UserRecord, _ form: ImageForm, at now: Timestamp, to output: inout [UInt8]
    ) {
        let place = output.count
        output.append(0)
        guard record.sessionCount > 1 else {
            record.forEachSession { append($0, record.version, form, at: now, to: &output) }
            if output.count > place + 1 { output[place] = 1 }
            return
        }
        withUnsafeTemporaryAllocation(of: Int.self, capacity: record.sessionCount) { offsets in
            var count = 0
            record.forEachSession { session in
                // By insertion: there are few, and they are in order as a rule.
                var gap = count
                while gap > 0, session.hasLesserID(than: SessionRecord(record.address + offsets[gap - 1])) {
                    offsets[gap] = offsets[gap - 1]
                    gap -= 1
                }
                offsets[gap] = session.address - record.address
                count += 1
            }
            for index in 0..<count {
                let start = output.count
                let session = SessionRecord(record.address + offsets[index])
                append(session, record.version, form, at: now, to: &output)
                if output.count > start { output[place] += 1 }
            }
        }
    }

    /// Appends a session, if it says anything.
    private func append(
        _ session: SessionRecord, _ version: Stamp, _ form: ImageForm, at now: Timestamp, to output: inout [UInt8]
    ) {
        let facts = factsToTell(of: session, at: now)
        let waiting = self.facts(of: session, near: now)
        let margin = isToldPastItsEnd(session) ? settings.peerMargin : waiting.marginMilliseconds
        guard !isOver(facts, waiting: margin + waiting.stalledMilliseconds, at: now) else { return }
        var flags: UInt8 = session.isPacked ? UserImage.SessionFlag.isPacked : 0
        if facts.isPassive { flags |= UserImage.SessionFlag.isPassive }
        flags |= (facts.brought?.rawValue ?? 0) << UserImage.SessionFlag.broughtShift
        if let closed = facts.closed {
            flags |= UserImage.SessionFlag.isClosed | (closed.isLoss ? UserImage.SessionFlag.isLoss : 0)
            if closed.leavesGrace { flags |= UserImage.SessionFlag.leavesGrace }
            if closed.isOfGateway { flags |= UserImage.SessionFlag.isOfGateway }
        } else if facts.activity != nil {
            flags |= UserImage.SessionFlag.hasActivity
        }
        output.append(flags)
        output.append(facts.home)
        output.append(short: session.id)
        output.append(facts.incarnation, from: version, form)
        output.append(shrunk: facts.heartbeat, from: facts.incarnation.timestamp)
        output.append(shrunk: UInt64(facts.ttlMilliseconds))
        if let moment = facts.closed?.at ?? facts.activity { output.append(shrunk: moment, from: facts.heartbeat) }
        devices.append(session.device, to: &output)
        platforms.append(session.platform, to: &output)
        servers.append(session.server, to: &output)
    }
}

extension SessionRecord {
    /// The order of sessions in an image: by their bytes as they are kept, UUIDs last.
    fileprivate func hasLesserID(than other: SessionRecord) -> Bool {
        isPacked == other.isPacked ? id.lexicographicallyPrecedes(other.id) : other.isPacked
    }
}

extension WordTable {
    /// Appends a word behind its length; none is the empty word.
    fileprivate func append(_ number: UInt16, to output: inout [UInt8]) {
        guard let word = bytes(number) else { return output.append(0) }
        output.append(UInt8(word.count))
        output.append(contentsOf: word)
    }
}

extension [UInt8] {
    fileprivate mutating func append(half value: UInt32) {
        for shift in 0..<4 { append(UInt8(truncatingIfNeeded: value >> (8 * UInt32(shift)))) }
    }

    fileprivate mutating func append(word value: UInt64) {
        for shift in 0..<8 { append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(shift)))) }
    }

    fileprivate mutating func append(instant value: Timestamp) { append(word: UInt64(bitPattern: value.milliseconds)) }

    /// Seven bits a byte, the lowest first.
    fileprivate mutating func append(shrunk value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func append(shrunk value: Timestamp, from base: Timestamp) {
        append(shrunk: [UInt8].zigzag(value, from: base))
    }

    fileprivate static func zigzag(_ value: Timestamp, from base: Timestamp) -> UInt64 {
        let distance = value.milliseconds(since: base)
        return UInt64(bitPattern: distance << 1 ^ distance >> 63)
    }

    /// A stamp, from another one on in form 3.
    fileprivate mutating func append(_ stamp: Stamp, from base: Stamp, _ form: ImageForm = .three) {
        guard form == .three else { return append(word: stamp.rawValue) }
        append(shrunk: stamp.timestamp, from: base.timestamp)
        append(shrunk: stamp.rawValue & (1 << 20 - 1))
    }

    fileprivate mutating func append(short text: UnsafeRawBufferPointer) {
        append(UInt8(text.count))
        append(contentsOf: text)
    }

    fileprivate mutating func append(_ value: LastSeen) {
        switch value {
        case .unknown:
            append(0)
            append(word: 0)
        case .exact(let instant):
            append(1)
            append(instant: instant)
        case .coarse(let instant):
            append(2)
            append(instant: instant)
        }
    }
}
