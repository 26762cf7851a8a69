import ArgumentParser

/// Resident bytes of an online user with one session and all fields, beside Redis and Valkey that keep the same as a hash.
struct MemoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory", abstract: "Resident bytes a user of the server, beside Redis and Valkey.")

    @OptionGroup var servers: ServerOptions
    @Option(help: "Users of each server.")
    var users = 500_000

    func validate() throws {
        guard users >= 1_000 else { throw ValidationError("at least 1000 users") }
    }

    func run() throws { print(try MemoryCommand.measure(servers, users: users).text) }

    static func measure(_ options: ServerOptions, users: Int) throws -> Table {
        var table = Table(
            "An online user, UUID, one session, all fields: \(grouped(users)) of them",
            ["server", "resident bytes a user", "goal"])
        let names = Names(count: users)
        for kind in try options.all {
            Progress.say("memory: \(kind.name)")
            let server = try RunningServer(kind)
            defer { server.stop() }
            let before = server.residentBytes
            try load(server, names)
            let bytes = Double(server.residentBytes - before) / Double(users)
            let form = kind.isPresenced ? "" : ", a hash with a TTL"
            table.add(kind.name + form, fixed(bytes, 1), kind.isPresenced ? "120" : "")
        }
        table.notes = ["VmRSS with all users less that of the empty server."]
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
