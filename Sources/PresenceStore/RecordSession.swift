import Presence

/// One session inside a user's record.
/// ```
///  0             8           13          18    21     22       24         26       28      29     30
/// +-------------+-----------+-----------+-----+------+--------+----------+--------+-------+------+-----
/// | incarnation | heartbeat | activity, | TTL | home | device | platform | server | flags | id   | id
/// | (stamp)     |           | or end    | 3 B | node | word   | word     | word   |       | size |
/// +-------------+-----------+-----------+-----+------+--------+----------+--------+-------+------+-----
/// ```
/// A TTL is in milliseconds below 2^23 of them (2 h 19 min); a longer one is in units of 20 ms, rounded up, behind a highest bit that is set: 46 h at most.
///
/// An ended session stays as a tombstone until its TTL would have run out, so that a late copy of it cannot come to life; the instant of its end
/// lies where its activity lay.
struct SessionRecord {
    static let fixedBytes = 30

    private enum Flag {
        static let isClosed: UInt8 = 1
        static let isLoss: UInt8 = 2
        static let isPassive: UInt8 = 4
        static let broughtShift: UInt8 = 3
        static let hasActivity: UInt8 = 32
        /// Of an ended one.
        static let isOfGateway: UInt8 = 32
        static let isPacked: UInt8 = 64
        static let leavesNoGrace: UInt8 = 128
    }

    let address: UnsafeMutableRawPointer

    @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { self.address = address }

    /// Writes a new session: facts, words, id.
    func initialize(_ facts: Session, _ key: BytesKey, device: UInt16, platform: UInt16, server: UInt16) {
        address.storeBytes(of: key.isPacked ? Flag.isPacked : 0, toByteOffset: 28, as: UInt8.self)
        address.storeBytes(of: UInt8(key.storedCount), toByteOffset: 29, as: UInt8.self)
        key.store(to: address + SessionRecord.fixedBytes)
        store(facts)
        address.storeBytes(of: device, toByteOffset: 22, as: UInt16.self)
        address.storeBytes(of: platform, toByteOffset: 24, as: UInt16.self)
        address.storeBytes(of: server, toByteOffset: 26, as: UInt16.self)
    }

    @inline(__always)
    private var flags: UInt8 {
        get { address.load(fromByteOffset: 28, as: UInt8.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 28, as: UInt8.self) }
    }

