import Presence
import PresenceTesting
import Synchronization
import Testing

@testable import PresenceStore

/// Clocks that jump: steps of the wall clock in both directions, suspends, and what becomes of sessions.
@Suite("Time that never jumps")
struct SlewedTimeTests {
    private static let second: Int64 = 1_000_000_000
    private static let hour = 3_600 * second
    private let wall: Int64 = 1_767_225_600 * second
    private let boot: Int64 = 5_000 * second

    /// Runs the clocks on in steps of 10 ms, the wall clock `step` ahead or behind from the first on.
    private func run(
        _ time: inout SlewedTime, from start: Int64, for length: Int64, step: Int64, _ look: (Int64, Timestamp) -> Void
    ) {
        var passed: Int64 = 0
        while passed < length {
            passed += 10_000_000
            let up = start + passed
            if time.wantsWall(boot: up) { time.correct(boot: up, wall: wall + (up - boot) + step) }
            look(passed, time.now(boot: up))
        }
    }

    @Test(
        "A step of an hour changes no interval by more than one part in 200", arguments: [-hour, hour, -second, second])
    func steps(_ step: Int64) {
        var time = SlewedTime(boot: boot, wall: wall)
        let first = time.now(boot: boot)
        var last = first
        run(&time, from: boot, for: 600 * SlewedTimeTests.second, step: step) { passed, now in
            #expect(now >= last)
            last = now
            let elapsed = now.milliseconds(since: first)
            let expected = passed / 1_000_000
            #expect(abs(elapsed - expected) <= expected / 200 + 1)
        }
        let offset = last.milliseconds(since: first) - 600_000
        #expect(abs(offset) >= min(abs(step) / 1_000_000, 2_990))
        #expect((offset > 0) == (step > 0))
    }

    @Test("A small difference is worked off, and then it runs with the wall clock")
    func convergence() {
        var time = SlewedTime(boot: boot, wall: wall)
        var last = Timestamp.distantPast
        run(&time, from: boot, for: 300 * SlewedTimeTests.second, step: 400_000_000) { _, now in last = now }
        #expect(last == Timestamp(milliseconds: wall / 1_000_000 + 300_000 + 400))
    }

    @Test("What passed in a suspend passed")
    func suspend() {
        var time = SlewedTime(boot: boot, wall: wall)
        let before = time.now(boot: boot)
        let after = boot + 2 * SlewedTimeTests.hour
        if time.wantsWall(boot: after) { time.correct(boot: after, wall: wall + 2 * SlewedTimeTests.hour) }
        #expect(time.now(boot: after).milliseconds(since: before) == 7_200_000)
    }

    @Test("A session lives its TTL through steps of an hour, and runs out over a suspend")
    func lives() throws {
        for step in [-SlewedTimeTests.hour, SlewedTimeTests.hour] {
            var time = SlewedTime(boot: boot, wall: wall)
            let store = ShardedStore()
            try store.connect("alice", session: "s", at: time.now(boot: boot))
            var end: Int64?
            run(&time, from: boot, for: 130 * SlewedTimeTests.second, step: step) { passed, now in
                store.advance(to: now)
                if end == nil, store.status(of: "alice", at: now) == .offline { end = passed / 1_000_000 }
            }
            #expect(abs((end ?? 0) - 120_000) <= 620)
        }
        let time = SlewedTime(boot: boot, wall: wall)
        let store = ShardedStore()
        try store.connect("alice", session: "s", at: time.now(boot: boot))
        #expect(store.status(of: "alice", at: time.now(boot: boot + SlewedTimeTests.hour)) == .offline)
    }

    @Test(
        "Who asks once a minute comes to the wall clock too, and no course makes up for more than ten seconds at once")
    func seldom() {
        for step in [-2 * SlewedTimeTests.second, 2 * SlewedTimeTests.second] {
            var time = SlewedTime(boot: boot, wall: wall)
            var last = time.now(boot: boot)
            for minute in 1...45 {
                let up = boot + Int64(minute) * 60 * SlewedTimeTests.second
                if time.wantsWall(boot: up) { time.correct(boot: up, wall: wall + (up - boot) + step) }
                let now = time.now(boot: up)
                #expect(abs(now.milliseconds(since: last) - 60_000) <= 51)
                last = now
            }
            #expect(last == Timestamp(milliseconds: (wall + step) / 1_000_000 + 45 * 60_000))
        }
    }

    @Test(
        "A wall clock that is stepped to and fro bends the course, and breaks it nowhere",
        arguments: [1, 2, 3] as [UInt64])
    func bends(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var time = SlewedTime(boot: boot, wall: wall)
        var last = time.microseconds(boot: boot)
        var up = boot
        for _ in 0..<200_000 {
            let passed = Int64.random(in: 0...20_000_000, using: &random)
            up += passed
            if time.wantsWall(boot: up) {
                let step = Int64.random(in: -SlewedTimeTests.second...SlewedTimeTests.second, using: &random)
                let before = time.microseconds(boot: up)
                time.correct(boot: up, wall: wall + (up - boot) + step)
                #expect(time.microseconds(boot: up) == before)
            }
            let now = time.microseconds(boot: up)
            #expect(abs(now - last - passed / 1_000) <= passed / 1_000 / 200 + 2)
            #expect(now >= last)
            last = now
        }
    }

    private final class Progress: Sendable {
        let changes = Atomic(0)
    }

    @Test("Whoever reads the course while others change it reads a whole one")
    func whole() async {
        let changes = 200_000
        let interval = SlewedTime.wallInterval
        let wall: @Sendable (Int) -> Int64 = { change in
            Int64(change) * interval + (change.isMultiple(of: 2) ? -SlewedTimeTests.hour : SlewedTimeTests.hour)
        }
        var time = SlewedTime(boot: 0, wall: 0)
        var plan = [time.course]
        for change in 1...changes {
            time.correct(boot: Int64(change) * interval, wall: wall(change))
            plan.append(time.course)
        }
        let courses = plan
        let shared = SharedTime(SlewedTime(boot: 0, wall: 0))
        let done = Progress()
        await withTaskGroup(of: Int.self) { group in
            group.addTask {
                for change in 1...changes {
                    _ = shared.nanoseconds(boot: { Int64(change) * interval }, wall: { wall(change) })
                    done.changes.store(change, ordering: .sequentiallyConsistent)
                }
                return 0
            }
            group.addTask {
                var wrong = 0
                while true {
                    let least = done.changes.load(ordering: .sequentiallyConsistent)
                    if least == changes { return wrong }
                    let boot = Int64(least) * interval + interval / 2
                    let read = shared.nanoseconds(boot: { boot }, wall: { 0 })
                    let most = min(done.changes.load(ordering: .sequentiallyConsistent) + 1, changes)
                    if !courses[least...most].contains(where: { $0.nanoseconds(boot: boot) == read }) { wrong += 1 }
                }
            }
            for await wrong in group { #expect(wrong == 0) }
        }
    }

    @Test("The machine's clock goes on, and agrees with the wall clock")
    func machine() {
        let clock = SystemClock()
        var last = clock.now()
        for _ in 0..<10_000 {
            let now = clock.now()
            #expect(now >= last)
            last = now
        }
        #expect(last.milliseconds > 1_767_225_600_000)
    }
}
