import Presence
import PresenceRESP
import PresenceStore

/// Commands that read a string and change it, or its end, in one step.
extension StringCommands {
    static let changing: [Command] = [
        Command(
            "getex",
            "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
            arity: -2, [.write, .fast], [.string], keys: .one, keyUse: .exchange, since: "6.2.0", group: "string",
            "The value of a string or the record of a user, and another lifetime; of a user, a heartbeat", getEX),
        Command(
            "getdel", "key", arity: 2, [.write, .fast], [.string], keys: .one, keyUse: .take, since: "6.2.0",
            group: "string", "The value of a string, which is deleted, or the record of a user, whose sessions end",
            getAndDelete),
        Command(
            "strlen", "key", arity: 2, [.readOnly, .fast], [.string], keys: .one, keyUse: .inspect, since: "2.2.0",
            group: "string",
            "The length of a string, or of the record of a user", length),
        Command(
            "append", "key value", arity: 3, [.write, .denyOutOfMemory, .fast], [.string], keys: .one,
            keyUse: .extend, since: "2.0.0", group: "string", "Adds bytes to the end of a string", append),
        Command(
            "incr", "key", arity: 2, [.write, .denyOutOfMemory, .fast], [.string], keys: .one, keyUse: .exchange,
            since: "1.0.0", group: "string", "Adds 1 to a string that spells a number"
        ) { loop, _, request, bytes, reply in increment("INCR", loop, request, bytes, 1, &reply) },
        Command(
            "decr", "key", arity: 2, [.write, .denyOutOfMemory, .fast], [.string], keys: .one, keyUse: .exchange,
            since: "1.0.0", group: "string", "Takes 1 from a string that spells a number"
        ) { loop, _, request, bytes, reply in increment("DECR", loop, request, bytes, -1, &reply) },
        Command(
            "incrby", "key increment", arity: 3, [.write, .denyOutOfMemory, .fast], [.string], keys: .one,
            keyUse: .exchange, since: "1.0.0", group: "string", "Adds a number to a string that spells one",
            incrementBy),
        Command(
            "decrby", "key decrement", arity: 3, [.write, .denyOutOfMemory, .fast], [.string], keys: .one,
            keyUse: .exchange, since: "1.0.0", group: "string", "Takes a number from a string that spells one",
            decrementBy),
    ]

    // MARK: - GETEX and GETDEL

    @Sendable private static func getEX(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var options = StringOptions()
        guard options.parse(.getEX, from: 2, request, bytes, &reply) else { return }
        let key = loop.locate(bytes, request.argument(1))
        let name = bytes.extracting(key.name)
        let start = reply.count
        // As Redis: of a key that is not there, the number of the lifetime is not even read.
        let isKnown = options.takeEnd("getex", after: loop.now, bytes, &reply)
        guard isKnown else {
            if !loop.store.exists(key.kind, name, at: loop.now) {
                reply.truncate(to: start)
                reply.null()
            }
            return
        }
        guard key.kind == .string else {
            if !write(loop, key, bytes, &reply) {
                reply.null()
            } else {
                beat(loop, name, options, start, &reply)
            }
            return
        }
        let change: StringExpiryChange = options.persists ? .persist : options.end.map { .at($0) } ?? .keep
        let isFound = loop.store.getString(name, changing: change, at: loop.now) { reply.bulk($0) }
        if !isFound { reply.null() }
    }

    /// What `GETEX` does to a presence: a lifetime is a heartbeat, and it cannot live without one. An error replaces the record in the reply.
    private static func beat(
        _ loop: ServerLoop, _ user: Span<UInt8>, _ options: StringOptions, _ start: Int, _ reply: inout ReplyBuffer
    ) {
        if options.persists {
            reply.truncate(to: start)
            KeyCommands.refusePersist(&reply)
        } else if let end = options.end {
            do throws(StoreError) {
                try loop.store.expire(.presence, user, at: end, now: loop.now)
            } catch {
                reply.truncate(to: start)
                reply.error(error.message)
            }
        }
    }

    @Sendable private static func getAndDelete(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        let name = bytes.extracting(key.name)
        if key.kind == .string {
            if ReadThenWrite.refuses("GETDEL", loop, &reply) { return }
            let isFound = loop.store.takeString(name, at: loop.now) { reply.bulk($0) }
            if !isFound { reply.null() }
        } else if write(loop, key, bytes, &reply) {
            loop.store.remove(.presence, name, at: loop.now)
        } else {
            reply.null()
        }
    }

    // MARK: - Length

    @Sendable private static func length(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        let name = bytes.extracting(key.name)
        if key.kind == .string {
            reply.integer(loop.store.stringLength(name, at: loop.now) ?? 0)
            return
        }
        // The record is made when it is read, so its length is known once it is made.
        let record = [UInt8](room: ShardedStore.maximumRecordBytes) { out in
            _ = loop.store.writeRecord(of: name, at: loop.now, into: &out)
        }
        reply.integer(record.count)
    }

    @Sendable private static func append(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        guard key.kind == .string else {
            refusePresence(loop, &reply)
            return
        }
        if ReadThenWrite.refuses("APPEND", loop, &reply) { return }
        do throws(StoreError) {
            let length = try loop.store.append(
                bytes.extracting(key.name), bytes.extracting(request.argument(2)),
                maximumLength: loop.configuration.maximumBulkLength, at: loop.now)
            reply.integer(length)
        } catch {
            reply.error(error.message)
        }
    }

    // MARK: - Numbers

    @Sendable private static func incrementBy(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let step = Numbers.integer(bytes, request.argument(2)) else {
            reply.error("ERR value is not an integer or out of range")
            return
        }
        increment("INCRBY", loop, request, bytes, step, &reply)
    }

    @Sendable private static func decrementBy(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let step = Numbers.integer(bytes, request.argument(2)) else {
            reply.error("ERR value is not an integer or out of range")
            return
        }
        guard step != .min else {
            reply.error("ERR decrement would overflow")
            return
        }
        increment("DECRBY", loop, request, bytes, -step, &reply)
    }

    private static func increment(
        _ command: String, _ loop: ServerLoop, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ step: Int64,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        guard key.kind == .string else {
            refusePresence(loop, &reply)
            return
        }
        if ReadThenWrite.refuses(command, loop, &reply) { return }
        do throws(StoreError) {
            reply.integer(Int(try loop.store.increment(bytes.extracting(key.name), by: step, at: loop.now)))
        } catch {
            reply.error(error.message)
        }
    }
}
