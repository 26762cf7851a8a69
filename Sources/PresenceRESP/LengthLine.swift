/// The number of a `*<count>` or `$<length>` line, taken in byte by byte so that a line may arrive in any pieces.
///
/// Exactly what Redis takes is a number here: decimal digits with at most one leading `-`, no `+`, no blanks, no leading
/// zero, within 64 bits. What is not a number is remembered as such until the line ends, as Redis judges whole lines.
struct LengthLine {
    private var magnitude: UInt64 = 0
    private var digits: UInt8 = 0
    private var isNegative = false
    private var isMalformed = false

    /// Takes the next byte before the line's CR.
    mutating func take(_ byte: UInt8) {
        let digit = byte &- UInt8(ascii: "0")
        if digit <= 9 {
            // 19 digits fit 64 bits; a 20th is past any length, and a first zero must be alone and positive.
            let followsZero = digits > 0 && magnitude == 0
            let isNegativeZero = digits == 0 && isNegative && digit == 0
            if digits == 19 || followsZero || isNegativeZero {
                isMalformed = true
            } else {
                magnitude = magnitude &* 10 &+ UInt64(digit)
                digits += 1
            }
        } else if byte == UInt8(ascii: "-"), digits == 0, !isNegative {
            isNegative = true
        } else {
            isMalformed = true
        }
    }

    /// The number of the whole line; nil if it is none.
    var number: Int64? {
        guard !isMalformed, digits > 0 else { return nil }
        if isNegative {
            return magnitude <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
        }
        return Int64(exactly: magnitude)
    }
}
