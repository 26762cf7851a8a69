import Presence
import PresenceRESP
import PresenceStore

/// Operation: what the server is doing, its settings.
enum ServerCommands {
    static let table: [Command] = [
        Command(
            "info", "[section [section ...]]", arity: -1, [.loading, .stale], [.dangerous], since: "1.0.0",
            group: "server", "What the server is and does", info),
        Command(
            "time", arity: 1, [.loading, .stale, .fast], [], since: "2.6.0", group: "server",
            "The server's clock: seconds since 1970, and microseconds"
        ) { loop, _, _, _, reply in
            let milliseconds = loop.now.milliseconds
            reply.array(2)
            reply.bulk(String(milliseconds / 1000))
            reply.bulk(String(milliseconds % 1000 * 1000))
        },
        Command(
            "config", "subcommand [argument ...]", arity: -2, [], [], since: "2.0.0", group: "server",
            complexity: "Depends on subcommand.", "A container for settings", subcommands: configSubcommands
        ) { CommandDispatch.runSubcommand(of: "config", $0, $1, $2, $3, &$4) },
    ]

    private static let configSubcommands: [Command] = [
        Command(
            "config|get", "parameter [parameter ...]", arity: -3, [.admin, .noScript, .loading, .stale],
            [.admin, .dangerous], since: "2.0.0", group: "server", "The values of settings, by glob patterns", configGet
        ),
        Command(
            "config|set", "parameter value [parameter value ...]", arity: -4,
            [.admin, .noScript, .loading, .stale, .noMulti],
            [.admin, .dangerous], since: "2.0.0", group: "server", "Changes settings, all or none", configSet),
        Command(
            "config|rewrite", arity: 2, [.admin, .noScript, .loading, .stale, .noMulti], [.admin, .dangerous],
            since: "2.8.0", group: "server", complexity: "O(N) where N is the number of settings",
            "Writes the settings in force into the file that the server was started with", configRewrite),
        Command(
            "config|resetstat", arity: 2, [.admin, .noScript, .loading, .stale], [.admin, .dangerous],
            since: "2.0.0", group: "server", "Sets the counters of INFO to zero", resetStatistics),
        Command(
            "config|help", arity: 2, [.loading, .stale], [], since: "5.0.0", group: "server", "Tells the subcommands"
        ) { _, _, _, _, reply in HelpText.write("CONFIG", of: "config", &reply) },
    ]

    // MARK: - INFO

    @Sendable private static func info(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var names: Set<String> = []
        for index in 1..<max(1, request.argumentCount) {
            names.insert(Text.string(bytes, request.argument(index), limit: 64).lowercased())
        }
        loop.counters.take(reply.takeErrors())
        reply.verbatim(ServerReport(loop).text(sections: names))
        // It takes long, though what it does grows with nothing.
        loop.lookAtTurn()
    }

    // MARK: - CONFIG

    /// Patterns of one `CONFIG GET`: each is compared with all settings.
    private static let maximumPatterns = 64

    @Sendable private static func configGet(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard request.argumentCount - 2 <= maximumPatterns else {
            reply.error("ERR CONFIG GET takes at most \(maximumPatterns) patterns")
            return
        }
        var found: [(name: String, value: String)] = []
        var names: Set<String> = []
        for index in 2..<request.argumentCount {
            let pattern = Text.string(bytes, request.argument(index), limit: 256)
            for setting in loop.server.configurationPort.get(matching: pattern)
            where names.insert(setting.name).inserted {
                found.append(setting)
            }
        }
        reply.map(found.count)
        for (name, value) in found {
            reply.bulk(name)
            reply.bulk(value)
        }
    }

    @Sendable private static func configSet(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard request.argumentCount % 2 == 0 else {
            reply.error("ERR syntax error")
            return
        }
        var pairs: [(name: String, value: String)] = []
        for index in stride(from: 2, to: request.argumentCount, by: 2) {
            pairs.append(
                (Text.string(bytes, request.argument(index)), Text.string(bytes, request.argument(index + 1))))
        }
        do throws(ConfigurationPortError) {
            try loop.server.configurationPort.set(pairs)
            guard loop.peers.count > 1 else {
                reply.simple("OK")
                return
            }
            // The other loops take the settings in their turn: whoever reads OK finds them in force on all.
            client.handler.suspend()
            loop.askPeers({ _ in true }) { _ in client.handler.resume { $0.simple("OK") } }
        } catch {
            reply.error(error.message)
        }
    }

    @Sendable private static func configRewrite(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        // The disk is waited for elsewhere; this client's next command waits with it.
        let handler = client.handler
        let port = loop.server.configurationPort
        handler.suspend()
        loop.besides({ port.rewrite() }) { problem in
            handler.resume { reply in
                if let problem { reply.error(problem) } else { reply.simple("OK") }
            }
        }
    }

    @Sendable private static func resetStatistics(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        _ = reply.takeErrors()
        loop.resetCounters()
        loop.store.resetStatistics()
        reply.simple("OK")
    }
}
