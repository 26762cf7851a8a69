import PresenceRESP
import PresenceStore

/// Several commands as one: nothing of others comes between them.
///
/// EXEC takes the locks of all shards that its keys are in, in ascending order, and runs its commands on them. A command that names no key but may look
/// at any, such as `SCAN`, takes all shards. What cannot run so, since it waits for other event loops, is refused when it is queued.
enum TransactionCommands {
    static let table: [Command] = [
        Command(
            "multi", arity: 1, [.noScript, .loading, .stale, .fast, .immediate], [.transaction], since: "1.2.0",
            group: "transactions", "Begins a transaction: commands are queued until EXEC", multi),
        Command(
            "exec", arity: 1, [.noScript, .loading, .stale, .immediate, .skipSlowLog, .skipMonitor], [.transaction],
            since: "1.2.0", group: "transactions", complexity: "Depends on commands in the transaction",
            "Runs the queued commands as one, unless a watched key has changed", exec),
        Command(
            "discard", arity: 1, [.noScript, .loading, .stale, .fast, .immediate], [.transaction], since: "2.0.0",
            group: "transactions", complexity: "O(N), when N is the number of queued commands",
            "Forgets the queued commands and the watched keys", discard),
        Command(
            "watch", "key [key ...]", arity: -2, [.noScript, .loading, .stale, .fast, .immediate], [.transaction],
            keys: .all, keyUse: .inspect, since: "2.2.0", group: "transactions", complexity: "O(1) for every key.",
            "Lets the next EXEC do nothing if one of the keys changes before it", watch),
        Command(
            "unwatch", arity: 1, [.noScript, .loading, .stale, .fast], [.transaction], since: "2.2.0",
            group: "transactions", "Forgets the watched keys"
        ) { _, client, _, _, reply in
            client.unwatch()
            reply.simple("OK")
        },
    ]

    /// What goes over all keys while EXEC holds them, and how many of those one may have: outside they go in slices.
    static let maximumWalks = 16
    static let walks: Set<String> = ["keys", "flushall", "flushdb", "cluster|countkeysinslot"]

    /// The most keys that one connection watches: they are memory that nothing else bounds.
    static let maximumWatchedKeys = 10_000
    /// Their bytes together.
    static let maximumWatchedBytes = 4 << 20

    @Sendable private static func multi(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard !client.traits.contains(.inTransaction) else {
            reply.error("ERR MULTI calls can not be nested")
            return
        }
        client.traits.insert(.inTransaction)
        reply.simple("OK")
    }

    @Sendable private static func discard(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard client.traits.contains(.inTransaction) else {
            reply.error("ERR DISCARD without MULTI")
            return
        }
        _ = client.endTransaction()
        reply.simple("OK")
    }

    // MARK: - WATCH

    @Sendable private static func watch(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard !client.traits.contains(.inTransaction) else {
            reply.error("ERR WATCH inside MULTI is not allowed")
            return
        }
        guard client.watched.count + request.argumentCount - 1 <= maximumWatchedKeys else {
            reply.error("ERR a connection may watch at most \(maximumWatchedKeys) keys; UNWATCH forgets them")
            return
        }
        var total = client.watchedBytes
        for index in 1..<request.argumentCount { total += request.argument(index).count }
        guard total <= maximumWatchedBytes else {
            reply.error(
                "ERR the keys that a connection watches may have \(maximumWatchedBytes) bytes together; UNWATCH forgets them"
            )
            return
        }
        for index in 1..<request.argumentCount {
            let range = request.argument(index)
            let key = loop.locate(bytes, range)
            let fingerprint = loop.store.fingerprint(of: key.kind, bytes.extracting(key.name), at: loop.now)
            client.watch(WatchedKey(key: Text.array(bytes, range), fingerprint: fingerprint))
        }
        reply.simple("OK")
    }

