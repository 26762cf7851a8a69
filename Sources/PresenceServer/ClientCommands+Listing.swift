import Presence
import PresenceRESP

/// `CLIENT LIST` and `CLIENT INFO`: a line for a connection, with those of Redis's fields that mean something here.
extension ClientCommands {
    /// Which clients a `CLIENT LIST` asks for.
    struct Filter: Sendable {
        var isSubscribed: Bool?
        var isNone = false
        /// Nil: all.
        var ids: Set<Int>?

        func takes(_ client: Client) -> Bool {
            if isNone { return false }
            if let isSubscribed, client.isSubscribed != isSubscribed { return false }
            return ids?.contains(client.id) ?? true
        }

        /// Takes a type by its name; false if there is none of that name.
        mutating func setType(_ name: Word) -> Bool {
            switch name {
            case "NORMAL": isSubscribed = false
            case "PUBSUB": isSubscribed = true
            case "MASTER", "REPLICA", "SLAVE": isNone = true
            default: return false
            }
            return true
        }
    }

    @Sendable static func list(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var filter = Filter()
        if request.argumentCount > 2 {
            let option = Word(bytes, request.argument(2))
            if option == "TYPE", request.argumentCount == 4 {
                guard filter.setType(Word(bytes, request.argument(3))) else {
                    reply.error("ERR Unknown client type '\(Text.string(bytes, request.argument(3), limit: 128))'")
                    return
                }
            } else if option == "ID", request.argumentCount > 3 {
                var ids: Set<Int> = []
                for index in 3..<request.argumentCount {
                    guard let id = Numbers.integer(bytes, request.argument(index)) else {
                        reply.error("ERR Invalid client ID")
                        return
                    }
                    ids.insert(Int(id))
                }
                filter.ids = ids
            } else {
                reply.error("ERR syntax error")
                return
            }
        }
        guard loop.peers.count > 1 || loop.clients.count > ServerLoop.describedAtOnce else {
            reply.verbatim(text([loop.describeClients(loop.clients(of: filter))]))
            return
        }
        // The others' clients are known to their loops only; this client's next command waits for them.
        client.handler.suspend()
        loop.askPeersInTurns({ [filter] in $0.describeClients(filter, $1) }) { lines in
            client.handler.resume { $0.verbatim(text(lines)) }
        }
    }

    private static func text(_ lines: [[ClientLine]]) -> String {
        let lines = lines.flatMap { $0 }.sorted { $0.id < $1.id }
        var text: [UInt8] = []
        text.reserveCapacity(lines.reduce(0) { $0 + $1.text.count })
        for line in lines { text += line.text }
        return String(decoding: text, as: UTF8.self)
    }
}

/// One line of `CLIENT LIST`, with its line end.
struct ClientLine: Sendable {
    let id: Int
    private(set) var text: [UInt8] = []

    /// The line of `client`, in the order of Redis's fields.
    init(_ client: Client, _ loop: ServerLoop) {
        id = client.id
        text.reserveCapacity(384)
        let connection = client.handler.describeConnection()
        let queued = client.transaction.bytes.count
        text += "id=".utf8
        append(client.id)
        append(" addr=", connection.remote)
        append(" laddr=", connection.local)
        append(" name=", client.name)
        append(" age=", Int(loop.now.milliseconds(since: client.connectedAt) / 1000))
        append(" idle=", Int(loop.now.milliseconds(since: client.lastCommandAt) / 1000))
        append(" flags=", ClientLine.flags(client, isHeld: loop.heldClients[client.id] != nil))
        append(" db=0 sub=", client.channels.count)
        append(" psub=", client.patterns.count)
        append(" ssub=0 multi=", client.traits.contains(.inTransaction) ? client.transaction.count : -1)
        append(" watch=", client.watched.count)
        append(" qbuf=", connection.queryBytes)
        // Arguments are read where they came in, and replies wait in one place: what Redis counts apart is nothing here. Clients insist
        // on the fields.
        append(" qbuf-free=0 argv-mem=0 multi-mem=", queued)
        append(" rbs=0 rbp=0 obl=0 oll=0 omem=", connection.outputBytes)
        append(" tot-mem=", ClientLine.idleBytes + connection.queryBytes + queued + connection.outputBytes)
        append(" events=", client.handler.isReadingStopped ? "" : "r")
        append(" cmd=", ClientLine.command(client))
        append(" user=default redir=-1 resp=", Int(client.version.rawValue))
        append(" lib-name=", client.libraryName)
        append(" lib-ver=", client.libraryVersion)
        text.append(10)
    }

    /// What a connection takes that holds nothing: `make bench` measures it.
    private static let idleBytes = 4096

    private mutating func append(_ name: StaticString, _ value: Int) {
        append(name, "")
        append(value)
    }

    private mutating func append(_ value: Int) { text += String(value).utf8 }

    private mutating func append(_ name: StaticString, _ value: String) {
        name.withUTF8Buffer { text += $0 }
        text += value.utf8
    }

    private mutating func append(_ name: StaticString, _ value: [UInt8]) {
        append(name, "")
        text += value
    }

    /// Redis's letters, in its order.
    private static func flags(_ client: Client, isHeld: Bool) -> String {
        let traits = client.traits
        var flags = ""
        if traits.contains(.isMonitor) { flags += "O" }
        if client.isSubscribed { flags += "P" }
        if traits.contains(.inTransaction) { flags += "x" }
        if isHeld { flags += "b" }
        if client.transaction.isBroken { flags += "d" }
        if client.closesAfterReply { flags += "c" }
        if traits.contains(.noEvict) { flags += "e" }
        if traits.contains(.noTouch) { flags += "T" }
        return flags.isEmpty ? "N" : flags
    }

    private static func command(_ client: Client) -> String {
        guard client.lastCommand >= 0 else { return "NULL" }
        let last = CommandTable.shared.commands[client.lastCommand]
        return last.subcommands.isEmpty || client.lastSubcommand.isEmpty ? last.name : client.lastSubcommand
    }
}

extension ServerLoop {
    /// Clients that are described in one turn: half a millisecond.
    static let describedAtOnce = 128

    /// The numbers of this loop's clients that are asked for.
    func clients(of filter: ClientCommands.Filter) -> [Int] {
        (filter.ids?.filter { clients[$0] != nil } ?? Set(clients.keys)).filter { id in
            clients[id].map { filter.takes($0) } ?? false
        }
    }

    /// The lines of the clients with these numbers; who has gone has none.
    func describeClients(_ ids: some Sequence<Int>) -> [ClientLine] {
        ids.compactMap { clients[$0] }.map { ClientLine($0, self) }
    }

    /// Describes this loop's clients, a few a turn, since there may be thousands, and hands their lines to `answer`.
    func describeClients(_ filter: ClientCommands.Filter, _ answer: @escaping @Sendable ([ClientLine]) -> Void) {
        describeClients(clients(of: filter)[...], [], answer)
    }

    private func describeClients(
        _ ids: ArraySlice<Int>, _ lines: [ClientLine], _ answer: @escaping @Sendable ([ClientLine]) -> Void
    ) {
        let lines = lines + describeClients(ids.prefix(ServerLoop.describedAtOnce))
        let rest = ids.dropFirst(ServerLoop.describedAtOnce)
        guard !rest.isEmpty else {
            answer(lines)
            return
        }
        afterOthers { [self] in describeClients(rest, lines, answer) }
    }
}
