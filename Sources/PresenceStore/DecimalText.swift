/// Whole numbers of 64 bits as decimal digits, exactly as Redis reads and writes them.
enum DecimalText {
    /// Characters of the longest number.
    static let maximumCount = 20

    /// The number that the text spells in its one canonical way; nil for anything else: a sign `+`, spaces, leading zeros, `-0`.
    static func parse(_ text: Span<UInt8>) -> Int64? {
        guard text.count > 0, text.count <= maximumCount else { return nil }
        let isNegative = text[0] == UInt8(ascii: "-")
        let start = isNegative ? 1 : 0
        guard start < text.count else { return nil }
        if text[start] == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
        var number: Int64 = 0
        for place in start..<text.count {
            let digit = text[place] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (shifted, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            // Downwards, since the smallest number has no positive counterpart.
            let (sum, overflow) = shifted.addingReportingOverflow(isNegative ? -Int64(digit) : Int64(digit))
            if isTooLarge || overflow { return nil }
            number = sum
        }
        return number
    }

    /// Hands the text of a number to `body`.
    static func withText<Result, Failure: Error>(
        of number: Int64, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var start = maximumCount
        var rest = number.magnitude
        repeat {
            start -= 1
            digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest != 0
        if number < 0 {
            start -= 1
            digits[start] = UInt8(ascii: "-")
        }
        return try body(digits.span.extracting(start..<maximumCount))
    }
}