    private static func hasChanged(_ watched: WatchedKey, _ loop: ServerLoop) -> Bool {
        let bytes = watched.key.span
        let key = loop.locate(bytes, bytes.indices)
        let now = loop.store.fingerprint(of: key.kind, bytes.extracting(key.name), at: loop.now)
        return now != watched.fingerprint
    }

    // MARK: - EXEC

    @Sendable private static func exec(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard client.traits.contains(.inTransaction) else {
            reply.error("ERR EXEC without MULTI")
            return
        }
        let watched = client.watched
        let transaction = client.endTransaction()
        guard !transaction.isBroken else {
            reply.error("EXECABORT Transaction discarded because of previous errors.")
            return
        }
        // Monitors see EXEC behind the commands that it runs, as in Redis.
        defer { if loop.scrutiny.contains(.monitored) { loop.tellMonitors(client, request, bytes) } }
        loop.whileHolding(shards(of: transaction, watched, loop)) {
            guard !watched.contains(where: { hasChanged($0, loop) }) else {
                reply.nullArray()
                return
            }
            run(transaction, loop, client, &reply)
        }
        loop.lookAtTurn()
    }

    /// Runs the queued commands. Their replies are one reply, so nothing leaves before the last: what is beyond the hard limit of output is not kept,
    /// or a few commands would fill any memory with one long value.
    private static func run(
        _ transaction: Transaction, _ loop: ServerLoop, _ client: Client, _ reply: inout ReplyBuffer
    ) {
        let start = reply.count
        let limit = loop.configuration.outputLimits.normal.hardBytes
        var isOverLimit = false
        reply.array(transaction.count)
        let table = CommandTable.shared
        let queued = transaction.bytes
        Transaction.forEach(queued.span) { request in
            let number = table.number(of: Word(queued.span, request.argument(0)))
            CommandDispatch.runObserved(number, table, loop, client, request, queued.span, &reply)
            if limit > 0, reply.count - start > limit {
                isOverLimit = true
                reply.truncate(to: start)
            }
        }
        guard isOverLimit else { return }
        reply.truncate(to: start)
        reply.error(
            "ERR the commands were run, but their replies take more than \(limit) bytes, the hard limit of "
                + "client-output-buffer-limit normal")
    }

    /// The shards that the transaction may touch.
    private static func shards(of transaction: Transaction, _ watched: [WatchedKey], _ loop: ServerLoop) -> ShardSet {
        var shards = ShardSet()
        for watched in watched { insert(watched.key.span, watched.key.span.indices, loop, &shards) }
        let table = CommandTable.shared
        let queued = transaction.bytes
        Transaction.forEach(queued.span) { request in
            let command = table.commands[table.number(of: Word(queued.span, request.argument(0)))]
            let keys = keys(of: command, request, queued.span)
            guard !keys.mayTouchAll else {
                for shard in 0..<loop.server.store.shardCount { shards.insert(shard) }
                return
            }
            for index in keys.indices { insert(queued.span, request.argument(index), loop, &shards) }
            guard command.reach == .arguments else { return }
            for index in 1..<request.argumentCount { insert(queued.span, request.argument(index), loop, &shards) }
        }
        return shards
    }

    /// Where the keys of a command or of its subcommand are.
    private static func keys(
        of command: Command, _ request: borrowing RequestReader, _ bytes: Span<UInt8>
    ) -> (indices: StrideTo<Int>, mayTouchAll: Bool) {
        var command = command
        if !command.subcommands.isEmpty, request.argumentCount > 1 {
            let name = command.name + "|" + Text.string(bytes, request.argument(1)).lowercased()
            command = CommandTable.shared.command(named: name) ?? command
        }
        return (command.keyIndices(argumentCount: request.argumentCount), command.mayTouchAllKeys)
    }

    private static func insert(_ bytes: Span<UInt8>, _ range: Range<Int>, _ loop: ServerLoop, _ shards: inout ShardSet)
    {
        let key = loop.locate(bytes, range)
        shards.insert(loop.server.store.shard(of: key.kind, bytes.extracting(key.name)))
    }
}
