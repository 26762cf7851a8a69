import ArgumentParser
import Foundation

/// Loads presenced, and Redis and Valkey beside it, with the work of presence, and checks every answer.
struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Loads servers with the work of presence, in turns, and checks every answer.",
        discussion: """
            Each server does each work in its own best way: PRESENCE.BEAT here, a script and a bare EXPIRE there. Without --rate each connection \
            sends its next pipeline when the last is answered. With --rate commands are due whatever the server does, and latency counts \
            from then. A wrong reply ends the run. Each way is asked for --seconds in each round; what is told is the median.
            """
    )

    @OptionGroup var servers: ServerOptions
    @Argument(help: "\(LoadWorkload.allCases.map(\.rawValue).joined(separator: ", ")); all if none is named.")
    var works: [LoadWorkload] = []
    @Option(help: "Connections to the server that is asked.")
    var connections = 50
    @Option(help: "Commands that a connection sends at once.")
    var pipeline = 1
    @Option(help: "Users of each server.")
    var users = 100_000
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
            seconds >= 0.1, rate.map({ $0 >= 1 }) ?? true
        else {
            throw ValidationError(
                "1 to 1000 connections, 1 to 512 commands in a pipeline, 1000 users, a round, 0.1 seconds, a rate of 1 at least"
            )
        }
    }

    func run() throws {
        var results: [LoadResult] = []
        let kinds = servers.all + (floor ? [.floor(try Program.own())] : [])
        let running = try kinds.map { try RunningServer($0) }
        defer { for server in running { server.stop() } }
        for server in running {
            Progress.say("load: \(server.kind.name): \(grouped(users)) users")
            try Heartbeat.load(server, users: users)
        }
        let works = works.isEmpty ? LoadWorkload.allCases : works
        Progress.begin(steps: works.flatMap { work in kinds.flatMap { work.ways(of: $0) } }.count * rounds)
        for work in works { results += try measure(work, running) }
        Progress.end()
        let report = LoadReport(
            conditions: conditions, machine: .present(), versions: try LoadCommand.versions(running), results: results)
        print(report.table.text)
        if let json { try report.writeJSON(json) }
        if let chart { try report.writeChart(chart) }
    }

    /// What the servers say of themselves.
    private static func versions(_ running: [RunningServer]) throws -> [String: String] {
        var versions: [String: String] = [:]
        for server in running where !server.kind.isFloor {
            let connection = try server.connect()
            let names = ["presenced_version", "valkey_version", "redis_version"]
            let found = names.lazy.compactMap { try? connection.infoText("server", $0) }.first
            versions[server.kind.name] = found ?? "unknown"
        }
        return versions
    }

    private var conditions: String {
        let loop = rate.map { "\(grouped(Int($0))) commands a second" } ?? "\(pipeline) a write"
        return "\(connections) connections, \(loop), \(grouped(users)) users, \(rounds) rounds in turns"
    }

    private func measure(_ work: LoadWorkload, _ running: [RunningServer]) throws -> [LoadResult] {
        var results: [(server: RunningServer, commands: LoadWay.Commands, result: LoadResult)] = []
        for server in running {
            for way in work.ways(of: server.kind) {
                let result = LoadResult(work: work.rawValue, server: server.kind, way: way.name)
                results.append((server, try way.prepare(server.connect(), users: users), result))
            }
        }
        for round in 1...rounds {
            for place in results.indices {
                let server = results[place].server
                Progress.step(
                    "load: \(work.rawValue), round \(round) of \(rounds): \(server.kind.name), \(results[place].result.way)"
                )
                let driver = LoadDriver(
                    port: server.port, connections: connections, pipeline: pipeline, seconds: seconds, rate: rate)
                let before = try server.processorTime()
                let outcome = try driver.run(results[place].commands)
                results[place].result.add(outcome, processor: try server.processorTime() - before)
                results[place].result.residentBytes = server.residentBytes
            }
        }
        return results.map(\.result)
    }
}
