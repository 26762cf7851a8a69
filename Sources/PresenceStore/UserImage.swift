import Presence

/// Why an image was not merged. Nothing has changed then.
public enum MergeError: Error, Sendable, Hashable {
    /// The bytes are no image; the offset at which that was seen.
    case malformed(offset: Int)
    /// An image of a form that this version does not know.
    case unknownForm(UInt8)
    /// Something in it happened later than clocks may differ; by how many milliseconds.
    case fromTheFuture(milliseconds: Int64)
    /// An instant in it lies eight years or more from now, which no record can hold.
    case outOfReach
    /// `maxmemory` is reached.
    case outOfMemory

    /// Whether the same image may be taken later: there may be memory again, and clocks go on.
    package var mayPass: Bool {
        switch self {
        case .outOfMemory, .fromTheFuture: true
        case .malformed, .unknownForm, .outOfReach: false
        }
    }

    /// One sentence for a log.
    public var message: String {
        switch self {
        case .malformed(let offset): "an image has something wrong at byte \(offset)"
        case .unknownForm(let form): "an image of form \(form) is not known to this version"
        case .fromTheFuture(let milliseconds):
            "an image comes from \(milliseconds) ms ahead, beyond max-clock-offset: see to the clocks"
        case .outOfReach: "an image has an instant that lies eight years or more from now: see to the clocks"
        case .outOfMemory: "no memory for what another node knows: raise maxmemory"
        }
    }
}

/// In which of its forms an image of a user is written. Every form is read.
package enum ImageForm: UInt8, Sendable, CaseIterable {
    /// What versions 1 and 2 of the peers' protocol have.
    case one = 1
    /// The same in fewer bytes: stamps from the version on, no bytes for an end that is not set.
    case three = 3

    /// The form of the newest version.
    package static let newest = three
}

/// A user's facts in bytes, little endian, the same for the same facts.
/// ```
///  0      1       2        3          11            ...       ...
/// +------+-------+--------+----------+-------------+---------+----+--------+------+---------+-------+----------+
/// | form | flags | status | version  | last seen,  | id size | id | manual | text | privacy | edges | sessions |
/// | (3)  |       | , by   | (stamp)  | if any      |         |    | if any | ...  |         |       |          |
/// |      |       | hand   |          |             |         |    |        |      |         |       |          |
/// +------+-------+--------+----------+-------------+---------+----+--------+------+---------+-------+----------+
/// status:  3 bits; then of the manual status: whether it has a stamp of its own, whether it has an end, its value (3 bits)
/// last seen: from the version's instant on, signed
/// manual:  stamp, if it is not the version; end, if any, from the version's instant on, signed
/// text:    stamp; 0 if it has no end, else one more than the end from the version's instant on, signed; size 1, bytes
/// stamp:   its instant, from the version's on, signed; its counter and node (the lowest eight bits)
/// privacy: stamps 8 + 8, values 1 + 1, what strangers and what friends read 9 + 9 (form 1, instant 8)
/// edges:   number 4; each: hash 8, friend (instant 8, node 1), block (instant 8, node 1), flags 1, what he read 9, what I read 9 if any
/// session: number 1, but where a flag says that there is one; each: flags 1, home 1, id size 1, id, incarnation (a stamp), heartbeat (from the incarnation's instant on, signed), TTL,
///          activity or end, if any (from the heartbeat on, signed), three words (size 1, bytes)
/// ```
/// An id that is a UUID is its sixteen bytes, and a flag says so. An instant of eight bytes is in milliseconds since 1970; ends that are not set are the
/// greatest number. What is told from another instant on, and TTLs, take as many bytes as they need (LEB128: seven bits a byte, the lowest first; signed
/// ones zigzag). Edges go by their hashes, sessions by their ids: those of other bytes first, then UUIDs.
///
/// Form 1 has nothing but the status in its byte; manual: stamp 8, value 1, end 8; text: stamp 8, end 8, size 1, bytes; an incarnation of 8; and always the
/// number of sessions.
enum UserImage {
    enum Flag {
        static let isNamed: UInt8 = 1
        static let hasLastSeen: UInt8 = 2
        static let hasManual: UInt8 = 4
        static let hasText: UInt8 = 8
        static let hasPrivacy: UInt8 = 16
        static let hasEdges: UInt8 = 32
        static let isPacked: UInt8 = 64
        /// Form 3: there is one session, and no number of them.
        static let hasOneSession: UInt8 = 128

