/// A value that a register can hold: two different ones can be put in an order, so that writes with the same stamp
/// merge to the same outcome everywhere.
public protocol RegisterValue: Hashable, Sendable {
    /// Whether this value gives way to `other`. A strict total order.
    func precedes(_ other: Self) -> Bool
}

extension ManualStatus: RegisterValue {
    /// The order of the raw values.
    @inlinable
    public func precedes(_ other: ManualStatus) -> Bool { rawValue < other.rawValue }
}

extension Array: RegisterValue where Element == UInt8 {
    /// The order of a dictionary, byte by byte.
    @inlinable
    public func precedes(_ other: [UInt8]) -> Bool { lexicographicallyPrecedes(other) }
}

/// One value that is written whole: of two writes the newer stamp wins.
///
/// Manual status and texts are registers. Clearing is a write too, so it wins over an older value.
public struct Register<Value: RegisterValue>: Sendable, Hashable {
    /// The stamp of the last write; zero if there was none.
    public var stamp: Stamp

    /// What was written; nil if nothing was, or it was cleared.
    public var value: Value?

    /// The first instant at which the value does not hold any more; nil if it has no end.
    public var until: Timestamp?

    /// A register that was never written.
    @inlinable
    public init() {
        self.init(stamp: .zero, value: nil)
    }

    /// A register as one write leaves it.
    @inlinable
    public init(stamp: Stamp, value: Value?, until: Timestamp? = nil) {
        self.stamp = stamp
        self.value = value
        self.until = until
    }

    /// The value that holds at an instant.
    @inlinable
    public func value(at now: Timestamp) -> Value? {
        if let until, now >= until { return nil }
        return value
    }

    /// Joins another holder's copy: the newer stamp wins. Copies with one stamp are equal unless someone broke the
    /// rules; then the greater value wins, and of equal ones the later end.
    @inlinable
    public mutating func merge(_ other: Register) {
        if givesWay(to: other) { self = other }
    }

    /// Whether both are the same.
    @inlinable
    public static func == (left: Register, right: Register) -> Bool {
        left.stamp == right.stamp && left.value == right.value && left.until == right.until
    }

    @inlinable
    func givesWay(to other: Register) -> Bool {
        if stamp != other.stamp { return stamp < other.stamp }
        if value != other.value {
            guard let mine = value else { return true }
            guard let theirs = other.value else { return false }
            return mine.precedes(theirs)
        }
        return (until ?? .distantFuture) < (other.until ?? .distantFuture)
    }
}
