import Foundation

/// Asks as fast as it is answered: what a server gives when it is never waited for.
struct ClosedLoop {
    private var driver: BatchDriver
    private let users: Int
    private let order: Shuffle
    /// The place in the order that is next.
    private var next = 0

    struct Outcome {
        var users = 0
        var seconds = 0.0
        /// Processor time of this thread, in nanoseconds.
        var ownTime: UInt64 = 0
        /// Processor time of the server.
        var serverTime: UInt64 = 0

        /// Nanoseconds of the server a user.
        var cost: Double { Double(serverTime) / Double(users) }
        var rate: Double { Double(users) / seconds }
    }

    /// - Parameter depth: batches on their way on a connection.
    init(port: Int, connections: Int, depth: Int, users: Int) throws {
        driver = try BatchDriver(port: port, connections: connections, depth: depth)
        self.users = users
        order = Shuffle(count: users, seed: 3)
    }

    /// Asks about all users of a range, in order, once.
    mutating func pass(over range: Range<Int>, _ form: inout BatchForm) throws {
        var place = range.lowerBound
        var progress = PhaseProgress("users", of: range.upperBound)
        while place < range.upperBound {
            if driver.hasRoom {
                let first = place
                let count = min(form.limit, range.upperBound - first)
                try driver.send(&form, users: count, tag: 0) { first + $0 }
                place += count
            } else {
                try driver.receive(nanoseconds: 1_000_000_000) { _ in }
                progress.tell(place)
            }
        }
        try driver.drain { _ in }
    }

    /// Asks about users in random order for so long.
    mutating func run(_ form: inout BatchForm, seconds: Double, of server: RunningServer) throws -> Outcome {
        var measure = try Measure(seconds, server)
        while measure.goesOn {
            if driver.hasRoom {
                let (first, order, users) = (next, order, users)
                let count = form.limit
                try driver.send(&form, users: count, tag: 0) { order[(first + $0) % users] }
                next = (next + count) % users
                measure.outcome.users += count
            } else {
                try driver.receive(nanoseconds: 1_000_000_000) { _ in }
            }
        }
        try driver.drain { _ in }
        return try measure.end()
    }

    /// Asks what is spelt already, for so long.
    mutating func run(_ batches: SpeltBatches, seconds: Double, of server: RunningServer) throws -> Outcome {
        var measure = try Measure(seconds, server)
        while measure.goesOn {
            if driver.hasRoom {
                try driver.send(batches, next % batches.count)
                next += 1
                measure.outcome.users += batches.limit
            } else {
                try driver.receive(nanoseconds: 1_000_000_000) { _ in }
            }
        }
        try driver.drain { _ in }
        return try measure.end()
    }

    /// Times and processor times of a run.
    private struct Measure {
        var outcome = Outcome()
        private let server: RunningServer
        private let began = MonotonicClock.nanoseconds()
        private let ownTime = ProcessorTime.ofThread()
        private let serverTime: UInt64
        private let last: Int64

        init(_ seconds: Double, _ server: RunningServer) throws {
            self.server = server
            serverTime = try server.processorTime()
            last = MonotonicClock.nanoseconds() + Int64(seconds * 1e9)
        }

        var goesOn: Bool { MonotonicClock.nanoseconds() < last }

        func end() throws -> Outcome {
            var outcome = outcome
            outcome.seconds = Double(MonotonicClock.nanoseconds() - began) / 1e9
            outcome.ownTime = ProcessorTime.ofThread() - ownTime
            outcome.serverTime = try server.processorTime() - serverTime
            return outcome
        }
    }
}
