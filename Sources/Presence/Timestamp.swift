/// An instant: whole milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Time is an input of every rule: whoever handles a request reads a clock once and hands the instant down.
/// Arithmetic saturates, so a deadline of "never" stays "never" whatever is added to it.
public struct Timestamp: Comparable, Hashable, Sendable, CustomStringConvertible {
    /// Milliseconds since the Unix epoch; negative before it.
    public var milliseconds: Int64

    /// The instant so many milliseconds after the Unix epoch.
    @inlinable
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Before every other instant; stands for "never was".
    @inlinable
    public static var distantPast: Timestamp { Timestamp(milliseconds: .min) }

    /// After every other instant; stands for "never will be".
    @inlinable
    public static var distantFuture: Timestamp { Timestamp(milliseconds: .max) }

    /// Whether `left` is earlier than `right`.
    @inlinable
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// The instant so many milliseconds later (earlier, if negative), held within the two distant instants.
    @inlinable
    public func advanced(byMilliseconds interval: Int64) -> Timestamp {
        let (sum, overflow) = milliseconds.addingReportingOverflow(interval)
        guard overflow else { return Timestamp(milliseconds: sum) }
        return interval < 0 ? .distantPast : .distantFuture
    }

    /// Milliseconds from `other` to this instant, negative if `other` is later; held within `Int64`.
    @inlinable
    public func milliseconds(since other: Timestamp) -> Int64 {
        let (difference, overflow) = milliseconds.subtractingReportingOverflow(other.milliseconds)
        guard overflow else { return difference }
        return other.milliseconds < 0 ? .max : .min
    }

    /// The milliseconds in decimal digits, as replies of the server show instants.
    public var description: String { "\(milliseconds)" }
}
