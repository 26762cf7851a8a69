/// How long something took or was late, in whole units of which its owner says what they are: exact below 16, then eight buckets a doubling up to
/// 131 071 units; what is longer counts as that, and is exact as the maximum.
public struct DurationHistogram: Sendable {
    private static let bucketCount = 128
    private var counts = InlineArray<128, UInt64>(repeating: 0)
    /// How many values were recorded.
    public private(set) var count: UInt64 = 0
    /// The greatest value.
    public private(set) var maximum: Int64 = 0

    /// An empty histogram.
    public init() {}

    /// Adds a value; one below 0 counts as 0.
    package mutating func record(_ value: Int64) {
        counts[DurationHistogram.bucket(max(0, value))] += 1
        count += 1
        maximum = max(maximum, value)
    }

    /// Adds all values of another one.
    package mutating func add(_ other: DurationHistogram) {
        for index in 0..<DurationHistogram.bucketCount { counts[index] += other.counts[index] }
        count += other.count
        maximum = max(maximum, other.maximum)
    }

    /// The value that a share (0...1) of all values does not exceed, as the upper end of its bucket.
    public func percentile(_ share: Double) -> Int64 {
        guard count > 0 else { return 0 }
        var left = UInt64((share * Double(count)).rounded(.up))
        for index in 0..<DurationHistogram.bucketCount {
            if counts[index] >= left { return min(DurationHistogram.upperEnd(index), maximum) }
            left -= counts[index]
        }
        return maximum
    }

    private static func bucket(_ value: Int64) -> Int {
        if value < 16 { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let index = 16 + (exponent - 4) * 8 + Int(value >> Int64(exponent - 3) & 7)
        return min(index, bucketCount - 1)
    }

    private static func upperEnd(_ index: Int) -> Int64 {
        if index < 16 { return Int64(index) }
        let exponent = (index - 16) / 8 + 4
        let step = Int64((index - 16) % 8)
        return (8 + step + 1) << Int64(exponent - 3) - 1
    }
}
