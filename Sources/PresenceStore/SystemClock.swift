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
    /// Whether time stands still but for those who move it, as in tests. A store made with such a clock announces what is due at its very millisecond; with any
    /// other, within 10 ms.
    var isHeld: Bool { get }
    /// How far its time is ahead of the machine's wall clock, in microseconds, below 0 behind it: what is left of a step of that. 0 if it has nothing to do
    /// with the wall clock.
    var microsecondsAheadOfWall: Int64 { get }
}

extension PresenceClock {
    /// Time goes on by itself.
    public var isHeld: Bool { false }

    /// It goes by no wall clock, or by nothing else.
    public var microsecondsAheadOfWall: Int64 { 0 }
}

/// The machine's time: it never goes back, a step of the wall clock does not move it at once, and a suspend counts (`SlewedTime`).
///
/// Lives are decided by it, and it labels events. Cost: one `clock_gettime` and a division, about 30 ns; every 100 ms a lock and two more. Threads that
/// ask at the same time write nothing that another one reads.
public struct SystemClock: PresenceClock {
    private let shared: SharedTime

    /// A clock that agrees with the wall clock now.
    public init() {
        shared = SharedTime(
            SlewedTime(boot: SystemClock.read(SystemClock.boot), wall: SystemClock.read(CLOCK_REALTIME)))
    }

    /// Now.
    public func now() -> Timestamp { Timestamp(milliseconds: microseconds() / 1_000) }

    /// Now, in microseconds since 1970: the same time as ``now()``, finer, for those who measure the offset of two clocks.
    public func microseconds() -> Int64 {
        shared.nanoseconds(boot: { SystemClock.read(SystemClock.boot) }, wall: { SystemClock.read(CLOCK_REALTIME) })
            / 1_000
    }

    /// How far it still is ahead of the wall clock after a step of that, in microseconds; below 0 behind it. Within a microsecond or two of 0 as a rule.
    public var microsecondsAheadOfWall: Int64 { microseconds() - SystemClock.read(CLOCK_REALTIME) / 1_000 }

    /// What goes on while the machine is suspended, too.
    private static var boot: clockid_t {
        #if os(Linux)
            CLOCK_BOOTTIME
        #else
            CLOCK_MONOTONIC
        #endif
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
