/// The place of a write in the order of all writes of a cluster: a hybrid logical clock in one word.
///
///     63                        20 19         8 7       0
///     | milliseconds since 1970   |  counter   |  node  |
///     |         44 bits           |  12 bits   | 8 bits |
///
/// Stamps compare as their words do: by time, then counter, then node. Two nodes never make the same stamp, so of two
/// writes one is always the newer. Node 0 is no node: a stamp of node 0 and counter 0 says that time itself changed
/// something at that instant, and every holder of the same facts makes the same one.
public struct Stamp: Comparable, Hashable, Sendable {
    /// The word that holds all three parts.
    public var rawValue: UInt64

    /// A stamp from its word; every word is one.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// A stamp from its parts.
    ///
    /// - Parameters:
    ///   - timestamp: the instant, held within 1970 and the year 2527 (44 bits of milliseconds).
    ///   - counter: 0 to 4095; more carries on into the milliseconds, less than 0 counts as 0.
    ///   - node: who stamps; 0 for time itself.
    @inlinable
    public init(_ timestamp: Timestamp, counter: Int = 0, node: UInt8 = 0) {
        let milliseconds = UInt64(min(max(timestamp.milliseconds, 0), Stamp.maximumMilliseconds))
        let (ticks, overflow) = (milliseconds << 12).addingReportingOverflow(UInt64(max(counter, 0)))
        let bounded = overflow ? Stamp.maximumTicks : min(ticks, Stamp.maximumTicks)
        rawValue = bounded << 8 | UInt64(node)
    }

    /// Before every write.
    @inlinable
    public static var zero: Stamp { Stamp(rawValue: 0) }

    /// The largest instant that a stamp can hold, in milliseconds since 1970.
    @inlinable
    static var maximumMilliseconds: Int64 { 1 << 44 - 1 }

    /// The largest value of milliseconds and counter taken as one number.
    @inlinable
    static var maximumTicks: UInt64 { 1 << 56 - 1 }

    /// When it was stamped, to the millisecond.
    @inlinable
    public var timestamp: Timestamp { Timestamp(milliseconds: Int64(rawValue >> 20)) }

    /// How many stamps of this millisecond came before it, 0 to 4095.
    @inlinable
    public var counter: Int { Int(rawValue >> 8 & 0xFFF) }

    /// Who stamped it; 0 is time itself.
    @inlinable
    public var node: UInt8 { UInt8(truncatingIfNeeded: rawValue) }

    /// The next larger stamp of the same node. A full counter carries into the milliseconds; the very last is its own.
    @inlinable
    public var successor: Stamp {
        let (next, overflow) = rawValue.addingReportingOverflow(1 << 8)
        return overflow ? self : Stamp(rawValue: next)
    }

    /// Whether `left` is the older.
    @inlinable
    public static func < (left: Stamp, right: Stamp) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Gives stamps that strictly rise, whatever the wall clock does.
///
/// While the clock stands still or runs backwards, the counter goes on from the last stamp. Not safe for concurrent
/// use: whoever owns it (a shard, under its lock) asks one at a time. Both operations are constant and allocate nothing.
public struct StampClock: Sendable {
    /// The node in every stamp it gives.
    public let node: UInt8

    /// The newest stamp given or observed.
    public private(set) var last: Stamp

    /// A clock for one node.
    ///
    /// - Parameter node: 1 to 255. 0 is time itself and cannot own a clock.
    public init(node: UInt8) {
        precondition(node != 0, "node 0 stands for time itself; give the clock a node from 1 to 255")
        self.node = node
        last = .zero
    }

    /// A stamp newer than every one given or observed before, at `now` if the clock has moved on.
    public mutating func next(at now: Timestamp) -> Stamp {
        let fresh = Stamp(now, counter: 0, node: node)
        if fresh > last {
            last = fresh
        } else {
            let sameTick = Stamp(rawValue: last.rawValue & ~0xFF | UInt64(node))
            last = sameTick > last ? sameTick : sameTick.successor
        }
        return last
    }

    /// Takes notice of another node's stamp: what this clock gives from now on is newer.
    public mutating func observe(_ stamp: Stamp) {
        last = max(last, stamp)
    }
}
