import Presence
import PresenceRESP

/// `DEBUG SLEEP` and `DEBUG TELL-PEERS`: what tests need, where `enable-debug-command` allows it.
enum DebugCommands {
    static let table: [Command] = [
        Command(
            "debug", "subcommand [argument ...]", arity: -2, [.admin, .noScript, .loading, .stale],
            [.admin, .dangerous], since: "1.0.0", group: "server", complexity: "Depends on subcommand.",
            "A container for commands that only tests need", subcommands: subcommands, debug)
    ]

    private static let subcommands: [Command] = [
        Command(
            "debug|sleep", "seconds", arity: 3, [.admin, .noScript, .loading, .stale, .noMulti], [.admin, .dangerous],
            since: "1.0.0", group: "server",
            "Stops this connection's event loop for so long: its other clients and its shards' expiries wait, "
                + "other event loops go on",
            sleep),
        Command(
            "debug|tell-peers", "yes|no", arity: 3, [.admin, .noScript, .loading, .stale, .noMulti],
            [.admin, .dangerous], since: "1.0.0", group: "server",
            "With no, what is written at this node is not noted for the other nodes, until yes: only their comparisons find it",
            tellPeers),
        Command(
            "debug|help", arity: 2, [.admin, .noScript, .loading, .stale], [.admin, .dangerous], since: "1.0.0",
            group: "server", "Tells the subcommands"
        ) { _, _, _, _, reply in HelpText.write("DEBUG", of: "debug", &reply) },
    ]

    @Sendable private static func debug(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard loop.configuration.debugCommands.admits(client) else {
            reply.error(
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it "
                    + "from a local connection, otherwise you need to set this option in the configuration file, and "
                    + "then restart the server.")
            return
        }
        CommandDispatch.runSubcommand(of: "debug", loop, client, request, bytes, &reply)
    }

    /// The longest sleep: longer, and everybody takes the server for dead.
    private static let maximumSeconds = 3600.0

    @Sendable private static func sleep(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let seconds = Double(Text.string(bytes, request.argument(2), limit: 64)), seconds >= 0 else {
            reply.error("ERR value is not a valid float")
            return
        }
        guard seconds <= maximumSeconds else {
            reply.error("ERR DEBUG SLEEP takes at most \(Int(maximumSeconds)) seconds")
            return
        }
        loop.server.process.sleep(seconds)
        reply.simple("OK")
    }

    @Sendable private static func tellPeers(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard loop.server.replication != nil else {
            reply.error("ERR this node has no others to tell")
            return
        }
        switch Text.string(bytes, request.argument(2), limit: 8).lowercased() {
        case "yes": loop.store.noteChanges(true)
        case "no": loop.store.noteChanges(false)
        default:
            reply.error("ERR DEBUG TELL-PEERS takes yes or no")
            return
        }
        reply.simple("OK")
    }
}
