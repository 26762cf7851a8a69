import ArgumentParser
import Foundation

/// Loads presenced, and Redis and Valkey beside it, with the work of presence, and checks every answer.
struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Loads servers with the work of presence, in turns, and checks every answer.",
        discussion: """
            Each server does each work in its own best ways: PRESENCE.BEAT here; a script, a bare EXPIRE, or a hash whose fields have lifetimes there. \
            Without --rate each connection sends its next pipeline when the last is answered. With --rate commands are due whatever the server \
            does, and latency counts from then. A wrong reply ends the run. What is told is the median of the rounds.

            heartbeat, active: a sign of life, and one with activity. get, set: strings of 250 bytes. presence-get: the record of a user. \
            friends-list: the statuses of 100 users.
            connect-storm: every user connects once, as after a deploy.
            fan-out: 16 messages a write to --subscribers, by PUBLISH and by a change of status; an operation is a delivery.
            expiry: a tenth of the users run out within 5 s; an operation is an end that was announced, its latency how late. One round.
            mixed: a day: people come in the morning, live, and go in the evening, some without a word; beats, lists, records, changes, and two who watch. \
            It is counted in commands: half a million for each of --seconds, and 8 a user at least. Its phases are told one by one.
            view: lists of 100 as a viewer may see them, beside MGET of 100.
            connect-known: users with 200 edges and 200 watchers connect and disconnect, beside users with none; 16 a write. An operation is one of either.
            """
    )

    @OptionGroup var servers: ServerOptions
    @OptionGroup var elsewhere: ElsewhereOptions
    @Argument(
        help: ArgumentHelp(
            "\(LoadWorkload.allCases.map(\.rawValue).joined(separator: ", ")); the first six if none is named."))
    var works: [LoadWorkload] = []
    @OptionGroup var options: LoadOptions
    @Flag(
        help:
            "Measure a server on stock SwiftNIO that does nothing beside them, for heartbeats; presenced, which sends past the channel, can be below it."
    )
    var floor = false
    @Option(help: "A file that the figures are written to, as JSON, anew after each work.")
    var json: String?
    @Option(help: "A file that a chart of the figures is written to, as SVG, anew after each work.")
    var chart: String?

    func validate() throws {
        try options.check(for: chosen)
        guard elsewhere.host == nil || !servers.isGiven && !floor else {
            throw ValidationError(
                "--host loads one server that runs: without --against, --redis, --valkey and --floor")
        }
        guard !floor || chosen.contains(.heartbeat) else {
            throw ValidationError("--floor answers heartbeats: without them there is nothing to hold beside it")
        }
    }

    private var chosen: [LoadWorkload] { works.isEmpty ? LoadWorkload.usual : works }

    func run() throws {
        try OutputFile.check(json, chart)
        // The servers inherit it.
        try OpenFiles.raise(to: clients + 200)
        let targets = try targets()
        defer { for target in targets { target.stop() } }
        let steps = chosen.map { work in
            targets.reduce(0) { $0 + work.ways(of: $1.traits).count } * options.conditions(of: work).rounds
        }
        Progress.begin(steps: steps.reduce(0, +))
        var report = LoadReport(
            machine: .present(), servers: targets.filter { !$0.traits.isFloor }.map(\.description))
        do {
            for work in chosen {
                try measure(work, targets, &report)
                // What was measured is not lost with what comes behind it.
                try write(report)
            }
        } catch {
            Progress.end()
            report.failure = "\(error)"
            Interruption.waitIfEnding()
            try write(report)
            tell(report)
            throw error
        }
        Progress.end()
        tell(report)
    }

    private func write(_ report: LoadReport) throws {
        if let json { try report.writeJSON(json) }
        if let chart, !report.results.isEmpty { try report.writeChart(chart) }
    }

    private func tell(_ report: LoadReport) {
        for table in report.tables { print(table.text) }
        fflush(nil)
    }

    /// Connections that there are at once, at most.
    private var clients: Int {
        chosen.map { work in
            let conditions = options.conditions(of: work)
            return conditions.connections + (conditions.subscribers ?? 0) + (conditions.watchers ?? 0)
        }.max() ?? 0
    }

    /// As servers come they take 10 000 clients.
    var settings: [String] { clients < 9_900 ? [] : ["--maxclients", "\(clients + 100)"] }

    private func targets() throws -> [LoadTarget] {
        if let target = try elsewhere.open() { return [target] }
        let kinds = try servers.all + (floor ? [.floor(try Program.own())] : [])
        return try kinds.map { try LoadTarget($0, settings: $0.isFloor ? [] : settings) }
    }

    private func measure(_ work: LoadWorkload, _ targets: [LoadTarget], _ report: inout LoadReport) throws {
        let conditions = options.conditions(of: work)
        var turns = targets.flatMap { target in
            work.ways(of: target.traits).map { way in
                let results = LoadStage.all(of: work, way).map {
                    LoadResult(
                        work: $0, server: target.name, way: way.name, isFloor: target.traits.isFloor, conditions)
                }
                return (target: target, way: way, results: results)
            }
        }
        for round in 1...conditions.rounds {
            // Every other round backwards: who comes behind whom is no advantage.
            for place in round.isMultiple(of: 2) ? turns.indices.reversed() : Array(turns.indices) {
                let (target, way) = (turns[place].target, turns[place].way)
                Progress.step(
                    "load: \(work.rawValue), round \(round) of \(conditions.rounds): \(target.name), \(way.name)")
                try target.give(way.stock, users: conditions.users ?? 0)
                var turn = try turn(way, target, conditions)
                let stages = try (0..<max(1, way.stages.count)).map { _ in
                    let before = try target.processorTime()
                    let outcome = try turn.run()
                    return LoadStage(
                        outcome: outcome, processor: try target.processorTime() - before,
                        residentBytes: try target.residentBytes())
                }
                try turn.finish()
                for (stage, told) in LoadStage.withWhole(stages).enumerated() { turns[place].results[stage].add(told) }
            }
        }
        // A stage of all servers beside each other.
        for stage in turns.first?.results.indices ?? 0..<0 { report.results += turns.map { $0.results[stage] } }
        if work == .mixed {
            report.notes.append(DayCourse.note(users: conditions.users ?? 0, length: dayLength(conditions)))
            report.notes += DayCommands.idioms(of: targets.map(\.traits))
        }
    }

    private func dayLength(_ conditions: LoadConditions) -> Int {
        DayCourse.length(
            users: conditions.users ?? 0, seconds: conditions.seconds ?? 0, rate: conditions.rate)
    }

    private func turn(_ way: LoadWay, _ target: LoadTarget, _ conditions: LoadConditions) throws -> any LoadTurn {
        let (users, seconds) = (conditions.users ?? 0, conditions.seconds ?? 0)
        switch way {
        case .fanOut(let work):
            return try FanOutTurn(work, target, subscribers: conditions.subscribers ?? 0, seconds: seconds)
        case .expiry:
            return try ExpiryTurn(target, users: users, due: conditions.due ?? 0, window: LoadOptions.window)
        case .known(let work): return try KnownTurn(work, target, seconds: seconds)
        default: break
        }
        var watchers: Watchers?
        if case .mixed = way {
            if target.traits.isPresenced {
                try target.set(LoadWay.settingsOfADay)
                // A run that was killed may have left some.
                if target.isLent { try LoopTurn.forgetStatuses(of: users, target.connect()) }
                target.leavesBehind("mixed") { try LoopTurn.forgetStatuses(of: users, $0) }
            }
            watchers = try Watchers(target)
        }
        let job = LoadJob(
            address: target.address, way: way, users: users, connections: conditions.connections,
            pipeline: conditions.pipeline ?? 1, seconds: seconds, rate: conditions.rate)
        return try LoopTurn(job, processes: conditions.processes, watchers: watchers)
    }
}
