/// What is measured of one way of one work in each round.
enum LoadFigure: String, CaseIterable {
    /// Processor time of the server an operation.
    case serverMicroseconds
    case operationsASecond
    case p50Milliseconds
    case p99Milliseconds
    case p999Milliseconds
    case greatestMilliseconds
    /// Of the server after the round.
    case residentBytes

    var isBetterWhenMore: Bool { self == .operationsASecond }

    /// The better of two or more; NaN of none.
    func best(_ values: [Double]) -> Double { (isBetterWhenMore ? values.max() : values.min()) ?? .nan }

    /// In the unit of the table.
    func shown(_ value: Double) -> Double {
        switch self {
        case .operationsASecond: value / 1_000
        case .residentBytes: value / 1_048_576
        default: value
        }
    }

    /// Digits behind the point for values about this one, as the table shows them: three that count.
    static func digits(_ value: Double) -> Int {
        guard value.isFinite else { return 0 }
        return value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3
    }
}