        static func all(_ form: ImageForm) -> UInt8 { form == .one ? 127 : 255 }
    }

    /// Form 3: the byte of the status has what was set by hand, too.
    enum StatusByte {
        static let status: UInt8 = 7
        static let hasStamp: UInt8 = 8
        static let hasEnd: UInt8 = 16
        static let manualShift: UInt8 = 5
    }

    enum SessionFlag {
        static let isClosed: UInt8 = 1
        static let isLoss: UInt8 = 2
        static let leavesGrace: UInt8 = 4
        static let isPassive: UInt8 = 8
        static let hasActivity: UInt8 = 16
        /// Of an ended one.
        static let isOfGateway: UInt8 = 16
        /// Two bits: what the session brings with it, 0 for nothing.
        static let broughtShift: UInt8 = 5
        static let isPacked: UInt8 = 128
    }

    enum EdgeFlag {
        static let isFriend: UInt8 = 1
        static let isBlocked: UInt8 = 2
        static let hasRead: UInt8 = 4
        static let hasOthersRead: UInt8 = 8
        static let all: UInt8 = 15
    }

    // MARK: Reading

    /// The facts of an image. Whatever the bytes are, nothing is allocated for more than they hold.
    static func facts(in bytes: Span<UInt8>) throws(MergeError) -> ReplicaFacts {
        var place = 0
        let first = try byte(bytes, &place)
        guard let form = ImageForm(rawValue: first) else { throw .unknownForm(first) }
        let flags = try byte(bytes, &place, upTo: Flag.all(form))
        let statusByte = try byte(bytes, &place)
        // Of what was not set by hand nothing is said.
        let mask = form == .one || flags & Flag.hasManual == 0 ? 255 : StatusByte.status
        guard let status = Status(rawValue: statusByte & mask) else { throw .malformed(offset: place - 1) }
        let version = Stamp(rawValue: try word(bytes, &place))
        let lastSeen = flags & Flag.hasLastSeen == 0 ? nil : try instant(from: version.timestamp, bytes, &place)
        var user = ReplicaFacts(id: try id(bytes, &place, isPacked: flags & Flag.isPacked != 0))
        user.isNamed = flags & Flag.isNamed != 0
        user.status = status
        user.version = version
        user.facts.lastSeen = lastSeen
        if flags & Flag.hasManual != 0 {
            user.facts.manual = try manual(statusByte, form, version, bytes, &place)
        }
        if flags & Flag.hasText != 0 {
            let stamp = try stamp(from: version, form, bytes, &place)
            let until = try form == .one ? end(bytes, &place) : end(from: version.timestamp, bytes, &place)
            let text = try short(bytes, &place)
            user.facts.text = Register(stamp: stamp, value: text.isEmpty ? nil : text, until: until)
        }
        if flags & Flag.hasPrivacy != 0 { user.privacy = try privacy(bytes, &place) }
        if flags & Flag.hasEdges != 0 {
            var last: UInt64?
            for _ in 0..<(try half(bytes, &place)) {
                let other = try word(bytes, &place)
                guard last.map({ $0 < other }) ?? true else { throw .malformed(offset: place) }
                user.edges[other] = try relation(bytes, &place)
                last = other
            }
        }
        let count = flags & Flag.hasOneSession != 0 ? 1 : try byte(bytes, &place)
        if form == .three, flags & Flag.hasOneSession == 0, count == 1 { throw .malformed(offset: place - 1) }
        for _ in 0..<count {
            let flags = try byte(bytes, &place)
            let home = try byte(bytes, &place)
            let id = try id(bytes, &place, isPacked: flags & SessionFlag.isPacked != 0)
            guard user.facts.sessions[id] == nil else { throw .malformed(offset: place) }
            user.facts.sessions[id] = try session(flags, home: home, version, form, bytes, &place)
            user.words[id] = try words(bytes, &place)
        }
        guard place == bytes.count else { throw .malformed(offset: place) }
        return user
    }

