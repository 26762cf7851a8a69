import Presence
import PresenceTesting
import Testing

@Suite("Stamps")
struct StampTests {
    @Test("A stamp holds milliseconds, counter and node, and orders by them in turn")
    func parts() {
        let stamp = Stamp(Timestamp(milliseconds: 1_737_282_922_123), counter: 4_095, node: 255)
        #expect(stamp.timestamp.milliseconds == 1_737_282_922_123)
        #expect(stamp.counter == 4_095 && stamp.node == 255)
        let later = Timestamp(milliseconds: 1_737_282_922_124)
        #expect(Stamp(later) > stamp)
        #expect(Stamp(later, counter: 1) > Stamp(later, counter: 0, node: 9))
        #expect(Stamp(later, node: 2) > Stamp(later, node: 1))
    }

    @Test("Instants out of range are held within it, and a full counter carries into the milliseconds")
    func bounds() {
        #expect(Stamp(.distantPast) == .zero)
        #expect(Stamp(Timestamp(milliseconds: 5), counter: -1) == Stamp(Timestamp(milliseconds: 5)))
        #expect(Stamp(.distantFuture).timestamp.milliseconds == 1 << 44 - 1)
        #expect(Stamp(.distantFuture, counter: .max, node: 255).rawValue == .max)
        let full = Stamp(Timestamp(milliseconds: 7), counter: 4_095, node: 3)
        #expect(full.successor == Stamp(Timestamp(milliseconds: 8), counter: 0, node: 3))
        #expect(Stamp(rawValue: .max).successor == Stamp(rawValue: .max))
    }

    @Test("A clock's stamps strictly rise and carry its node, though time stands still, jumps and steps back")
    func clockRises() {
        for var random in SeededRandom.cases(200) {
            let node = UInt8.random(in: 1...255, using: &random)
            var clock = StampClock(node: node)
            var now = Timestamp(milliseconds: 1_000_000)
            var last = Stamp.zero
            for _ in 0..<500 {
                switch Int.random(in: 0..<8, using: &random) {
                case 0: now = now.advanced(byMilliseconds: -Int64.random(in: 1...50_000, using: &random))
                case 1, 2: now = now.advanced(byMilliseconds: Int64.random(in: 1...100, using: &random))
                case 3:
                    let ahead = now.advanced(byMilliseconds: Int64.random(in: -10...10, using: &random))
                    let seen = Stamp(
                        ahead, counter: Int.random(in: 0...4_095, using: &random),
                        node: UInt8.random(in: 1...255, using: &random))
                    clock.observe(seen)
                    last = max(last, seen)
                default: break
                }
                let stamp = clock.next(at: now)
                #expect(stamp > last, "\(random)")
                #expect(stamp.node == node, "\(random)")
                #expect(stamp.timestamp >= now, "\(random)")
                last = stamp
            }
        }
    }

    @Test("A clock that is asked more often than its counter counts borrows from the future")
    func clockOverflows() {
        var clock = StampClock(node: 1)
        let now = Timestamp(milliseconds: 1_000)
        var last = Stamp.zero
        for _ in 0..<10_000 {
            let stamp = clock.next(at: now)
            #expect(stamp > last)
            last = stamp
        }
        #expect(last.timestamp.milliseconds == 1_002)
    }

    @Test("Arithmetic on instants saturates")
    func saturation() {
        #expect(Timestamp.distantFuture.advanced(byMilliseconds: 1) == .distantFuture)
        #expect(Timestamp.distantPast.advanced(byMilliseconds: -1) == .distantPast)
        #expect(Timestamp.distantFuture.milliseconds(since: .distantPast) == .max)
        #expect(Timestamp.distantPast.milliseconds(since: .distantFuture) == .min)
        #expect(Timestamp(milliseconds: 5).milliseconds(since: Timestamp(milliseconds: 8)) == -3)
    }
}
