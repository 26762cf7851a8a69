import PresenceRESP

/// `CLIENT KILL`, in its old form, an address, and its new one, any of several conditions.
extension ClientCommands {
    /// Which clients are to be closed: all that meet every condition.
    struct Victims: Sendable {
        var filter = Filter()
        var address: String?
        var localAddress: String?
        /// Whoever asks is spared.
        var skipsAsker = true

        /// Whether the client meets the conditions.
        func include(_ client: Client) -> Bool {
            guard filter.takes(client) else { return false }
            guard address != nil || localAddress != nil else { return true }
            let connection = client.handler.describeConnection()
            return (address ?? connection.remote) == connection.remote
                && (localAddress ?? connection.local) == connection.local
        }
    }

    @Sendable static func kill(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let isOldForm = request.argumentCount == 3
        var victims = Victims()
        if isOldForm {
            victims.address = Text.string(bytes, request.argument(2))
            victims.skipsAsker = false
        } else if let problem = read(request, bytes, into: &victims) {
            reply.error(problem)
            return
        }
        let asker = client.id
        guard loop.peers.count > 1 else {
            answer(loop.kill(victims, asker: asker), isOldForm, client, &reply)
            return
        }
        let handler = client.handler
        handler.suspend()
        loop.askPeers({ [victims] in $0.kill(victims, asker: asker) }) { counts in
            handler.resume { reply in
                let count = counts.reduce((0, false)) { ($0.0 + $1.count, $0.1 || $1.isAsker) }
                answer((count.0, count.1), isOldForm, client, &reply)
            }
        }
    }

    private static func answer(
        _ killed: (count: Int, isAsker: Bool), _ isOldForm: Bool, _ client: Client, _ reply: inout ReplyBuffer
    ) {
        // Whoever closes his own connection is answered first.
        if killed.isAsker { client.closesAfterReply = true }
        if !isOldForm {
            reply.integer(killed.count)
        } else if killed.count > 0 {
            reply.simple("OK")
        } else {
            reply.error("ERR No such client")
        }
    }

    /// Reads the conditions; returns the text of an error if one is wrong.
    private static func read(
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, into victims: inout Victims
    ) -> String? {
        var index = 2
        while index < request.argumentCount {
            guard index + 1 < request.argumentCount else { return "ERR syntax error" }
            let value = request.argument(index + 1)
            switch Word(bytes, request.argument(index)) {
            case "ID":
                guard let id = Numbers.integer(bytes, value), id > 0 else {
                    return "ERR client-id should be greater than 0"
                }
                victims.filter.ids = [Int(id)]
            case "TYPE":
                guard victims.filter.setType(Word(bytes, value)) else {
                    return "ERR Unknown client type '\(Text.string(bytes, value, limit: 128))'"
                }
            case "ADDR": victims.address = Text.string(bytes, value)
            case "LADDR": victims.localAddress = Text.string(bytes, value)
            case "USER":
                guard Text.string(bytes, value, limit: 64) == "default" else {
                    return "ERR No such user '\(Text.string(bytes, value, limit: 128))'"
                }
            case "SKIPME":
                switch Word(bytes, value) {
                case "YES": victims.skipsAsker = true
                case "NO": victims.skipsAsker = false
                default: return "ERR syntax error"
                }
            default: return "ERR syntax error"
            }
            index += 2
        }
        return nil
    }
}

extension ServerLoop {
    /// Closes those of this loop's clients who are meant. Whoever asks is counted, and left open: he is answered first.
    func kill(_ victims: ClientCommands.Victims, asker: Int) -> (count: Int, isAsker: Bool) {
        var killed = (count: 0, isAsker: false)
        let candidates = victims.filter.ids.map { $0.compactMap { clients[$0] } } ?? Array(clients.values)
        for client in candidates where victims.include(client) {
            if client.id == asker {
                guard !victims.skipsAsker else { continue }
                killed.isAsker = true
                killed.count += 1
            } else if client.handler.kill() {
                killed.count += 1
            }
        }
        return killed
    }
}