    private static func manual(
        _ statusByte: UInt8, _ form: ImageForm, _ version: Stamp, _ bytes: Span<UInt8>, _ place: inout Int
    ) throws(MergeError) -> Register<ManualStatus> {
        guard form == .three else {
            let stamp = Stamp(rawValue: try word(bytes, &place))
            let value = try byte(bytes, &place)
            guard value == 0 || ManualStatus(rawValue: value) != nil else { throw .malformed(offset: place - 1) }
            return Register(stamp: stamp, value: ManualStatus(rawValue: value), until: try end(bytes, &place))
        }
        let start = place
        let stamp = statusByte & StatusByte.hasStamp == 0 ? version : try stamp(from: version, form, bytes, &place)
        // There is one way to say each.
        if statusByte & StatusByte.hasStamp != 0, stamp == version { throw .malformed(offset: start) }
        let value = statusByte >> StatusByte.manualShift
        guard value == 0 || ManualStatus(rawValue: value) != nil else { throw .malformed(offset: 2) }
        let until =
            statusByte & StatusByte.hasEnd == 0 ? nil : try instant(from: version.timestamp, bytes, &place)
        return Register(stamp: stamp, value: ManualStatus(rawValue: value), until: until)
    }

    private static func privacy(
        _ bytes: Span<UInt8>, _ place: inout Int
    ) throws(MergeError) -> ReplicaFacts.PrivacyRegisters {
        var registers = ReplicaFacts.PrivacyRegisters()
        registers.visibilityStamp = Stamp(rawValue: try word(bytes, &place))
        registers.lastSeenStamp = Stamp(rawValue: try word(bytes, &place))
        guard let visibility = Visibility(rawValue: try byte(bytes, &place)) else {
            throw .malformed(offset: place - 1)
        }
        guard let lastSeen = LastSeenVisibility(rawValue: try byte(bytes, &place)) else {
            throw .malformed(offset: place - 1)
        }
        registers.value.visibility = visibility
        registers.value.lastSeen = lastSeen
        registers.value.strangersRead = try self.lastSeen(bytes, &place)
        registers.value.friendsRead = try self.lastSeen(bytes, &place)
        return registers
    }

