import ArgumentParser
import Foundation

/// What connections cost that do nothing: resident bytes of each and the processor's share for all, beside Redis and Valkey.
struct IdleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle", abstract: "Bytes and processor time of idle connections, beside Redis and Valkey.")

    @OptionGroup var servers: ServerOptions
    @Option(help: "Connections of each server.")
    var connections = 10_000
    @Option(help: "Seconds of idleness that are measured.")
    var seconds = 20

    func validate() throws {
        guard (100...60_000).contains(connections), (1...300).contains(seconds) else {
            throw ValidationError("100 to 60 000 connections, 1 to 300 seconds")
        }
    }

    func run() throws {
        print(try IdleCommand.measure(servers, connections: connections, seconds: seconds).text)
    }

    static func measure(_ options: ServerOptions, connections: Int, seconds: Int) throws -> Table {
        var table = Table(
            "\(grouped(connections)) idle connections",
            ["server", "bytes each, nothing sent", "after a PING", "after an ECHO of 1 kB", "processor", "goal"])
        // The servers inherit it.
        try OpenFiles.raise(to: connections + 200)
        for kind in try options.all {
            Progress.say("idle: \(kind.name)")
            let server = try RunningServer(kind)
            defer { server.stop() }
            let control = try server.connect()
            try control.command(["CONFIG", "SET", "maxclients", "\(connections + 50)"], expecting: .simple("OK"))
            let before = server.residentBytes
            let each = { Double(server.residentBytes - before) / Double(connections) }
            let idle = try (0..<connections).map { _ in try server.connect() }
            // All are there once the last one was answered and a moment has passed.
            _ = try idle[connections - 1].command("PING")
            sleep(2)
            let silent = each()
            for connection in idle { try connection.command(["PING"], expecting: .simple("PONG")) }
            sleep(2)
            let greeted = each()
            let text = String(repeating: "x", count: 1_000)
            for connection in idle { try connection.command(["ECHO", text], expecting: .bulk(text)) }
            sleep(2)
            let echoed = each()
            let began = try server.processorTime()
            sleep(UInt32(seconds))
            let share = Double(try server.processorTime() - began) / Double(seconds) / 1e7
            table.add(
                kind.name, fixed(silent, 0), fixed(greeted, 0), fixed(echoed, 0), fixed(share, 2) + " % of a core",
                kind.isPresenced ? "4 kB, 2 %" : "")
        }
        table.notes = [
            "VmRSS with all connections less that of the server with one; the kernel's buffers are not in it. Processor time of all threads over \(seconds) s in "
                + "which nobody sends anything: ticks of the wheel and the look at clients included."
        ]
        return table
    }
}
