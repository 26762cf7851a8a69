import Presence
import PresenceRESP
import PresenceStore

/// Keys of both kinds: whether they are there, how long, and their end.
enum KeyCommands {
    static let table: [Command] = [
        Command(
            "del", "key [key ...]", arity: -2, [.write], [.keyspace], keys: .all, keyUse: .remove, since: "1.0.0",
            group: "generic", complexity: "O(N) where N is the number of keys",
            "Deletes keys; of a user, ends his sessions", remove),
        Command(
            "unlink", "key [key ...]", arity: -2, [.write, .fast], [.keyspace], keys: .all, keyUse: .remove,
            since: "4.0.0", group: "generic", complexity: "O(N) where N is the number of keys", "The same as DEL",
            remove),
        Command(
            "exists", "key [key ...]", arity: -2, [.readOnly, .fast], [.keyspace], keys: .all, since: "1.0.0",
            group: "generic", complexity: "O(N) where N is the number of keys",
            "How many of the keys exist: strings, and users with a live session", exists),
        Command(
            "type", "key", arity: 2, [.readOnly, .fast], [.keyspace], keys: .one, since: "1.0.0", group: "generic",
            "string, presence or none", type),
        Command(
            "expire", "key seconds [NX | XX | GT | LT]", arity: -3, [.write, .fast], [.keyspace], keys: .one,
            keyUse: .readWrite, since: "1.0.0", group: "generic",
            "Sets the lifetime of a string; of a user, beats his sessions with that TTL"
        ) { expire("expire", .seconds, $0, $2, $3, &$4) },
        Command(
            "pexpire", "key milliseconds [NX | XX | GT | LT]", arity: -3, [.write, .fast], [.keyspace], keys: .one,
            keyUse: .readWrite, since: "2.6.0", group: "generic",
            "Sets the lifetime of a string; of a user, beats his sessions with that TTL"
        ) { expire("pexpire", .milliseconds, $0, $2, $3, &$4) },
        Command(
            "ttl", "key", arity: 2, [.readOnly, .fast], [.keyspace], keys: .one, since: "1.0.0", group: "generic",
            "Seconds that a key has left; of a user, until he is offline if no beat comes"
        ) { timeToLive($0, $2, $3, &$4, isSeconds: true) },
        Command(
            "pttl", "key", arity: 2, [.readOnly, .fast], [.keyspace], keys: .one, since: "2.6.0", group: "generic",
            "Milliseconds that a key has left"
        ) { timeToLive($0, $2, $3, &$4, isSeconds: false) },
        Command(
            "scan", "cursor [MATCH pattern] [COUNT count] [TYPE type]", arity: -2, [.readOnly], [.keyspace],
            since: "2.8.0", group: "generic", complexity: "O(1) a call, O(N) for all keys",
            "Walks over the keys that exist, a part a call", scan),
        Command(
            "dbsize", arity: 1, [.readOnly, .fast], [.keyspace], since: "1.0.0", group: "server",
            "The number of keys: strings, and users with a live session"
        ) { loop, _, _, _, reply in reply.integer(loop.store.keyCount()) },
        Command(
            "flushall", "[ASYNC | SYNC]", arity: -1, [.write], [.keyspace, .dangerous], since: "1.0.0", group: "server",
            complexity: "O(N) where N is the number of keys", "Deletes all strings and ends all sessions", flushAll),
    ]

    // MARK: - Whether and what

    @Sendable private static func remove(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var count = 0
        for index in 1..<request.argumentCount {
            let key = loop.locate(bytes, request.argument(index))
            if loop.store.remove(key.kind, bytes.extracting(key.name), at: loop.now) { count += 1 }
        }
        reply.integer(count)
    }

    @Sendable private static func exists(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var count = 0
        for index in 1..<request.argumentCount {
            let key = loop.locate(bytes, request.argument(index))
            if loop.store.exists(key.kind, bytes.extracting(key.name), at: loop.now) { count += 1 }
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

    // MARK: - Lifetimes

    private static func timeToLive(
        _ loop: ServerLoop, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer,
        isSeconds: Bool
    ) {
        let key = loop.locate(bytes, request.argument(1))
        switch loop.store.timeToLive(key.kind, bytes.extracting(key.name), at: loop.now) {
        case .missing: reply.integer(-2)
        case .persistent: reply.integer(-1)
        case .milliseconds(let left): reply.integer(Int(isSeconds ? (left + 500) / 1000 : left))
        }
    }

    /// When an `EXPIRE` is to do something at all.
    private struct Conditions: OptionSet {
        let rawValue: UInt8
        static let ifNone = Conditions(rawValue: 1)
        static let ifAny = Conditions(rawValue: 2)
        static let ifLater = Conditions(rawValue: 4)
        static let ifSooner = Conditions(rawValue: 8)

        func allow(_ milliseconds: Int64, now present: TimeToLive) -> Bool {
            switch present {
            case .missing:
                return false
            case .persistent:
                // No end is later than any.
                return !contains(.ifAny) && !contains(.ifLater)
            case .milliseconds(let left):
                if contains(.ifNone) { return false }
                if contains(.ifLater), milliseconds <= left { return false }
                if contains(.ifSooner), milliseconds >= left { return false }
                return true
            }
        }
    }

    private static func expire(
        _ command: StaticString, _ unit: Lifetimes.Unit, _ loop: ServerLoop, _ request: borrowing RequestReader,
        _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        guard let conditions = conditions(request, bytes, &reply) else { return }
        guard let number = Numbers.integer(bytes, request.argument(2)) else {
            reply.error("ERR value is not an integer or out of range")
            return
        }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit == .seconds ? 1000 : 1)
        guard !overflow, milliseconds <= Int64.max - loop.now.milliseconds else {
            reply.error("ERR invalid expire time in '\(command)' command")
            return
        }
        let key = loop.locate(bytes, request.argument(1))
        let name = bytes.extracting(key.name)
        do {
            let end = loop.now.advanced(byMilliseconds: milliseconds)
            let isSet = try loop.store.expire(key.kind, name, at: end, now: loop.now) { left in
                conditions.allow(milliseconds, now: left)
            }
            reply.integer(isSet ? 1 : 0)
        } catch {
            reply.error(error.message)
        }
    }

    /// The conditions from argument 3 on, or nil and the error.
    private static func conditions(
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Conditions? {
        var conditions: Conditions = []
        for index in 3..<max(3, request.argumentCount) {
            switch Word(bytes, request.argument(index)) {
            case "NX": conditions.insert(.ifNone)
            case "XX": conditions.insert(.ifAny)
            case "GT": conditions.insert(.ifLater)
            case "LT": conditions.insert(.ifSooner)
            default:
                reply.error("ERR Unsupported option \(Text.string(bytes, request.argument(index)))")
                return nil
            }
        }
        if conditions.contains(.ifNone), conditions != .ifNone {
            reply.error("ERR NX and XX, GT or LT options at the same time are not compatible")
            return nil
        }
        if conditions.contains(.ifLater), conditions.contains(.ifSooner) {
            reply.error("ERR GT and LT options at the same time are not compatible")
            return nil
        }
        return conditions
    }

    // MARK: - All keys

    @Sendable private static func flushAll(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        if request.argumentCount > 1 {
            let option = Word(bytes, request.argument(1))
            guard request.argumentCount == 2, option == "ASYNC" || option == "SYNC" else {
                reply.error("ERR syntax error")
                return
            }
        }
        loop.store.removeAll(at: loop.now)
        reply.simple("OK")
    }
}
