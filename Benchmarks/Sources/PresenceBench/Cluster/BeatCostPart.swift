import Foundation

/// Heartbeats as fast as they go, at a node alone and at one that has two peers.
struct BeatCostPart {
    let server: String
    let options: ClusterOptions

    private static let users = 100_000
    private static let beats = 800_000
    private static let rounds = 5
    private static let goal = 1.1

    func run() throws -> Table {
        guard let benchmark = Program.find("redis-benchmark") else {
            throw BenchError("redis-benchmark is missing (Debian package redis-tools)")
        }
        let settings = ["--session-ttl", "120s"]
        let alone = try RunningServer(.presenced(server), settings: settings)
        defer { alone.stop() }
        let nodes = try LocalNodes(server, settings: settings)
        defer { nodes.stop() }
        for port in [alone.port, nodes.servers[0].port] {
            try Connection(port: port).load(BeatCostPart.users, expecting: .integer(1)) { number in
                Record.connect(user: Heartbeat.name(number), session: Heartbeat.session, options: ["EX", "120"])
            }
        }
        try nodes.waitUntilQuiet()
        var lone = Sample()
        var linked = Sample()
        var peers = Sample()
        for round in 0..<BeatCostPart.rounds {
            Progress.say("heartbeat: round \(round + 1) of \(BeatCostPart.rounds)")
            // Every other round the other way round.
            for turn in round.isMultiple(of: 2) ? [true, false] : [false, true] {
                if turn {
                    lone.add(try spent([alone], benchmark)[0])
                } else {
                    let times = try spent(nodes.servers, benchmark)
                    linked.add(times[0])
                    peers.add((times[1] + times[2]) / 2)
                }
            }
        }
        return table(lone, linked, peers)
    }

    private func table(_ lone: Sample, _ linked: Sample, _ peers: Sample) -> Table {
        var table = Table.ofGoals("PRESENCE.BEAT as fast as it goes, redis-benchmark -c 50 -P 16, alone and with peers")
        table.add("processor time of the server a beat, alone", "\(fixed(lone.median, 3)) us (\(lone.spread(3)))")
        let ratio = linked.median / lone.median
        table.add(
            "the same with two peers",
            "\(fixed(linked.median, 3)) us (\(linked.spread(3))), \(fixed(ratio, 3)) of it",
            goal: "at most \(fixed(BeatCostPart.goal, 2))", isHeld: ratio <= BeatCostPart.goal)
        table.add("processor time of a peer meanwhile, a beat", "\(fixed(peers.median, 3)) us")
        table.notes = [
            "\(grouped(BeatCostPart.users)) users, \(grouped(BeatCostPart.beats)) beats a turn, \(BeatCostPart.rounds) rounds in turns: medians, in brackets least and greatest. Each user beats far more often than "
                + "once in 30 s, so next to nothing crosses; what four beats a TTL cost is above."
        ]
        return table
    }

    /// Microseconds of each server for a beat at the first of them.
    private func spent(_ servers: [RunningServer], _ benchmark: String) throws -> [Double] {
        let connection = try servers[0].connect()
        let before = try (Heartbeat.beat.counts(connection), servers.map { try $0.processorTime() })
        _ = try Program.output(
            benchmark,
            [
                "-h", "127.0.0.1", "-p", "\(servers[0].port)", "-c", "50", "-P", "16", "-n", "\(BeatCostPart.beats)",
                "-r", "\(BeatCostPart.users)", "--csv",
            ] + (try Heartbeat.beat.command(connection, user: "__rand_int__")))
        let after = try (Heartbeat.beat.counts(connection), servers.map { try $0.processorTime() })
        let taken = after.0.taken - before.0.taken
        guard taken >= BeatCostPart.beats, after.0.failed == before.0.failed else {
            throw BenchError("the server took \(taken) of \(BeatCostPart.beats) heartbeats")
        }
        return zip(after.1, before.1).map { Double($0 - $1) / 1_000 / Double(taken) }
    }
}
