import ArgumentParser

/// What the store, the codec and the server cost, beside Redis and Valkey in the same run.
@main
struct PresenceBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presence-bench",
        abstract: "Measures presenced: in process, by instructions, and beside Redis and Valkey.",
        discussion: """
            Servers that are started run on this machine, on the loopback interface, and are ended by their process ids, also when a run is \
            interrupted or crashes. Only `load --host` goes elsewhere, to a server that one names. \
            docs/BENCHMARKS.md says how to read the figures.
            """,
        subcommands: [
            AllCommand.self, StoreCommand.self, InstructionsCommand.self, CountCommand.self, BaselineCommand.self,
            HeartbeatCommand.self, LatenessCommand.self, MemoryCommand.self, IdleCommand.self,
            MicroCommand.self,
            WatchCommand.self, LoadCommand.self, ScaleCommand.self, ClusterCommand.self,
            FloorCommand.self, LoadWorkerCommand.self,
        ]
    )
}

/// Everything, one part after the other.
struct AllCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all", abstract: "All of the parts below; about 11 minutes on 2 cores.")

    @OptionGroup var servers: ServerOptions
    @Option(help: "A file that the tables are written to, as JSON.")
    var json: String?

    func run() throws {
        try OutputFile.check(json)
        let tables = [
            try InstructionsCommand.measure(operations: 20_000),
            try StoreCommand.measure(users: 1_000_000, rounds: 5),
            try HeartbeatCommand.measure(servers, users: 100_000, rounds: 3, seconds: 2),
            try LatenessCommand.measure(servers, due: 100_000, alive: 900_000, window: 5),
            try LatenessCommand.measure(servers, due: 100_000, alive: 0, window: 5),
            try WatchCommand.measure(servers.own.server, WatchCommand.plans, window: 50),
            try MemoryCommand.measure(servers, users: 500_000, rounds: 3),
            try IdleCommand.measure(servers, connections: 10_000, seconds: 8, rounds: 3),
        ]
        print()
        for table in tables { print(table.text) }
        if let json { try Table.write(tables, to: json) }
    }
}
