import Presence

/// Time that never goes back and never jumps but over a suspend: what passed since the machine booted, brought towards the wall clock slowly.
///
/// A wall clock that is stepped (NTP, an administrator, a wrong zone) must end no session and revive none, and yet the labels of events should come to
/// agree with it. So the difference is worked off at one part in 200: a life of 120 s is at most 0.6 s longer or shorter meanwhile, a step of a second is
/// gone after three minutes, one of an hour after eight days. While the machine was suspended time did pass, and sessions do run out.
///
/// A value that reads no clock: it is handed what two clocks say. Between two corrections it is a ``Course``, which nothing changes.
struct SlewedTime: Sendable {
    /// How much slower or faster than true time it may run: one part in so many.
    static let slewing: Int64 = 200
    /// How long what the wall clock said is good for, in nanoseconds.
    static let wallInterval: Int64 = 100_000_000
    /// For how much of what passed since the wall clock was last asked a correction makes up, in nanoseconds.
    private static let longestStretch: Int64 = 10_000_000_000

    /// How time goes on if the wall clock is not asked again: it runs with the time since boot, and over a stretch a little faster or slower.
    ///
    /// A course rises with what it is asked for, and the one that follows begins where it has come to.
    struct Course: Sendable {
        /// Nanoseconds from the time since boot to the time since 1970, when the stretch begins.
        var offset: Int64
        /// When the stretch begins, in nanoseconds since boot.
        var start: Int64
        /// How long it is, in nanoseconds, at least 1.
        var length: Int64
        /// How far it leads from the offset, in nanoseconds: at most one part in 200 of its length.
        var slew: Int64

        /// Nanoseconds since 1970 when the machine has been up for so long.
        func nanoseconds(boot: Int64) -> Int64 {
            boot + offset + slew * min(max(boot - start, 0), length) / length
        }

        /// Whether the wall clock is to be asked again.
        func wantsWall(boot: Int64) -> Bool { boot - start >= SlewedTime.wallInterval }
    }

    private(set) var course: Course

    /// Agrees with the wall clock now.
    ///
    /// - Parameters:
    ///   - boot: nanoseconds since the machine booted, suspends included.
    ///   - wall: nanoseconds since 1970.
    init(boot: Int64, wall: Int64) {
        course = Course(offset: wall - boot, start: boot, length: 1, slew: 0)
    }

    /// Whether the wall clock is to be asked again.
    func wantsWall(boot: Int64) -> Bool { course.wantsWall(boot: boot) }

    /// Takes a new course, which begins where the old one has come to and leads to the wall clock, or as near as it may in as long as passed since the last.
    mutating func correct(boot: Int64, wall: Int64) {
        let stretch = min(boot - course.start, SlewedTime.longestStretch)
        guard stretch > 0 else { return }
        let time = course.nanoseconds(boot: boot)
        let most = stretch / SlewedTime.slewing
        course = Course(offset: time - boot, start: boot, length: stretch, slew: min(max(wall - time, -most), most))
    }

    /// The time when the machine has been up for so long.
    func now(boot: Int64) -> Timestamp { Timestamp(milliseconds: microseconds(boot: boot) / 1_000) }

    /// The same in microseconds since 1970.
    func microseconds(boot: Int64) -> Int64 { course.nanoseconds(boot: boot) / 1_000 }
}
