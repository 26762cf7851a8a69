/// Numbers as clients send them. Redis reads them strictly: no sign `+`, no leading zeros, no spaces.
enum Numbers {
    /// The signed decimal number in `range`, or nil if it is not one or does not fit 64 bits.
    static func integer(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        guard !range.isEmpty, range.count <= 20 else { return nil }
        var index = range.lowerBound
        let isNegative = bytes[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        guard index < range.upperBound else { return nil }
        if bytes[index] == UInt8(ascii: "0") {
            return range.count == 1 ? 0 : nil
        }
        var value: Int64 = 0
        while index < range.upperBound {
            let digit = Int64(bytes[index]) - 0x30
            guard digit >= 0, digit <= 9 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) =
                isNegative
                ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            guard !overflow, !carry else { return nil }
            value = sum
            index += 1
        }
        return value
    }

    /// The cursor of `SCAN`. Redis reads it with `strtoul`, so nothing is 0, and a sign is taken.
    static func cursor(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64? {
        guard let first = range.first else { return 0 }
        let isNegative = bytes[first] == UInt8(ascii: "-")
        let isSigned = isNegative || bytes[first] == UInt8(ascii: "+")
        let digits = isSigned ? first + 1..<range.upperBound : range
        guard !digits.isEmpty, digits.count <= 20 else { return nil }
        var value: UInt64 = 0
        for index in digits {
            let digit = UInt64(bytes[index]) &- 0x30
            guard digit <= 9 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(digit)
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return isNegative ? 0 &- value : value
    }
}
