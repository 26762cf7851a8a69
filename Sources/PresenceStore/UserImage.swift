import Presence

/// Why an image of a user was not merged. Nothing has changed then.
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

    /// One sentence for a log.
    public var message: String {
        switch self {
        case .malformed(let offset): "an image of a user has something wrong at byte \(offset)"
        case .unknownForm(let form): "an image of form \(form) is not known to this version"
        case .fromTheFuture(let milliseconds):
            "an image of a user comes from \(milliseconds) ms ahead, beyond max-clock-offset: see to the clocks"
        case .outOfReach: "an image of a user has an instant that lies eight years or more from now: see to the clocks"
        case .outOfMemory: "no memory for what another node knows: raise maxmemory"
        }
    }
}

/// A user's facts in bytes, little endian, the same for the same facts.
/// ```
///  0      1       2        3          11           19        20...
/// +------+-------+--------+----------+------------+---------+----+--------+------+---------+-------+----------+
/// | form | flags | status | version  | last seen  | id size | id | manual | text | privacy | edges | sessions |
/// | (1)  |       |        | (stamp)  | 8 B, if any|         |    | if any | ...  |         |       |          |
/// +------+-------+--------+----------+------------+---------+----+--------+------+---------+-------+----------+
/// manual:  stamp 8, value 1, end 8            text: stamp 8, end 8, size 1, bytes
/// privacy: stamps 8 + 8, values 1 + 1, what strangers and what friends read 9 + 9 (form 1, instant 8)
/// edges:   number 4; each: hash 8, friend (instant 8, node 1), block (instant 8, node 1), flags 1, what he read 9, what I read 9 if any
/// session: number 1; each: id size 1, id, incarnation 8, heartbeat 8, TTL 4, activity or end 8, flags 1, brought 1, three words (size 1, bytes)
/// ```
/// An instant is in milliseconds since 1970. Ends that are not set are the greatest number.
enum UserImage {
    static let form: UInt8 = 1

    enum Flag {
        static let isNamed: UInt8 = 1
        static let hasLastSeen: UInt8 = 2
        static let hasManual: UInt8 = 4
        static let hasText: UInt8 = 8
        static let hasPrivacy: UInt8 = 16
        static let hasEdges: UInt8 = 32
        static let all: UInt8 = 63
    }

    enum SessionFlag {
        static let isClosed: UInt8 = 1
        static let isLoss: UInt8 = 2
        static let leavesGrace: UInt8 = 4
        static let isPassive: UInt8 = 8
        static let hasActivity: UInt8 = 16
        static let all: UInt8 = 31
    }

    enum EdgeFlag {
        static let isFriend: UInt8 = 1
        static let isBlocked: UInt8 = 2
        static let hasRead: UInt8 = 4
        static let hasOthersRead: UInt8 = 8
        static let all: UInt8 = 15
    }

    // MARK: Writing

    static func bytes(of user: ReplicaFacts) -> [UInt8] {
        var writer = Writer()
        let facts = user.facts
        var flags: UInt8 = user.isNamed ? Flag.isNamed : 0
        if facts.lastSeen != nil { flags |= Flag.hasLastSeen }
        if facts.manual.stamp != .zero { flags |= Flag.hasManual }
        if facts.text.stamp != .zero { flags |= Flag.hasText }
        if user.privacy != nil { flags |= Flag.hasPrivacy }
        if !user.edges.isEmpty { flags |= Flag.hasEdges }
        writer.byte(form)
        writer.byte(flags)
        writer.byte(user.status.rawValue)
        writer.word(user.version.rawValue)
        if let lastSeen = facts.lastSeen { writer.instant(lastSeen) }
        writer.short(user.id)
        if facts.manual.stamp != .zero {
            writer.word(facts.manual.stamp.rawValue)
            writer.byte(facts.manual.value?.rawValue ?? 0)
            writer.instant(facts.manual.until ?? .distantFuture)
        }
        if facts.text.stamp != .zero {
            writer.word(facts.text.stamp.rawValue)
            writer.instant(facts.text.until ?? .distantFuture)
            writer.short(facts.text.value ?? [])
        }
        if let privacy = user.privacy { write(privacy, to: &writer) }
        if !user.edges.isEmpty {
            writer.half(UInt32(user.edges.count))
            for (other, relation) in user.edges.sorted(by: { $0.key < $1.key }) { write(other, relation, to: &writer) }
        }
        writer.byte(UInt8(facts.sessions.count))
        for id in user.sessionIDs {
            guard let session = facts.sessions[id] else { continue }
            write(id, session, user.words[id] ?? .init(), to: &writer)
        }
        return writer.bytes
    }

    private static func write(_ privacy: ReplicaFacts.PrivacyRegisters, to writer: inout Writer) {
        writer.word(privacy.visibilityStamp.rawValue)
        writer.word(privacy.lastSeenStamp.rawValue)
        writer.byte(privacy.value.visibility.rawValue)
        writer.byte(privacy.value.lastSeen.rawValue)
        writer.lastSeen(privacy.value.strangersRead)
        writer.lastSeen(privacy.value.friendsRead)
    }

    private static func write(_ other: UInt64, _ relation: Relation, to writer: inout Writer) {
        writer.word(other)
        for stamp in [relation.friendStamp, relation.blockStamp] {
            writer.instant(stamp.at)
            writer.byte(stamp.node)
        }
        writer.byte(
            (relation.isFriend ? EdgeFlag.isFriend : 0) | (relation.isBlocked ? EdgeFlag.isBlocked : 0)
                | (relation.read == nil ? 0 : EdgeFlag.hasRead)
                | (relation.othersRead == nil ? 0 : EdgeFlag.hasOthersRead))
        if let read = relation.read { writer.lastSeen(read) }
        if let read = relation.othersRead { writer.lastSeen(read) }
    }

