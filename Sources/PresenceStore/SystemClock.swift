import Presence

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where time comes from. Implementations never go back.
public protocol PresenceClock: Sendable {
    /// Now, in milliseconds since 1970.
    func now() -> Timestamp
}

/// The machine's time: wall time when the clock was made, and from then on what the monotonic clock says.
///
/// Lives are decided by time that never goes back: a step of the wall clock moves nothing here. Cost: one `clock_gettime`, about 20 ns.
public struct SystemClock: PresenceClock {
    private let offsetNanoseconds: Int64

    /// A clock that agrees with the wall clock now.
    public init() { offsetNanoseconds = SystemClock.read(CLOCK_REALTIME) - SystemClock.read(CLOCK_MONOTONIC) }

    /// Now, by the monotonic clock.
    public func now() -> Timestamp {
        Timestamp(milliseconds: (SystemClock.read(CLOCK_MONOTONIC) + offsetNanoseconds) / 1_000_000)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
