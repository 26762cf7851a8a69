import Foundation
import Histogram

/// Loads a server over many connections from one thread, by `poll`.
///
/// **Closed loop**: each connection always has one pipeline in flight, and the next follows the last reply. **Open loop**: commands are due at a
/// rate, whatever the server does, and a reply's latency counts from when its command was due: a server that stalls cannot hide it by
/// not being asked.
struct LoadDriver {
    let job: LoadJob
    private let commands: LoadCommands
    private let all: [LoadConnection]
    private var next: Int
    /// Commands that are still to be sent; nil if they are sent over and over.
    private var left: Int?

    /// Opens the connections and makes the commands.
    init(_ job: LoadJob) throws {
        self.job = job
        let limit = job.rate == nil ? job.pipeline : LoadDriver.openLoopLimit
        all = try (0..<job.connections).map { _ in try LoadConnection(job.address, limit: limit) }
        commands = try job.way.commands(Connection(job.address), job)
        // Each process begins elsewhere; what is sent once is divided among them already.
        next = job.way.isOnce ? 0 : commands.count * job.part / job.parts
        left = job.way.isOnce ? commands.count : nil
    }

    /// What a run gave.
    struct Outcome: Codable {
        var operations = 0
        /// How many there should be; nil if as many as there is time for.
        var expected: Int?
        var elapsed: Double = 0
        /// Nanoseconds.
        var latency = Histogram<UInt64>(
            lowestDiscernibleValue: 100, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)

        /// Milliseconds that a share (0...100) of the commands did not exceed.
        func milliseconds(_ percent: Double) -> Double { Double(latency.valueAtPercentile(percent)) / 1e6 }

        /// Takes down how long one operation took, in nanoseconds.
        ///
        /// - Throws: if that is more than a minute, which no percentile would show.
        mutating func record(_ nanoseconds: Int64) throws {
            guard latency.record(UInt64(max(1, nanoseconds))) else {
                throw BenchError("a reply took \(nanoseconds / 1_000_000_000) s")
            }
        }

        /// Adds what another process did in the same time.
        mutating func merge(_ other: Outcome) {
            operations += other.operations
            elapsed = max(elapsed, other.elapsed)
            latency.add(other.latency)
        }
    }

    /// Commands in flight on a connection at most; in an open loop, a server that is further behind does not hold the rate.
    private static let openLoopLimit = 4_096

    mutating func run() throws -> Outcome {
        var sockets = all.map { pollfd(fd: $0.handle, events: Int16(POLLIN), revents: 0) }
        var outcome = Outcome()
        let began = MonotonicClock.nanoseconds()
        let end = job.way.isOnce ? Int64.max - 60_000_000_000 : began + Int64(job.seconds * 1e9)
        // Processes take turns: all at once would be bursts.
        let interval = job.rate.map { 1e9 / $0 }
        var due = Due(began: began + Int64((interval ?? 0) * Double(job.part) / Double(job.parts)), interval: interval)
        if job.rate == nil {
            for connection in all { try fill(connection, at: began) }
        }
        var waiting = all.reduce(0) { $0 + $1.inFlight }
        var last = began
        var latencies: [Int64] = []
        while true {
            var now = MonotonicClock.nanoseconds()
            let isOver = now >= end || left == 0
            if isOver, waiting == 0 { break }
            guard waiting == 0 || now < last + 30_000_000_000 else {
                throw BenchError("\(waiting) replies did not come within 30 s")
            }
            if !isOver { waiting += try sendDue(&due, until: now) }
            let isDueSoon = due.next.map { !isOver && $0 - now < 1_000_000 } ?? false
            _ = poll(&sockets, nfds_t(sockets.count), isDueSoon ? 0 : 1)
            now = MonotonicClock.nanoseconds()
            for place in sockets.indices where sockets[place].revents != 0 {
                let connection = all[place]
                last = now
                try connection.receive(commands) { intended in
                    outcome.operations += 1
                    waiting -= 1
                    latencies.append(now - intended)
                }
                for latency in latencies { try outcome.record(latency) }
                latencies.removeAll(keepingCapacity: true)
                if job.rate == nil, connection.inFlight == 0, now < end {
                    try fill(connection, at: now)
                    waiting += connection.inFlight
                }
            }
            for connection in all where connection.hasOutput { try connection.flush() }
        }
        outcome.elapsed = Double(MonotonicClock.nanoseconds() - began) / 1e9
        return outcome
    }

    private mutating func fill(_ connection: LoadConnection, at now: Int64) throws {
        for _ in 0..<job.pipeline where left != 0 { append(connection, at: now) }
        try connection.flush()
    }

    /// Sends what is due by now, one connection after the other; returns how many commands that were.
    private mutating func sendDue(_ due: inout Due, until now: Int64) throws -> Int {
        var count = 0
        while left != 0, let instant = due.next, instant <= now {
            let connection = all[due.number % all.count]
            guard !connection.isFull else {
                throw BenchError(
                    "the server does not hold \(Int(job.rate ?? 0)) commands a second: \(LoadDriver.openLoopLimit) wait on one connection; lower --rate"
                )
            }
            append(connection, at: instant)
            due.number += 1
            count += 1
        }
        if count > 0 { for connection in all where connection.hasOutput { try connection.flush() } }
        return count
    }

    private mutating func append(_ connection: LoadConnection, at instant: Int64) {
        connection.append(next, of: commands, intendedAt: instant)
        next = (next + 1) % commands.count
        left = left.map { $0 - 1 }
    }

    /// When the commands of an open loop are due.
    private struct Due {
        let began: Int64
        let interval: Double?
        var number = 0

        var next: Int64? { interval.map { began + Int64(Double(number) * $0) } }
    }
}
