import Presence
import PresenceRESP

/// `CLIENT`: what the server knows of connections.
enum ClientCommands {
    static let table: [Command] = [
        Command(
            "client", "subcommand [argument ...]", arity: -2, [], [], since: "2.4.0", group: "connection",
            complexity: "Depends on subcommand.", "A container for client connection commands", subcommands: subcommands
        ) { CommandDispatch.runSubcommand(of: "client", $0, $1, $2, $3, &$4) }
    ]

    private static let subcommands: [Command] = [
        Command(
            "client|id", arity: 2, [.noScript, .loading, .stale], [.connection], since: "5.0.0", group: "connection",
            "The number of this connection"
        ) { _, client, _, _, reply in reply.integer(client.id) },
        Command(
            "client|getname", arity: 2, [.noScript, .loading, .stale], [.connection], since: "2.6.9",
            group: "connection",
            "The name of this connection"
        ) { _, client, _, _, reply in
            if client.name.isEmpty { reply.null() } else { reply.bulk(client.name) }
        },
        Command(
            "client|setname", "connection-name", arity: 3, [.noScript, .loading, .stale], [.connection], since: "2.6.9",
            group: "connection", "Names this connection", setName),
        Command(
            "client|setinfo", "LIB-NAME libname | LIB-VER libver", arity: 4, [.noScript, .loading, .stale],
            [.connection],
            since: "7.2.0", group: "connection", "Tells the client's library and its version", setInfo),
        Command(
            "client|info", arity: 2, [.noScript, .loading, .stale], [.connection], since: "6.2.0", group: "connection",
            "What the server knows of this connection"
        ) { loop, client, _, _, reply in reply.verbatim(String(decoding: ClientLine(client, loop).text, as: UTF8.self))
        },
        Command(
            "client|list", "[TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id [client-id ...]]", arity: -2,
            [.admin, .noScript, .loading, .stale, .noMulti], [.connection, .admin, .dangerous], since: "2.4.0",
            group: "connection", complexity: "O(N) where N is the number of client connections",
            "What the server knows of all connections", list),
        Command(
            "client|kill",
            "ip:port | [ID client-id] [TYPE NORMAL | MASTER | REPLICA | PUBSUB] [USER username] [ADDR ip:port] [LADDR ip:port] "
                + "[SKIPME yes | no]",
            arity: -3, [.admin, .noScript, .loading, .stale, .noMulti], [.connection, .admin, .dangerous],
            since: "2.4.0", group: "connection", complexity: "O(N) where N is the number of client connections",
            "Closes connections", kill),
        Command(
            "client|pause", "timeout [WRITE | ALL]", arity: -3, [.admin, .noScript, .loading, .stale, .noMulti],
            [.connection, .admin, .dangerous], since: "3.0.0", group: "connection",
            "Lets commands of all connections, or those that write, wait for so many milliseconds", pause),
        Command(
            "client|unpause", arity: 2, [.admin, .noScript, .loading, .stale, .noMulti],
            [.connection, .admin, .dangerous], since: "6.2.0", group: "connection",
            complexity: "O(N) where N is the number of commands that wait", "Ends a pause that holds back writes",
            unpause),
        Command(
            "client|reply", "ON | OFF | SKIP", arity: 3, [.noScript, .loading, .stale], [.connection], since: "3.2.0",
            group: "connection", "Whether this connection wants replies", setReplies),
        Command(
            "client|no-evict", "ON | OFF", arity: 3, [.admin, .noScript, .loading, .stale],
            [.connection, .admin, .dangerous], since: "7.0.0", group: "connection",
            "Marks this connection as one not to be closed for memory; none is here"
        ) { setTrait(.noEvict, $1, $2, $3, &$4) },
        Command(
            "client|no-touch", "ON | OFF", arity: 3, [.noScript, .loading, .stale], [.connection], since: "7.2.0",
            group: "connection", "Marks this connection as one whose reads do not count for eviction; none does here"
        ) { setTrait(.noTouch, $1, $2, $3, &$4) },
        Command(
            "client|help", arity: 2, [.loading, .stale], [.connection], since: "5.0.0", group: "connection",
            "Tells the subcommands"
        ) { _, _, _, _, reply in HelpText.write("CLIENT", of: "client", &reply) },
    ]

    // MARK: - Names

    @Sendable private static func setName(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard ConnectionCommands.isPrintable(bytes, request.argument(2)) else {
            reply.error(ConnectionCommands.nameError)
            return
        }
        guard !ConnectionCommands.refusesName(request.argument(2), &reply) else { return }
        client.name = Text.array(bytes, request.argument(2))
        reply.simple("OK")
    }

    @Sendable private static func setInfo(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let option = Word(bytes, request.argument(2))
        guard option == "LIB-NAME" || option == "LIB-VER" else {
            reply.error("ERR Unrecognized option '\(Text.string(bytes, request.argument(2)))'")
            return
        }
        guard ConnectionCommands.isPrintable(bytes, request.argument(3)) else {
            let name = option == "LIB-NAME" ? "lib-name" : "lib-ver"
            reply.error("ERR \(name) cannot contain spaces, newlines or special characters.")
            return
        }
        guard !ConnectionCommands.refusesName(request.argument(3), &reply) else { return }
        if option == "LIB-NAME" {
            client.libraryName = Text.array(bytes, request.argument(3))
        } else {
            client.libraryVersion = Text.array(bytes, request.argument(3))
        }
        reply.simple("OK")
    }
}
