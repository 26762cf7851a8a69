import Presence
import PresenceRESP
import PresenceStore

/// Keys of both kinds: whether they are there, of what kind, and their end by a command. Lifetimes are in `KeyCommands+Lifetimes.swift`.
enum KeyCommands {
    static let table: [Command] = single + lifetimes + ScanCommand.table + KeysCommand.table + FlushCommands.table

    private static let single: [Command] = [
        Command(
            "del", "key [key ...]", arity: -2, [.write], [.keyspace], keys: .all, keyUse: .remove, since: "1.0.0",
            group: "generic", complexity: "O(N) where N is the number of keys",
            "Deletes keys; of a user, ends his sessions", remove),
        Command(
            "unlink", "key [key ...]", arity: -2, [.write, .fast], [.keyspace], keys: .all, keyUse: .remove,
            since: "4.0.0", group: "generic", complexity: "O(N) where N is the number of keys", "The same as DEL",
            remove),
        Command(
            "exists", "key [key ...]", arity: -2, [.readOnly, .fast], [.keyspace], keys: .all, keyUse: .inspect,
            since: "1.0.0",
            group: "generic", complexity: "O(N) where N is the number of keys",
            "How many of the keys exist: strings, and users with a live session", countExisting),
        Command(
            "touch", "key [key ...]", arity: -2, [.readOnly, .fast], [.keyspace], keys: .all, keyUse: .inspect,
            since: "3.2.1",
            group: "generic", complexity: "O(N) where N is the number of keys",
            "The same as EXISTS; no heartbeat, that is EXPIRE", countExisting),
        Command(
            "type", "key", arity: 2, [.readOnly, .fast], [.keyspace], keys: .one, keyUse: .inspect, since: "1.0.0",
            group: "generic",
            "string, presence or none", type),
        Command(
            "dbsize", arity: 1, [.readOnly, .fast], [.keyspace], since: "1.0.0", group: "server",
            "The number of keys: strings, and users with a live session"
        ) { loop, _, _, _, reply in reply.integer(loop.store.keyCount()) },
    ]

    @Sendable private static func remove(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        count(loop, request, bytes, &reply) { kind, name in loop.store.remove(kind, name, at: loop.now) }
    }

    @Sendable private static func countExisting(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        count(loop, request, bytes, &reply) { kind, name in loop.store.exists(kind, name, at: loop.now) }
    }

    /// Answers for how many of the keys `isCounted` is true.
    @inline(__always)
    private static func count(
        _ loop: ServerLoop, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer,
        _ isCounted: (KeyKind, Span<UInt8>) -> Bool
    ) {
        var count = 0
        for index in 1..<request.argumentCount {
            let key = loop.locate(bytes, request.argument(index))
            if isCounted(key.kind, bytes.extracting(key.name)) { count += 1 }
        }
        reply.integer(count)
    }

    @Sendable private static func type(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        if !loop.store.exists(key.kind, bytes.extracting(key.name), at: loop.now) {
            reply.simple("none")
        } else if key.kind == .presence {
            reply.simple("presence")
        } else {
            reply.simple("string")
        }
    }
}
