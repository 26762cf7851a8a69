import ArgumentParser
import Foundation

/// From a change to the sockets of those who watch: how late, at a rate of changes.
struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "From a change of status to its frame on a watcher's socket, at a rate.",
        discussion: """
            The generator is one thread on the same machine. Every reply and every row is checked: a row is of a user on the list, tells what he was \
            set to, once; afterwards all lists know all users as they are. A server, or a machine, that does not keep up is offered less: the table says \
            how many changes a second were answered.
            """)

    @OptionGroup var own: OwnServer
    @Option(help: "Users, all of them online, who change one after the other.")
    var users = 100_000
    @Option(help: "Viewers, each with a list and a subscription to it.")
    var viewers = 1_000
    @Option(help: "Users on each list.")
    var friends = 100
    @Option(help: "Connections that the viewers are subscribed on.")
    var connections = 20
    @Option(help: "Changes a second.")
    var rate = 50_000.0
    @Option(help: "Milliseconds of push-window.")
    var window = 50
    @Option(help: "Seconds that are measured, after one that is not.")
    var seconds = 10.0

    func validate() throws {
        try Bounds.check("--users", users, 1_000...1_000_000)
        try Bounds.check("--viewers", viewers, 1...100_000)
        try Bounds.check("--friends", friends, 1...min(5_000, users))
        try Bounds.check("--connections", connections, 1...min(500, viewers))
        try Bounds.check("--rate", rate, Bounds.rate)
        try Bounds.check("--window", window, 1...10_000)
        try Bounds.check("--seconds", seconds, 0.1...120)
        guard users.isMultiple(of: 4) else { throw ValidationError("--users is a multiple of 4") }
        guard Double(users) / rate * 1_000 > Double(3 * window) else {
            throw ValidationError(
                "users must change less than once in three windows: more --users, or a lower --rate or --window")
        }
    }

    func run() throws {
        let plan = WatchRun.Plan(
            users: users, viewers: viewers, friends: friends, connections: connections, rate: rate, seconds: seconds)
        print(try WatchCommand.measure(own.server, [plan], window: window).text)
    }

    /// What `make bench` measures: each change told to one, and each told to five.
    static let plans = [100_000, 20_000].map {
        WatchRun.Plan(users: $0, viewers: 1_000, friends: 100, connections: 20, rate: 50_000, seconds: 10)
    }

    static func measure(_ server: String, _ plans: [WatchRun.Plan], window: Int) throws -> Table {
        var table = Table(
            "Change to watcher's socket, push-window \(window) ms",
            [
                "changes a second", "watchers each", "from", "p50", "p99", "p99.9", "greatest", "p99 beyond the window",
                "goal",
            ])
        for plan in plans { try measure(server, plan, window: window, &table) }
        table.notes.append(
            "From a client's command (`PRESENCE.SET ... STATUS`), written to its socket, or due to be, to the row that tells it, read from the socket of a viewer. "
                + "What changes is gathered for a window, so half a window is the least that the median can be."
        )
        return table
    }

    private static func measure(
        _ path: String, _ plan: WatchRun.Plan, window: Int, _ table: inout Table
    ) throws {
        let server = try RunningServer(
            .presenced(path),
            settings: ["--push-window", "\(window)ms", "--status-changes-per-minute", "0"])
        defer { server.stop() }
        let each = fixed(Double(plan.viewers * plan.friends) / Double(plan.users), 1)
        Progress.say(
            "watch: \(grouped(plan.users)) users connect, \(grouped(plan.viewers)) viewers watch \(plan.friends) each")
        var run = try WatchRun(plan, ServerAddress(port: server.port))
        Progress.say("watch: \(grouped(Int(plan.rate))) changes a second, \(each) watchers each")
        let before = (server: try server.processorTime(), own: ProcessorTime.ofThread())
        let outcome = try run.run()
        let spent = (server: try server.processorTime() - before.server, own: ProcessorTime.ofThread() - before.own)
        let ledger = outcome.ledger
        let rate = Double(ledger.changes) / outcome.elapsed
        let isHeld = rate > 0.99 * plan.rate
        let held = grouped(Int(rate)) + (isHeld ? "" : " of \(grouped(Int(plan.rate)))")
        for (name, histogram) in [("written", ledger.sinceWritten), ("due", ledger.sinceDue)] {
            let value = { (percent: Double) in Double(histogram.valueAtPercentile(percent)) / 1e6 }
            table.add(
                held, each, name, fixed(value(50), 1) + " ms",
                fixed(value(99), 1) + " ms", fixed(value(99.9), 1) + " ms", fixed(value(100), 1) + " ms",
                fixed(value(99) - Double(window), 1) + " ms", "5 ms")
        }
        if !isHeld {
            table.notes.append(
                "\(each) watchers each: \(grouped(Int(plan.rate))) changes a second were due and \(grouped(Int(rate))) answered. Counted from when they were due, "
                    + "all that waited to be written is in it.")
        }
        table.notes.append(
            "\(each) watchers each: \(grouped(plan.viewers)) viewers of \(plan.friends) on \(plan.connections) connections, \(grouped(plan.users)) users; "
                + "\(grouped(ledger.changes)) changes, \(grouped(ledger.rows)) rows in \(grouped(outcome.frames)) frames, "
                + "\(grouped(ledger.joined)) told as one with a later one, none lost; a change took \(microseconds(spent.server, ledger.changes)) us of the server's "
                + "processor time and \(microseconds(spent.own, ledger.changes)) us of the generator's.")
    }

    private static func microseconds(_ nanoseconds: UInt64, _ count: Int) -> String {
        fixed(Double(nanoseconds) / 1_000 / Double(max(1, count)), 2)
    }
}
