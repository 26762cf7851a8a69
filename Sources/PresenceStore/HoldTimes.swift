/// For how long the lock of a shard was held, in microseconds: of all that works through many records, and of one in 128 of all else.
///
/// Reading the clock twice costs about 50 ns, much beside a beat, so single operations are sampled, by their number: they take about as long each time.
struct HoldTimes {
    private static let sampling: UInt32 = 128

    private(set) var histogram = DurationHistogram()
    private var untilSample = HoldTimes.sampling

    /// A hold begins: the reading of the clock, or nil if it is not timed.
    @inline(__always)
    mutating func begin(isLong: Bool) -> Int64? {
        untilSample &-= 1
        guard isLong || untilSample == 0 else { return nil }
        return start()
    }

    /// A hold turned out to be long: the reading of the clock.
    @inline(never)
    mutating func start() -> Int64 {
        untilSample = HoldTimes.sampling
        return Stopwatch.microseconds()
    }

    /// The hold that began at `start` ends.
    @inline(never)
    mutating func end(_ start: Int64) {
        histogram.record(Stopwatch.microseconds() &- start)
    }
}
