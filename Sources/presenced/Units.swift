import PresenceReplication

/// Sizes as Redis writes them: `k m g` are powers of 1000, `kb mb gb` of 1024.
enum ByteUnits {
    private static let factors = [
        "": 1, "b": 1, "k": 1_000, "kb": 1 << 10, "m": 1_000_000, "mb": 1 << 20, "g": 1_000_000_000, "gb": 1 << 30,
        "t": 1_000_000_000_000, "tb": 1 << 40,
    ]

    /// The bytes that `text` says, or nil if it is not a size or does not fit an Int.
    static func parse(_ text: String) -> Int? {
        parseNumber(text, factors)
    }

    /// The shortest exact spelling: 1048576 is `1mb`.
    static func spell(_ bytes: Int) -> String {
        for (suffix, factor) in [("tb", 1 << 40), ("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)]
        where bytes > 0 && bytes % factor == 0 {
            return "\(bytes / factor)\(suffix)"
        }
        return String(bytes)
    }
}

/// Durations in milliseconds: `ms s m h d`; a bare number is seconds, as in Redis's `timeout`.
enum DurationUnits {
    private static let factors = ["": 1_000, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]

    /// The milliseconds that `text` says, or nil if it is not a duration or does not fit an Int.
    static func parse(_ text: String) -> Int? {
        parseNumber(text, factors)
    }

    /// An exact spelling: 120000 is `120s`, 1500 is `1500ms`; whole hours and days are written so.
    static func spell(_ milliseconds: Int) -> String { SharedSettings.spell(milliseconds: Int64(milliseconds)) }
}

/// Digits, then one of the suffixes, in any case. No sign, no fraction, no space.
private func parseNumber(_ text: String, _ factors: [String: Int]) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits), let factor = factors[text.dropFirst(digits.count).lowercased()] else {
        return nil
    }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
}
