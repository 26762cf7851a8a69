import PresenceStore
import Synchronization

/// A server on its way out: `SHUTDOWN DRAIN seconds`. It closes its connections one after the other, evenly over that time, so that its clients do not all
/// come to the other nodes at once; then it ends.
///
/// May be used by any thread. The number of a drain tells whether what was planned for it still holds.
final class Drain: Sendable {
    private struct State {
        var number = 0
        /// By the stopwatch, in microseconds; nil if none is on.
        var end: Int64?
    }

    private let state = Mutex(State())
    private let hasBegun = Atomic<Bool>(false)

    /// Whether one is on.
    var isOn: Bool { hasBegun.load(ordering: .relaxed) }

    /// Begins one, or gives the one that is on another end. Returns its number.
    func begin(milliseconds: Int64) -> Int {
        state.withLock {
            $0.number += 1
            $0.end = Stopwatch.microseconds() + milliseconds * 1_000
            hasBegun.store(true, ordering: .relaxed)
            return $0.number
        }
    }

    /// Takes it back; false if none is on.
    func abort() -> Bool {
        state.withLock {
            guard $0.end != nil else { return false }
            $0.number += 1
            $0.end = nil
            hasBegun.store(false, ordering: .relaxed)
            return true
        }
    }

    /// Whether the drain of that number is the one that is on.
    func isOn(_ number: Int) -> Bool { state.withLock { $0.number == number && $0.end != nil } }

    /// Milliseconds until the end; 0 if none is on.
    var millisecondsLeft: Int64 {
        state.withLock { $0.end.map { max(0, ($0 - Stopwatch.microseconds()) / 1_000) } ?? 0 }
    }
}

/// In which order, and when, an event loop closes its connections: who has been idle for longer goes first, and as many go in each step.
struct DrainPlan {
    /// Time between two steps, in milliseconds.
    static let stepMilliseconds: Int64 = 20

    /// Clients by their numbers; the last goes first.
    private var waiting: [Int]
    private let count: Int
    private let steps: Int
    private var stepsDone = 0

    /// A plan for these clients. The last step is at nine tenths of the time: the last replies leave in what is left of it. O(clients).
    ///
    /// - Parameters:
    ///   - clients: each one's number, and for how long it has been idle, in milliseconds: looked at by powers of two.
    ///   - milliseconds: the time there is.
    init(_ clients: [(id: Int, idle: Int64)], milliseconds: Int64) {
        var buckets: [[Int]] = Array(repeating: [], count: 65)
        for (id, idle) in clients { buckets[64 - max(0, idle).leadingZeroBitCount].append(id) }
        waiting = buckets.flatMap { $0 }
        count = clients.count
        steps = max(1, Int(milliseconds * 9 / 10 / DrainPlan.stepMilliseconds))
    }

    /// Whether all had their turn.
    var isDone: Bool { waiting.isEmpty }

    /// Who is closed in the next step.
    mutating func next() -> [Int] {
        stepsDone += 1
        let left = count - Int((Double(count) * Double(min(stepsDone, steps)) / Double(steps)).rounded())
        let going = max(0, waiting.count - left)
        defer { waiting.removeLast(going) }
        return waiting.suffix(going).reversed()
    }

    /// Somebody could not be closed in his step: he has another turn in the next.
    mutating func postpone(_ id: Int) { waiting.append(id) }
}
