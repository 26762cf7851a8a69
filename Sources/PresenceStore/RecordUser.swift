import Presence

/// A user's record in its slot: what is known of him, then his sessions.
/// ```
///  0      1       2      3        4     8      12         13        18       26
/// +------+-------+------+--------+-----+------+----------+---------+--------+----------+-----------+---------+-------+----------+
/// | kind | flags | id   | number | armed, change number   | last    | version| id, 16 B | relations | manual  | text  | sessions |
/// |      |       | size | of     | (see | status, present |  seen   | (stamp)| a UUID   | 8 B, wat- | 14 B    | 15 B+ | 30 B+ id |
/// |      |       |      | sessions header)              |  5 B    |  8 B   |          | chers 4 B | if any  | if any| each     |
/// +------+-------+------+--------+-----+------+----------+---------+--------+----------+-----------+---------+-------+----------+
/// ```
/// Relations (an address) and watchers (the first of a list) are there if he has any.
/// With a UUID, no manual status, no text and one session whose id is 20 bytes, as in `ws-conn-abc123def456`: 92 bytes, a slot of 96.
/// The last change of status is the version's own instant.
struct UserRecord {
    static let idOffset = 26

    /// Bits of the byte at offset 1.
    private enum Flag {
        static let isPacked: UInt8 = 1
        static let hasLastSeen: UInt8 = 2
        static let hasManual: UInt8 = 4
        static let hasText: UInt8 = 8
        static let hasRelations: UInt8 = 16
        static let hasWatchers: UInt8 = 32
        static let isNamed: UInt8 = 64
        /// A manual status or a text is set, which is not known to have ended: one that was taken back leaves a register without a value.
        static let isSetByHand: UInt8 = 128
    }

    let address: UnsafeMutableRawPointer

    @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { self.address = address }

    var header: RecordHeader { RecordHeader(address) }

    /// Writes the record of a user of whom nothing is known yet. The armed tick of the slot stays.
    func initialize(_ key: BytesKey) {
        header.kind = .user
        flags = key.isPacked ? Flag.isPacked : 0
        address.storeBytes(of: UInt8(key.storedCount), toByteOffset: 2, as: UInt8.self)
        sessionCount = 0
        header.changePlace = 0
        marks = 0
        version = .zero
        key.store(to: address + UserRecord.idOffset)
    }

    private var flags: UInt8 {
        get { address.load(fromByteOffset: 1, as: UInt8.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 1, as: UInt8.self) }
    }

    // MARK: The user

    @inline(__always)
    var isPacked: Bool { flags & Flag.isPacked != 0 }

    @inline(__always)
    var idCount: Int { Int(address.load(fromByteOffset: 2, as: UInt8.self)) }

