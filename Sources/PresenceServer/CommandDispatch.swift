import PresenceRESP

/// From a command's bytes to its function: name, permission, arity.
enum CommandDispatch {
    /// Runs the command with this number, -1 if there is none of its name. All it says goes into `reply`.
    @inline(__always)
    static func run(
        _ number: Int, _ table: CommandTable, _ loop: ServerLoop, _ client: Client,
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        guard number >= 0 else {
            unknown(loop, client, request, bytes, &reply)
            return
        }
        let entry = table.entry(number)
        let count = request.argumentCount
        guard entry.arity >= 0 ? count == entry.arity : count >= -entry.arity else {
            wrongArity(table.commands[number], loop, client, &reply)
            return
        }
        client.lastCommand = number
        if !client.isAuthenticated, !entry.flags.contains(.noAuth) {
            reply.error("NOAUTH Authentication required.")
            return
        }
        if client.isLimitedToSubscriptions, !entry.flags.contains(.whileSubscribed) {
            reply.error(
                "ERR Can't execute '\(table.commands[number].name)': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                    + "RESET are allowed in this context")
            return
        }
        entry.body(loop, client, request, bytes, &reply)
    }

    /// Runs a subcommand of a container: `CLIENT ID`. Argument 1 is its name.
    static func runSubcommand(
        of container: String, _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader,
        _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let name = Text.string(bytes, request.argument(1))
        guard let command = CommandTable.shared.command(named: container + "|" + name.lowercased()) else {
            let shown = Text.string(bytes, request.argument(1), limit: 128)
            reply.error("ERR unknown subcommand '\(shown)'. Try \(container.uppercased()) HELP.")
            return
        }
        guard command.takes(request.argumentCount) else {
            wrongArity(command, loop, client, &reply)
            return
        }
        client.lastSubcommand = command.name
        command.body(loop, client, request, bytes, &reply)
    }

    private static func wrongArity(
        _ command: Command, _ loop: ServerLoop, _ client: Client, _ reply: inout ReplyBuffer
    ) {
        reply.error("ERR wrong number of arguments for '\(command.name)' command")
    }

    /// Redis's text: the name, and the begin of the arguments, about 128 bytes of each.
    private static func unknown(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var shown = ""
        var index = 1
        while index < request.argumentCount, shown.utf8.count < 128 {
            shown += "'" + Text.string(bytes, request.argument(index), limit: 128 - shown.utf8.count) + "' "
            index += 1
        }
        let name = Text.string(bytes, request.argument(0), limit: 128)
        reply.error("ERR unknown command '\(name)', with args beginning with: \(shown)")
    }
}

/// Bytes of a request as text, for errors and names: never on the way of a command that succeeds often.
enum Text {
    /// The bytes in `range`, at most `limit` of them; what is not UTF-8 becomes the replacement character.
    static func string(_ bytes: Span<UInt8>, _ range: Range<Int>, limit: Int = .max) -> String {
        String(decoding: array(bytes, range.lowerBound..<range.lowerBound + min(range.count, limit)), as: UTF8.self)
    }

    /// A copy of the bytes in `range`.
    static func array(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(range.count)
        for index in range { copy.append(bytes[index]) }
        return copy
    }
}
