import Foundation

/// A node that died and comes back with nothing, while two others hold everyone; and a replica that Redis copies everything to.
struct CopyPart {
    let server: String
    let redis: String?
    let options: ClusterOptions

    private static let goal = 1_000_000.0
    /// Bytes of a string of 250 bytes in Redis, key and tables included, for what memory has to hold.
    private static let redisBytes = 420

    func run() throws -> Table {
        var table = Table.ofGoals("A full copy: \(grouped(options.users)) users")
        try measure(&table)
        if let redis { try measureRedis(redis, &table) }
        table.notes = [
            "All users connect at node a, in pipelines of 500 over 4 connections. From the start of the node's process until it says `cluster_ready:1`, held against the others' number of users; *of which copying*: from when `INFO replication` first told of a copy. Users "
                + "with one session and all fields. Redis: strings of 250 bytes, `repl-diskless-sync-delay 0`, from the replica's start until `master_link_status:up`. Processor time of the primary with its child."
        ]
        return table
    }

    private func measure(_ table: inout Table) throws {
        let nodes = try LocalNodes(server, settings: ["--session-ttl", "1d"])
        defer { nodes.stop() }
        Progress.say("copy: \(grouped(options.users)) users connect")
        let began = MonotonicClock.nanoseconds()
        try BatchLoad(port: nodes.servers[0].port).run(.connect(BatchLoad.limit, lifetime: 86_400_000), options.users)
        try nodes.waitUntilQuiet(seconds: 600)
        let loaded = Double(MonotonicClock.nanoseconds() - began) / 1e9
        table.add(
            "users a second while all connect at one node, until all three have them",
            fixed(Double(options.users) / loaded, 0))
        try check(nodes, "before")
        nodes.servers[2].crash()
        usleep(500_000)
        Progress.say("copy: one of three comes back with nothing")
        let before = try nodes.servers.prefix(2).map { try $0.processorTime() }
        let copied = try comeBack(nodes)
        let own = try nodes.servers[2].processorTime()
        let spent = try zip(nodes.servers.prefix(2).map { try $0.processorTime() }, before).map { $0 - $1 }
        try check(nodes, "after")
        let info = try nodes.info(2)
        let rate = Double(options.users) / copied.seconds
        table.add(
            "users a second, from the start to ready", "\(fixed(rate, 0)) in \(fixed(copied.seconds, 2)) s",
            goal: "at least \(fixed(CopyPart.goal, 0))", isHeld: rate >= CopyPart.goal)
        table.add(
            "of which copying",
            "\(fixed(Double(options.users) / copied.copying, 0)) a second in \(fixed(copied.copying, 2)) s")
        table.add("bytes that came, a user", fixed(info.sum("bytes_received") / Double(options.users), 1))
        table.add("bytes that went, a user", fixed(info.sum("bytes_sent") / Double(options.users), 1))
        table.add("processor time of the node that copies, a user", microseconds(own))
        table.add("processor time of each of the others, a user", spent.map(microseconds).joined(separator: ", "))
    }

    private func microseconds(_ nanoseconds: UInt64) -> String {
        fixed(Double(nanoseconds) / 1_000 / Double(options.users), 2) + " us"
    }

    /// Starts the third node and waits until it is ready.
    private func comeBack(_ nodes: LocalNodes) throws -> (seconds: Double, copying: Double) {
        let began = MonotonicClock.nanoseconds()
        try nodes.restart(2)
        let connection = try nodes.servers[2].connect()
        var first: Int64?
        while true {
            let info = try ReplicationInfo(connection)
            let now = MonotonicClock.nanoseconds()
            if first == nil, info.links.contains(where: { $0.progress("copy_in") != nil }) { first = now }
            if info.isReady(links: 2) {
                return (Double(now - began) / 1e9, Double(now - (first ?? began)) / 1e9)
            }
            guard now - began < 900_000_000_000 else { throw BenchError("the node is not ready after 900 s") }
            usleep(10_000)
        }
    }

    private func check(_ nodes: LocalNodes, _ when: String) throws {
        let counts = try nodes.servers.map { try $0.connect().info("presence", "users_present") }
        guard counts.allSatisfy({ $0 == options.users }) else {
            throw BenchError("\(when) the copy the nodes hold \(counts) users, not \(options.users)")
        }
    }

    private func measureRedis(_ path: String, _ table: inout Table) throws {
        let count = min(options.users, MachineMemory.available / 3 / CopyPart.redisBytes)
        let redis = try ReplicatedRedis(path, replicas: 0, settings: ["--repl-diskless-sync-delay", "0"])
        defer { redis.stop() }
        Progress.say("copy: \(grouped(count)) strings for Redis")
        try BatchLoad(port: redis.primary.port).run(.strings("online", BatchLoad.limit), count)
        let before = try times(redis.primary)
        Progress.say("copy: a replica of Redis comes")
        let began = MonotonicClock.nanoseconds()
        let replica = try redis.addReplica()
        try redis.waitUntilLinked()
        let seconds = Double(MonotonicClock.nanoseconds() - began) / 1e9
        let after = try times(redis.primary)
        let perKey = 1_000_000 / Double(count)
        table.add(
            "Redis: keys a second, from the start of a replica until it is linked",
            "\(fixed(Double(count) / seconds, 0)) in \(fixed(seconds, 2)) s, \(grouped(count)) keys")
        table.add(
            "Redis: processor time of the replica, a key",
            fixed(Double(try replica.processorTime()) / 1_000 / Double(count), 2) + " us")
        table.add("Redis: processor time of the primary, a key", fixed((after - before) * perKey, 2) + " us")
    }

    /// Seconds of a Redis and of its children that have ended.
    private func times(_ server: RunningServer) throws -> Double {
        guard case .bulk(let text) = try server.connect().command("INFO", "cpu") else {
            throw BenchError("INFO failed")
        }
        return text.split(whereSeparator: \.isNewline)
            .filter { $0.hasPrefix("used_cpu_") && !$0.contains("main_thread") }
            .reduce(0) { $0 + (Double($1.split(separator: ":").last ?? "") ?? 0) }
    }
}
