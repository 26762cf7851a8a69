import Presence

/// An image of the usual user, read where it lies: one session that is open, no privacy of his own, no edges.
///
/// What a full copy is made of, and most of what changes. Anything else, and anything that is wrong, is left to `UserImage`, which knows all of the form and
/// says what is wrong with it.
///
/// **Cost.** One pass; nothing is allocated.
struct PlainImage {
    var status = Status.offline
    var version = Stamp.zero
    var lastSeen: Timestamp?
    var isNamed = false
    /// Where the user's id lies, as a record stores it.
    var id = 0..<0
    var isPacked = false
    var manual = Register<ManualStatus>()
    var textStamp = Stamp.zero
    /// Where the text lies; an empty one is none.
    var text = 0..<0
    var textUntil: Timestamp?
    var session = Session(incarnation: .zero, heartbeat: Timestamp(milliseconds: 0), ttlMilliseconds: 0)
    var sessionID = 0..<0
    var isSessionPacked = false
    /// Where device, platform and server lie; an empty one is none.
    var device = 0..<0
    var platform = 0..<0
    var server = 0..<0

    /// Nil if the image is not such a one.
    init?(_ bytes: Span<UInt8>) {
        var reader = Reader(place: 0)
        guard let form = reader.byte(bytes).flatMap(ImageForm.init(rawValue:)), let flags = reader.byte(bytes),
            let statusByte = reader.byte(bytes)
        else { return nil }
        let others = UserImage.Flag.hasPrivacy | UserImage.Flag.hasEdges
        let mask = form == .one || flags & UserImage.Flag.hasManual == 0 ? 255 : UserImage.StatusByte.status
        guard flags & (others | ~UserImage.Flag.all(form)) == 0, let status = Status(rawValue: statusByte & mask),
            form == .one || flags & UserImage.Flag.hasOneSession != 0, let version = reader.word(bytes)
        else { return nil }
        self.status = status
        self.version = Stamp(rawValue: version)
        isNamed = flags & UserImage.Flag.isNamed != 0
        if flags & UserImage.Flag.hasLastSeen != 0 {
            guard let instant = reader.instant(from: self.version.timestamp, bytes) else { return nil }
            lastSeen = instant
        }
        isPacked = flags & UserImage.Flag.isPacked != 0
        guard let id = reader.short(bytes), readManual(flags, statusByte, form, &reader, bytes),
            readText(flags, form, &reader, bytes), form == .three || reader.byte(bytes) == 1,
            readSession(form, &reader, bytes)
        else { return nil }
        self.id = id
        guard PlainImage.isStored(id, isPacked: isPacked), reader.place == bytes.count else { return nil }
    }

    /// Whether an id may be stored as it is: one of a UUID's length may be one that is to be packed.
    private static func isStored(_ id: Range<Int>, isPacked: Bool) -> Bool {
        isPacked ? id.count == PackedUUID.packedLength : id.count != PackedUUID.textLength
    }

    private mutating func readManual(
        _ flags: UInt8, _ statusByte: UInt8, _ form: ImageForm, _ reader: inout Reader, _ bytes: Span<UInt8>
    ) -> Bool {
        guard flags & UserImage.Flag.hasManual != 0 else { return true }
        var value = statusByte >> UserImage.StatusByte.manualShift
        if form == .one {
            guard let stamp = reader.word(bytes), let byte = reader.byte(bytes), let until = reader.end(bytes) else {
                return false
            }
            value = byte
            manual = Register(stamp: Stamp(rawValue: stamp), value: nil, until: until == .distantFuture ? nil : until)
        } else {
            manual.stamp = version
            if statusByte & UserImage.StatusByte.hasStamp != 0 {
                guard let stamp = reader.stamp(from: version, form, bytes), stamp != version else { return false }
                manual.stamp = stamp
            }
            if statusByte & UserImage.StatusByte.hasEnd != 0 {
                guard let until = reader.instant(from: version.timestamp, bytes) else { return false }
                manual.until = until
            }
        }
        manual.value = ManualStatus(rawValue: value)
        return manual.stamp != .zero && (value == 0 || manual.value != nil)
    }

    private mutating func readText(
        _ flags: UInt8, _ form: ImageForm, _ reader: inout Reader, _ bytes: Span<UInt8>
    ) -> Bool {
        guard flags & UserImage.Flag.hasText != 0 else { return true }
        guard let stamp = reader.stamp(from: version, form, bytes), stamp != .zero,
            let until = form == .one ? reader.end(bytes) : reader.end(from: version.timestamp, bytes),
            let text = reader.short(bytes)
        else { return false }
        textStamp = stamp
        self.text = text
        textUntil = until == .distantFuture ? nil : until
        return true
    }

    /// The newest stamp of all writes that made it.
    var newestStamp: Stamp { max(version, manual.stamp, textStamp, session.incarnation) }

