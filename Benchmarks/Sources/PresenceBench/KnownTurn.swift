import Foundation

/// Users who connect and disconnect over one connection, 16 a write, while those who watch them read: all come, and once everybody was told all go.
struct KnownTurn: LoadTurn {
    private static let batch = LoadOptions.batch
    private static let listeningConnections = 8
    private static let statuses = [Array("offline".utf8), Array("online".utf8)]

    private let work: KnownWork
    private let seconds: Double
    private let commands: LoadCommands
    private let connection: LoadConnection
    private let crowd: WatchedCrowd
    private var viewers: WatchingViewers?

    init(_ work: KnownWork, _ target: LoadTarget, seconds: Double) throws {
        self.work = work
        self.seconds = seconds
        commands = work.commands
        crowd = WatchedCrowd(
            users: KnownWork.users, viewers: KnownWork.watchersEach, friends: KnownWork.users,
            first: work.first)
        connection = try LoadConnection(target.address, limit: KnownTurn.batch)
        if work != .alone { target.leavesBehind("known") { try work.relate(false, $0) } }
        try work.relate(target.connect())
        if work == .watched {
            viewers = try WatchingViewers(crowd, target.address, connections: KnownTurn.listeningConnections)
        }
    }

    mutating func run() throws -> LoadOutcome {
        var outcome = LoadOutcome()
        // What each viewer was told last of each user: 0 for offline, which is where all begin.
        var told = [UInt8](repeating: 0, count: crowd.viewers * crowd.users)
        var rows = 0
        var sockets = ([connection.handle] + (viewers?.listeners.map(\.handle) ?? [])).map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        let began = MonotonicClock.nanoseconds()
        let end = began + Int64(seconds * 1e9)
        // All of them have gone at the end.
        while MonotonicClock.nanoseconds() < end || !outcome.operations.isMultiple(of: commands.count) {
            let now = MonotonicClock.nanoseconds()
            guard now < end + 30_000_000_000 else { throw BenchError("\(work.name): the last round takes too long") }
            for place in 0..<KnownTurn.batch {
                connection.append((outcome.operations + place) % commands.count, of: commands, intendedAt: now)
            }
            try connection.flush()
            while connection.inFlight > 0 {
                _ = poll(&sockets, nfds_t(sockets.count), 100)
                guard MonotonicClock.nanoseconds() < now + 30_000_000_000 else {
                    throw BenchError("\(work.name): no reply within 30 s")
                }
                if sockets[0].revents != 0 {
                    try connection.receive(commands) { intended in
                        outcome.operations += 1
                        _ = outcome.latency.record(UInt64(max(1, MonotonicClock.nanoseconds() - intended)))
                    }
                }
                try listen(sockets, &told, &rows)
                if connection.hasOutput { try connection.flush() }
            }
            guard work == .watched, outcome.operations.isMultiple(of: KnownWork.users) else { continue }
            let hasCome = outcome.operations / KnownWork.users % 2 == 1
            try hearAll(hasCome ? 1 : 0, &sockets, &told, &rows)
        }
        outcome.elapsed = Double(MonotonicClock.nanoseconds() - began) / 1e9
        let due = outcome.operations * KnownWork.watchersEach
        guard work != .watched || rows == due else {
            throw BenchError("\(grouped(rows)) rows were told of \(grouped(due))")
        }
        return outcome
    }

    /// Reads until every viewer was told the same of everybody: then who goes next is not told as one with his coming.
    private func hearAll(_ status: UInt8, _ sockets: inout [pollfd], _ told: inout [UInt8], _ rows: inout Int) throws {
        let patience = MonotonicClock.nanoseconds() + 10_000_000_000
        repeat {
            guard MonotonicClock.nanoseconds() < patience else {
                throw BenchError("watchers were not told of all within 10 s")
            }
            _ = poll(&sockets, nfds_t(sockets.count), 10)
            try listen(sockets, &told, &rows)
        } while told.contains(1 - status)
    }

    private func listen(_ sockets: [pollfd], _ told: inout [UInt8], _ rows: inout Int) throws {
        guard let listeners = viewers?.listeners else { return }
        for (place, listener) in listeners.enumerated() where sockets[place + 1].revents != 0 {
            try listener.receive { viewer, user, word, _ in
                guard let status = KnownTurn.statuses.firstIndex(where: { word.elementsEqual($0) }),
                    let (viewer, index) = crowd.place(ofUser: user, forViewer: viewer)
                else { throw BenchError("\(viewer) was told what is not so of \(user)") }
                let place = viewer * crowd.users + index
                guard told[place] != UInt8(status) else { throw BenchError("a row told \(viewer) nothing new") }
                told[place] = UInt8(status)
                rows += 1
            }
        }
    }

    func finish() throws { try viewers?.unwatch() }
}
