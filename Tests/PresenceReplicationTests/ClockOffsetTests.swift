import PresenceTesting
import Testing

@testable import PresenceReplication

@Suite("The offset of a peer's clock is known within its error")
struct ClockOffsetTests {
    private let start: Int64 = 1_764_108_000_000_000

    /// A pong of a peer that is `offset` ahead, and when it arrives.
    private func pong(at sent: Int64, offset: Int64, there: Int64, held: Int64 = 30, back: Int64) -> (Pong, Int64) {
        let received = sent + there + offset
        return (Pong(sent: sent, received: received, answered: received + held), sent + there + held + back)
    }

    private func add(_ clock: inout ClockOffset, _ sample: (Pong, Int64)) -> Bool {
        clock.add(sample.0, receivedAt: sample.1)
    }

    @Test("ways of the same length give the offset itself")
    func symmetrical() {
        var clock = ClockOffset(maximum: 500_000)
        #expect(clock.verdict(at: start) == .unknown)
        let sample = pong(at: start, offset: 12_345, there: 200, back: 200)
        let taken = add(&clock, sample)
        #expect(taken)
        // Half of 400, and a 32nd of 430, and two.
        #expect(clock.estimate(at: sample.1) == .init(offset: 12_345, error: 215))
        #expect(clock.verdict(at: sample.1) == .within(.init(offset: 12_345, error: 215)))
        // A second later both clocks may have parted by a 64th of it.
        #expect(clock.estimate(at: sample.1 + 1_000_000) == .init(offset: 12_345, error: 215 + 15_625))
    }

    @Test("the sample of the smallest error counts, and what is old goes")
    func filter() {
        var clock = ClockOffset(maximum: 500_000)
        var now = start
        for round in 0..<20 {
            let isQuick = round == 5
            _ = add(&clock, pong(at: now, offset: 1000, there: isQuick ? 100 : 20_000, back: isQuick ? 100 : 2000))
            now += 30_000
            if (5..<13).contains(round) {
                #expect(clock.estimate(at: now)?.offset == 1000, "\(round)")
            } else {
                #expect(clock.estimate(at: now)?.offset == 10_000, "\(round)")
            }
            #expect(clock.count == min(round + 1, ClockOffset.stages))
        }
    }

    @Test("whatever the network and the drift of both clocks, the truth is within the error")
    func truth() {
        for seeded in SeededRandom.cases(300) {
            var random = seeded
            // Real microseconds since the start, our clock and the peer's: each slewed by 1 in 200 at most.
            var (real, ours, theirs) = (
                Int64(0), Double(start), Double(start) + Double.random(in: -1e9...1e9, using: &random)
            )
            func pass(_ time: Int64, _ random: inout SeededRandom) {
                real += time
                ours += Double(time) * (1 + Double.random(in: -0.005...0.005, using: &random))
                theirs += Double(time) * (1 + Double.random(in: -0.005...0.005, using: &random))
            }
            var clock = ClockOffset(maximum: 1000)
            for _ in 0..<40 {
                let sent = Int64(ours)
                pass(random.pick([0, 50, 700, 90_000, 3_000_000]), &random)
                let received = Int64(theirs)
                pass(random.pick([0, 10, 500]), &random)
                let answered = Int64(theirs)
                pass(random.pick([0, 50, 700, 90_000, 3_000_000]), &random)
                _ = clock.add(Pong(sent: sent, received: received, answered: answered), receivedAt: Int64(ours))
                pass(random.pick([1000, 1_000_000, 60_000_000]), &random)
                guard let estimate = clock.estimate(at: Int64(ours)) else { continue }
                let far = abs(Int64(theirs - ours) - estimate.offset)
                #expect(far <= estimate.error, "\(seeded)")
                guard far <= estimate.error else { return }
            }
            #expect(clock.count > 0, "\(seeded)")
        }
    }

    @Test("a clock is refused when it is beyond the bound for sure")
    func refused() {
        for (offset, isBeyond) in [
            (500_000, false), (500_216, true), (500_215, false), (-500_216, true), (-500_000, false),
        ]
            as [(Int64, Bool)]
        {
            var clock = ClockOffset(maximum: 500_000)
            let sample = pong(at: start, offset: offset, there: 200, back: 200)
            _ = add(&clock, sample)
            let estimate = ClockOffset.Estimate(offset: offset, error: 215)
            #expect(clock.verdict(at: sample.1) == (isBeyond ? .beyond(estimate) : .within(estimate)), "\(offset)")
        }
        // A slow network alone refuses nobody.
        var slow = ClockOffset(maximum: 500_000)
        let sample = pong(at: start, offset: 0, there: 5_000_000, back: 100)
        _ = add(&slow, sample)
        #expect(slow.estimate(at: sample.1)?.offset == 2_499_950)
        guard case .within = slow.verdict(at: sample.1) else {
            Issue.record("refused for a slow network")
            return
        }
    }

    @Test("a clock that is stepped is seen at the next sample")
    func steps() {
        var clock = ClockOffset(maximum: 500_000)
        var now = start
        for _ in 0..<8 {
            _ = add(&clock, pong(at: now, offset: 0, there: 100, back: 100))
            now += 1_000_000
        }
        let stepped = pong(at: now, offset: 3_600_000_000, there: 300, back: 300)
        _ = add(&clock, stepped)
        #expect(clock.count == 1)
        guard case .beyond(let estimate) = clock.verdict(at: stepped.1) else {
            Issue.record("an hour was let pass")
            return
        }
        #expect(estimate.offset == 3_600_000_000)
        let goodbye = clock.goodbye(at: stepped.1)
        #expect(goodbye?.reason == .clock)
        #expect(
            goodbye?.text
                == "the receiver's clock is 3600000 ms ahead of the sender's (error at most 1 ms), max-clock-offset "
                + "is 500 ms; set the clock that is wrong")
        #expect(ClockOffset(maximum: 500_000).goodbye(at: now) == nil)
    }

    @Test("instants that cannot be are not taken")
    func impossible() {
        var clock = ClockOffset(maximum: 500_000)
        let bad: [(Pong, Int64)] = [
            (Pong(sent: 100, received: 5, answered: 5), 99),
            (Pong(sent: 100, received: 5, answered: 4), 200),
            (Pong(sent: 100, received: 5, answered: 106), 200),
            (Pong(sent: -1, received: 5, answered: 6), 200),
            (Pong(sent: 100, received: 5, answered: .max), 200),
            (Pong(sent: 100, received: .min, answered: .max), 200),
            (Pong(sent: 100, received: 5, answered: 6), .max),
        ]
        for (pong, received) in bad {
            let taken = clock.add(pong, receivedAt: received)
            #expect(!taken, "\(pong)")
        }
        #expect(clock.count == 0)
        let good = clock.add(Pong(sent: 100, received: 5, answered: 105), receivedAt: 200)
        #expect(good)
    }
}
