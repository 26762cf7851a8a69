import Presence

/// One reading of this node's clock, as fine as links need it.
///
/// Lives and stamps go by milliseconds, clock offsets and lags by microseconds: both come from one reading.
public struct PeerTime: Sendable, Hashable, Comparable {
    /// Microseconds since 1970.
    public let microseconds: Int64

    /// An instant of so many microseconds since 1970; one before 1970 counts as 1970.
    public init(microseconds: Int64) { self.microseconds = max(0, microseconds) }

    /// The beginning of a millisecond.
    public init(_ timestamp: Timestamp) { self.init(microseconds: timestamp.milliseconds * 1000) }

    /// The millisecond that it lies in.
    public var timestamp: Timestamp { Timestamp(milliseconds: microseconds / 1000) }

    /// Whole milliseconds since 1970.
    var milliseconds: Int64 { microseconds / 1000 }

    /// The instant so many milliseconds later.
    func advanced(byMilliseconds interval: Int64) -> PeerTime {
        PeerTime(microseconds: microseconds + interval * 1000)
    }

    /// Whole milliseconds since another instant; negative if that is later.
    func milliseconds(since other: PeerTime) -> Int64 { (microseconds - other.microseconds) / 1000 }

    /// Whether `left` is the earlier.
    public static func < (left: PeerTime, right: PeerTime) -> Bool { left.microseconds < right.microseconds }
}
