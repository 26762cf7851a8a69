import Presence
import PresenceTesting
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
        var time = SlewedTime(boot: boot, wall: wall)
        let store = ShardedStore()
        try store.connect("alice", session: "s", at: time.now(boot: boot))
        #expect(store.status(of: "alice", at: time.now(boot: boot + SlewedTimeTests.hour)) == .offline)
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
