import Foundation

/// Sessions that beat four times a TTL: how many of the beats cross, and what the other nodes add to a beat's cost.
struct BeatsPart {
    let server: String
    let options: ClusterOptions

    /// Seconds. As 30 and 120 in production, made short.
    private static let interval = 2.5
    private static let ttl = 10.0
    /// TTLs that are measured, after some that are not: all are told for the first time just before their first deadline.
    private static let rounds = 3.0
    private static let warmUp = 1.5

    private struct Outcome {
        var beats: Int
        var rate: Double
        /// Nanoseconds of each node.
        var times: [UInt64]
        var crossed = 0.0
        var images = 0.0
        var bytes = 0.0
        /// Users who are there at each node in the end.
        var present: [Int]

        /// Microseconds of the node that is beaten at.
        var own: Double { Double(times[0]) / 1_000 / Double(max(1, beats)) }
    }

    func run() throws -> Table {
        var table = Table.ofGoals(
            "Sessions that beat every \(fixed(BeatsPart.interval, 1)) s, TTL \(fixed(BeatsPart.ttl, 0)) s: \(grouped(options.sessions)) of them"
        )
        let settings = ["--session-ttl", "10s", "--heartbeat-interval", "2s"]
        let alone = try RunningServer(.presenced(server), settings: settings)
        defer { alone.stop() }
        Progress.say("beats: at one node alone")
        let lone = try measure([alone]) { nil }
        alone.stop()
        let nodes = try LocalNodes(server, settings: settings)
        defer { nodes.stop() }
        Progress.say("beats: with two peers")
        let three = try measure(nodes.servers) { try nodes.info(0) }
        let perTTL = Double(options.sessions) * BeatsPart.rounds
        table.add("beats a second", "\(fixed(three.rate, 0)); alone \(fixed(lone.rate, 0))")
        table.add(
            "beats that cross, a session and TTL, on each link", three.crossed / 2 / perTTL, atMost: 1, "", digits: 2)
        table.add("images that cross, a session and TTL, on each link", fixed(three.images / 2 / perTTL, 3))
        table.add("bytes on a link, a session and TTL", "\(fixed(three.bytes / 2 / perTTL, 1)) B")
        table.add(
            "users there in the end, at each node", "\(three.present.map { grouped($0) }.joined(separator: ", "))",
            goal: grouped(options.sessions), isHeld: three.present.allSatisfy { $0 == options.sessions })
        table.add("processor time a beat, alone", "\(fixed(lone.own, 2)) us")
        let ratio = three.own / lone.own
        table.add(
            "processor time a beat, with two peers", "\(fixed(three.own, 2)) us, \(fixed(ratio, 2)) of it",
            goal: "at most 1.10", isHeld: ratio <= 1.1)
        let others = Double(three.times.dropFirst().reduce(0, +)) / 1_000 / Double(three.beats) / 2
        table.add("processor time of a peer, a beat", "\(fixed(others, 2)) us")
        table.notes = [
            "PRESENCE.BEAT, 16 a write, evenly apart, all at node a. The servers are nearly idle: each wakes up for a few writes, which costs more a beat than under full load. Links tell beats, "
                + "digests and pings meanwhile: they are in the bytes."
        ]
        return table
    }

    private func measure(_ servers: [RunningServer], _ info: () throws -> ReplicationInfo?) throws -> Outcome {
        let port = servers[0].port
        try BatchLoad(port: port).run(.connect(BatchLoad.limit, lifetime: Int(BeatsPart.ttl * 1_000)), options.sessions)
        let beats = PacedBeats(port: port, sessions: options.sessions, interval: BeatsPart.interval)
        _ = try beats.run(seconds: BeatsPart.ttl * BeatsPart.warmUp)
        let before = try (info(), servers.map { try $0.processorTime() })
        let (count, seconds) = try beats.run(seconds: BeatsPart.ttl * BeatsPart.rounds)
        let after = try (info(), servers.map { try $0.processorTime() })
        let delta = { (name: String) in (after.0?.sum(name) ?? 0) - (before.0?.sum(name) ?? 0) }
        return Outcome(
            beats: count, rate: Double(count) / seconds, times: zip(after.1, before.1).map { $0 - $1 },
            crossed: delta("beats_sent"), images: delta("images_sent"), bytes: delta("bytes_sent"),
            present: try servers.map { try $0.connect().info("presence", "users_present") })
    }
}