    private static func relation(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> Relation {
        var relation = Relation()
        relation.friendStamp = try edgeStamp(bytes, &place)
        relation.blockStamp = try edgeStamp(bytes, &place)
        let flags = try byte(bytes, &place, upTo: EdgeFlag.all)
        relation.isFriend = flags & EdgeFlag.isFriend != 0
        relation.isBlocked = flags & EdgeFlag.isBlocked != 0
        if flags & EdgeFlag.hasRead != 0 { relation.read = try lastSeen(bytes, &place) }
        if flags & EdgeFlag.hasOthersRead != 0 { relation.othersRead = try lastSeen(bytes, &place) }
        return relation
    }

    /// Node 0 has written nothing.
    private static func edgeStamp(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> EdgeStamp {
        let stamp = EdgeStamp(at: try instant(bytes, &place), node: try byte(bytes, &place))
        guard stamp.node != 0 || stamp == .zero else { throw .malformed(offset: place - 1) }
        return stamp
    }

    private static func session(
        _ flags: UInt8, home: UInt8, _ version: Stamp, _ form: ImageForm, _ bytes: Span<UInt8>, _ place: inout Int
    ) throws(MergeError) -> Session {
        let incarnation = try stamp(from: version, form, bytes, &place)
        let heartbeat = try instant(from: incarnation.timestamp, bytes, &place)
        let start = place
        let ttl = try shrunk(bytes, &place)
        guard ttl <= UInt64(UInt32.max) else { throw .malformed(offset: start) }
        var session = Session(
            incarnation: incarnation, heartbeat: heartbeat, ttlMilliseconds: Int64(ttl),
            brought: SessionStatus(rawValue: flags >> SessionFlag.broughtShift & 3),
            isPassive: flags & SessionFlag.isPassive != 0, home: home)
        if flags & SessionFlag.isClosed != 0 {
            session.closed = Closure(
                at: try instant(from: heartbeat, bytes, &place), isLoss: flags & SessionFlag.isLoss != 0,
                leavesGrace: flags & SessionFlag.leavesGrace != 0, isOfGateway: flags & SessionFlag.isOfGateway != 0)
        } else if flags & SessionFlag.hasActivity != 0 {
            session.activity = try instant(from: heartbeat, bytes, &place)
        }
        return session
    }

    private static func words(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> ReplicaFacts.Words {
        let start = place
        let words = ReplicaFacts.Words(
            device: try short(bytes, &place), platform: try short(bytes, &place), server: try short(bytes, &place))
        guard max(words.device.count, words.platform.count, words.server.count) <= WordTable.maximumLength else {
            throw .malformed(offset: start)
        }
        return words
    }

    private static func byte(
        _ bytes: Span<UInt8>, _ place: inout Int, upTo greatest: UInt8 = .max
    ) throws(MergeError) -> UInt8 {
        guard place < bytes.count, bytes[place] <= greatest else { throw .malformed(offset: place) }
        place += 1
        return bytes[place - 1]
    }

    private static func number(_ count: Int, _ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> UInt64 {
        guard bytes.count - place >= count else { throw .malformed(offset: place) }
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(bytes[place + index]) << (8 * UInt64(index)) }
        place += count
        return value
    }

    private static func half(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> UInt32 {
        UInt32(try number(4, bytes, &place))
    }

    private static func word(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> UInt64 {
        try number(8, bytes, &place)
    }

    /// An instant within what a record can hold around any of them: 0 to the year 2527, as stamps have it.
    private static func instant(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> Timestamp {
        let value = Int64(bitPattern: try word(bytes, &place))
        guard value >= 0, value < 1 << 44 else { throw .malformed(offset: place - 8) }
        return Timestamp(milliseconds: value)
    }

    /// The end of a register; nil if it has none.
    private static func end(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> Timestamp? {
        let value = Int64(bitPattern: try word(bytes, &place))
        if value == Timestamp.distantFuture.milliseconds { return nil }
        guard value >= 0, value < 1 << 44 else { throw .malformed(offset: place - 8) }
        return Timestamp(milliseconds: value)
    }

    /// A number of seven bits a byte. One that takes more bytes than it needs, or has more than 64 bits, is none.
    private static func shrunk(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = try byte(bytes, &place)
            guard shift < 63 || byte <= 1, byte != 0 || shift == 0 else { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed(offset: place - 1)
    }

    /// An instant that is told from another one on.
    private static func instant(
        from base: Timestamp, _ bytes: Span<UInt8>, _ place: inout Int
    ) throws(MergeError) -> Timestamp {
        let start = place
        let bits = try shrunk(bytes, &place)
        let instant = base.advanced(byMilliseconds: Int64(bitPattern: bits >> 1) ^ -Int64(bits & 1))
        guard instant.milliseconds >= 0, instant.milliseconds < 1 << 44 else { throw .malformed(offset: start) }
        return instant
    }

    /// The end of a register, from an instant on; nil if it has none.
    private static func end(
        from base: Timestamp, _ bytes: Span<UInt8>, _ place: inout Int
    ) throws(MergeError) -> Timestamp? {
        let start = place
        let bits = try shrunk(bytes, &place)
        guard bits != 0 else { return nil }
        let instant = base.advanced(byMilliseconds: Int64(bitPattern: (bits - 1) >> 1) ^ -Int64((bits - 1) & 1))
        guard instant.milliseconds >= 0, instant.milliseconds < 1 << 44 else { throw .malformed(offset: start) }
        return instant
    }

    /// A stamp: in form 1 a word, else from another one on.
    private static func stamp(
        from base: Stamp, _ form: ImageForm, _ bytes: Span<UInt8>, _ place: inout Int
    ) throws(MergeError) -> Stamp {
        guard form == .three else { return Stamp(rawValue: try word(bytes, &place)) }
        let instant = try instant(from: base.timestamp, bytes, &place)
        let start = place
        let rest = try shrunk(bytes, &place)
        guard rest < 1 << 20 else { throw .malformed(offset: start) }
        return Stamp(rawValue: UInt64(instant.milliseconds) << 20 | rest)
    }

    /// An id in the spelling in which it was given.
    private static func id(
        _ bytes: Span<UInt8>, _ place: inout Int, isPacked: Bool
    ) throws(MergeError) -> [UInt8] {
        let id = try short(bytes, &place)
        guard isPacked else { return id }
        guard id.count == PackedUUID.packedLength else { throw .malformed(offset: place) }
        return BytesText.expand(id, isPacked: true)
    }

    private static func short(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> [UInt8] {
        let count = Int(try byte(bytes, &place))
        guard bytes.count - place >= count else { throw .malformed(offset: place) }
        defer { place += count }
        return BytesText.copy(bytes.extracting(place..<place + count))
    }

    private static func lastSeen(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> LastSeen {
        let form = try byte(bytes, &place, upTo: 2)
        let instant = try instant(bytes, &place)
        return form == 0 ? .unknown : form == 1 ? .exact(instant) : .coarse(instant)
    }
}
