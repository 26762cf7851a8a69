import Presence
import PresenceRESP
import PresenceStore

/// `SCAN`: the keys that exist, in the order of their hashes, a part a call.
enum ScanCommand {
    static let table: [Command] = [
        Command(
            "scan", "cursor [MATCH pattern] [COUNT count] [TYPE type]", arity: -2, [.readOnly], [.keyspace],
            since: "2.8.0", group: "generic", complexity: "O(1) a call, O(N) for all keys",
            "Walks over the keys that exist, a part a call", scan)
    ]

    /// The most places that one call looks at, whatever COUNT it asks for: so long another client waits for this one.
    private static let maximumScanCount = 10_000
    /// The work of matching in one call, where patterns and keys are long: it ends early then, as a call may. A few milliseconds.
    private static let maximumWork = 2 << 20

    @Sendable private static func scan(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let cursor = Numbers.cursor(bytes, request.argument(1)) else {
            reply.error("ERR invalid cursor")
            return
        }
        var count = 10
        var pattern: Range<Int>?
        var kinds: [KeyKind]?
        var index = 2
        while index < request.argumentCount {
            let option = Word(bytes, request.argument(index))
            guard index + 1 < request.argumentCount else {
                reply.error("ERR syntax error")
                return
            }
            let value = request.argument(index + 1)
            switch option {
            case "COUNT":
                guard let number = Numbers.integer(bytes, value) else {
                    reply.error("ERR value is not an integer or out of range")
                    return
                }
                guard number > 0 else {
                    reply.error("ERR syntax error")
                    return
                }
                count = Int(min(number, Int64(maximumScanCount)))
            case "MATCH":
                guard !GlobPattern.refuses(value, &reply) else { return }
                pattern = value
            case "TYPE":
                switch Word(bytes, value) {
                case "STRING": kinds = [.string]
                case "PRESENCE": kinds = [.presence]
                default: kinds = []
                }
            default:
                reply.error("ERR syntax error")
                return
            }
            index += 2
        }
        write(loop, cursor, count, pattern, kinds, bytes, &reply)
    }

    private static func write(
        _ loop: ServerLoop, _ cursor: UInt64, _ count: Int, _ pattern: Range<Int>?, _ kinds: [KeyKind]?,
        _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        // The cursor goes before the keys and is known after them.
        var keys = ReplyBuffer(capacity: 1024)
        var found = 0
        var name: [UInt8] = []
        var work = 0
        let next = loop.store.scanPart(cursor: cursor, count: count, at: loop.now) { kind, key in
            if let kinds, !kinds.contains(kind) { return true }
            name.removeAll(keepingCapacity: true)
            if kind == .presence { name += loop.keyPrefix.bytes }
            for index in 0..<key.count { name.append(key[index]) }
            work += name.count
            if pattern.map({ GlobPattern.matches(bytes.extracting($0), name.span, work: &work) }) ?? true {
                keys.bulk(name)
                found += 1
            }
            return work < maximumWork
        }
        reply.array(2)
        reply.bulk(String(next))
        reply.array(found)
        keys.withBytes { reply.raw($0) }
    }
}