    private static func write(
        _ id: [UInt8], _ facts: Session, _ words: ReplicaFacts.Words, to writer: inout Writer
    ) {
        writer.short(id)
        writer.word(facts.incarnation.rawValue)
        writer.instant(facts.heartbeat)
        writer.half(UInt32(clamping: facts.ttlMilliseconds))
        writer.instant(facts.closed?.at ?? facts.activity ?? Timestamp(milliseconds: 0))
        var flags: UInt8 = facts.isPassive ? SessionFlag.isPassive : 0
        if let closed = facts.closed {
            flags |= SessionFlag.isClosed | (closed.isLoss ? SessionFlag.isLoss : 0)
            flags |= closed.leavesGrace ? SessionFlag.leavesGrace : 0
        } else if facts.activity != nil {
            flags |= SessionFlag.hasActivity
        }
        writer.byte(flags)
        writer.byte(facts.brought?.rawValue ?? 0)
        for word in [words.device, words.platform, words.server] { writer.short(word) }
    }

    /// Appends numbers and short texts.
    private struct Writer {
        var bytes: [UInt8] = []

        mutating func byte(_ value: UInt8) { bytes.append(value) }
        mutating func half(_ value: UInt32) {
            for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
        }
        mutating func word(_ value: UInt64) {
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
        }
        mutating func instant(_ value: Timestamp) { word(UInt64(bitPattern: value.milliseconds)) }
        mutating func short(_ text: [UInt8]) {
            byte(UInt8(text.count))
            bytes.append(contentsOf: text)
        }
        mutating func lastSeen(_ value: LastSeen) {
            switch value {
            case .unknown:
                byte(0)
                word(0)
            case .exact(let instant):
                byte(1)
                self.instant(instant)
            case .coarse(let instant):
                byte(2)
                self.instant(instant)
            }
        }
    }

    // MARK: Reading

    /// The facts of an image. Whatever the bytes are, nothing is allocated for more than they hold.
    static func facts(in bytes: Span<UInt8>) throws(MergeError) -> ReplicaFacts {
        var place = 0
        let form = try byte(bytes, &place)
        guard form == UserImage.form else { throw .unknownForm(form) }
        let flags = try byte(bytes, &place, upTo: Flag.all)
        guard let status = Status(rawValue: try byte(bytes, &place)) else { throw .malformed(offset: place - 1) }
        let version = Stamp(rawValue: try word(bytes, &place))
        let lastSeen = flags & Flag.hasLastSeen == 0 ? nil : try instant(bytes, &place)
        var user = ReplicaFacts(id: try short(bytes, &place))
        user.isNamed = flags & Flag.isNamed != 0
        user.status = status
        user.version = version
        user.facts.lastSeen = lastSeen
        if flags & Flag.hasManual != 0 {
            let stamp = Stamp(rawValue: try word(bytes, &place))
            let value = try byte(bytes, &place)
            guard value == 0 || ManualStatus(rawValue: value) != nil else { throw .malformed(offset: place - 1) }
            user.facts.manual = Register(
                stamp: stamp, value: ManualStatus(rawValue: value), until: try end(bytes, &place))
        }
        if flags & Flag.hasText != 0 {
            let stamp = Stamp(rawValue: try word(bytes, &place))
            let until = try end(bytes, &place)
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
        var last: [UInt8]?
        for _ in 0..<(try byte(bytes, &place)) {
            let id = try short(bytes, &place)
            guard last.map({ $0.precedes(id) }) ?? true else { throw .malformed(offset: place) }
            user.facts.sessions[id] = try session(bytes, &place)
            user.words[id] = try words(bytes, &place)
            last = id
        }
        guard place == bytes.count else { throw .malformed(offset: place) }
        return user
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

    private static func session(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> Session {
        let incarnation = Stamp(rawValue: try word(bytes, &place))
        let heartbeat = try instant(bytes, &place)
        let ttl = try half(bytes, &place)
        let moment = try instant(bytes, &place)
        let flags = try byte(bytes, &place, upTo: SessionFlag.all)
        let brought = try byte(bytes, &place)
        guard brought == 0 || SessionStatus(rawValue: brought) != nil else { throw .malformed(offset: place - 1) }
        let isClosed = flags & SessionFlag.isClosed != 0
        return Session(
            incarnation: incarnation, heartbeat: heartbeat, ttlMilliseconds: Int64(ttl),
            activity: !isClosed && flags & SessionFlag.hasActivity != 0 ? moment : nil,
            brought: SessionStatus(rawValue: brought), isPassive: flags & SessionFlag.isPassive != 0,
            closed: isClosed
                ? Closure(
                    at: moment, isLoss: flags & SessionFlag.isLoss != 0,
                    leavesGrace: flags & SessionFlag.leavesGrace != 0) : nil)
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

    private static func short(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> [UInt8] {
        let count = Int(try byte(bytes, &place))
        guard bytes.count - place >= count else { throw .malformed(offset: place) }
        defer { place += count }
        let start = place
        return [UInt8](capacity: count) { out in
            for index in start..<start + count { out.append(bytes[index]) }
        }
    }

    private static func lastSeen(_ bytes: Span<UInt8>, _ place: inout Int) throws(MergeError) -> LastSeen {
        let form = try byte(bytes, &place, upTo: 2)
        let instant = try instant(bytes, &place)
        return form == 0 ? .unknown : form == 1 ? .exact(instant) : .coarse(instant)
    }
}
