import Presence
import PresenceRESP
import PresenceStore

/// `KEYS`: all keys that match a pattern, found in slices with others' commands in between.
///
/// What is found is kept until the walk is over: up to the output that a client may have waiting, then it is an error that names `SCAN`.
enum KeysCommand {
    static let table: [Command] = [
        Command(
            "keys", "pattern", arity: 2, [.readOnly], [.keyspace, .dangerous], since: "1.0.0", group: "generic",
            complexity: "O(N) where N is the number of keys", "The keys that match a pattern; SCAN costs less memory",
            keys)
    ]

    /// Places looked at in a slice: half a millisecond.
    private static let sliceCount = 2048
    /// The work of matching in a slice, for patterns and keys that are long: about a millisecond.
    private static let sliceWork = 512 * 1024

    /// A walk under way.
    private final class Walk {
        let pattern: [UInt8]
        let prefix: [UInt8]
        /// Bytes of keys that may be kept.
        let limit: Int
        var cursor: UInt64 = 0
        var found = ReplyBuffer(capacity: 1024)
        var count = 0

        init(pattern: [UInt8], prefix: [UInt8], limit: Int) {
            self.pattern = pattern
            self.prefix = prefix
            self.limit = limit
        }

        var isOverLimit: Bool { found.count > limit }

        /// Looks at some keys; true if they were the last that matter.
        func step(_ store: ShardedStore, at now: Timestamp) -> Bool {
            let pattern = pattern
            var name: [UInt8] = []
            var work = 0
            cursor = store.scanPart(cursor: cursor, count: KeysCommand.sliceCount, at: now) { kind, key in
                name.removeAll(keepingCapacity: true)
                if kind == .presence { name += prefix }
                for index in 0..<key.count { name.append(key[index]) }
                work += name.count
                if GlobPattern.matches(pattern.span, name.span, work: &work) {
                    found.bulk(name)
                    count += 1
                }
                return work < KeysCommand.sliceWork && !isOverLimit
            }
            return cursor == 0 || isOverLimit
        }

        func write(to reply: inout ReplyBuffer) {
            guard !isOverLimit else {
                reply.error(
                    "ERR the keys take more than \(limit) bytes, the hard limit of client-output-buffer-limit normal; "
                        + "walk over them with SCAN")
                return
            }
            reply.array(count)
            found.withBytes { reply.raw($0) }
        }
    }

    @Sendable private static func keys(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard !GlobPattern.refuses(request.argument(1), &reply) else { return }
        let limit = loop.configuration.outputLimits.normal.hardBytes
        let walk = Walk(
            pattern: Text.array(bytes, request.argument(1)), prefix: loop.keyPrefix.bytes,
            limit: limit > 0 ? limit : .max)
        loop.inSlices(for: client, &reply) {
            walk.step(loop.store, at: loop.now)
        } _: {
            walk.write(to: &$0)
        }
    }
}
