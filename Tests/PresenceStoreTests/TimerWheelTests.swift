import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// The wheel beside a plain table of deadlines.
@Suite("Timer wheel")
struct TimerWheelTests {
    /// Records that are nothing but headers.
    private struct Wheel: ~Copyable {
        var wheel: TimerWheel
        var slabs = Slabs()
        var now: Timestamp
        let numbers: [UInt32]

        init(at now: Timestamp, phase: Int, count: Int, ticks: WheelTick = .tenMilliseconds) {
            self.now = now
            wheel = TimerWheel(at: now, phase: phase, ticks: ticks)
            var numbers: [UInt32] = []
            for _ in 0..<count { numbers.append(slabs.allocate(32)) }
            self.numbers = numbers
        }

        mutating func arm(_ number: UInt32, by deadline: Timestamp) {
            wheel.arm(number, RecordHeader(slabs.address(number)), by: deadline)
        }

        /// Looks at everything that has come up by `instant`; what is not due yet by `deadlines` is armed again.
        mutating func advance(to instant: Timestamp, _ deadlines: [UInt32: Timestamp]) -> [UInt32] {
            now = instant
            var due: [UInt32] = []
            while true {
                var numbers = [UInt32](repeating: 0, count: 7)
                let count = numbers.withUnsafeMutableBufferPointer { wheel.takeDue(at: now, into: $0.baseAddress!) }
                guard count > 0 else { return due }
                for number in numbers[..<count] {
                    let header = RecordHeader(slabs.address(number))
                    guard wheel.isDue(header), let deadline = deadlines[number] else { continue }
                    if deadline <= now { due.append(number) } else { wheel.arm(number, header, by: deadline) }
                }
            }
        }
    }

    private static let starts: [Int64] = [
        0, 1_767_225_600_000, 42 << 32 - 5_000, 10 << 32 - 5_000, 42 * 10 << 32 - 100_000, 1 << 41 - 1_000,
    ]

    @Test(
        "Hands out every record within a tick of its deadline, and once",
        arguments: starts, [.tenMilliseconds, .millisecond] as [WheelTick])
    func onTime(start: Int64, ticks: WheelTick) {
        for var random in SeededRandom.cases(4) {
            let phase = Int.random(in: 0..<64, using: &random)
            var wheel = Wheel(at: Timestamp(milliseconds: start), phase: phase, count: 60, ticks: ticks)
            var deadlines: [UInt32: Timestamp] = [:]
            for _ in 0..<3_000 {
                let number = random.pick(wheel.numbers)
                let wait = Int64.random(in: 1...random.pick([30, 700, 50_000, 327_680, 2_000_000]), using: &random)
                let deadline = wheel.now.advanced(byMilliseconds: wait)
                // Later ones wait for the entry that is there, as a heartbeat does.
                deadlines[number] = deadline
                wheel.arm(number, by: deadline)
                let step = Int64.random(in: 0...random.pick([12, 300, 5_000]), using: &random)
                let due = wheel.advance(to: wheel.now.advanced(byMilliseconds: step), deadlines)
                check(Set(due).count == due.count, "\(random)")
                for number in due { deadlines[number] = nil }
                let overdue = deadlines.values.min() ?? .distantFuture
                let late = wheel.now.milliseconds(since: overdue)
                check(late < ticks.milliseconds, "\(random)")
            }
        }
    }

    @Test(
        "After a pause of any length everything due comes up at once, and the rest on time",
        arguments: [.tenMilliseconds, .millisecond] as [WheelTick])
    func pauses(ticks: WheelTick) {
        for var random in SeededRandom.cases(6) {
            var wheel = Wheel(at: Timestamp(milliseconds: 1_767_225_600_000), phase: 3, count: 200, ticks: ticks)
            var deadlines: [UInt32: Timestamp] = [:]
            for pause: Int64 in [
                100, 640, 327_679, 327_680, 400_000, 86_400_000, 21_427_200_000, 10 << 32, 300 * 86_400_000,
            ] {
                for number in wheel.numbers {
                    let deadline = wheel.now.advanced(byMilliseconds: .random(in: 1...500_000, using: &random))
                    deadlines[number] = deadline
                    wheel.arm(number, by: deadline)
                }
                let due = wheel.advance(to: wheel.now.advanced(byMilliseconds: pause), deadlines)
                for number in due { deadlines[number] = nil }
                let late = wheel.now.milliseconds(since: deadlines.values.min() ?? .distantFuture)
                check(late < ticks.milliseconds, "pause \(pause), \(random)")
            }
        }
    }

    @Test("A tick with nothing due looks at nothing, however many are armed", arguments: [1_000, 100_000])
    func idleTick(count: Int) {
        var wheel = Wheel(at: Timestamp(milliseconds: 1_767_225_600_000), phase: 0, count: count)
        for number in wheel.numbers { wheel.arm(number, by: wheel.now.advanced(byMilliseconds: 120_000)) }
        let entries = wheel.wheel.entryCount
        #expect(entries == count)
        var looks = 0
        var numbers = [UInt32](repeating: 0, count: 7)
        for tick in Int64(1)...1_000 {
            let instant = wheel.now.advanced(byMilliseconds: tick * 10)
            looks += numbers.withUnsafeMutableBufferPointer { wheel.wheel.takeDue(at: instant, into: $0.baseAddress!) }
        }
        #expect(looks == 0)
    }

    @Test("A deadline that only moves on adds no entries: a heartbeat costs the wheel nothing")
    func oneEntry() {
        var wheel = Wheel(at: Timestamp(milliseconds: 1_767_225_600_000), phase: 0, count: 1)
        for step in Int64(0)..<1_000 {
            wheel.arm(wheel.numbers[0], by: wheel.now.advanced(byMilliseconds: 120_000 + step))
        }
        let entries = wheel.wheel.entryCount
        #expect(entries == 1)
    }

    @Test("Nodes are used again: memory does not grow with time")
    func reuse() {
        var wheel = Wheel(at: Timestamp(milliseconds: 1_767_225_600_000), phase: 0, count: 2_000)
        var deadlines: [UInt32: Timestamp] = [:]
        func round(_ wheel: inout Wheel) {
            for number in wheel.numbers {
                let deadline = wheel.now.advanced(byMilliseconds: 30_000 + Int64(number & 0xff) * 10)
                deadlines[number] = deadline
                wheel.arm(number, by: deadline)
            }
            let due = wheel.advance(to: wheel.now.advanced(byMilliseconds: 40_000), deadlines)
            check(due.count == 2_000)
        }
        round(&wheel)
        let bytes = wheel.wheel.capacityBytes
        for _ in 0..<20 { round(&wheel) }
        let later = wheel.wheel.capacityBytes
        #expect(later <= bytes + 512 * 32)
    }
}
