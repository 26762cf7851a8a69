import Presence

/// Time that never goes back and never jumps but over a suspend: what passed since the machine booted, brought towards the wall clock slowly.
///
/// A wall clock that is stepped (NTP, an administrator, a wrong zone) must end no session and revive none, and yet the labels of events should come to
/// agree with it. So the difference is worked off at one part in 200: a life of 120 s is at most 0.6 s longer or shorter meanwhile, a step of a second is
/// gone after three minutes, one of an hour after eight days. While the machine was suspended time did pass, and sessions do run out.
///
/// A value that reads no clock: it is handed what two clocks say.
struct SlewedTime: Sendable {
    /// How much slower or faster than true time it may run: one part in so many.
    static let slewing: Int64 = 200
    /// How long what the wall clock said is good for, in nanoseconds.
    static let wallInterval: Int64 = 100_000_000

    private var offset: Int64
    private var corrected: Int64
    /// Microseconds since 1970.
    private var last = Int64.min

    /// Agrees with the wall clock now.
    ///
    /// - Parameters:
    ///   - boot: nanoseconds since the machine booted, suspends included.
    ///   - wall: nanoseconds since 1970.
    init(boot: Int64, wall: Int64) {
        offset = wall - boot
        corrected = boot
    }

    /// Whether the wall clock is to be asked again.
    func wantsWall(boot: Int64) -> Bool { boot - corrected >= SlewedTime.wallInterval }

    /// Moves a little towards the wall clock.
    mutating func correct(boot: Int64, wall: Int64) {
        let most = max(boot - corrected, 0) / SlewedTime.slewing
        let difference = wall - boot - offset
        offset += min(max(difference, -most), most)
        corrected = max(corrected, boot)
    }

    /// The time when the machine has been up for so long.
    mutating func now(boot: Int64) -> Timestamp { Timestamp(milliseconds: microseconds(boot: boot) / 1_000) }

    /// The same in microseconds since 1970.
    mutating func microseconds(boot: Int64) -> Int64 {
        last = max(last, (boot + offset) / 1_000)
        return last
    }
}
