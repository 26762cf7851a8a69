import Presence
import PresenceRESP
import PresenceStore

/// Plain strings, and the record of a presence through the same commands: what Redis presence code does.
enum StringCommands {
    static let table: [Command] = single + changing + batches

    private static let single: [Command] = [
        Command(
            "get", "key", arity: 2, [.readOnly, .fast], [.string], keys: .one, since: "1.0.0", group: "string",
            "The value of a string, or the record of a present user", get),
        Command(
            "set",
            "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
                + "PXAT unix-time-milliseconds | KEEPTTL]",
            arity: -3, [.write, .denyOutOfMemory], [.string], keys: .one, keyUse: .exchange, since: "1.0.0",
            group: "string", "Sets a string; on the key of a user, opens, beats or ends a session by a record", set),
        Command(
            "setex", "key seconds value", arity: 4, [.write, .denyOutOfMemory], [.string], keys: .one,
            keyUse: .overwrite, since: "2.0.0", group: "string", "Sets a string or a record with a lifetime"
        ) { setWithLifetime("setex", .seconds, $0, $2, $3, &$4) },
        Command(
            "psetex", "key milliseconds value", arity: 4, [.write, .denyOutOfMemory], [.string], keys: .one,
            keyUse: .overwrite, since: "2.6.0", group: "string", "Sets a string or a record with a lifetime"
        ) { setWithLifetime("psetex", .milliseconds, $0, $2, $3, &$4) },
        Command(
            "setnx", "key value", arity: 3, [.write, .denyOutOfMemory, .fast], [.string], keys: .one,
            keyUse: .insert, since: "1.0.0", group: "string",
            "Sets a string or a record if the key does not exist; answers whether it did", setIfAbsent),
        Command(
            "getset", "key value", arity: 3, [.write, .denyOutOfMemory, .fast], [.string], keys: .one,
            keyUse: .exchange, since: "1.0.0", group: "string", "Sets a string and answers what it was", getAndSet),
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
    static func write(
        _ loop: ServerLoop, _ key: (kind: KeyKind, name: Range<Int>), _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Bool {
        if key.kind == .string {
            return loop.withStore { $0.getString(bytes.extracting(key.name), at: loop.now) { reply.bulk($0) } }
        }
        let (start, now) = (reply.count, loop.now)
        let isFound = loop.withStore { store in
            reply.bulk(upTo: ShardedStore.maximumRecordBytes, likely: 250) { out in
                store.writeRecord(of: bytes.extracting(key.name), at: now, into: &out)
            }
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

    @Sendable private static func set(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var options = StringOptions()
        if request.argumentCount > 3 {
            guard options.parse(.set, from: 3, request, bytes, &reply),
                options.takeEnd("set", after: loop.now, bytes, &reply)
            else { return }
        }
        let key = loop.locate(bytes, request.argument(1))
        if options.readsFirst, key.kind == .string {
            let option = options.returnsOld ? "GET" : options.condition == .ifAbsent ? "NX" : "XX"
            if ReadThenWrite.refuses("SET \(option)", loop, &reply) { return }
        }
        perform(loop, key, request.argument(2), options, bytes, &reply)
    }

    private static func setWithLifetime(
        _ command: StaticString, _ unit: Lifetimes.Unit, _ loop: ServerLoop, _ request: borrowing RequestReader,
        _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        var options = StringOptions()
        options.lifetime = (request.argument(2), unit)
        guard options.takeEnd(command, after: loop.now, bytes, &reply) else { return }
        let key = loop.locate(bytes, request.argument(1))
        perform(loop, key, request.argument(3), options, bytes, &reply)
    }

    @Sendable private static func setIfAbsent(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var options = StringOptions()
        options.condition = .ifAbsent
        let key = loop.locate(bytes, request.argument(1))
        if key.kind == .string, ReadThenWrite.refuses("SETNX", loop, &reply) { return }
        let start = reply.count
        do throws(PresenceRecords.Failure) {
            let isSet = try put(loop, key, request.argument(2), options, bytes, &reply)
            reply.integer(isSet ? 1 : 0)
        } catch {
            reply.truncate(to: start)
            reply.error(error.message)
        }
    }

    @Sendable private static func getAndSet(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        guard key.kind == .string else {
            refusePresence(loop, &reply)
            return
        }
        if ReadThenWrite.refuses("GETSET", loop, &reply) { return }
        var options = StringOptions()
        options.returnsOld = true
        perform(loop, key, request.argument(2), options, bytes, &reply)
    }

    /// The error of commands for strings alone: a key with the prefix holds a presence or nothing.
    static func refusePresence(_ loop: ServerLoop, _ reply: inout ReplyBuffer) {
        let prefix = String(decoding: loop.keyPrefix.bytes, as: UTF8.self)
        reply.error(
            "WRONGTYPE keys that begin with '\(prefix)' (key-prefix) are presences: their value is a record, which SET "
                + "writes, with GET if the old one is wanted; other strings need another prefix")
    }

    private static func perform(
        _ loop: ServerLoop, _ key: (kind: KeyKind, name: Range<Int>), _ value: Range<Int>,
        _ options: StringOptions, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        let start = reply.count
        let isSet: Bool
        do throws(PresenceRecords.Failure) {
            isSet = try put(loop, key, value, options, bytes, &reply)
        } catch {
            reply.truncate(to: start)
            reply.error(error.message)
            return
        }
        guard !options.returnsOld else { return }
        if isSet { reply.simple("OK") } else { reply.null() }
    }

    /// Sets a string or a record, and writes the old value if that is asked for; false if the condition was not met.
    @inline(__always)
    static func put(
        _ loop: ServerLoop, _ key: (kind: KeyKind, name: Range<Int>), _ value: Range<Int>,
        _ options: StringOptions, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) throws(PresenceRecords.Failure) -> Bool {
        if key.kind == .string { return try setString(loop, key.name, value, options, bytes, &reply) }
        return try PresenceRecords.set(loop, key.name, value, options, bytes, &reply)
    }

    private static func setString(
        _ loop: ServerLoop, _ key: Range<Int>, _ value: Range<Int>, _ options: StringOptions, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) throws(PresenceRecords.Failure) -> Bool {
        let expiry: StringSetOptions.Expiry = options.keepsTTL ? .keep : options.end.map { .at($0) } ?? .none
        do throws(StoreError) {
            var hadValue = false
            let isSet = try loop.withStore { store throws(StoreError) in
                try store.setString(
                    bytes.extracting(key), bytes.extracting(value),
                    StringSetOptions(expiry: expiry, condition: options.condition), at: loop.now
                ) { old in
                    hadValue = true
                    if options.returnsOld { reply.bulk(old) }
                }
            }
            if options.returnsOld, !hadValue { reply.null() }
            return isSet
        } catch {
            throw .store(error)
        }
    }
}
