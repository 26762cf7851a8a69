import Presence
import PresenceRESP
import PresenceStore

/// Lifetimes of keys: of a string as in Redis; of a presence an `EXPIRE` is a heartbeat, and it always has an end.
extension KeyCommands {
    static let lifetimes: [Command] =
        [
            expire("expire", "seconds", .seconds, since: "1.0.0"),
            expire("pexpire", "milliseconds", .milliseconds, since: "2.6.0"),
            expire("expireat", "unix-time-seconds", .unixSeconds, since: "1.2.0"),
            expire("pexpireat", "unix-time-milliseconds", .unixMilliseconds, since: "2.6.0"),
        ] + [
            read(
                "ttl", .seconds, since: "1.0.0", "Seconds that a key has left; of a user, until his last session ends"),
            read("pttl", .milliseconds, since: "2.6.0", "Milliseconds that a key has left"),
            read("expiretime", .unixSeconds, since: "7.0.0", "When a key ends, in seconds since 1970"),
            read("pexpiretime", .unixMilliseconds, since: "7.0.0", "When a key ends, in milliseconds since 1970"),
            Command(
                "persist", "key", arity: 2, [.write, .fast], [.keyspace], keys: .one, keyUse: .readWrite,
                since: "2.2.0", group: "generic", "Takes the end of a string away; a presence always has one", persist),
        ]

    // MARK: - Setting

    private static func expire(
        _ name: StaticString, _ argument: String, _ unit: Lifetimes.Unit, since: String
    ) -> Command {
        Command(
            name.description, "key \(argument) [NX | XX | GT | LT]", arity: -3, [.write, .fast], [.keyspace],
            keys: .one, keyUse: .readWrite, since: since, group: "generic",
            "Sets the end of a string; of a user, beats his sessions with that TTL"
        ) { loop, _, request, bytes, reply in expire(name, unit, loop, request, bytes, &reply) }
    }

    private static func expire(
        _ command: StaticString, _ unit: Lifetimes.Unit, _ loop: ServerLoop, _ request: borrowing RequestReader,
        _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        guard let conditions = conditions(request, bytes, &reply),
            let end = end(command, unit, loop.now, request, bytes, &reply)
        else { return }
        let key = loop.locate(bytes, request.argument(1))
        if key.kind == .string, let condition = conditions.name,
            ReadThenWrite.refuses("\(command) \(condition)".uppercased(), loop, &reply)
        {
            return
        }
        // How long that is from now; of an end that has passed, no more than 0, which is less than any key has left.
        let ahead = end > loop.now ? end.milliseconds(since: loop.now) : 0
        do throws(StoreError) {
            let isSet = try loop.store.expire(key.kind, bytes.extracting(key.name), at: end, now: loop.now) { left in
                conditions.allow(ahead, now: left)
            }
            reply.integer(isSet ? 1 : 0)
        } catch {
            reply.error(error.message)
        }
    }

    /// The end that argument 2 names, or nil and Redis's error.
    private static func end(
        _ command: StaticString, _ unit: Lifetimes.Unit, _ now: Timestamp, _ request: borrowing RequestReader,
        _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Timestamp? {
        guard let number = Numbers.integer(bytes, request.argument(2)) else {
            reply.error("ERR value is not an integer or out of range")
            return nil
        }
        let isSeconds = unit == .seconds || unit == .unixSeconds
        let isRelative = unit == .seconds || unit == .milliseconds
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: isSeconds ? 1000 : 1)
        guard !overflow, !isRelative || milliseconds <= Int64.max - now.milliseconds else {
            reply.error("ERR invalid expire time in '\(command)' command")
            return nil
        }
        return Lifetimes.instant(isRelative ? now.milliseconds + milliseconds : milliseconds)
    }

    /// When an `EXPIRE` is to do something at all.
    private struct Conditions: OptionSet {
        let rawValue: UInt8
        static let ifNone = Conditions(rawValue: 1)
        static let ifAny = Conditions(rawValue: 2)
        static let ifLater = Conditions(rawValue: 4)
        static let ifSooner = Conditions(rawValue: 8)

        /// The option that asks for one of them; nil without any.
        var name: String? {
            if contains(.ifNone) { return "NX" }
            if contains(.ifLater) { return "GT" }
            if contains(.ifSooner) { return "LT" }
            return contains(.ifAny) ? "XX" : nil
        }

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

    @Sendable private static func persist(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        let name = bytes.extracting(key.name)
        if key.kind == .string {
            reply.integer(loop.store.persistString(name, at: loop.now) ? 1 : 0)
        } else if loop.store.exists(.presence, name, at: loop.now) {
            refusePersist(&reply)
        } else {
            reply.integer(0)
        }
    }

    /// The error of whatever would let a presence live for ever.
    static func refusePersist(_ reply: inout ReplyBuffer) {
        reply.error(
            "ERR a presence lives by heartbeats and cannot be kept without them: EXPIRE is one, for "
                + "heartbeat-hard-limit at most")
    }

    // MARK: - Reading

    private static func read(
        _ name: String, _ unit: Lifetimes.Unit, since: String, _ summary: String
    ) -> Command {
        Command(
            name, "key", arity: 2, [.readOnly, .fast], [.keyspace], keys: .one, since: since, group: "generic", summary
        ) { loop, _, request, bytes, reply in
            let key = loop.locate(bytes, request.argument(1))
            switch loop.store.timeToLive(key.kind, bytes.extracting(key.name), at: loop.now) {
            case .missing: reply.integer(-2)
            case .persistent: reply.integer(-1)
            case .milliseconds(let left):
                switch unit {
                case .seconds: reply.integer(Int(rounded(left)))
                case .milliseconds: reply.integer(Int(left))
                case .unixSeconds: reply.integer(Int(rounded(loop.now.milliseconds + left)))
                case .unixMilliseconds: reply.integer(Int(loop.now.milliseconds + left))
                }
            }
        }
    }

    /// Milliseconds, above 0, as seconds to the nearest.
    private static func rounded(_ milliseconds: Int64) -> Int64 {
        milliseconds / 1000 + (milliseconds % 1000 >= 500 ? 1 : 0)
    }
}
