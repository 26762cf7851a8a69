import ArgumentParser
import Foundation

/// One heartbeat over the wire: the server's processor time, beside Redis and Valkey in the same run.
struct HeartbeatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heartbeat", abstract: "A heartbeat over the wire by 1, 16 and 100, beside Redis and Valkey.")

    @OptionGroup var servers: ServerOptions
    @Option(help: "Users of each server.")
    var users = 100_000
    @Option(help: "Rounds, in which the servers take turns; the median is told.")
    var rounds = 3
    @Option(help: "Seconds that a turn is to take, roughly.")
    var seconds = 2

    func validate() throws {
        try Bounds.check("--users", users, 1...Bounds.users.upperBound)
        try Bounds.check("--rounds", rounds, Bounds.rounds)
        try Bounds.check("--seconds", seconds, 1...30)
    }

    func run() throws {
        print(try HeartbeatCommand.measure(servers, users: users, rounds: rounds, seconds: seconds).text)
    }

    /// Who does what.
    private struct Turn {
        let server: RunningServer
        let work: Heartbeat
        var processor = Sample()
        var rate = Sample()
    }

    /// The depth of the pipelines, and the goals of the design beside scripts and `EXPIRE`.
    private static let depths = [(depth: 1, goal: "1.0"), (16, "0.22, 0.85"), (100, "0.08, 0.4")]

    /// About how many heartbeats a second there will be, so that all turns take about as long.
    private static func expectedRate(_ work: Heartbeat, depth: Int) -> Int {
        switch work {
        case .beat: depth == 1 ? 40_000 : depth < 100 ? 400_000 : 1_000_000
        case .expire: depth == 1 ? 40_000 : depth < 100 ? 250_000 : 500_000
        case .script: depth == 1 ? 30_000 : 120_000
        case .fieldLifetime: depth == 1 ? 30_000 : 200_000
        }
    }

    static func measure(_ options: ServerOptions, users: Int, rounds: Int, seconds: Int) throws -> Table {
        guard let benchmark = Program.find("redis-benchmark") else {
            throw BenchError("redis-benchmark is missing (Debian package redis-tools)")
        }
        var table = Table(
            "A heartbeat over the wire: redis-benchmark -c 50, \(grouped(users)) users, \(rounds) rounds in turns",
            [
                "work", "by", "server us", "spread", "a second", "of the better script", "of the better EXPIRE", "goal",
            ])
        let servers = try options.all.map { try RunningServer($0) }
        defer { for server in servers { server.stop() } }
        for (depth, goal) in depths {
            Progress.say("heartbeat: by \(depth)")
            for server in servers { try Heartbeat.load(server, users: users) }
            var turns = try servers.flatMap { server in
                try Heartbeat.all(of: ServerTraits(server.connect())).map { Turn(server: server, work: $0) }
            }
            for round in 0..<rounds {
                // Every other round backwards, so that none always comes after the same other.
                let order = round % 2 == 0 ? Array(turns.indices) : turns.indices.reversed()
                for index in order {
                    let count = expectedRate(turns[index].work, depth: depth) * seconds
                    try run(&turns[index], benchmark, depth: depth, count: count, users: users)
                }
            }
            add(turns, to: &table, depth: depth, goal: goal)
        }
        table.notes = [
            "*server us*: processor time of all the server's threads, user and system, a heartbeat; the median, least and greatest of the rounds. "
                + "The two ratios are that time over the best of Redis and Valkey."
        ]
        return table
    }

    /// One turn; fails if a single heartbeat was not taken.
    private static func run(
        _ turn: inout Turn, _ benchmark: String, depth: Int, count: Int, users: Int
    ) throws {
        let connection = try turn.server.connect()
        let (command, sample) = try (
            turn.work.command(connection, user: "__rand_int__"),
            turn.work.command(connection, user: Heartbeat.name(users / 2))
        )
        try connection.command(sample, expecting: .integer(1))
        let before = try (turn.work.counts(connection), turn.server.processorTime())
        let output = try Program.output(
            benchmark,
            [
                "-h", "127.0.0.1", "-p", "\(turn.server.port)", "-c", "50", "-P", "\(depth)", "-n", "\(count)", "-r",
                "\(users)", "--csv",
            ] + command)
        let after = try (turn.server.processorTime(), turn.work.counts(connection))
        try connection.command(sample, expecting: .integer(1))
        let taken = after.1.taken - before.0.taken
        let failed = after.1.failed - before.0.failed
        guard taken >= count, taken <= count + 50 * depth, failed == 0 else {
            throw BenchError("\(turn.server.kind.name) took \(taken) of \(count) heartbeats, \(failed) failed")
        }
        let fields = output.split(separator: "\n").last?.split(separator: ",") ?? []
        guard fields.count > 1, let rate = Double(fields[fields.count - 7].filter { $0 != "\"" }) else {
            throw BenchError("redis-benchmark printed \(output)")
        }
        turn.processor.add(Double(after.0 - before.1) / 1_000 / Double(taken))
        turn.rate.add(rate)
    }

    private static func add(_ turns: [Turn], to table: inout Table, depth: Int, goal: String) {
        func best(_ work: Heartbeat) -> Double? {
            turns.filter { $0.work == work }.map(\.processor.median).min()
        }
        for turn in turns {
            let median = turn.processor.median
            let isOurs = turn.server.kind.isPresenced
            let ratio = { (work: Heartbeat) in isOurs ? best(work).map { fixed(median / $0, 2) } ?? "-" : "" }
            table.add(
                "\(turn.server.kind.name) \(turn.work.name)", "\(depth)", fixed(median, 2), turn.processor.spread(2),
                fixed(turn.rate.median, 0), ratio(.script), ratio(.expire), isOurs ? goal : "")
        }
    }
}
