import Foundation
import Histogram

/// Loads a server over many connections from one thread, by `poll`.
///
/// **Closed loop**: each connection always has one pipeline in flight, and the next follows the last reply. **Open loop**: commands are due at a
/// rate, whatever the server does, and a reply's latency counts from when its command was due: a server that stalls cannot hide it by
/// not being asked.
struct LoadDriver {
    var port: Int
    var connections: Int
    var pipeline: Int
    var seconds: Double
    /// Commands a second over all connections; nil for a closed loop.
    var rate: Double?

    /// What a run gave.
    struct Outcome {
        var operations = 0
        var elapsed: Double = 0
        /// Nanoseconds.
        var latency = Histogram<UInt64>(
            lowestDiscernibleValue: 100, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)

        /// Milliseconds that a share (0...100) of the commands did not exceed.
        func milliseconds(_ percent: Double) -> Double { Double(latency.valueAtPercentile(percent)) / 1e6 }
    }

    /// Commands in flight on a connection at most; in an open loop, a server that is further behind does not hold the rate.
    private static let openLoopLimit = 4_096

    func run(_ commands: LoadWay.Commands) throws -> Outcome {
        let limit = rate == nil ? pipeline : LoadDriver.openLoopLimit
        let all = try (0..<connections).map { _ in try LoadConnection(port: port, limit: limit) }
        var sockets = all.map { pollfd(fd: $0.handle, events: Int16(POLLIN), revents: 0) }
        var outcome = Outcome()
        var next = 0
        let began = LoadDriver.now()
        let end = began + Int64(seconds * 1e9)
        var due = Due(began: began, interval: rate.map { 1e9 / $0 })
        if rate == nil {
            for connection in all { try fill(connection, commands, &next, at: began) }
        }
        var waiting = all.reduce(0) { $0 + $1.inFlight }
        while true {
            var now = LoadDriver.now()
            let isOver = now >= end
            if isOver, waiting == 0 { break }
            guard now < end + 10_000_000_000 else { throw BenchError("\(waiting) replies did not come within 10 s") }
            if !isOver { waiting += try sendDue(&due, until: now, all, commands, &next) }
            let isDueSoon = due.next.map { !isOver && $0 - now < 1_000_000 } ?? false
            _ = poll(&sockets, nfds_t(sockets.count), isDueSoon ? 0 : 1)
            now = LoadDriver.now()
            for place in sockets.indices where sockets[place].revents != 0 {
                let connection = all[place]
                try connection.receive(commands.expected) { intended in
                    outcome.operations += 1
                    waiting -= 1
                    _ = outcome.latency.record(UInt64(max(1, now - intended)))
                }
                if rate == nil, connection.inFlight == 0, now < end {
                    try fill(connection, commands, &next, at: now)
                    waiting += connection.inFlight
                }
            }
            for connection in all where connection.hasOutput { try connection.flush() }
        }
        outcome.elapsed = Double(LoadDriver.now() - began) / 1e9
        return outcome
    }

    private func fill(
        _ connection: LoadConnection, _ commands: LoadWay.Commands, _ next: inout Int, at now: Int64
    ) throws {
        for _ in 0..<pipeline { LoadDriver.append(connection, commands, &next, at: now) }
        try connection.flush()
    }

    /// Sends what is due by now, one connection after the other; returns how many commands that were.
    private func sendDue(
        _ due: inout Due, until now: Int64, _ all: [LoadConnection], _ commands: LoadWay.Commands, _ next: inout Int
    ) throws -> Int {
        var count = 0
        while let instant = due.next, instant <= now {
            let connection = all[due.number % all.count]
            guard !connection.isFull else {
                throw BenchError(
                    "the server does not hold \(Int(rate ?? 0)) commands a second: \(LoadDriver.openLoopLimit) wait on one connection; lower --rate"
                )
            }
            LoadDriver.append(connection, commands, &next, at: instant)
            due.number += 1
            count += 1
        }
        if count > 0 { for connection in all where connection.hasOutput { try connection.flush() } }
        return count
    }

    private static func append(
        _ connection: LoadConnection, _ commands: LoadWay.Commands, _ next: inout Int, at instant: Int64
    ) {
        let begin = next == 0 ? 0 : commands.ends[next - 1]
        connection.append(commands.bytes[begin..<commands.ends[next]], intendedAt: instant)
        next = (next + 1) % commands.ends.count
    }

    /// When the commands of an open loop are due.
    private struct Due {
        let began: Int64
        let interval: Double?
        var number = 0

        var next: Int64? { interval.map { began + Int64(Double(number) * $0) } }
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
