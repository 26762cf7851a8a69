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
        ) { loop, client, _, _, reply in reply.verbatim(describe(client, loop) + "\n") },
        Command(
            "client|list", "[TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id [client-id ...]]", arity: -2,
            [.admin, .noScript, .loading, .stale], [.connection, .admin, .dangerous], since: "2.4.0",
            group: "connection", complexity: "O(N) where N is the number of client connections",
            "What the server knows of all connections", list),
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
        if option == "LIB-NAME" {
            client.libraryName = Text.array(bytes, request.argument(3))
        } else {
            client.libraryVersion = Text.array(bytes, request.argument(3))
        }
        reply.simple("OK")
    }

    // MARK: - Listing

    /// Which clients a `CLIENT LIST` asks for.
    struct Filter: Sendable {
        var isSubscribed: Bool?
        var isNone = false
        var ids: Set<Int> = []

        func takes(_ client: Client) -> Bool {
            if isNone { return false }
            if let isSubscribed, client.isSubscribed != isSubscribed { return false }
            return ids.isEmpty || ids.contains(client.id)
        }
    }

    @Sendable private static func list(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var filter = Filter()
        if request.argumentCount > 2 {
            let option = Word(bytes, request.argument(2))
            if option == "TYPE", request.argumentCount == 4 {
                switch Word(bytes, request.argument(3)) {
                case "NORMAL": filter.isSubscribed = false
                case "PUBSUB": filter.isSubscribed = true
                case "MASTER", "REPLICA", "SLAVE": filter.isNone = true
                default:
                    reply.error("ERR Unknown client type '\(Text.string(bytes, request.argument(3)))'")
                    return
                }
            } else if option == "ID", request.argumentCount > 3 {
                for index in 3..<request.argumentCount {
                    guard let id = Numbers.integer(bytes, request.argument(index)), id > 0 else {
                        reply.error("ERR Invalid client ID")
                        return
                    }
                    filter.ids.insert(Int(id))
                }
            } else {
                reply.error("ERR syntax error")
                return
            }
        }
        if loop.peers.count == 1 {
            reply.verbatim(text(loop.describeClients(filter)))
        } else {
            // The others' clients are known to their loops only; this client's next command waits for them.
            client.handler.suspend()
            loop.askPeers({ [filter] in $0.describeClients(filter) }) { lines in
                client.handler.resume { $0.verbatim(text(lines.flatMap { $0 })) }
            }
        }
    }

    private static func text(_ lines: [(id: Int, text: String)]) -> String {
        lines.sorted { $0.id < $1.id }.map { $0.text + "\n" }.joined()
    }

    /// One line of `CLIENT LIST`, with those of Redis's fields that mean something here.
    static func describe(_ client: Client, _ loop: ServerLoop) -> String {
        let connection = client.handler.describeConnection()
        let age = loop.now.milliseconds(since: client.connectedAt) / 1000
        let idle = loop.now.milliseconds(since: client.lastCommandAt) / 1000
        let table = CommandTable.shared
        var command = "NULL"
        if client.lastCommand >= 0 {
            let last = table.commands[client.lastCommand]
            command = last.subcommands.isEmpty || client.lastSubcommand.isEmpty ? last.name : client.lastSubcommand
        }
        return
            "id=\(client.id) addr=\(connection.remote) laddr=\(connection.local) name=\(text(client.name)) age=\(age) "
            + "idle=\(idle) flags=\(client.isSubscribed ? "P" : "N") db=0 sub=\(client.channels.count) "
            + "psub=\(client.patterns.count) ssub=0 multi=-1 qbuf=\(connection.queryBytes) omem=\(connection.outputBytes) "
            + "cmd=\(command) user=default resp=\(client.version.rawValue) lib-name=\(text(client.libraryName)) "
            + "lib-ver=\(text(client.libraryVersion))"
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

extension ServerLoop {
    /// The lines of this loop's clients.
    func describeClients(_ filter: ClientCommands.Filter) -> [(id: Int, text: String)] {
        clients.values.filter { filter.takes($0) }.map { ($0.id, ClientCommands.describe($0, self)) }
    }
}