    var id: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: address + UserRecord.idOffset, count: idCount) }

    @inline(__always)
    func isNamed(_ key: BytesKey) -> Bool {
        key.matches(address + UserRecord.idOffset, storedCount: idCount, isPacked: isPacked)
    }

    func hash(_ hash: BytesHash) -> UInt64 {
        if isPacked {
            return hash.packed(
                address.loadUnaligned(fromByteOffset: UserRecord.idOffset, as: UInt64.self),
                address.loadUnaligned(fromByteOffset: UserRecord.idOffset + 8, as: UInt64.self), .user)
        }
        return hash.bytes(id, .user)
    }

    @inline(__always)
    var sessionCount: Int {
        get { Int(address.load(fromByteOffset: 3, as: UInt8.self)) }
        nonmutating set { address.storeBytes(of: UInt8(newValue), toByteOffset: 3, as: UInt8.self) }
    }

    /// The byte at offset 12: the status in its three lowest bits, and marks.
    private enum Mark {
        static let status: UInt8 = 7
        static let isPresent: UInt8 = 8
        static let isToBeTold: UInt8 = 16
        static let watchesHimself: UInt8 = 32
        static let isActivityToldForLong: UInt8 = 64
        static let isTellingPutOff: UInt8 = 128
    }

    @inline(__always)
    private var marks: UInt8 {
        get { address.load(fromByteOffset: 12, as: UInt8.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 12, as: UInt8.self) }
    }

    @inline(__always)
    private func set(_ mark: UInt8, _ isSet: Bool) { marks = isSet ? marks | mark : marks & ~mark }

    /// The public status that was last announced.
    @inline(__always)
    var announced: Status {
        get { Status(rawValue: marks & Mark.status).unsafelyUnwrapped }
        nonmutating set { marks = marks & ~Mark.status | newValue.rawValue }
    }

    /// Whether the key existed for Redis's commands when the record was last looked at.
    @inline(__always)
    var isPresent: Bool {
        get { marks & Mark.isPresent != 0 }
        nonmutating set { set(Mark.isPresent, newValue) }
    }

    /// Whether he was announced online and present, and has one session, no manual status and no text.
    @inline(__always)
    var isShownOnlineByOneSession: Bool { flags & (Flag.hasManual | Flag.hasText) == 0 && isOneShownOnline }

    /// The same of one of whose manual status or text a register is left that holds nothing. For itself, since who has none is found faster so: where his
    /// session lies is then known.
    @inline(__always)
    var isShownOnlineBesideRegisters: Bool {
        flags & (Flag.hasManual | Flag.hasText) != 0 && flags & Flag.isSetByHand == 0 && isOneShownOnline
    }

    @inline(__always)
    private var isOneShownOnline: Bool {
        sessionCount == 1 && marks & (Mark.status | Mark.isPresent) == Status.online.rawValue | Mark.isPresent
    }

    /// Whether those who watch him are to be told that something changed.
    var isToBeTold: Bool {
        get { marks & Mark.isToBeTold != 0 }
        nonmutating set { set(Mark.isToBeTold, newValue) }
    }

    /// Whether he is on a list of his own.
    var watchesHimself: Bool {
        get { marks & Mark.watchesHimself != 0 }
        nonmutating set { set(Mark.watchesHimself, newValue) }
    }

    /// Whether other nodes, by the activity that they know, take him for idle only well after the deadline that they know.
    var isActivityToldForLong: Bool {
        get { marks & Mark.isActivityToldForLong != 0 }
        nonmutating set { set(Mark.isActivityToldForLong, newValue) }
    }

    /// Whether other nodes are told of heartbeats when the timer fires next, past the deadline that they know.
    var isTellingPutOff: Bool {
        get { marks & Mark.isTellingPutOff != 0 }
        nonmutating set { set(Mark.isTellingPutOff, newValue) }
    }

    func lastSeen(near now: Timestamp) -> Timestamp? {
        flags & Flag.hasLastSeen == 0 ? nil : RecordInstant.load(address + 13, near: now)
    }

    /// Moves it to a later instant.
    func raiseLastSeen(to instant: Timestamp, near now: Timestamp) {
        if let known = lastSeen(near: now), known >= instant { return }
        flags |= Flag.hasLastSeen
        RecordInstant.store(instant, to: address + 13)
    }

    @inline(__always)
    var version: Stamp {
        get { Stamp(rawValue: address.loadUnaligned(fromByteOffset: 18, as: UInt64.self)) }
        nonmutating set { address.storeBytes(of: newValue.rawValue, toByteOffset: 18, as: UInt64.self) }
    }

    // MARK: Others

    static let relationsBytes = 8
    static let watchersBytes = 4

    var relationsOffset: Int { UserRecord.idOffset + idCount }
    var watchersOffset: Int { relationsOffset + (hasRelations ? UserRecord.relationsBytes : 0) }

    @inline(__always)
    var hasRelations: Bool { flags & Flag.hasRelations != 0 }
    @inline(__always)
    var hasWatchers: Bool { flags & Flag.hasWatchers != 0 }

    /// Whether another user's edge or a watch names him: then he must stay known.
    var isNamed: Bool {
        get { flags & Flag.isNamed != 0 }
        nonmutating set { flags = newValue ? flags | Flag.isNamed : flags & ~Flag.isNamed }
    }

    /// What he set of his privacy, and his edges; nil if he has none.
    @inline(__always)
    var relations: RelationsRecord? {
        guard hasRelations else { return nil }
        let bits = address.loadUnaligned(fromByteOffset: relationsOffset, as: UInt.self)
        return RelationsRecord(UnsafeMutableRawPointer(bitPattern: bits).unsafelyUnwrapped)
    }

    /// The record must have the room: see `ShardState.makeRoom`.
    func storeRelations(_ relations: RelationsRecord) {
        flags |= Flag.hasRelations
        address.storeBytes(of: UInt(bitPattern: relations.address), toByteOffset: relationsOffset, as: UInt.self)
    }

    /// The first of the list of those who watch him.
    var firstWatcher: UInt32 {
        get { hasWatchers ? address.loadUnaligned(fromByteOffset: watchersOffset, as: UInt32.self) : 0 }
        nonmutating set {
            flags |= Flag.hasWatchers
            address.storeBytes(of: newValue, toByteOffset: watchersOffset, as: UInt32.self)
        }
    }

    /// Takes the place of the watchers away; the bytes behind it are the caller's to move.
    func clearWatchers() { flags &= ~Flag.hasWatchers }

    // MARK: Registers

    /// Bytes of the register of the manual status: stamp 8, value and flags 1, end 5.
    static let manualBytes = 14
    /// Bytes of the register of the text before the text: stamp 8, length 1, flags 1, end 5.
    static let textBytes = 15

    @inline(__always)
    var hasManual: Bool { flags & Flag.hasManual != 0 }
    @inline(__always)
    var hasText: Bool { flags & Flag.hasText != 0 }

    var manualOffset: Int { watchersOffset + (hasWatchers ? UserRecord.watchersBytes : 0) }
    var textOffset: Int { manualOffset + (hasManual ? UserRecord.manualBytes : 0) }

    func manual(near now: Timestamp) -> Register<ManualStatus> {
        guard hasManual else { return Register() }
        let place = address + manualOffset
        let bits = place.load(fromByteOffset: 8, as: UInt8.self)
        return Register(
            stamp: Stamp(rawValue: place.loadUnaligned(as: UInt64.self)), value: ManualStatus(rawValue: bits & 7),
            until: bits & 0x80 == 0 ? nil : RecordInstant.load(place + 9, near: now))
    }

    /// The record must have the room: see `ShardState.resize`.
    func storeManual(_ register: Register<ManualStatus>) {
        flags |= Flag.hasManual
        let place = address + manualOffset
        place.storeBytes(of: register.stamp.rawValue, as: UInt64.self)
        let bits = (register.value?.rawValue ?? 0) | (register.until == nil ? 0 : 0x80)
        place.storeBytes(of: bits, toByteOffset: 8, as: UInt8.self)
        RecordInstant.store(register.until ?? Timestamp(milliseconds: 0), to: place + 9)
        noteWhetherSetByHand(hasStatus: register.value != nil, hasText: textCount > 0)
    }

    /// Whether a manual status or a text is set, and not noted to have ended.
    @inline(__always)
    var isSetByHand: Bool { flags & Flag.isSetByHand != 0 }

    /// Notes what holds of both. The registers stay: other nodes may know of older writes.
    func noteWhetherSetByHand(hasStatus: Bool, hasText: Bool) {
        flags = hasStatus || hasText ? flags | Flag.isSetByHand : flags & ~Flag.isSetByHand
    }

    var textCount: Int { hasText ? Int(address.load(fromByteOffset: textOffset + 8, as: UInt8.self)) : 0 }

    /// The write that set the text.
    var textStamp: Stamp {
        hasText ? Stamp(rawValue: (address + textOffset).loadUnaligned(as: UInt64.self)) : .zero
    }

    /// The register of the text, ended or not.
    func textRegister(near now: Timestamp) -> Register<[UInt8]> {
        guard hasText else { return Register() }
        let place = address + textOffset
        let text = UnsafeRawBufferPointer(start: place + UserRecord.textBytes, count: textCount)
        return Register(
            stamp: textStamp, value: text.isEmpty ? nil : [UInt8](text), until: endOfText(near: now))
    }

    /// The end of the text, past or not; nil if it has none.
    func endOfText(near now: Timestamp) -> Timestamp? {
        guard hasText, (address + textOffset).load(fromByteOffset: 9, as: UInt8.self) & 0x80 != 0 else { return nil }
        return RecordInstant.load(address + textOffset + 10, near: now)
    }

    /// Whether the text, in force or not, has these bytes.
    func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        textCount == bytes.count
            && BytesKey.equal(address + textOffset + UserRecord.textBytes, bytes.baseAddress, bytes.count)
    }

    /// The text in force, as it lies in the record.
    func text(at now: Timestamp) -> UnsafeRawBufferPointer? {
        guard hasText, textCount > 0 else { return nil }
        let place = address + textOffset
        if place.load(fromByteOffset: 9, as: UInt8.self) & 0x80 != 0,
            RecordInstant.load(place + 10, near: now) <= now
        {
            return nil
        }
        return UnsafeRawBufferPointer(start: place + UserRecord.textBytes, count: textCount)
    }

    /// Whether a text is in force, or its end is still to be told.
    func holdsText(at now: Timestamp) -> Bool { text(at: now) != nil || untoldEndOfText(near: now) != nil }

    /// The end of a text in force whose end was not told yet.
    func untoldEndOfText(near now: Timestamp) -> Timestamp? {
        guard hasText, textCount > 0 else { return nil }
        let place = address + textOffset
        guard place.load(fromByteOffset: 9, as: UInt8.self) & 0xC0 == 0x80 else { return nil }
        return RecordInstant.load(place + 10, near: now)
    }

    /// Remembers that the end of the text was told.
    func noteEndOfText() {
        address.storeBytes(of: 0xC0, toByteOffset: textOffset + 9, as: UInt8.self)
    }

    /// The record must have the room: see `ShardState.resize`. Of a text that ended before it came here no end is to be told.
    func storeText(_ text: UnsafeRawBufferPointer, stamp: Stamp, until: Timestamp?, at now: Timestamp) {
        flags |= Flag.hasText
        let place = address + textOffset
        place.storeBytes(of: stamp.rawValue, as: UInt64.self)
        place.storeBytes(of: UInt8(text.count), toByteOffset: 8, as: UInt8.self)
        let flags: UInt8 = until.map { $0 > now ? 0x80 : 0xC0 } ?? 0
        place.storeBytes(of: flags, toByteOffset: 9, as: UInt8.self)
        RecordInstant.store(until ?? Timestamp(milliseconds: 0), to: place + 10)
        if text.count > 0 {
            (place + UserRecord.textBytes).copyMemory(from: text.baseAddress!, byteCount: text.count)
        }
        let hasStatus = hasManual && (address + manualOffset).load(fromByteOffset: 8, as: UInt8.self) & 7 != 0
        noteWhetherSetByHand(hasStatus: hasStatus, hasText: text.count > 0)
    }

    /// Takes everything behind the id away, to be written anew from the front: relations, watchers, registers, sessions.
    func clearParts() {
        flags &= ~(Flag.hasRelations | Flag.hasWatchers | Flag.hasManual | Flag.hasText | Flag.isSetByHand)
        sessionCount = 0
    }

    // MARK: Sessions

    @inline(__always)
    var sessionsOffset: Int {
        let flags = flags
        var offset = UserRecord.idOffset &+ idCount
        if flags & (Flag.hasRelations | Flag.hasWatchers) != 0 {
            if flags & Flag.hasRelations != 0 { offset &+= UserRecord.relationsBytes }
            if flags & Flag.hasWatchers != 0 { offset &+= UserRecord.watchersBytes }
        }
        if flags & Flag.hasManual != 0 { offset &+= UserRecord.manualBytes }
        if flags & Flag.hasText != 0 {
            offset &+= UserRecord.textBytes &+ Int(address.load(fromByteOffset: offset &+ 8, as: UInt8.self))
        }
        return offset
    }

    /// The bytes that the record takes, of those of its slot.
    var byteCount: Int {
        var end = sessionsOffset
        for _ in 0..<sessionCount { end += SessionRecord(address + end).byteCount }
        return end
    }

    @inline(__always)
    func forEachSession(_ body: (SessionRecord) -> Void) {
        var place = sessionsOffset
        for _ in 0..<sessionCount {
            let session = SessionRecord(address + place)
            body(session)
            place &+= session.byteCount
        }
    }

    /// The session that comes first; there must be one.
    @inline(__always)
    var firstSession: SessionRecord { SessionRecord(address + sessionsOffset) }

    @inline(__always)
    func session(_ key: BytesKey) -> SessionRecord? {
        var place = sessionsOffset
        var left = sessionCount
        while left > 0 {
            let session = SessionRecord(address + place)
            if session.isNamed(key) { return session }
            place &+= session.byteCount
            left &-= 1
        }
        return nil
    }
}
