import PresenceReplication
import Synchronization
import Testing

@testable import PresenceLinks

@Suite("Those who wait until other nodes have what was written")
struct WaitersTests {
    /// What was answered, by whom.
    private final class Answers: Sendable {
        private let all = Mutex<[String]>([])
        func note(_ name: String) -> @Sendable (Int) -> Void {
            { count in self.all.withLock { $0.append("\(name) \(count)") } }
        }
        func take() -> [String] {
            all.withLock { all in
                defer { all = [] }
                return all.sorted()
            }
        }
    }

    /// Nodes that hold everything up to a position each, of one shard.
    private func holders(_ held: [UInt64]) -> Waiters.Holders {
        { positions in
            let holding = held.count { mark in positions.allSatisfy { mark >= $0.position } }
            return (holding, held.count - holding)
        }
    }

    private func at(_ position: UInt64) -> [ShardPosition] { [ShardPosition(shard: 0, position: position)] }

    @Test("and leave are forgotten at once; of many nothing is kept")
    func left() {
        let answers = Answers()
        var waiters = Waiters(maximum: 2)
        for turn in 0..<1_000 {
            let numbers = [WaitNumber.next(), WaitNumber.next()]
            let one = waiters.add(.atLeast(1), at(10), deadline: nil, number: numbers[0], answers.note("one"))
            let two = waiters.add(.all, at(10), deadline: 1_000_000, number: numbers[1], answers.note("two"))
            #expect(one && two, "there is room again, \(turn)")
            for number in numbers { waiters.forget(number) }
            #expect(waiters.count == 0)
            waiters.tick(at: Int64(turn), holders([0]))
        }
        #expect(waiters.remembered <= 128)
        let stays = waiters.add(.atLeast(1), at(10), deadline: nil, number: .next(), answers.note("stays"))
        #expect(stays)
        waiters.answer(holders([10]))
        #expect(answers.take() == ["stays 1"])
    }

    @Test("are answered once enough of them do, the oldest first, with how many that are")
    func enough() {
        let answers = Answers()
        var waiters = Waiters(maximum: 100)
        let taken1 = waiters.add(.atLeast(1), at(10), deadline: nil, answers.note("one"))
        #expect(taken1)
        let taken2 = waiters.add(.atLeast(2), at(10), deadline: nil, answers.note("two"))
        #expect(taken2)
        let taken3 = waiters.add(.all, at(20), deadline: nil, answers.note("all"))
        #expect(taken3)
        let taken4 = waiters.add(.atLeast(1), at(30), deadline: nil, answers.note("late"))
        #expect(taken4)
        waiters.answer(holders([9, 9]))
        #expect(answers.take() == [])
        waiters.answer(holders([10, 9]))
        #expect(answers.take() == ["one 1"])
        waiters.answer(holders([25, 12]))
        #expect(answers.take() == ["two 2"])
        // One that is gone is waited for no more.
        waiters.answer(holders([25]))
        #expect(answers.take() == ["all 1"])
        #expect(waiters.count == 1)
        waiters.answer(holders([30, 30]))
        #expect(answers.take() == ["late 2"])
        #expect(waiters.count == 0)
    }

    @Test("are answered at their deadline with as many as there are, and only once")
    func deadline() {
        let answers = Answers()
        var waiters = Waiters(maximum: 100)
        for (name, deadline) in [("c", 30), ("a", 10), ("d", 40), ("b", 20)] as [(String, Int64)] {
            let taken5 = waiters.add(.atLeast(2), at(5), deadline: deadline, answers.note(name))
            #expect(taken5)
        }
        waiters.tick(at: 9, holders([5]))
        #expect(answers.take() == [])
        waiters.tick(at: 20, holders([5]))
        #expect(answers.take() == ["a 1", "b 1"])
        waiters.answer(holders([5, 5]))
        #expect(answers.take() == ["c 2", "d 2"])
        waiters.tick(at: 100, holders([5, 5]))
        #expect(answers.take() == [])
    }

    @Test("are bounded, and all are answered at the end")
    func bounds() {
        let answers = Answers()
        var waiters = Waiters(maximum: 2)
        let taken6 = waiters.add(.all, at(1), deadline: nil, answers.note("a"))
        #expect(taken6)
        let taken7 = waiters.add(.atLeast(3), at(1), deadline: 5, answers.note("b"))
        #expect(taken7)
        let taken8 = waiters.add(.all, at(1), deadline: nil, answers.note("c"))
        #expect(!taken8)
        waiters.end(holders([1, 0]))
        #expect(answers.take() == ["a 1", "b 1"])
        #expect(waiters.count == 0)
        waiters.tick(at: 10, holders([1, 0]))
        #expect(answers.take() == [])
    }

    @Test("leave nothing behind when they are answered long before their deadlines")
    func memory() {
        let answers = Answers()
        var waiters = Waiters(maximum: 100)
        for position in 1...10_000 as ClosedRange<UInt64> {
            let taken9 = waiters.add(.atLeast(1), at(position), deadline: 1_000_000, answers.note("x"))
            #expect(taken9)
            waiters.answer(holders([position]))
            waiters.tick(at: Int64(position), holders([position]))
        }
        #expect(answers.take().count == 10_000)
        #expect(waiters.remembered <= 200)
    }

    @Test("whose deadline comes do not hold up who waits behind them")
    func behind() {
        let answers = Answers()
        var waiters = Waiters(maximum: 100)
        let taken10 = waiters.add(.atLeast(1), at(10), deadline: 1, answers.note("gone"))
        #expect(taken10)
        let taken11 = waiters.add(.atLeast(1), at(20), deadline: nil, answers.note("there"))
        #expect(taken11)
        waiters.tick(at: 1, holders([0]))
        #expect(answers.take() == ["gone 0"])
        waiters.answer(holders([20]))
        #expect(answers.take() == ["there 1"])
    }
}
