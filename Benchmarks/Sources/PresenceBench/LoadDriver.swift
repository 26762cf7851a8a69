import Foundation

/// Loads a server over many connections from one thread, by `poll`.
///
/// **Closed loop**: each connection always has one pipeline in flight, and the next follows the last reply. **Open loop**: commands are due at a
/// rate, whatever the server does, and a reply's latency counts from when its command was due: a server that stalls cannot hide it by
/// not being asked.
struct LoadDriver {
    let job: LoadJob
    private let source: any LoadSource
    private let all: [LoadConnection]

    /// Opens the connections and makes the commands.
    init(_ job: LoadJob) throws {
        self.job = job
        let limit = job.rate == nil ? job.pipeline : LoadDriver.openLoopLimit
        all = try (0..<job.connections).map { _ in try LoadConnection(job.address, limit: limit) }
        source = try job.way.source(Connection(job.address), job)
    }

    /// Commands in flight on a connection at most; in an open loop, a server that is further behind does not hold the rate.
    private static let openLoopLimit = 4_096

    /// Sends the next stage of the work; most have one.
    func run() throws -> LoadOutcome {
        source.begin()
        return try run(source)
    }

    private func run(_ source: some LoadSource) throws -> LoadOutcome {
        var sockets = all.map { pollfd(fd: $0.handle, events: Int16(POLLIN), revents: 0) }
        var outcome = LoadOutcome()
        let began = MonotonicClock.nanoseconds()
        let end = source.isEndless ? began + Int64(job.seconds * 1e9) : Int64.max - 60_000_000_000
        // Processes take turns: all at once would be bursts.
        let interval = job.rate.map { 1e9 / $0 }
        var due = Due(began: began + Int64((interval ?? 0) * Double(job.part) / Double(job.parts)), interval: interval)
        if job.rate == nil {
            for place in all.indices { try fill(place, source, at: began) }
        }
        var waiting = all.reduce(0) { $0 + $1.inFlight }
        var last = began
        var latencies: [Int64] = []
        while true {
            var now = MonotonicClock.nanoseconds()
            let isOver = now >= end || source.isOver
            if isOver, waiting == 0 { break }
            guard waiting == 0 || now < last + 30_000_000_000 else {
                throw BenchError("\(waiting) replies did not come within 30 s")
            }
            if !isOver { waiting += try sendDue(&due, source, until: now) }
            let isDueSoon = due.next.map { !isOver && $0 - now < 1_000_000 } ?? false
            _ = poll(&sockets, nfds_t(sockets.count), isDueSoon ? 0 : 1)
            now = MonotonicClock.nanoseconds()
            for place in sockets.indices where sockets[place].revents != 0 {
                let connection = all[place]
                last = now
                try connection.receive(source) { intended in
                    outcome.operations += 1
                    waiting -= 1
                    latencies.append(now - intended)
                }
                for latency in latencies { try outcome.record(latency) }
                latencies.removeAll(keepingCapacity: true)
                if job.rate == nil, connection.inFlight == 0, now < end {
                    try fill(place, source, at: now)
                    waiting += connection.inFlight
                }
            }
            for connection in all where connection.hasOutput { try connection.flush() }
        }
        outcome.elapsed = Double(MonotonicClock.nanoseconds() - began) / 1e9
        outcome.changes = source.takeChanges()
        return outcome
    }

    private func fill(_ place: Int, _ source: some LoadSource, at now: Int64) throws {
        let connection = all[place]
        for _ in 0..<job.pipeline {
            guard let next = source.next(for: place) else { break }
            connection.append(next, of: source, intendedAt: now)
        }
        try connection.flush()
    }

    /// Sends what is due by now, one connection after the other; returns how many commands that were.
    private func sendDue(_ due: inout Due, _ source: some LoadSource, until now: Int64) throws -> Int {
        var count = 0
        while !source.isOver, let instant = due.next, instant <= now {
            let place = due.number % all.count
            let connection = all[place]
            guard !connection.isFull else {
                throw BenchError(
                    "the server does not hold \(Int(job.rate ?? 0)) commands a second: \(LoadDriver.openLoopLimit) wait on one connection; lower --rate"
                )
            }
            due.number += 1
            // This one has sent all that is its own.
            guard let next = source.next(for: place) else { continue }
            connection.append(next, of: source, intendedAt: instant)
            count += 1
        }
        if count > 0 { for connection in all where connection.hasOutput { try connection.flush() } }
        return count
    }

    /// When the commands of an open loop are due.
    private struct Due {
        let began: Int64
        let interval: Double?
        var number = 0

        var next: Int64? { interval.map { began + Int64(Double(number) * $0) } }
    }
}
