import PresenceReplication
import Synchronization

/// One of those who wait, by a number that no other one has in this process.
public struct WaitNumber: Sendable, Hashable {
    private static let last = Atomic<UInt64>(0)
    private let number: UInt64

    static func next() -> WaitNumber { WaitNumber(number: last.add(1, ordering: .relaxed).newValue) }
}

/// Clients that wait until other nodes have what was written here before they asked, as `WAIT` and `PRESENCE.BLOCK` do.
///
/// ```
///  wanted 1:   oldest ... newest      positions rise in each queue, so if the first is not held, none is: a look costs O(queues)
///  wanted 2:   oldest ... newest
///  wanted all: oldest ... newest
///  deadlines:  a heap of (deadline, number)
/// ```
/// **Kept true.** Each is answered exactly once: when enough nodes have it, at its deadline, or at the end; or never, if it is forgotten before. Numbers of
/// those who wait no more stay in heap and queues until they come up, or until they are more than those who wait.
struct Waiters {
    /// Who asked: called once, with the number of nodes that have it.
    typealias Answer = @Sendable (Int) -> Void
    /// How many nodes hold what was written before some positions, and how many can be reached and do not (`Replicator.holders(of:)`).
    typealias Holders = ([ShardPosition]) -> (holding: Int, lacking: Int)

    /// How many nodes must have it.
    enum Wanted: Hashable {
        case atLeast(Int)
        /// All that can be reached, followers among them.
        case all
    }

    private struct Waiter {
        var positions: [ShardPosition]
        var answer: Answer
    }

    private struct Queue {
        var numbers: [WaitNumber] = []
        /// The first that was not taken.
        var first = 0
    }

    private var waiters: [WaitNumber: Waiter] = [:]
    private var queues: [Wanted: Queue] = [:]
    private var deadlines: [(at: Int64, number: WaitNumber)] = []
    private let maximum: Int

    init(maximum: Int) { self.maximum = maximum }

    /// Those who wait.
    var count: Int { waiters.count }

    /// Entries of heap and queues, those of who was answered already among them.
    var remembered: Int { deadlines.count + queues.values.reduce(0) { $0 + $1.numbers.count } }

    /// Adds one; false if too many wait already.
    ///
    /// - Parameters:
    ///   - number: by which it may be forgotten; given to nobody else. Without one it cannot be.
    ///   - positions: what is waited for; none of them below those of an earlier call.
    ///   - deadline: in milliseconds; nil for none.
    mutating func add(
        _ wanted: Wanted, _ positions: [ShardPosition], deadline: Int64?, number: WaitNumber? = nil,
        _ answer: @escaping Answer
    ) -> Bool {
        guard waiters.count < maximum else { return false }
        let number = number ?? WaitNumber.next()
        waiters[number] = Waiter(positions: positions, answer: answer)
        queues[wanted, default: Queue()].numbers.append(number)
        if let deadline { push((deadline, number)) }
        return true
    }

    /// Whoever has that number waits no more, and is not answered.
    mutating func forget(_ number: WaitNumber) { waiters[number] = nil }

    /// Whoever has enough: answers those whose positions enough nodes hold. O(queues), and O(1) for each that is answered.
    mutating func answer(_ holders: Holders) {
        for wanted in Array(queues.keys) {
            guard var queue = queues.removeValue(forKey: wanted) else { continue }
            while queue.first < queue.numbers.count {
                let number = queue.numbers[queue.first]
                if let waiter = waiters[number] {
                    let (holding, lacking) = holders(waiter.positions)
                    guard Waiters.isEnough(holding, lacking, wanted) else { break }
                    waiters[number] = nil
                    waiter.answer(holding)
                }
                queue.first += 1
            }
            if queue.first >= 1_024 || queue.first == queue.numbers.count {
                queue.numbers.removeFirst(queue.first)
                queue.first = 0
            }
            if !queue.numbers.isEmpty { queues[wanted] = queue }
        }
    }

    /// Whether so many nodes are enough.
    static func isEnough(_ holding: Int, _ lacking: Int, _ wanted: Wanted) -> Bool {
        switch wanted {
        case .all: lacking == 0
        case .atLeast(let count): holding >= count
        }
    }

    /// Answers all whose deadline has come. O(log n) for each.
    mutating func tick(at now: Int64, _ holders: Holders) {
        while let first = deadlines.first, first.at <= now {
            pop()
            guard let waiter = waiters.removeValue(forKey: first.number) else { continue }
            waiter.answer(holders(waiter.positions).holding)
        }
        forgetAnswered()
    }

    /// Answers everybody.
    mutating func end(_ holders: Holders) {
        for waiter in waiters.values { waiter.answer(holders(waiter.positions).holding) }
        self = Waiters(maximum: maximum)
    }

    /// Forgets the numbers of those who were answered once they are more than those who wait.
    private mutating func forgetAnswered() {
        let bound = 2 * waiters.count + 64
        if deadlines.count > bound {
            let kept = deadlines.filter { waiters[$0.number] != nil }
            deadlines = []
            for entry in kept { push(entry) }
        }
        for (wanted, queue) in queues where queue.numbers.count > bound {
            let kept = queue.numbers[queue.first...].filter { waiters[$0] != nil }
            queues[wanted] = kept.isEmpty ? nil : Queue(numbers: kept)
        }
    }

    // MARK: - The heap

    private mutating func push(_ entry: (at: Int64, number: WaitNumber)) {
        deadlines.append(entry)
        var child = deadlines.count - 1
        while child > 0, deadlines[child].at < deadlines[(child - 1) / 2].at {
            deadlines.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() {
        deadlines.swapAt(0, deadlines.count - 1)
        deadlines.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < deadlines.count && deadlines[child].at < deadlines[least].at { least = child }
            guard least != parent else { return }
            deadlines.swapAt(parent, least)
            parent = least
        }
    }
}
