import Presence

/// What an entry of sixteen bytes says of the user whose hash is before it: its second word.
///
/// It is a write of one edge (it made the other a friend, blocked him, or took that back) and, if that edge has it, what the other could read when he was
/// hidden; or one more instant that was read and has no place there.
/// ```
///  0             39   40      41      42       43..46  47      48..63
/// +------------------+-------+-------+--------+-------+-------+----------------------+
/// | instant of       | block | holds | coarse | place | far   | milliseconds to what | near: at most 65.5 s; 65534 nothing was read, 65535 none is kept
/// | the write        |       |       |        | of    | (0)   | was read             |
/// +------------+-----+       |       |        | the   +-------+----------------------+
/// | what was   | 1   |       |       |        | node  | far   | 16 bits of the       | far: a number of 17 bits (EdgeDistance)
/// | read (39)  |     |       |       |        |       | (1)   | distance             |
/// +------------+-----+-------+-------+--------+-------+-------+----------------------+
/// ```
/// Place 15 is none among the record's nodes. There a near one has its node in bits 48..55, and bit 56 if nothing could be read; a far one is an instant
/// that was read, of forty bits, with its form in bits 48..49, and bit 40 if it is what the user himself could read.
struct EdgeEntry: Sendable, Hashable {
    let bits: UInt64

    /// Nodes that entries can name by a place in the record.
    static let places = 15

    private enum Bit {
        static let instant: UInt64 = 1 << 40 - 1
        static let pastInstant: UInt64 = 1 << 39 - 1
        static let highOfCode: UInt64 = 39
        static let isBlock: UInt64 = 1 << 40
        static let isOthers = isBlock
        static let holds: UInt64 = 1 << 41
        static let isCoarse: UInt64 = 1 << 42
        static let placeShift: UInt64 = 43
        static let isFar: UInt64 = 1 << 47
        static let detailShift: UInt64 = 48
        static let saysUnknown: UInt64 = 1 << 56
    }

    private enum Detail {
        static let unknown: UInt64 = 65_534
        static let none: UInt64 = 65_535
    }

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    /// A write of one edge.
    ///
    /// - Parameters:
    ///   - read: what the other could read, if this entry is to have it.
    ///   - place: the place of the stamp's node in the record; nil if it has none.
    /// - Returns: nil if it has no room for `read`; never if that is no instant.
    init?(isBlock: Bool, holds: Bool, _ stamp: EdgeStamp, read: LastSeen?, place: Int?) {
        var bits = (isBlock ? Bit.isBlock : 0) | (holds ? Bit.holds : 0)
        bits |= UInt64(place ?? EdgeEntry.places) << Bit.placeShift
        let at = UInt64(bitPattern: stamp.at.milliseconds) & Bit.instant
        guard let instant = read?.instant else {
            if place == nil {
                bits |= UInt64(stamp.node) << Bit.detailShift | (read == nil ? 0 : Bit.saysUnknown)
            } else {
                bits |= (read == nil ? Detail.none : Detail.unknown) << Bit.detailShift
            }
            self.bits = bits | at
            return
        }
        guard place != nil else { return nil }
        if case .coarse = read { bits |= Bit.isCoarse }
        let distance = stamp.at.milliseconds(since: instant)
        if let code = EdgeDistance.code(of: distance) {
            let past = UInt64(bitPattern: instant.milliseconds) & Bit.pastInstant
            bits |= Bit.isFar | past | (code >> 16) << Bit.highOfCode | (code & 0xFFFF) << Bit.detailShift
        } else if distance >= 0, distance <= EdgeDistance.greatestNear {
            bits |= at | UInt64(distance) << Bit.detailShift
        } else {
            return nil
        }
        self.bits = bits
    }

    /// What was read, alone: by the other, or by the user himself.
    init(_ read: LastSeen, isOthers: Bool) {
        let form: UInt64 =
            switch read {
            case .unknown: 0
            case .exact: 1
            case .coarse: 2
            }
        bits =
            UInt64(EdgeEntry.places) << Bit.placeShift | Bit.isFar | (isOthers ? Bit.isOthers : 0)
            | UInt64(bitPattern: read.instant?.milliseconds ?? 0) & Bit.instant | form << Bit.detailShift
    }

    /// Whether it says that an edge holds.
    @inline(__always)
    var holds: Bool { bits & Bit.holds != 0 }

    /// Whether that edge is a block; of one that holds.
    @inline(__always)
    var isBlock: Bool { bits & Bit.isBlock != 0 }

    /// The place of its node in the record; nil if it names none by a place.
    var place: Int? {
        let place = placeBits
        return place == EdgeEntry.places ? nil : place
    }

    @inline(__always)
    private var placeBits: Int { Int(truncatingIfNeeded: bits >> Bit.placeShift & 15) }

    /// Enters what it says into a relation.
    ///
    /// - Parameter node: the node at a place of the record.
    @inline(__always)
    func apply(to relation: inout Relation, near now: Timestamp, node: (Int) -> UInt8) {
        let detail = bits >> Bit.detailShift
        let place = placeBits
        guard place != EdgeEntry.places else { return applyWithoutPlace(to: &relation, near: now) }
        guard bits & Bit.isFar == 0 else {
            let instant = RecordInstant.pastInstant(bits, near: now)
            let code = detail | (bits >> Bit.highOfCode & 1) << 16
            let at = instant.advanced(byMilliseconds: EdgeDistance.distance(of: code))
            set(EdgeStamp(at: at, node: node(place)), of: &relation)
            relation.read = seen(instant)
            return
        }
        let at = RecordInstant.instant(bits, near: now)
        set(EdgeStamp(at: at, node: node(place)), of: &relation)
        if detail < Detail.unknown {
            relation.read = seen(at.advanced(byMilliseconds: -Int64(bitPattern: detail)))
        } else if detail == Detail.unknown {
            relation.read = .unknown
        }
    }

    private func applyWithoutPlace(to relation: inout Relation, near now: Timestamp) {
        let detail = bits >> Bit.detailShift
        let instant = RecordInstant.instant(bits, near: now)
        guard bits & Bit.isFar == 0 else {
            let read: LastSeen = detail == 0 ? .unknown : detail == 1 ? .exact(instant) : .coarse(instant)
            if bits & Bit.isOthers == 0 { relation.read = read } else { relation.othersRead = read }
            return
        }
        let node = UInt8(truncatingIfNeeded: detail)
        set(node == 0 ? .zero : EdgeStamp(at: instant, node: node), of: &relation)
        if bits & Bit.saysUnknown != 0 { relation.read = .unknown }
    }

    @inline(__always)
    private func set(_ stamp: EdgeStamp, of relation: inout Relation) {
        if isBlock {
            (relation.isBlocked, relation.blockStamp) = (holds, stamp)
        } else {
            (relation.isFriend, relation.friendStamp) = (holds, stamp)
        }
    }

    @inline(__always)
    private func seen(_ instant: Timestamp) -> LastSeen {
        bits & Bit.isCoarse == 0 ? .exact(instant) : .coarse(instant)
    }
}
