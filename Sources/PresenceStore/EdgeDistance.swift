import Presence

/// How long before a write of an edge that was which the other could read when it hid the user: milliseconds, as an entry of sixteen bytes holds them.
///
/// An entry has no room for both instants to the millisecond. What was read must be exact, since the other had read it. The instant of the write only orders it
/// among other writes of that edge, and is chosen by who writes: where it lies more than 65 seconds after what was read, it is a little later than now, so
/// that the distance is a number of 13 significant bits. That is at most a second an hour, 16 seconds a day, nine minutes a month; never earlier, or a
/// block could lose to a write that was made before it.
enum EdgeDistance {
    /// Up to here every distance can be held.
    static let greatestNear: Int64 = 65_533
    /// How far ahead of the clock the instant of a write may be for it, in milliseconds: a day.
    static let greatestLead: Int64 = 86_400_000

    /// Bits behind the leading one.
    private static let fractionBits = 12

    /// The 17 bits of a distance beyond ``greatestNear``: exponent 5, fraction 12. Nil if it has more than 13 significant ones, or is not beyond.
    static func code(of distance: Int64) -> UInt64? {
        guard distance > greatestNear else { return nil }
        let exponent = exponent(of: distance)
        guard exponent < 32, distance.trailingZeroBitCount >= exponent else { return nil }
        return UInt64(exponent) << UInt64(fractionBits)
            | UInt64(distance >> Int64(exponent)) & (1 << UInt64(fractionBits) - 1)
    }

    /// The distance that a code stands for.
    @inline(__always)
    static func distance(of code: UInt64) -> Int64 {
        let significant = 1 << UInt64(fractionBits) | code & (1 << UInt64(fractionBits) - 1)
        return Int64(bitPattern: significant &<< (code >> UInt64(fractionBits)))
    }

    /// The least distance that can be held and is not below that one.
    static func held(notBelow distance: Int64) -> Int64 {
        guard distance > greatestNear else { return max(distance, 0) }
        let unit: Int64 = 1 << Int64(exponent(of: distance))
        return (distance + unit - 1) & -unit
    }

    /// How far ahead of the clock a write may be for the sake of such a distance: some four times what rounding alone brings, so that who takes a block
    /// back and makes it again finds a later instant.
    static func lead(for distance: Int64) -> Int64 { min(distance >> 10, greatestLead) }

    private static func exponent(of distance: Int64) -> Int {
        Int64.bitWidth - distance.leadingZeroBitCount - fractionBits - 1
    }
}
