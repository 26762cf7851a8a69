import Foundation

/// How late another node shows a change while many others change, and what a change takes on the wire.
struct LagPart {
    let server: String
    let redis: String?
    let options: ClusterOptions

    /// Who change.
    private static let users = 100_000
    /// The goals: milliseconds of p99 up to so many changes a second, and bytes.
    private static let goals: [(rate: Double, milliseconds: Double)] = [(50_000, 1), (100_000, 5)]
    private static let bytesGoal = 100.0

    func run() throws -> Table {
        var table = Table(
            "From a change at one node to another that shows it",
            [
                "change", "a second", "asked for", "lag p50 ms", "p99", "p99.9", "goal", "", "answer p99",
                "bytes a change", "images", "CPU us a change",
            ])
        let nodes = try LocalNodes(server, settings: ["--session-ttl", "1d"])
        defer { nodes.stop() }
        Progress.say("lag: \(grouped(LagPart.users)) users connect")
        try BatchLoad(port: nodes.servers[0].port).run(.connect(BatchLoad.limit, lifetime: 86_400_000), LagPart.users)
        guard
            try nodes.servers[0].connect().command("PRESENCE.CONNECT", LagProbe.user, "phone", "EX", "86400")
                == .integer(1)
        else { throw BenchError("the probe's user cannot connect") }
        try nodes.waitUntilQuiet()
        for rate in [0] + options.changeRates {
            try measure(nodes, "presenced: PRESENCE.SET STATUS", BatchForm.statuses, LagProbe.status, rate, &table)
        }
        for rate in options.changeRates {
            try measure(nodes, "presenced: SET of 250 B", BatchForm.strings, LagProbe.string, rate, &table)
        }
        nodes.stop()
        if let redis { try measureRedis(redis, &table) }
        table.notes = [note]
        return table
    }

    private typealias Form = (String, Int) -> BatchForm
    private typealias Question = (Int) -> LagProbe.Question

    private func forms(_ form: Form) -> [BatchForm] { ["dnd", "away"].map { form($0, PacedChanges.batch) } }

    private func measure(
        _ nodes: LocalNodes, _ name: String, _ form: Form, _ question: Question, _ rate: Double, _ table: inout Table
    ) throws {
        try nodes.waitUntilQuiet()
        let before = try (nodes.info(0), nodes.processorTimes())
        let (load, lag) = try probe(nodes.servers[0], nodes.servers[1], name, form, question, rate)
        try nodes.waitUntilQuiet()
        let after = try (nodes.info(0), nodes.processorTimes())
        let delta = { after.0.sum($0) - before.0.sum($0) }
        // Of the probes too.
        let images = delta("images_sent") / 2
        let changes = Double((load?.changes ?? 0) + lag.lag.values.count)
        let time = zip(after.1, before.1).reduce(0) { $0 + Double($1.0 - $1.1) }
        add(
            name, rate, load, lag, bytes: delta("bytes_sent") / 2 / max(1, images),
            images: fixed(images / max(1, changes), 2), microseconds: time / 1_000 / max(1, changes), &table)
    }

    private func measureRedis(_ path: String, _ table: inout Table) throws {
        let redis = try ReplicatedRedis(path, replicas: 2)
        defer { redis.stop() }
        for rate in [0] + options.changeRates {
            let offset = { try ReplicationInfo(redis.primary.connect()).number("master_repl_offset") }
            let before = try (offset(), redis.processorTimes())
            let (load, lag) = try probe(
                redis.primary, redis.replicas[0], "Redis", BatchForm.strings, LagProbe.string, rate)
            let after = try (offset(), redis.processorTimes())
            let changes = Double((load?.changes ?? 0) + lag.lag.values.count)
            let time = zip(after.1, before.1).reduce(0) { $0 + Double($1.0 - $1.1) }
            add(
                "Redis: SET of 250 B", rate, load, lag, bytes: Double(after.0 - before.0) / changes, images: "",
                microseconds: time / 1_000 / changes, &table)
        }
    }

    private func probe(
        _ written: RunningServer, _ read: RunningServer, _ name: String, _ form: Form, _ question: Question,
        _ rate: Double
    ) throws -> (PacedChanges.Outcome?, LagProbe.Outcome) {
        Progress.say("lag: \(name), \(grouped(Int(rate))) changes a second")
        let load =
            rate > 0
            ? PacedChanges(port: written.port, users: LagPart.users, rate: rate, forms: forms(form)) : nil
        let probe = try LagProbe(writer: written.connect(), reader: read.connect())
        // What only the beginning is like is not told.
        _ = try probe.run(seconds: 1, question)
        let lag = Result { try probe.run(seconds: Double(options.seconds), question) }
        return try (load?.stop(), lag.get())
    }

    private func add(
        _ name: String, _ rate: Double, _ load: PacedChanges.Outcome?, _ lag: LagProbe.Outcome, bytes: Double,
        images: String, microseconds: Double, _ table: inout Table
    ) {
        let p99 = lag.lag.percentile(0.99)
        let isOurs = !images.isEmpty
        let goal = rate > 0 && isOurs ? LagPart.goals.first(where: { rate <= $0.rate })?.milliseconds : nil
        var bytesText = fixed(bytes, 0)
        if isOurs, rate > 0 { bytesText += bytes <= LagPart.bytesGoal ? " (held)" : " (goal 100)" }
        table.add(
            name, load.map { fixed($0.rate, 0) } ?? "-", fixed(rate, 0), fixed(lag.lag.median, 2), fixed(p99, 2),
            fixed(lag.lag.percentile(0.999), 2), goal.map { "\(fixed($0, 0)) ms" } ?? "",
            goal.map { p99 <= $0 ? "held" : "not held" } ?? "", fixed(lag.own.percentile(0.99), 2),
            rate > 0 ? bytesText : "-", rate > 0 ? images : "", rate > 0 ? fixed(microseconds, 1) : "-")
    }

    private var note: String {
        "*lag*: from the sending of a write at one node to the answer of another that shows it: its way through the first node, over the link, and the question's. "
            + "One write at a time, about 200 a second; the other node is asked every 20 us until it shows it. *answer*: from the same sending to its own answer. The load goes to the same node as the probe, "
            + "over 4 connections, \(grouped(LagPart.users)) users in turn, every command a change. *bytes a change*: `bytes_sent` of a link over its `images_sent` (Redis: `master_repl_offset` over the changes), "
            + "before TLS; *images*: told to a link for each change: less than 1 where a user changed again before he was told. *CPU*: of all three servers together, reading of the probe included."
    }
}
