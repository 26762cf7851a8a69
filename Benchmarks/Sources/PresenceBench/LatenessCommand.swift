import ArgumentParser
import Foundation

/// How late the end of a session is heard of, over the wire, among many that live on; and resident bytes a user.
struct LatenessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lateness", abstract: "How late expiries are heard of over the wire, and resident bytes a user.")

    @OptionGroup var servers: ServerOptions
    @Option(help: "Sessions that run out.")
    var due = 100_000
    @Option(help: "Sessions that live on.")
    var alive = 900_000
    @Option(help: "Seconds within which they run out.")
    var window = 5

    func validate() throws {
        try Bounds.check("--due", due, 100...1_000_000)
        try Bounds.check("--alive", alive, 0...100_000_000)
        try Bounds.check("--window", window, 1...60)
    }

    func run() throws {
        print(try LatenessCommand.measure(servers, due: due, alive: alive, window: window).text)
    }

    static func measure(_ options: ServerOptions, due: Int, alive: Int, window: Int) throws -> Table {
        let server = try RunningServer(.presenced(options.server))
        defer { server.stop() }
        let connection = try server.connect()
        let users = due + alive
        Progress.say("lateness: \(grouped(users)) users connect")
        let names = Names(count: users)
        let residentBefore = server.residentBytes
        try connect(connection, names, due..<users) { _ in 300_000 }
        // TTLs begin with their commands: what is due is connected last, and quickly.
        let shortest = 6_000
        let ttl = { (index: Int) in shortest + index * window * 1_000 / due }
        let listener = try Listener(server, expecting: 2 * due)
        let began = WallClock.milliseconds()
        try connect(connection, names, 0..<due, ttl)
        let connected = WallClock.milliseconds()
        let resident = server.residentBytes - residentBefore
        guard connected - began < shortest else {
            throw BenchError("connecting took \(connected - began) ms, longer than the first session lives")
        }
        Progress.say("lateness: waiting for \(grouped(due)) of them to run out")
        let arrivals = try listener.arrivals(until: connected + Int64(shortest + window * 1_000 + 20_000))
        let late = try check(arrivals, names, due, began...connected, ttl)
        var table = try table(
            connection, late, due: due, alive: alive, window: window, bytes: Double(resident) / Double(users))
        server.stop()
        for peer in try options.peers { try add(peer, due: due, alive: alive, window: window, &table) }
        return table
    }

    /// For how long after the last session that is due others are waited for, in seconds.
    private static let patience = 10

    /// How late another server announces strings that run out, as many among as many.
    private static func add(_ peer: ServerKind, due: Int, alive: Int, window: Int, _ table: inout Table) throws {
        Progress.say("lateness: \(peer.name)")
        let target = try LoadTarget(peer)
        defer { target.stop() }
        var turn = try ExpiryTurn(target, users: due + alive, due: due, window: window, patience: patience)
        let outcome = try turn.run()
        table.rows.append(row(of: peer.name, outcome, due: due))
    }

    /// What was announced by then, and how late that was.
    static func row(of peer: String, _ outcome: LoadOutcome, due: Int) -> [String] {
        let announced = "\(grouped(outcome.operations)) of \(grouped(due))"
        guard outcome.operations > 0 else { return [peer + ", strings that run out", announced, "-", "-", "-", ""] }
        return [peer + ", strings that run out", announced]
            + [50, 99, 100].map { fixed(outcome.milliseconds($0), 0) + " ms" } + [""]
    }

    private static func connect(
        _ connection: Connection, _ names: Names, _ range: Range<Int>, _ ttl: (Int) -> Int
    ) throws {
        try connection.load(range.count, expecting: .integer(1)) { offset in
            let index = range.lowerBound + offset
            return Record.connect(
                user: names.text(names.user(index)), session: names.text(names.session(index)),
                options: ["PX", "\(ttl(index))"])
        }
    }

    /// Holds every event against what the client knows: one for each session that was due, none for others, and its instant that of the TTL.
    private static func check(
        _ arrivals: [Arrival], _ names: Names, _ due: Int, _ connecting: ClosedRange<Int64>, _ ttl: (Int) -> Int
    ) throws -> Sample {
        var places: [String: Int] = [:]
        for index in 0..<due { places[names.text(names.user(index))] = index }
        var late = Sample()
        for arrival in arrivals {
            guard let index = places.removeValue(forKey: arrival.user) else {
                throw BenchError("an event too many: of \(arrival.user)")
            }
            let begun = arrival.deadline - Int64(ttl(index))
            guard connecting.contains(begun) else {
                throw BenchError("\(arrival.user) ended \(begun - connecting.lowerBound) ms after the TTL of the first")
            }
            late.add(Double(arrival.at - arrival.deadline))
        }
        guard places.isEmpty else { throw BenchError("\(places.count) of \(due) sessions were not announced") }
        return late
    }

    private static func table(
        _ connection: Connection, _ late: Sample, due: Int, alive: Int, window: Int, bytes: Double
    ) throws -> Table {
        var table = Table(
            "\(grouped(due)) sessions run out within \(window) s"
                + (alive == 0 ? ", nothing else" : " among \(grouped(alive)) that live on") + ", over the wire",
            ["", "announced", "p50", "p99", "greatest", "goal"])
        table.add(
            "lateness as a subscriber has it", "\(grouped(late.values.count)) of \(grouped(due))",
            fixed(late.median, 0) + " ms", fixed(late.percentile(0.99), 0) + " ms",
            fixed(late.percentile(1), 0) + " ms", "all, p99 20 ms")
        let own = try ["p50", "p99", "max"].map { try connection.info("presence", "expiry_lateness_\($0)_ms") }
        table.add("lateness as the server tells it", "", "\(own[0]) ms", "\(own[1]) ms", "\(own[2]) ms", "")
        if alive > 0 { table.add("resident bytes a user", "", fixed(bytes, 1), "", "", "120") }
        table.notes = [
            "From the instant that the event names, which is held against the client's own time of connecting and TTL, to its arrival at one subscriber of "
                + "`user.status.changed`. Bytes: VmRSS of the server with all users less that of the empty one. "
                + "Others announce a string with a TTL when they come to delete it, by a keyspace event; what they had announced \(patience) s after the last was due is told, "
                + "and how late that was: what came later or never is in no percentile."
        ]
        return table
    }
}
