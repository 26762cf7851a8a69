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
    @Option(help: "Connections to the server that is asked.")
    var connections = 50
    @Option(help: "Processes that the connections are divided among.")
    var processes = 1
    @Option(help: "Commands that a connection sends at once.")
    var pipeline = 1
    @Option(help: "Users of each server.")
    var users = 100_000
    @Option(help: "Subscribers of fan-out.")
    var subscribers = 1_000
    @Option(help: "Seconds a way and round.")
    var seconds = 2.0
    @Option(help: "Rounds.")
    var rounds = 3
    @Option(help: "Commands a second over all connections, instead of a closed loop.")
    var rate: Double?
    @Flag(help: "Measure the least that a server on SwiftNIO can be beside them, for heartbeats.")
    var floor = false
    @Option(help: "A file that the figures are written to, as JSON.")
    var json: String?
    @Option(help: "A file that a chart of the figures is written to, as SVG.")
    var chart: String?

    func validate() throws {
        guard (1...1_000).contains(connections), (1...512).contains(pipeline), users >= 1_000, rounds >= 1,
            seconds >= 0.1, rate.map({ $0 >= 1 }) ?? true, (1...10_000).contains(subscribers)
        else {
            throw ValidationError(
                "1 to 1000 connections, 1 to 512 commands in a pipeline, 1000 users, a round, 0.1 seconds, a rate of 1 at least, 1 to 10000 subscribers"
            )
        }
        guard (1...connections).contains(processes) else { throw ValidationError("1 process to one a connection") }
        for work in works {
            guard let why = work.whyAlone, rate != nil || processes > 1 || pipeline > 1 else { continue }
            throw ValidationError("\(work.rawValue) is without --rate, --processes and --pipeline: \(why)")
        }
        guard rate == nil || pipeline == 1 else {
            throw ValidationError("with --rate commands are sent when they are due: without --pipeline")
        }
        if works.contains(.mixed), let rate {
            let least = DayCourse.leastCommandsAUser * users
            guard rate * seconds >= Double(least) else {
                throw ValidationError(
                    "a day of \(users) users has \(least) commands at least: --rate times --seconds must be as many")
            }
        }
        guard elsewhere.host == nil || servers.against == nil && !floor else {
            throw ValidationError("--host loads one server that runs: without --against and --floor")
        }
    }

    func run() throws {
        // The servers inherit it.
        try OpenFiles.raise(to: subscribers + connections + 200)
        let targets = try targets()
        defer { for target in targets { target.stop() } }
        let works = works.isEmpty ? LoadWorkload.usual : works
        let steps = works.map { work in
            targets.reduce(0) { $0 + work.ways(of: $1.traits).count } * rounds(of: work)
        }
        Progress.begin(steps: steps.reduce(0, +))
        var results: [LoadResult] = []
        for work in works { results += try measure(work, targets) }
        Progress.end()
        var versions: [String: String] = [:]
        for target in targets where !target.traits.isFloor { versions[target.name] = target.traits.version }
        let report = LoadReport(
            conditions: conditions, pipeline: rate == nil ? pipeline : nil, machine: .present(), versions: versions,
            results: results, notes: works.contains(.mixed) ? [DayCourse.note(users: users, length: dayLength)] : [])
        print(report.table.text)
        if let json { try report.writeJSON(json) }
        if let chart { try report.writeChart(chart) }
    }

    private func targets() throws -> [LoadTarget] {
        if let target = try elsewhere.open() { return [target] }
        let kinds = try servers.all + (floor ? [.floor(try Program.own())] : [])
        return try kinds.map { try LoadTarget($0) }
    }

    private var conditions: String {
        let loop = rate.map { "\(grouped(Int($0))) commands a second" } ?? "\(pipeline) a write"
        let senders = processes == 1 ? "" : " of \(processes) processes"
        return "\(connections) connections\(senders), \(loop), \(grouped(users)) users, \(rounds) rounds in turns"
    }

    private var dayLength: Int { DayCourse.length(users: users, seconds: seconds, rate: rate) }

    private func rounds(of work: LoadWorkload) -> Int { work == .expiry ? 1 : rounds }

    private func measure(_ work: LoadWorkload, _ targets: [LoadTarget]) throws -> [LoadResult] {
        var turns = targets.flatMap { target in
            work.ways(of: target.traits).map { way in
                let results = LoadStage.all(of: work, way).map { LoadResult(work: $0, server: target, way: way.name) }
                return (target: target, way: way, results: results)
            }
        }
        for round in 1...rounds(of: work) {
            // Every other round backwards: who comes behind whom is no advantage.
            for place in round.isMultiple(of: 2) ? turns.indices.reversed() : Array(turns.indices) {
                let (target, way) = (turns[place].target, turns[place].way)
                Progress.step(
                    "load: \(work.rawValue), round \(round) of \(rounds(of: work)): \(target.name), \(way.name)")
                try target.give(way.stock, users: users)
                var turn = try turn(way, target)
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
        return (turns.first?.results.indices ?? 0..<0).flatMap { stage in turns.map { $0.results[stage] } }
    }

    private func turn(_ way: LoadWay, _ target: LoadTarget) throws -> any LoadTurn {
        switch way {
        case .fanOut(let work): return try FanOutTurn(work, target, subscribers: subscribers, seconds: seconds)
        case .expiry: return try ExpiryTurn(target, users: users, due: users / 10)
        case .known(let work): return try KnownTurn(work, target, seconds: seconds)
        default: break
        }
        var watchers: Watchers?
        if case .mixed = way {
            if target.traits.isPresenced {
                try target.set(LoadWay.settingsOfADay)
                target.leavesBehind("mixed") { [users] in try LoopTurn.forgetStatuses(of: users, $0) }
            }
            watchers = try Watchers(target)
        }
        let job = LoadJob(
            address: target.address, way: way, users: users, connections: connections, pipeline: pipeline,
            seconds: seconds, rate: rate)
        return try LoopTurn(job, processes: processes, watchers: watchers)
    }
}
