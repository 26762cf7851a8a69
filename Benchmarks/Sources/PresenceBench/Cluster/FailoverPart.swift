import Foundation

/// A node is killed: how long until a client of Redis Cluster is served elsewhere.
struct FailoverPart {
    let server: String
    let options: ClusterOptions

    private static let keys = 300
    private static let goal = 2.0

    func run() throws -> Table {
        var table = Table.ofGoals("kill -9 of one node of three, \(options.kills) times")
        let nodes = try LocalNodes(server)
        defer { nodes.stop() }
        var first = Sample()
        var all = Sample()
        var back = Sample()
        for number in 0..<options.kills {
            Progress.say("failover: kill \(number + 1) of \(options.kills)")
            let victim = number % nodes.servers.count
            // The one that is killed is asked last.
            let ports = nodes.servers.indices.filter { $0 != victim }.map { nodes.servers[$0].port }
            let client = try SlotClient(ports + [nodes.servers[victim].port])
            let theirs = try keys(client, at: nodes.servers[victim].port)
            try nodes.waitUntilQuiet()
            nodes.servers[victim].crash()
            let began = MonotonicClock.nanoseconds()
            let passed = { Double(MonotonicClock.nanoseconds() - began) / 1e9 }
            var served = 0
            for key in theirs {
                while !client.serve(key, expecting: key.name) {
                    guard passed() < 60 else { throw BenchError("\(key.name) is not served after 60 s") }
                    usleep(5_000)
                }
                if served == 0 { first.add(passed()) }
                served += 1
            }
            all.add(passed())
            let restarted = MonotonicClock.nanoseconds()
            try nodes.restart(victim)
            try nodes.waitUntilReady()
            back.add(Double(MonotonicClock.nanoseconds() - restarted) / 1e9)
            try waitUntilShown(nodes)
        }
        table.add("until the first of its keys is served elsewhere", "\(fixed(first.median, 2)) s (\(first.spread(2)))")
        table.add(
            "until all of them are", "\(fixed(all.median, 2)) s (\(all.spread(2)))", goal: "below 2 s, each",
            isHeld: all.percentile(1) < FailoverPart.goal)
        table.add("from its start until it is ready again", "\(fixed(back.median, 2)) s (\(back.spread(2)))")
        table.notes = [
            "Medians, in brackets least and greatest. The client writes and reads about \(FailoverPart.keys / 3) keys of the node that is killed, where `CLUSTER SLOTS` says, and asks for the slots again every 5 ms "
                + "when nobody answers. What it reads must be what was written before."
        ]
        return table
    }

    /// Writes keys everywhere; returns those that a node serves.
    private func keys(_ client: SlotClient, at port: Int) throws -> [SlotClient.Key] {
        let keys = try (0..<FailoverPart.keys).map { try client.key("key:\($0)") }
        for key in keys {
            guard let port = client.map.port(of: key.slot) else { throw BenchError("nobody serves slot \(key.slot)") }
            try Connection(port: port).command(["SET", key.name, key.name], expecting: .simple("OK"))
        }
        let theirs = keys.filter { client.map.port(of: $0.slot) == port }
        guard !theirs.isEmpty else { throw BenchError("a node serves no slots") }
        return theirs
    }

    /// Waits until clients are shown every node.
    private func waitUntilShown(_ nodes: LocalNodes) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        for server in nodes.servers {
            while true {
                let map = SlotMap(try server.connect().command("CLUSTER", "SLOTS"))
                let ports = Set((0..<16_384).compactMap { map?.port(of: $0) })
                if nodes.servers.allSatisfy({ ports.contains($0.port) }) { break }
                guard ContinuousClock.now < deadline else { throw BenchError("a node that is back is not shown") }
                usleep(20_000)
            }
        }
    }
}