    private mutating func readSession(
        _ form: ImageForm, _ reader: inout Reader, _ bytes: Span<UInt8>
    ) -> Bool {
        guard let flags = reader.byte(bytes), flags & UserImage.SessionFlag.isClosed == 0,
            let home = reader.byte(bytes), let id = reader.short(bytes),
            let stamp = reader.stamp(from: version, form, bytes)
        else { return false }
        sessionID = id
        isSessionPacked = flags & UserImage.SessionFlag.isPacked != 0
        guard PlainImage.isStored(id, isPacked: isSessionPacked),
            let heartbeat = reader.instant(from: stamp.timestamp, bytes), let ttl = reader.shrunk(bytes),
            ttl <= UInt64(UInt32.max)
        else { return false }
        session = Session(
            incarnation: stamp, heartbeat: heartbeat, ttlMilliseconds: Int64(ttl),
            brought: SessionStatus(rawValue: flags >> UserImage.SessionFlag.broughtShift & 3),
            isPassive: flags & UserImage.SessionFlag.isPassive != 0, home: home)
        if flags & UserImage.SessionFlag.hasActivity != 0 {
            guard let activity = reader.instant(from: heartbeat, bytes) else { return false }
            session.activity = activity
        }
        guard let device = reader.word(upTo: WordTable.maximumLength, bytes),
            let platform = reader.word(upTo: WordTable.maximumLength, bytes),
            let server = reader.word(upTo: WordTable.maximumLength, bytes)
        else { return false }
        (self.device, self.platform, self.server) = (device, platform, server)
        return true
    }

    /// Whether every instant lies within what clocks may differ by, and within what a record can hold.
    func isOfOurTime(_ now: Timestamp, maxClockOffset: Int64) -> Bool {
        let ahead = now.advanced(byMilliseconds: maxClockOffset)
        let behind = now.advanced(byMilliseconds: -RecordInstant.reach)
        guard newestStamp.timestamp <= ahead else { return false }
        let last = now.advanced(byMilliseconds: RecordInstant.reach)
        func isReachable(_ end: Timestamp?) -> Bool { end.map { $0 >= behind && $0 <= last } ?? true }
        func hasBeen(_ instant: Timestamp?) -> Bool { instant.map { $0 >= behind && $0 <= ahead } ?? true }
        return isReachable(manual.until) && isReachable(textUntil) && hasBeen(session.heartbeat)
            && hasBeen(session.activity) && hasBeen(lastSeen)
    }

    /// Reads numbers as `UserImage` spells them; nil where one is not whole, or is none.
    private struct Reader {
        var place: Int

        mutating func byte(_ bytes: Span<UInt8>) -> UInt8? {
            guard place < bytes.count else { return nil }
            place += 1
            return bytes[place - 1]
        }

        mutating func word(_ bytes: Span<UInt8>) -> UInt64? {
            guard bytes.count - place >= 8 else { return nil }
            var value: UInt64 = 0
            for index in 0..<8 { value |= UInt64(bytes[place + index]) << (8 * UInt64(index)) }
            place += 8
            return value
        }

        /// The end of a register; `distantFuture` if it has none.
        mutating func end(_ bytes: Span<UInt8>) -> Timestamp? {
            guard let value = word(bytes).map(Int64.init(bitPattern:)) else { return nil }
            guard value == Timestamp.distantFuture.milliseconds || (0..<1 << 44).contains(value) else { return nil }
            return Timestamp(milliseconds: value)
        }

        /// The same from an instant on.
        mutating func end(from base: Timestamp, _ bytes: Span<UInt8>) -> Timestamp? {
            guard let bits = shrunk(bytes) else { return nil }
            return bits == 0 ? .distantFuture : Reader.instant(from: base, bits - 1)
        }

        mutating func stamp(from base: Stamp, _ form: ImageForm, _ bytes: Span<UInt8>) -> Stamp? {
            guard form == .three else { return word(bytes).map(Stamp.init(rawValue:)) }
            guard let instant = instant(from: base.timestamp, bytes), let rest = shrunk(bytes), rest < 1 << 20 else {
                return nil
            }
            return Stamp(rawValue: UInt64(instant.milliseconds) << 20 | rest)
        }

        mutating func short(_ bytes: Span<UInt8>) -> Range<Int>? {
            guard let count = byte(bytes).map(Int.init), bytes.count - place >= count else { return nil }
            place += count
            return place - count..<place
        }

        mutating func word(upTo limit: Int, _ bytes: Span<UInt8>) -> Range<Int>? {
            guard let range = short(bytes), range.count <= limit else { return nil }
            return range
        }

        mutating func shrunk(_ bytes: Span<UInt8>) -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while shift < 64, let byte = byte(bytes) {
                guard shift < 63 || byte <= 1, byte != 0 || shift == 0 else { return nil }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }

        mutating func instant(from base: Timestamp, _ bytes: Span<UInt8>) -> Timestamp? {
            shrunk(bytes).flatMap { Reader.instant(from: base, $0) }
        }

        private static func instant(from base: Timestamp, _ bits: UInt64) -> Timestamp? {
            let instant = base.advanced(byMilliseconds: Int64(bitPattern: bits >> 1) ^ -Int64(bits & 1))
            return instant.milliseconds >= 0 && instant.milliseconds < 1 << 44 ? instant : nil
        }
    }
}
