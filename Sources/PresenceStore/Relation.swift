import Presence

/// How a user stands to one other, as his record keeps it: two registers, and what the other could read when he was hidden from him.
struct Relation: Sendable, Hashable {
    /// Whether he names the other a friend, and the write that said so or took it back.
    var isFriend = false
    var friendStamp = EdgeStamp.zero
    /// Whether he blocked the other, and the write that said so or took it back.
    var isBlocked = false
    var blockStamp = EdgeStamp.zero
    /// What the other could read of his last seen when he was hidden from him; nil if he is not, or nothing was kept for this one alone.
    var read: LastSeen?
    /// What he himself could read of the other's when he blocked him, of stores that hide both.
    var othersRead: LastSeen?

    /// Whether it says nothing any more: kept so that an older write that comes late does not hold again.
    var hasEnded: Bool { !isFriend && !isBlocked }

    /// Whether a friend's entry holds all of it.
    var isPlain: Bool { isFriend && blockStamp == .zero && read == nil && othersRead == nil }
}

/// The stamp of an edge in six bytes: milliseconds and node.
///
/// A counter is not needed: writes of one edge are given rising milliseconds (``after(_:at:node:)``), so of two writes one is always the newer.
struct EdgeStamp: Sendable, Hashable {
    var at: Timestamp
    var node: UInt8

    static let zero = EdgeStamp(at: Timestamp(milliseconds: 0), node: 0)

    /// The stamp of a write at `now` to an edge that has this one.
    func next(at now: Timestamp, node: UInt8) -> EdgeStamp {
        EdgeStamp(at: max(now, at.advanced(byMilliseconds: 1)), node: node)
    }
}

extension LastSeen {
    /// The instant in it.
    var instant: Timestamp? {
        switch self {
        case .unknown: nil
        case .exact(let instant), .coarse(let instant): instant
        }
    }
}
