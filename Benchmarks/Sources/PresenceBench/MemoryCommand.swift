import ArgumentParser

/// Resident bytes of an online user with one session and all fields, beside Redis and Valkey that keep the same as a hash.
struct MemoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory", abstract: "Resident bytes a user of the server, beside Redis and Valkey.")

    @OptionGroup var servers: ServerOptions
    @Option(help: "Users of each server.")
    var users = 500_000
    @Option(help: "Rounds, in which the servers take turns; the median is told.")
    var rounds = 3

    func validate() throws {
        try Bounds.check("--users", users, 1_000...100_000_000)
        try Bounds.check("--rounds", rounds, Bounds.rounds)
    }

    func run() throws { print(try MemoryCommand.measure(servers, users: users, rounds: rounds).text) }

    static func measure(_ options: ServerOptions, users: Int, rounds: Int) throws -> Table {
        var table = Table(
            "An online user, UUID, one session, all fields: \(grouped(users)) of them", SideBySide.columns)
        let names = Names(count: users)
        let kinds = try options.all
        var bytes = SideBySide("resident bytes a user", digits: 1, goal: "120")
        for round in 0..<rounds {
            for kind in ServerKind.inTurn(kinds, round: round) {
                Progress.say("memory: round \(round + 1) of \(rounds), \(kind.name)")
                let server = try RunningServer(kind)
                defer { server.stop() }
                let before = server.residentBytes
                try load(server, names)
                bytes.add(
                    Double(server.residentBytes - before) / Double(users),
                    of: kind.name + (kind.isPresenced ? "" : ", a hash with a TTL"), isOwn: kind.isPresenced)
            }
        }
        table.rows = bytes.rows
        table.notes = ["VmRSS with all users less that of the empty server. " + SideBySide.note(rounds: rounds)]
        return table
    }

    private static func load(_ server: RunningServer, _ names: Names) throws {
        let connection = try server.connect()
        let user = { (index: Int) in names.text(names.user(index)) }
        let session = { (index: Int) in names.text(names.session(index)) }
        if server.kind.isPresenced {
            try connection.load(names.count, expecting: .integer(1)) {
                Record.connect(user: user($0), session: session($0), options: ["EX", "300"])
            }
            try connection.load(names.count, expecting: .integer(1)) {
                ["PRESENCE.ACTIVE", Heartbeat.key(user($0)), session($0)]
            }
        } else {
            try connection.load(names.count, expecting: .integer(8)) {
                Record.hash(user: user($0), session: session($0))
            }
            try connection.load(names.count, expecting: .integer(1)) { ["EXPIRE", Heartbeat.key(user($0)), "300"] }
        }
    }
}
