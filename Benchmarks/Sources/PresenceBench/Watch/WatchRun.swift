import Foundation

/// Changes at a rate, and the frames that tell of them.
///
/// One thread: what is due goes out once a millisecond, as several clients' changes come out of a gateway, and frames are read as they come. Where the
/// server does not keep up, what is due waits while ``inFlight`` commands of a connection are not answered; so fewer are written in the time there is.
struct WatchRun {
    /// What is asked.
    struct Plan {
        var users: Int
        var viewers: Int
        var friends: Int
        /// Connections that viewers are subscribed on.
        var connections: Int
        /// Changes a second.
        var rate: Double
        /// Seconds that are measured, after the first.
        var seconds: Double
    }

    static let warmUpSeconds = 1.0
    /// Connections that changes go over; each user's always over the same.
    private static let writers = 4
    private static let inFlight = 4_096
    private static let tickNanoseconds: Int64 = 1_000_000
    private static let patienceNanoseconds: Int64 = 10_000_000_000

    private let plan: Plan
    private let crowd: WatchedCrowd
    private let commands: LoadCommands
    private let connections: [LoadConnection]
    private let viewers: WatchingViewers
    private let handles: [Int32]
    private var sockets: SocketWait
    private var waiting = 0

    /// Connects all users, and gives the viewers their lists.
    init(_ plan: Plan, _ address: ServerAddress) throws {
        self.plan = plan
        let crowd = WatchedCrowd(users: plan.users, viewers: plan.viewers, friends: plan.friends)
        self.crowd = crowd
        try Heartbeat.load(Connection(address), isPresenced: true, users: plan.users)
        viewers = try WatchingViewers(crowd, address, connections: plan.connections)
        commands = LoadCommands(0..<plan.users * WatchedCrowd.statuses.count, .exact("+OK\r\n")) { number in
            let (user, status) = crowd.change(number)
            return ["PRESENCE.SET", crowd.key(user), "STATUS", WatchedCrowd.statuses[status]]
        }
        connections = try (0..<WatchRun.writers).map { _ in
            try LoadConnection(address, limit: WatchRun.inFlight)
        }
        handles = connections.map(\.handle) + viewers.listeners.map(\.handle)
        sockets = try SocketWait(handles)
    }

    /// What came of it.
    struct Outcome {
        var ledger: WatchLedger
        var frames: Int
        /// Of writing all changes.
        var elapsed: Double
    }

    mutating func run() throws -> Outcome {
        let began = MonotonicClock.nanoseconds()
        let interval = 1e9 / plan.rate
        let due = { (number: Int) in began + Int64(Double(number) * interval) }
        let total = Int(plan.rate * (WatchRun.warmUpSeconds + plan.seconds))
        let measuredFrom = due(Int(plan.rate * WatchRun.warmUpSeconds))
        var ledger = WatchLedger(crowd, firstMeasured: .max, due: due)
        var isWarm = false
        var tick = began
        var now = began
        while ledger.changes < total && now < due(total) || waiting > 0 {
            guard now < due(total) + WatchRun.patienceNanoseconds else {
                throw BenchError("\(waiting) of \(ledger.changes) changes were not answered within 10 s")
            }
            if !isWarm, now >= measuredFrom {
                isWarm = true
                ledger.measure()
            }
            if now >= tick, now < due(total) {
                while ledger.changes < total, due(ledger.changes) <= now, write(&ledger, at: now, due) {}
                tick = max(tick + WatchRun.tickNanoseconds, now)
            }
            for connection in connections where connection.hasOutput { try connection.flush() }
            try exchange(&ledger, waiting: max(0, tick - MonotonicClock.nanoseconds()))
            now = MonotonicClock.nanoseconds()
        }
        let elapsed = Double(MonotonicClock.nanoseconds() - began) / 1e9
        // The window that is open closes, and whatever was late comes.
        let end = MonotonicClock.nanoseconds() + WatchRun.patienceNanoseconds
        var missing = ledger.missing
        while missing > 0 {
            guard MonotonicClock.nanoseconds() < end else {
                throw BenchError("\(missing) users on lists were not told as they are 10 s after the last change")
            }
            let pause = MonotonicClock.nanoseconds() + 100_000_000
            while MonotonicClock.nanoseconds() < pause { try exchange(&ledger, waiting: WatchRun.tickNanoseconds) }
            missing = ledger.missing
        }
        return Outcome(ledger: ledger, frames: viewers.frames, elapsed: elapsed)
    }

    /// Writes the next change; false if its connection has no room for it.
    private mutating func write(_ ledger: inout WatchLedger, at now: Int64, _ due: (Int) -> Int64) -> Bool {
        let number = ledger.changes
        let connection = connections[number % crowd.users % connections.count]
        guard !connection.isFull else { return false }
        connection.append(number % commands.count, of: commands, intendedAt: due(number))
        ledger.write(at: now)
        waiting += 1
        return true
    }

    /// Reads what has come, after a wait of so long for it.
    private mutating func exchange(_ ledger: inout WatchLedger, waiting nanoseconds: Int64) throws {
        sockets.wait(handles, nanoseconds: nanoseconds)
        for place in handles.indices where sockets.isReadable(handles[place]) {
            if place < connections.count {
                var answered = 0
                try connections[place].receive(commands) { _ in answered += 1 }
                waiting -= answered
            } else {
                try viewers.listeners[place - connections.count].receive { viewer, user, status, now in
                    guard let status = WatchedCrowd.status(status) else {
                        throw BenchError("a viewer was told \(String(decoding: status, as: UTF8.self))")
                    }
                    try ledger.hear(viewer: viewer, user: user, status: status, at: now)
                }
            }
        }
    }
}

extension WatchedCrowd {
    /// Which of the statuses a word is.
    static func status(_ word: UnsafeRawBufferPointer) -> Int? {
        words.firstIndex { $0.count == word.count && word.starts(with: $0) }
    }

    private static let words = statuses.map { Array($0.utf8) }
}
