import Glibc

/// Microseconds of a clock that nobody sets: for how long something took, never for when it was.
enum Stopwatch {
    /// The present reading. Costs about 25 ns.
    static func microseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) &* 1_000_000 &+ Int64(time.tv_nsec) / 1000
    }
}
