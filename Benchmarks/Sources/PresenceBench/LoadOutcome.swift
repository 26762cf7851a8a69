import Foundation
import Histogram

/// What a run gave.
struct LoadOutcome: Codable {
    var operations = 0
    /// Of a day, how many changes those who watch must have heard of by its end.
    var changes = 0
    /// How many there should be; nil if as many as there is time for.
    var expected: Int?
    var elapsed: Double = 0
    /// Nanoseconds.
    var latency = Histogram<UInt64>(
        lowestDiscernibleValue: 100, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)

    /// Milliseconds that a share (0...100) of the commands did not exceed.
    func milliseconds(_ percent: Double) -> Double { Double(latency.valueAtPercentile(percent)) / 1e6 }

    /// Takes down how long one operation took, in nanoseconds.
    ///
    /// - Throws: if that is more than a minute, which no percentile would show.
    mutating func record(_ nanoseconds: Int64) throws {
        guard latency.record(UInt64(max(1, nanoseconds))) else {
            throw BenchError("a reply took \(nanoseconds / 1_000_000_000) s")
        }
    }

    /// Adds what another process did in the same time.
    mutating func merge(_ other: LoadOutcome) {
        operations += other.operations
        changes += other.changes
        elapsed = max(elapsed, other.elapsed)
        latency.add(other.latency)
    }

    /// Adds what was done afterwards.
    mutating func append(_ later: LoadOutcome) {
        let elapsed = elapsed + later.elapsed
        merge(later)
        self.elapsed = elapsed
    }
}
