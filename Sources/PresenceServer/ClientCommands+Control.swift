import PresenceRESP

/// What a client says of how it wants to be served, and the pause of all.
extension ClientCommands {
    @Sendable static func pause(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var holdsReads = true
        guard request.argumentCount <= 4 else {
            let name = Text.string(bytes, request.argument(1))
            reply.error("ERR unknown subcommand or wrong number of arguments for '\(name)'. Try CLIENT HELP.")
            return
        }
        if request.argumentCount == 4 {
            switch Word(bytes, request.argument(3)) {
            case "WRITE": holdsReads = false
            case "ALL": break
            default:
                reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL")
                return
            }
        }
        guard let milliseconds = Numbers.integer(bytes, request.argument(2)) else {
            reply.error("ERR timeout is not an integer or out of range")
            return
        }
        guard milliseconds >= 0 else {
            reply.error("ERR timeout is negative")
            return
        }
        onAllLoops(loop, client, &reply) { [holdsReads] in
            $0.pauseClients(holdsReads: holdsReads, milliseconds: milliseconds)
        }
    }

    @Sendable static func unpause(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        onAllLoops(loop, client, &reply) { $0.endPause() }
    }

    /// Does something on every loop, then answers `OK`.
    private static func onAllLoops(
        _ loop: ServerLoop, _ client: Client, _ reply: inout ReplyBuffer,
        _ work: @escaping @Sendable (ServerLoop) -> Void
    ) {
        // Not within the turn of a command even where there is one loop: the end of a pause runs other clients' commands.
        let handler = client.handler
        handler.suspend()
        loop.askPeers(work) { (_: [Void]) in handler.resume { $0.simple("OK") } }
    }

    // MARK: - Replies and marks

    @Sendable static func setReplies(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        switch Word(bytes, request.argument(2)) {
        case "ON":
            client.traits.subtract([.repliesOff, .skipsThisReply])
            reply.simple("OK")
        case "OFF": client.traits.insert(.repliesOff)
        case "SKIP":
            if !client.traits.contains(.repliesOff) { client.traits.insert(.skipsReply) }
        default: reply.error("ERR syntax error")
        }
    }

    /// Sets or clears what only `CLIENT LIST` shows.
    static func setTrait(
        _ trait: ClientTraits, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        switch Word(bytes, request.argument(2)) {
        case "ON": client.traits.insert(trait)
        case "OFF": client.traits.remove(trait)
        default:
            reply.error("ERR syntax error")
            return
        }
        reply.simple("OK")
    }
}
