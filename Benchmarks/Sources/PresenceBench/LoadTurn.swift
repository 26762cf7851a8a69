/// One way of one work at one server in one round: made ready first, then measured.
protocol LoadTurn {
    /// The work, or its next stage.
    mutating func run() throws -> LoadOutcome

    /// Takes back what other works would not expect to find; not measured.
    func finish() throws
}

extension LoadTurn {
    func finish() throws {}
}

/// A loop of commands, from this process or from several.
struct LoopTurn: LoadTurn {
    private enum Senders {
        case here(LoadDriver)
        case workers([LoadWorker])
    }

    private let job: LoadJob
    private var senders: Senders
    private let watchers: Watchers?
    /// How many they must have heard of at the end.
    private var changes = 0

    init(_ job: LoadJob, processes: Int, watchers: Watchers? = nil) throws {
        self.job = job
        self.watchers = watchers
        guard processes > 1 else {
            senders = .here(try LoadDriver(job))
            return
        }
        let workers = try job.divided(by: processes).map { try LoadWorker($0) }
        for worker in workers { try worker.waitUntilReady() }
        senders = .workers(workers)
    }

    mutating func run() throws -> LoadOutcome {
        var outcome = LoadOutcome()
        switch senders {
        case .here(let driver): outcome = try driver.run()
        case .workers(let workers):
            for worker in workers { try worker.begin() }
            for worker in workers { outcome.merge(try worker.outcome()) }
        }
        changes += outcome.changes
        return outcome
    }

    func finish() throws {
        if case .workers(let workers) = senders {
            for worker in workers { try worker.end() }
        }
        try watchers?.check(hearing: changes)
        guard case .mixed = job.way else { return }
        let connection = try Connection(job.address)
        guard try ServerTraits(connection).isPresenced else { return }
        try LoopTurn.forgetStatuses(of: job.users, connection)
    }

    /// Statuses by hand outlive sessions, and `FLUSHALL` with them: other works expect none.
    static func forgetStatuses(of users: Int, _ connection: Connection) throws {
        try connection.load(users, expecting: .simple("OK")) { user in
            ["PRESENCE.SET", Heartbeat.key(Heartbeat.name(user)), "STATUS", "auto"]
        }
    }
}
