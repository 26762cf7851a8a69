import PresenceRESP
import PresenceStore

/// From a command's bytes to its function: name, permission, arity.
enum CommandDispatch {
    /// Runs the command with this number, -1 if there is none of its name. All it says goes into `reply`.
    ///
    /// Nearly always this is the short way: the checks, the function.
    @inline(__always)
    static func run(
        _ number: Int, _ table: CommandTable, _ loop: ServerLoop, _ client: Client,
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        guard loop.isPlain(client) else {
            runClosely(number, table, loop, client, request, bytes, &reply)
            return
        }
        guard admits(number, table, loop, client, request, bytes, &reply) else { return }
        client.lastCommand = number
        let entry = table.entry(number)
        if entry.isTimed {
            runTimed(number, table, loop, client, request, bytes, &reply)
        } else {
            entry.body(loop, client, request, bytes, &reply)
        }
    }

    /// Whether the command exists, is complete and is allowed now; else the error is written.
    @inline(__always)
    private static func admits(
        _ number: Int, _ table: CommandTable, _ loop: ServerLoop, _ client: Client,
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Bool {
        guard number >= 0 else {
            unknown(loop, client, request, bytes, &reply)
            return false
        }
        let entry = table.entry(number)
        let count = request.argumentCount
        guard entry.arity >= 0 ? count == entry.arity : count >= -entry.arity else {
            wrongArity(table.commands[number], loop, client, &reply)
            return false
        }
        if !client.isAuthenticated, !entry.flags.contains(.noAuth) {
            reply.error("NOAUTH Authentication required.")
            return false
        }
        if client.isLimitedToSubscriptions, !entry.flags.contains(.whileSubscribed) {
            reply.error(
                "ERR Can't execute '\(fullName(table.commands[number], request, bytes))': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                    + "RESET are allowed in this context")
            return false
        }
        return true
    }

    // MARK: - The long way

    /// The flags of the command that is asked for: of a container those of its subcommand. One that it does not have is answered with an error at any time, as a
    /// command that does not exist is.
    private static func flags(
        _ number: Int, _ table: CommandTable, _ request: borrowing RequestReader, _ bytes: Span<UInt8>
    ) -> CommandFlags {
        let command = table.commands[number]
        guard !command.subcommands.isEmpty else { return command.flags }
        let name = fullName(command, request, bytes)
        return name == command.name ? [.loading, .stale] : table.command(named: name)?.flags ?? []
    }

    /// The same for a client or a loop of which something is unusual: a transaction, a monitor, replies that nobody wants.
    @inline(never)
    private static func runClosely(
        _ number: Int, _ table: CommandTable, _ loop: ServerLoop, _ client: Client,
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let start = reply.count
        // CLIENT REPLY ON takes this back, and is answered.
        if client.traits.remove(.skipsReply) != nil { client.traits.insert(.skipsThisReply) }
        let isQueued = client.traits.contains(.inTransaction)
        if !admits(number, table, loop, client, request, bytes, &reply) {
            if client.traits.contains(.inTransaction) { client.transaction.isBroken = true }
        } else if !client.traits.contains(.cameUntimely)
            || !loop.refusesUntimely(client, flags(number, table, request, bytes), &reply)
        {
            client.lastCommand = number
            if isQueued, !table.entry(number).flags.contains(.immediate) {
                queue(number, table, loop, client, request, bytes, &reply)
            } else {
                runObserved(number, table, loop, client, request, bytes, &reply)
            }
        }
        guard !client.traits.isDisjoint(with: [.skipsThisReply, .repliesOff]) else { return }
        let isAwaited = client.isSuspended
        if isAwaited { client.traits.insert(.skipsThisReply) } else { client.traits.remove(.skipsThisReply) }
        // What SUBSCRIBE says is a message, and messages are sent whatever was said of replies.
        if number >= 0, table.entry(number).flags.isSuperset(of: [.pubsub, .whileSubscribed]) { return }
        reply.truncate(to: start)
    }

    /// Runs a command that was admitted, as monitors and the slow log see it.
    static func runObserved(
        _ number: Int, _ table: CommandTable, _ loop: ServerLoop, _ client: Client,
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let entry = table.entry(number)
        if loop.scrutiny.contains(.monitored), !entry.flags.contains(.skipMonitor) {
            loop.tellMonitors(client, request, bytes)
        }
        if entry.isTimed || loop.scrutiny.contains(.timed) && !entry.flags.contains(.skipSlowLog) {
            runTimed(number, table, loop, client, request, bytes, &reply)
        } else {
            entry.body(loop, client, request, bytes, &reply)
        }
    }

    private static func runTimed(
        _ number: Int, _ table: CommandTable, _ loop: ServerLoop, _ client: Client,
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let start = Stopwatch.microseconds()
        if loop.turnStart == nil { loop.turnStart = start }
        table.entry(number).body(loop, client, request, bytes, &reply)
        let end = Stopwatch.microseconds()
        loop.lookAtTurn(at: end)
        let threshold = loop.configuration.slowLogThresholdMicroseconds
        if threshold >= 0, end - start >= threshold {
            loop.server.slowLog.record(end - start, at: loop.now, client, request, bytes)
        }
    }

    /// Puts a command between MULTI and EXEC aside, or refuses it, which breaks the transaction.
    private static func queue(
        _ number: Int, _ table: CommandTable, _ loop: ServerLoop, _ client: Client,
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let wasBroken = client.transaction.isBroken
        client.transaction.isBroken = true
        var flags = table.entry(number).flags
        var command = table.commands[number]
        if !command.subcommands.isEmpty, request.argumentCount > 1 {
            let name = Text.string(bytes, request.argument(1), limit: Word.maximumLength).lowercased()
            guard let subcommand = table.command(named: command.name + "|" + name) else {
                unknownSubcommand(of: command.name, request, bytes, &reply)
                return
            }
            guard subcommand.takes(request.argumentCount) else {
                wrongArity(subcommand, loop, client, &reply)
                return
            }
            flags = subcommand.flags
            command = subcommand
        }
        guard !flags.contains(.noMulti) else {
            reply.error("ERR Command not allowed inside a transaction")
            return
        }
        if command.mayTouchAllKeys, TransactionCommands.walks.contains(command.name) {
            guard client.transaction.walks < TransactionCommands.maximumWalks else {
                let name = command.name.uppercased().replacing("|", with: " ")
                reply.error(
                    "ERR a transaction may have at most \(TransactionCommands.maximumWalks) commands such as \(name), "
                        + "as all keys are held meanwhile")
                return
            }
            client.transaction.walks += 1
        }
        let limit = loop.configuration.maximumCommandBytes
        guard client.transaction.append(request, bytes, flags, limit: limit) else {
            reply.error("ERR the commands of a transaction may have \(limit) bytes together: client-query-buffer-limit")
            return
        }
        client.transaction.isBroken = wasBroken
        reply.simple("QUEUED")
    }

    // MARK: - Subcommands

    /// The name of a command, of a container that of the subcommand meant.
    private static func fullName(
        _ command: Command, _ request: borrowing RequestReader, _ bytes: Span<UInt8>
    ) -> String {
        guard !command.subcommands.isEmpty, request.argumentCount > 1 else { return command.name }
        let name = command.name + "|" + Text.string(bytes, request.argument(1), limit: Word.maximumLength).lowercased()
        return CommandTable.shared.command(named: name)?.name ?? command.name
    }

    /// Runs a subcommand of a container: `CLIENT ID`. Argument 1 is its name.
    static func runSubcommand(
        of container: String, _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader,
        _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let name = Text.string(bytes, request.argument(1))
        guard let command = CommandTable.shared.command(named: container + "|" + name.lowercased()) else {
            unknownSubcommand(of: container, request, bytes, &reply)
            return
        }
        guard command.takes(request.argumentCount) else {
            wrongArity(command, loop, client, &reply)
            return
        }
        client.lastSubcommand = command.name
        command.body(loop, client, request, bytes, &reply)
    }

    private static func unknownSubcommand(
        of container: String, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let shown = Text.string(bytes, request.argument(1), limit: 128)
        reply.error("ERR unknown subcommand '\(shown)'. Try \(container.uppercased()) HELP.")
    }

    private static func wrongArity(
        _ command: Command, _ loop: ServerLoop, _ client: Client, _ reply: inout ReplyBuffer
    ) {
        guard command.name != "exec" else {
            // As Redis: an EXEC that is refused is the end of its transaction.
            _ = client.endTransaction()
            reply.error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")
            return
        }
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
        [UInt8](copying: bytes.extracting(range))
    }
}
