import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

@Suite("Numbers of frames")
struct FrameNumberTests {
    /// A list of a few users whose states are numbers, and clients who read it in parts, all at once.
    private struct Reader {
        var since: UInt32?
        var cursor: (number: UInt32, series: UInt64)?
        var known: [Int]
        var turn: FrameNumbers.Turn?
        var next = 0
    }

    @Test(
        "A frame that finds nothing to tell leaves no trace in the cursor of a reply that is made meanwhile; one that tells does"
    )
    func frameBesideReply() {
        for (tells, expected) in [(false, (1, 1)), (true, (3, 0))] as [(Bool, (UInt32, UInt32))] {
            var numbers = FrameNumbers()
            var reply = numbers.begin()
            #expect(numbers.number(&reply) == 1)
            var frame = numbers.beginFrame()
            if tells { #expect(numbers.number(&frame) == 2) }
            #expect(numbers.number(&reply) == expected.0)
            #expect(numbers.covered(by: reply) == expected.1)
        }
    }

    @Test(
        "What a cursor covers is exact, whoever else is told of the list meanwhile",
        arguments: [0, .max - 40] as [UInt32])
    func covering(_ newest: UInt32) {
        let users = 6
        for var random in SeededRandom.cases(200) {
            var truth = Array(repeating: 0, count: users)
            // What the list keeps of each: the state that was told last, and the number of then.
            var sent: [(state: Int, frame: UInt32)] = Array(repeating: (0, newest), count: users)
            var numbers = FrameNumbers(newest: newest)
            var readers = Array(repeating: Reader(known: Array(repeating: -1, count: users)), count: 3)

            func step(_ place: Int) {
                var reader = readers[place]
                if reader.turn == nil {
                    // A cursor of numbers that have run out is none.
                    reader.since = reader.cursor.flatMap { $0.series == numbers.series ? $0.number : nil }
                    if reader.since == nil { reader.known = Array(repeating: -1, count: users) }
                    reader.turn = numbers.begin()
                    reader.next = 0
                } else if reader.next < users, var turn = reader.turn {
                    let user = reader.next
                    if sent[user].state != truth[user] {
                        if numbers.newest == .max {
                            let first = numbers.renew()
                            for user in 0..<users { sent[user].frame = first }
                        }
                        sent[user] = (truth[user], numbers.number(&turn) ?? 0)
                    }
                    reader.turn = turn
                    if reader.since.map({ sent[user].frame > $0 || numbers.series != turn.series }) ?? true {
                        reader.known[user] = sent[user].state
                    }
                    reader.next += 1
                } else if let turn = reader.turn {
                    reader.cursor = (numbers.covered(by: turn), turn.series)
                    reader.turn = nil
                }
                readers[place] = reader
            }
            for _ in 0..<600 {
                if random.chance(oneIn: 4) {
                    truth[Int.random(in: 0..<users, using: &random)] = Int.random(in: 0..<4, using: &random)
                }
                step(Int.random(in: 0..<readers.count, using: &random))
            }
            // After quiet everybody goes on once more from what he has, and knows all.
            for place in readers.indices {
                while readers[place].turn != nil { step(place) }
                repeat { step(place) } while readers[place].turn != nil
                check(readers[place].known == truth, "\(random)")
            }
            // And then nobody is told anything.
            for place in readers.indices {
                repeat { step(place) } while readers[place].turn != nil
                let last = readers[place].cursor?.number
                repeat { step(place) } while readers[place].turn != nil
                check(readers[place].cursor?.number == last, "\(random)")
                check(sent.allSatisfy { $0.frame <= last ?? 0 }, "\(random)")
            }
        }
    }

    private func number(_ numbers: FrameNumbers, _ text: [UInt8]) -> UInt32? { numbers.number(text.span) }

    @Test("Cursors are read as they are written, and those of other lists and later numbers are none")
    func cursors() {
        var numbers = FrameNumbers()
        var turn = numbers.begin()
        for _ in 0..<12 {
            turn = numbers.begin()
            #expect(numbers.number(&turn) != nil)
        }
        for place in 0...12 as ClosedRange<UInt32> {
            let text = Array(numbers.cursor(place, of: numbers.series).utf8)
            #expect(number(numbers, text) == place)
            #expect(number(FrameNumbers(newest: 12), text) == nil)
            #expect(number(numbers, text + [120]) == nil)
            #expect(number(numbers, text.dropLast(place > 9 ? 2 : 1)) == nil)
        }
        #expect(number(numbers, Array(numbers.cursor(13, of: numbers.series).utf8)) == nil)
    }
}
