import ArgumentParser
import Foundation

/// What connections cost that do nothing: resident bytes of each and the processor's share for all, beside Redis and Valkey.
struct IdleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle", abstract: "Bytes and processor time of idle connections, beside Redis and Valkey.")

    @OptionGroup var servers: ServerOptions
    @Option(help: "Connections of each server.")
    var connections = 10_000
    @Option(help: "Seconds of idleness that are measured in each round.")
    var seconds = 8
    @Option(help: "Rounds, in which the servers take turns; the median is told.")
    var rounds = 3

    func validate() throws {
        try Bounds.check("--connections", connections, 100...60_000)
        try Bounds.check("--seconds", seconds, 1...300)
        try Bounds.check("--rounds", rounds, Bounds.rounds)
    }

    func run() throws {
        print(try IdleCommand.measure(servers, connections: connections, seconds: seconds, rounds: rounds).text)
    }

    /// What is told of each server: bytes a connection, and the processor's share for all.
    private struct Figures {
        var silent = SideBySide("bytes each, nothing sent", digits: 0, goal: "4 kB")
        var greeted = SideBySide("bytes each, after a PING", digits: 0, goal: "4 kB")
        var echoed = SideBySide("bytes each, after an ECHO of 1 kB", digits: 0, goal: "4 kB")
        var processor = SideBySide("processor, % of a core", digits: 2, goal: "2")

        var rows: [[String]] { [silent, greeted, echoed, processor].flatMap(\.rows) }
    }

    static func measure(_ options: ServerOptions, connections: Int, seconds: Int, rounds: Int) throws -> Table {
        var table = Table("\(grouped(connections)) idle connections", SideBySide.columns)
        // The servers inherit it.
        try OpenFiles.raise(to: connections + 200)
        let kinds = try options.all
        var figures = Figures()
        for round in 0..<rounds {
            for kind in ServerKind.inTurn(kinds, round: round) {
                Progress.say("idle: round \(round + 1) of \(rounds), \(kind.name)")
                try measure(kind, connections: connections, seconds: seconds, &figures)
            }
        }
        table.rows = figures.rows
        table.notes = [
            "VmRSS with all connections less that of the server with one; the kernel's buffers are not in it. Processor time of all threads over \(seconds) s in "
                + "which nobody sends anything: ticks of the wheel and the look at clients included. "
                + SideBySide.note(rounds: rounds)
        ]
        return table
    }

    private static func measure(_ kind: ServerKind, connections: Int, seconds: Int, _ figures: inout Figures) throws {
        let server = try RunningServer(kind)
        defer { server.stop() }
        let control = try server.connect()
        try control.command(["CONFIG", "SET", "maxclients", "\(connections + 50)"], expecting: .simple("OK"))
        let before = server.residentBytes
        let each = { Double(server.residentBytes - before) / Double(connections) }
        let idle = try (0..<connections).map { _ in try server.connect() }
        // All are there once the last one was answered and a moment has passed.
        _ = try idle[connections - 1].command("PING")
        sleep(1)
        figures.silent.add(each(), of: kind.name, isOwn: kind.isPresenced)
        for connection in idle { try connection.command(["PING"], expecting: .simple("PONG")) }
        sleep(1)
        figures.greeted.add(each(), of: kind.name, isOwn: kind.isPresenced)
        let text = String(repeating: "x", count: 1_000)
        for connection in idle { try connection.command(["ECHO", text], expecting: .bulk(text)) }
        // By then each server has done what it does with buffers that are idle.
        sleep(2)
        figures.echoed.add(each(), of: kind.name, isOwn: kind.isPresenced)
        let began = try server.processorTime()
        sleep(UInt32(seconds))
        let share = Double(try server.processorTime() - began) / Double(seconds) / 1e7
        figures.processor.add(share, of: kind.name, isOwn: kind.isPresenced)
    }
}
