import Synchronization

/// One ``SlewedTime`` for all threads: read without a lock, corrected by whoever finds that the wall clock is to be asked again.
///
/// What guards it is a sequence lock, as kernels guard their clocks: an odd number says that the course is being changed, and who read the same even number
/// before and after has read a whole course. A course is good up to where the next one may begin, so that time goes back between no two threads: who reads
/// a later instant of the clock than that takes the lock, and by it the new course.
final class SharedTime: Sendable {
    private let sequence = Atomic<UInt>(0)
    private let offset: Atomic<Int64>
    private let start: Atomic<Int64>
    private let length: Atomic<Int64>
    private let slew: Atomic<Int64>
    private let time: Lock<SlewedTime>

    init(_ time: SlewedTime) {
        offset = Atomic(time.course.offset)
        start = Atomic(time.course.start)
        length = Atomic(time.course.length)
        slew = Atomic(time.course.slew)
        self.time = Lock(time)
    }

    /// The time, in nanoseconds since 1970.
    ///
    /// - Parameters:
    ///   - boot: reads the nanoseconds since the machine booted.
    ///   - wall: reads the wall clock, nanoseconds since 1970.
    @inline(__always)
    func nanoseconds(boot: () -> Int64, wall: () -> Int64) -> Int64 {
        let before = sequence.load(ordering: .acquiring)
        let up = boot()
        let course = SlewedTime.Course(
            offset: offset.load(ordering: .relaxed), start: start.load(ordering: .relaxed),
            length: length.load(ordering: .relaxed), slew: slew.load(ordering: .relaxed))
        atomicMemoryFence(ordering: .acquiring)
        if before.isMultiple(of: 2), sequence.load(ordering: .relaxed) == before, !course.wantsWall(boot: up) {
            return course.nanoseconds(boot: up)
        }
        return corrected(boot: boot, wall: wall)
    }

    /// The same under the lock, after a look at the wall clock if it is time for one.
    private func corrected(boot: () -> Int64, wall: () -> Int64) -> Int64 {
        time.withLock { time in
            let up = boot()
            guard time.wantsWall(boot: up) else { return time.course.nanoseconds(boot: up) }
            let number = sequence.load(ordering: .relaxed)
            time.correct(boot: up, wall: wall())
            sequence.store(number + 1, ordering: .relaxed)
            atomicMemoryFence(ordering: .releasing)
            offset.store(time.course.offset, ordering: .relaxed)
            start.store(time.course.start, ordering: .relaxed)
            length.store(time.course.length, ordering: .relaxed)
            slew.store(time.course.slew, ordering: .relaxed)
            sequence.store(number + 2, ordering: .releasing)
            return time.course.nanoseconds(boot: up)
        }
    }
}
