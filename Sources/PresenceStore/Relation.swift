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

    /// Whether it is a friend's of whom nothing else was ever said.
    var isPlain: Bool { isFriend && blockStamp == .zero && read == nil && othersRead == nil }
}

/// The stamp of an edge in six bytes: milliseconds and node.
///
/// A counter is not needed: writes of one edge are given rising milliseconds (``next(at:node:keeping:)``), so of two writes one is always the newer.
struct EdgeStamp: Sendable, Hashable {
    var at: Timestamp
    var node: UInt8

    static let zero = EdgeStamp(at: Timestamp(milliseconds: 0), node: 0)

    /// The stamp of a write at `now` to an edge that has this one. It is never before `now`.
    ///
    /// - Parameter read: what the other could read and the write is to keep beside its instant. That lies later than `now` where it must for it, if that is
    ///   not too far: see ``EdgeDistance``.
    func next(at now: Timestamp, node: UInt8, keeping read: LastSeen? = nil) -> EdgeStamp {
        let next = EdgeStamp(at: max(now, at.advanced(byMilliseconds: 1)), node: node)
        guard let instant = read?.instant else { return next }
        let distance = EdgeDistance.held(notBelow: next.at.milliseconds(since: instant))
        let held = instant.advanced(byMilliseconds: distance)
        let lead = held.milliseconds(since: max(now, instant))
        return lead <= EdgeDistance.lead(for: distance) ? EdgeStamp(at: held, node: node) : next
    }

    /// Whether an entry of a write of this stamp has room for what was read.
    func hasRoom(for read: LastSeen) -> Bool {
        guard let instant = read.instant else { return true }
        let distance = at.milliseconds(since: instant)
        return EdgeDistance.held(notBelow: distance) == distance
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
