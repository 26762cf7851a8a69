import Presence
import PresenceRESP
import PresenceStore

/// Plain strings, and the record of a presence through the same commands: what Redis presence code does.
enum StringCommands {
    static let table: [Command] = [
        Command(
            "get", "key", arity: 2, [.readOnly, .fast], [.string], keys: .one, since: "1.0.0", group: "string",
            "The value of a string, or the record of a present user", get),
        Command(
            "set",
            "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
                + "PXAT unix-time-milliseconds | KEEPTTL]",
            arity: -3, [.write, .denyOutOfMemory], [.string], keys: .one, keyUse: .overwrite, since: "1.0.0",
            group: "string", "Sets a string; on the key of a user, opens, beats or ends a session by a record", set),
        Command(
            "setex", "key seconds value", arity: 4, [.write, .denyOutOfMemory], [.string], keys: .one,
            keyUse: .overwrite, since: "2.0.0", group: "string", "Sets a string or a record with a lifetime", setEX),
    ]

    // MARK: - GET

    @Sendable private static func get(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        if !write(loop, key, bytes, &reply) { reply.null() }
    }

    /// Writes the value of a key; false, and nothing written, if it does not exist.
    private static func write(
        _ loop: ServerLoop, _ key: (kind: KeyKind, name: Range<Int>), _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Bool {
        if key.kind == .string {
            return loop.store.getString(bytes.extracting(key.name), at: loop.now) { reply.bulk($0) }
        }
        let start = reply.count
        let isFound = reply.bulk(upTo: ShardedStore.maximumRecordBytes) { out in
            loop.store.writeRecord(of: bytes.extracting(key.name), at: loop.now, into: &out)
        }
        if isFound {
            loop.counters.hits.add(1)
        } else {
            loop.counters.misses.add(1)
            reply.truncate(to: start)
        }
        return isFound
    }

    // MARK: - SET

    /// What the options of a `SET` ask for.
    private struct Options {
        var condition = StringSetOptions.Condition.always
        var returnsOld = false
        var keepsTTL = false
        /// The first instant at which the value is gone; nil without a lifetime.
        var end: Timestamp?
    }

    @Sendable private static func set(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var options = Options()
        if request.argumentCount > 3 {
            guard parse(&options, loop.now, request, bytes, &reply) else { return }
        }
        let key = loop.locate(bytes, request.argument(1))
        perform(loop, key, request.argument(2), options, bytes, &reply)
    }

    @Sendable private static func setEX(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard
            let end = Lifetimes.end(
                bytes, request.argument(2), .seconds, after: loop.now, command: "setex", &reply)
        else { return }
        var options = Options()
        options.end = end
        let key = loop.locate(bytes, request.argument(1))
        perform(loop, key, request.argument(3), options, bytes, &reply)
    }

    /// Reads the options from argument 3 on; false, and the error written, if they are not Redis's.
    private static func parse(
        _ options: inout Options, _ now: Timestamp, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) -> Bool {
        var lifetime: (range: Range<Int>, unit: Lifetimes.Unit)?
        var index = 3
        while index < request.argumentCount {
            let option = Word(bytes, request.argument(index))
            let mayHaveLifetime = lifetime == nil && !options.keepsTTL
            let hasValue = index + 1 < request.argumentCount
            switch option {
            case "NX" where options.condition != .ifPresent: options.condition = .ifAbsent
            case "XX" where options.condition != .ifAbsent: options.condition = .ifPresent
            case "GET": options.returnsOld = true
            case "KEEPTTL" where lifetime == nil: options.keepsTTL = true
            case "EX" where mayHaveLifetime && hasValue: lifetime = (request.argument(index + 1), .seconds)
            case "PX" where mayHaveLifetime && hasValue: lifetime = (request.argument(index + 1), .milliseconds)
            case "EXAT" where mayHaveLifetime && hasValue: lifetime = (request.argument(index + 1), .unixSeconds)
            case "PXAT" where mayHaveLifetime && hasValue: lifetime = (request.argument(index + 1), .unixMilliseconds)
            default:
                reply.error("ERR syntax error")
                return false
            }
            index += option == "EX" || option == "PX" || option == "EXAT" || option == "PXAT" ? 2 : 1
        }
        if let lifetime {
            guard
                let end = Lifetimes.end(bytes, lifetime.range, lifetime.unit, after: now, command: "set", &reply)
            else { return false }
            options.end = end
        }
        return true
    }

    private static func perform(
        _ loop: ServerLoop, _ key: (kind: KeyKind, name: Range<Int>), _ value: Range<Int>,
        _ options: Options, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let start = reply.count
        let isSet: Bool
        do throws(PresenceRecords.Failure) {
            if key.kind == .string {
                isSet = try setString(loop, key.name, value, options, bytes, &reply)
            } else {
                if options.returnsOld, !write(loop, key, bytes, &reply) { reply.null() }
                isSet = try PresenceRecords.set(
                    loop, key.name, value, bytes, options.condition, options.end, options.keepsTTL)
            }
        } catch {
            reply.truncate(to: start)
            reply.error(error.message)
            return
        }
        guard !options.returnsOld else { return }
        if isSet { reply.simple("OK") } else { reply.null() }
    }

    private static func setString(
        _ loop: ServerLoop, _ key: Range<Int>, _ value: Range<Int>, _ options: Options, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) throws(PresenceRecords.Failure) -> Bool {
        let expiry: StringSetOptions.Expiry = options.keepsTTL ? .keep : options.end.map { .at($0) } ?? .none
        do throws(StoreError) {
            var hadValue = false
            let isSet = try loop.store.setString(
                bytes.extracting(key), bytes.extracting(value),
                StringSetOptions(expiry: expiry, condition: options.condition), at: loop.now
            ) { old in
                hadValue = true
                if options.returnsOld { reply.bulk(old) }
            }
            if options.returnsOld, !hadValue { reply.null() }
            return isSet
        } catch {
            throw .store(error)
        }
    }
}
