/// One way of one work at one server in one round: made ready first, then measured.
protocol LoadTurn {
    mutating func run() throws -> LoadDriver.Outcome

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

    mutating func run() throws -> LoadDriver.Outcome {
        var outcome = LoadDriver.Outcome()
        switch senders {
        case .here(var driver): outcome = try driver.run()
        case .workers(let workers):
            for worker in workers { try worker.begin() }
            for worker in workers { outcome.merge(try worker.outcome()) }
        }
        try watchers?.check()
        return outcome
    }

    func finish() throws {
        if case .mixed = job.way { try MixedWork.forgetStatuses(job) }
    }
}
