import Presence

/// An edge of which one write is known: it made one of a user a friend, blocked him, or took that back.
///
/// In a record it takes 16 bytes: hash 8, instant of the write 5, flags 1, and two more for what the other could read when he was hidden. That is the
/// instant at which the user was last seen, as a rule seconds before the write: the two bytes are the milliseconds between them. If they do not hold
/// them, they are a place among the record's readings.
/// ```
/// flags:   7..5   4       3..2                                1       0
///         +------+-------+-----------------------------------+-------+---------------------+
///         | node | apart | none, nothing, exact, coarse      | holds | block, not friend   |
///         +------+-------+-----------------------------------+-------+---------------------+
/// ```
struct SingleEdge: Sendable, Hashable {
    /// Whether it says something of a block, and not of friendship.
    var isBlock: Bool
    /// Whether it holds.
    var holds: Bool
    var stamp: EdgeStamp
    var read: LastSeen?

    /// What its entry has behind the hash.
    struct Encoded: Sendable, Hashable {
        var at: Timestamp
        var flags: UInt8
        var reading: UInt16
    }

    /// The single that says the same as a relation; nil if none does.
    init?(_ relation: Relation) {
        guard relation.othersRead == nil else { return nil }
        if relation.friendStamp == .zero, !relation.isFriend {
            (isBlock, holds, stamp) = (true, relation.isBlocked, relation.blockStamp)
        } else if relation.blockStamp == .zero, !relation.isBlocked {
            (isBlock, holds, stamp) = (false, relation.isFriend, relation.friendStamp)
        } else {
            return nil
        }
        guard stamp.node != 0 else { return nil }
        read = relation.read
    }

    /// A single from its entry.
    ///
    /// - Parameters:
    ///   - node: the node at a place among the record's.
    ///   - reading: the instant at a place among the record's readings.
    @inline(__always)
    init(_ encoded: Encoded, node: (Int) -> UInt8, reading: (Int) -> Timestamp) {
        let flags = encoded.flags
        isBlock = flags & Flag.isBlock != 0
        holds = flags & Flag.holds != 0
        stamp = EdgeStamp(at: encoded.at, node: node(Int(flags >> Flag.nodeShift)))
        let isApart = flags & Flag.isApart != 0
        func instant() -> Timestamp {
            isApart ? reading(Int(encoded.reading)) : encoded.at.advanced(byMilliseconds: -Int64(encoded.reading))
        }
        switch flags >> Flag.formShift & 3 {
        case 0: read = nil
        case 1: read = .unknown
        case 2: read = .exact(instant())
        default: read = .coarse(instant())
        }
    }

    /// The instant that was read, if it does not lie within 65 seconds before the write and must be kept apart.
    var distantReading: Timestamp? {
        guard let instant = read?.instant else { return nil }
        return UInt16(exactly: stamp.at.milliseconds(since: instant)) == nil ? instant : nil
    }

    /// Its entry.
    ///
    /// - Parameters:
    ///   - node: the place of the stamp's node among the record's, 0 to 7.
    ///   - reading: the place of ``distantReading`` among the record's readings; nil if there is none.
    func encoded(node: Int, reading: Int?) -> Encoded {
        var flags = UInt8(node) << Flag.nodeShift
        if isBlock { flags |= Flag.isBlock }
        if holds { flags |= Flag.holds }
        if reading != nil { flags |= Flag.isApart }
        let form: UInt8 =
            switch read {
            case nil: 0
            case .unknown: 1
            case .exact: 2
            case .coarse: 3
            }
        flags |= form << Flag.formShift
        let distance = read?.instant.map { UInt16(truncatingIfNeeded: stamp.at.milliseconds(since: $0)) }
        return Encoded(at: stamp.at, flags: flags, reading: reading.map { UInt16($0) } ?? distance ?? 0)
    }

    /// The same as a relation.
    var relation: Relation {
        var relation = Relation()
        if isBlock {
            (relation.isBlocked, relation.blockStamp) = (holds, stamp)
        } else {
            (relation.isFriend, relation.friendStamp) = (holds, stamp)
        }
        relation.read = read
        return relation
    }

    enum Flag {
        static let isBlock: UInt8 = 1
        static let holds: UInt8 = 2
        static let formShift: UInt8 = 2
        static let isApart: UInt8 = 16
        static let nodeShift: UInt8 = 5
    }
}