    @inline(__always)
    var isPacked: Bool { flags & Flag.isPacked != 0 }
    @inline(__always)
    var idCount: Int { Int(address.load(fromByteOffset: 29, as: UInt8.self)) }
    @inline(__always)
    var byteCount: Int { SessionRecord.fixedBytes &+ idCount }
    var id: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: address + SessionRecord.fixedBytes, count: idCount)
    }

    @inline(__always)
    func isNamed(_ key: BytesKey) -> Bool {
        key.matches(address + SessionRecord.fixedBytes, storedCount: idCount, isPacked: isPacked)
    }

    /// The hash that names it to other nodes.
    func hash(_ hash: BytesHash) -> UInt64 {
        guard isPacked else { return hash.bytes(id, .free) }
        let bytes = address + SessionRecord.fixedBytes
        return hash.packed(
            bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self), .free)
    }

    var device: UInt16 { address.loadUnaligned(fromByteOffset: 22, as: UInt16.self) }
    var platform: UInt16 { address.loadUnaligned(fromByteOffset: 24, as: UInt16.self) }
    var server: UInt16 { address.loadUnaligned(fromByteOffset: 26, as: UInt16.self) }

    func storeWords(device: UInt16, platform: UInt16, server: UInt16) {
        address.storeBytes(of: device, toByteOffset: 22, as: UInt16.self)
        address.storeBytes(of: platform, toByteOffset: 24, as: UInt16.self)
        address.storeBytes(of: server, toByteOffset: 26, as: UInt16.self)
    }

    var isPassive: Bool { flags & Flag.isPassive != 0 }
    var bringsStatus: Bool { flags & (3 << Flag.broughtShift) != 0 }

    /// The stamp of the CONNECT that opened it.
    @inline(__always)
    var incarnation: Stamp { Stamp(rawValue: address.loadUnaligned(as: UInt64.self)) }

    /// Whether a person's activity was ever reported.
    var hasActivity: Bool { flags & Flag.hasActivity != 0 }

    /// The node that it was last beaten at.
    @inline(__always)
    var home: UInt8 {
        get { address.load(fromByteOffset: 21, as: UInt8.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 21, as: UInt8.self) }
    }

    /// How long a heartbeat lasts, in milliseconds.
    @inline(__always)
    private var ttl: Int64 {
        let word = address.loadUnaligned(fromByteOffset: 18, as: UInt32.self) & SessionRecord.ttlMask
        if word & SessionRecord.longTTL == 0 { return Int64(word) }
        return Int64(word & ~SessionRecord.longTTL) * SessionRecord.longTTLUnit
    }

    private static let ttlMask: UInt32 = 0xFF_FFFF
    private static let longTTL: UInt32 = 1 << 23
    private static let longTTLUnit: Int64 = 20
    /// The longest TTL that a record holds, in milliseconds.
    static let maximumTTL = Int64(longTTL - 1) * longTTLUnit

    private func store(ttl: Int64, home: UInt8) {
        let ttl = min(max(ttl, 0), SessionRecord.maximumTTL)
        let units = (ttl + SessionRecord.longTTLUnit - 1) / SessionRecord.longTTLUnit
        let word = ttl < SessionRecord.longTTL ? UInt32(ttl) : SessionRecord.longTTL | UInt32(units)
        address.storeBytes(of: word | UInt32(home) << 24, toByteOffset: 18, as: UInt32.self)
    }

    @inline(__always)
    var isClosed: Bool { flags & Flag.isClosed != 0 }

    /// The first instant at which it is not live at its home if no heartbeat comes.
    @inline(__always)
    func deadline(near now: Timestamp, _ policy: Policy) -> Timestamp {
        let heartbeat = RecordInstant.load(address + 8, near: now)
        let isPassive = flags & Flag.isPassive != 0
        return heartbeat.advanced(byMilliseconds: isPassive ? ttl : min(ttl, policy.heartbeatHardLimit))
    }

    /// Whether its time has not run out at its home: as `now < deadline(near: now, policy)`, and faster where the last heartbeat is not long ago.
    @inline(__always)
    func isBeforeDeadline(at now: Timestamp, _ policy: Policy) -> Bool {
        let word = address.loadUnaligned(fromByteOffset: 18, as: UInt32.self)
        // Of a long TTL this is the number of its units: less than it has milliseconds.
        let least = min(Int64(word & (SessionRecord.longTTL - 1)), policy.heartbeatHardLimit)
        return RecordInstant.age(address + 8, at: now) < least || now < deadline(near: now, policy)
    }

    /// Whether it is open, not passive and brings no status, and neither its time nor its activity has run out, whatever other nodes may know.
    @inline(__always)
    func isPlainlyOnline(at now: Timestamp, _ policy: Policy) -> Bool {
        let flags = flags
        guard flags & (Flag.isClosed | Flag.isPassive | 3 << Flag.broughtShift) == 0,
            isBeforeDeadline(at: now, policy)
        else { return false }
        guard flags & Flag.hasActivity != 0 else { return true }
        let limit = min(policy.idleAfter, policy.awayAfter)
        return now < RecordInstant.load(address + 13, near: now).advanced(byMilliseconds: limit)
    }

    /// The last sign of life, whatever leases say.
    @inline(__always)
    func heartbeat(near now: Timestamp) -> Timestamp { RecordInstant.load(address + 8, near: now) }

    /// Whether it was kept alive after it was opened.
    @inline(__always)
    func hasBeaten(near now: Timestamp) -> Bool {
        RecordInstant.load(address + 8, near: now) > incarnation.timestamp
    }

    /// When the record may forget it: an open session at its deadline, a tombstone at its end.
    func keptUntil(near now: Timestamp, _ policy: Policy) -> Timestamp {
        isClosed ? facts(near: now).tombstoneEnd(policy) : deadline(near: now, policy)
    }

    /// A heartbeat of a live session: five bytes.
    @inline(__always)
    func beat(at now: Timestamp) {
        if RecordInstant.load(address + 8, near: now) < now { RecordInstant.store(now, to: address + 8) }
    }

    /// A person did something.
    @inline(__always)
    func act(at now: Timestamp) {
        if flags & Flag.hasActivity != 0, RecordInstant.load(address + 13, near: now) >= now { return }
        flags |= Flag.hasActivity
        RecordInstant.store(now, to: address + 13)
    }

    /// The facts as the rules take them.
    @inline(__always)
    func facts(near now: Timestamp) -> Session {
        let flags = flags
        let moment = RecordInstant.load(address + 13, near: now)
        let isClosed = flags & Flag.isClosed != 0
        return Session(
            incarnation: incarnation,
            heartbeat: RecordInstant.load(address + 8, near: now),
            ttlMilliseconds: ttl,
            activity: !isClosed && flags & Flag.hasActivity != 0 ? moment : nil,
            brought: SessionStatus(rawValue: flags >> Flag.broughtShift & 3),
            isPassive: flags & Flag.isPassive != 0,
            closed: isClosed
                ? Closure(
                    at: moment, isLoss: flags & Flag.isLoss != 0, leavesGrace: flags & Flag.leavesNoGrace == 0,
                    isOfGateway: flags & Flag.isOfGateway != 0) : nil,
            home: home)
    }

    /// Writes the facts over those that are there; id and words stay.
    func store(_ facts: Session) {
        address.storeBytes(of: facts.incarnation.rawValue, as: UInt64.self)
        RecordInstant.store(facts.heartbeat, to: address + 8)
        RecordInstant.store(
            facts.closed?.at ?? facts.activity ?? Timestamp(milliseconds: 0), to: address + 13)
        store(ttl: facts.ttlMilliseconds, home: facts.home)
        var flags = flags & Flag.isPacked
        if let closed = facts.closed {
            flags |= Flag.isClosed | (closed.isLoss ? Flag.isLoss : 0) | (closed.leavesGrace ? 0 : Flag.leavesNoGrace)
            if closed.isOfGateway { flags |= Flag.isOfGateway }
        } else if facts.activity != nil {
            flags |= Flag.hasActivity
        }
        if facts.isPassive { flags |= Flag.isPassive }
        flags |= (facts.brought?.rawValue ?? 0) << Flag.broughtShift
        self.flags = flags
    }
}
