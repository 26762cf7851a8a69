/// What the rounds of one measurement gave.
struct Sample {
    private(set) var values: [Double] = []

    /// These rounds.
    static func of(_ values: [Double]) -> Sample { Sample(values: values) }

    /// Adds a round.
    mutating func add(_ value: Double) { values.append(value) }

    /// The middle one; of an even number the mean of the middle two; NaN of none.
    var median: Double { percentile(0.5) }

    /// The value that a share (0...1) of all values does not exceed, between two values by proportion; NaN of none.
    func percentile(_ share: Double) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let place = share * Double(sorted.count - 1)
        let below = Int(place.rounded(.down))
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
    }

    /// Least and greatest, as text.
    func spread(_ digits: Int) -> String {
        guard let least = values.min(), let greatest = values.max() else { return "" }
        return "\(fixed(least, digits)) to \(fixed(greatest, digits))"
    }
}

/// A number with so many digits behind the point.
func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((abs(value) * scale).rounded())
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard digits > 0 else { return sign + grouped(whole) }
    let fraction = String(whole % Int(scale))
    return sign + grouped(whole / Int(scale)) + "." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// A whole number with thousands set apart.
func grouped(_ value: Int) -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { text.append(" ") }
        text.append(digit)
    }
    return value < 0 ? "-" + text : text
}
