import Foundation

/// Changes of many users, one after the other and round again, at a rate, on a thread of their own.
///
/// Each round has another form, so that every command changes something. A server that does not keep up gets fewer: what was sent is told.
final class PacedChanges {
    struct Outcome: Sendable {
        var changes: Int
        var seconds: Double
        /// Of the sending thread, in nanoseconds.
        var processorTime: UInt64

        /// Changes a second.
        var rate: Double { Double(changes) / seconds }
    }

    /// Commands of a write at most.
    static let batch = 64
    private static let connections = 4
    /// Writes on their way on each connection at most.
    private static let depth = 32

    private let isStopping = StopSign()
    private let thread: OwnThread<Outcome>

    /// Begins.
    ///
    /// - Parameters:
    ///   - rate: changes a second.
    ///   - forms: what the rounds do in turn, for `batch` users each.
    init(port: Int, users: Int, rate: Double, forms: [BatchForm]) {
        thread = OwnThread(nice: 0) { [isStopping] in
            try PacedChanges.run(port: port, users: users, rate: rate, forms, until: isStopping)
        }
    }

    /// Sends no more, waits for the last answers, and tells what was done.
    func stop() throws -> Outcome {
        isStopping.set()
        return try thread.value()
    }

    private static func run(
        port: Int, users: Int, rate: Double, _ initial: [BatchForm], until isStopping: StopSign
    ) throws -> Outcome {
        var forms = initial
        var driver = try BatchDriver(port: port, connections: connections, depth: depth)
        let cpu = ProcessorTime.ofThread()
        let began = MonotonicClock.nanoseconds()
        var (sent, user, round, skipped) = (0, 0, 0, 0)
        while !isStopping.isSet {
            let due = Int(Double(MonotonicClock.nanoseconds() - began) / 1e9 * rate) - skipped
            // What was not sent when it was due is not made up for beyond a tenth of a second.
            if due - sent > Int(rate / 10) { skipped += due - sent - Int(rate / 10) }
            if due > sent, driver.hasRoom {
                let count = min(due - sent, batch, users - user)
                let first = user
                try driver.send(&forms[round % forms.count], users: count, tag: 0) { first + $0 }
                sent += count
                user += count
                if user == users { (user, round) = (0, round + 1) }
                if due - sent >= batch, driver.hasRoom { continue }
            }
            try driver.receive(nanoseconds: driver.hasRoom ? 300_000 : 10_000_000) { _ in }
        }
        let seconds = Double(MonotonicClock.nanoseconds() - began) / 1e9
        try driver.drain { _ in }
        return Outcome(changes: sent, seconds: seconds, processorTime: ProcessorTime.ofThread() - cpu)
    }
}
