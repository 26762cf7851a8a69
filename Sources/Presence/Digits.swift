/// Digits and letters in the low bytes of a word, in the order in which they are written.
enum Digits {
    /// A number below 100 in two digits.
    @inline(__always)
    static func pair(_ number: UInt32) -> UInt64 {
        // 103 / 1024 is a tenth, near enough up to 178.
        let tens = (number &* 103) &>> 10
        return UInt64(tens | (number &- tens &* 10) &<< 8) &+ 0x3030
    }

    /// A number below 100 000 000 in eight digits, zeros in front.
    ///
    /// Halves, quarters, then single digits, all of a kind at once in parts of one word: no part ever grows into the next.
    @inline(__always)
    static func eight(_ number: UInt32) -> UInt64 {
        let high = number / 10_000
        let fours = UInt64(high) | UInt64(number &- high &* 10_000) &<< 32
        // 10 486 / 2^20 is a hundredth, near enough below 10 000.
        let hundreds = ((fours &* 10_486) &>> 20) & 0x7F_0000_007F
        let pairs = hundreds | (fours &- hundreds &* 100) &<< 16
        let tens = ((pairs &* 103) &>> 10) & 0x000F_000F_000F_000F
        return (tens | (pairs &- tens &* 10) &<< 8) &+ 0x3030_3030_3030_3030
    }

    @inline(__always)
    static func letter(_ letter: Unicode.Scalar) -> UInt64 { UInt64(UInt8(ascii: letter)) }
}

extension OutputSpan where Element == UInt8 {
    /// Appends a number in decimal digits, eight at a time.
    mutating func append(digitsOf number: UInt64) {
        guard number < 100_000_000 else {
            let high = number / 100_000_000
            append(digitsOf: high)
            append(word: Digits.eight(UInt32(truncatingIfNeeded: number &- high &* 100_000_000)))
            return
        }
        let digits = Digits.eight(UInt32(truncatingIfNeeded: number))
        // Zeros in front are bytes without a bit beside those of all digits; the last digit is written in any case.
        let zeros = min((digits ^ 0x3030_3030_3030_3030).trailingZeroBitCount / 8, 7)
        var rest = digits &>> UInt64(8 * zeros)
        for _ in zeros..<8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest &>>= 8
        }
    }
}
