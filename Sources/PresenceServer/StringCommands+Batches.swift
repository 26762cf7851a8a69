import Presence
import PresenceRESP
import PresenceStore

/// Several strings or records at once.
extension StringCommands {
    static let batches: [Command] = [
        Command(
            "mget", "key [key ...]", arity: -2, [.readOnly, .fast], [.string], keys: .all, since: "1.0.0",
            group: "string", complexity: "O(N) where N is the number of keys",
            "The values of strings and the records of present users", getAll),
        Command(
            "mset", "key value [key value ...]", arity: -3, [.write, .denyOutOfMemory], [.string], keys: .pairs,
            keyUse: .overwrite, since: "1.0.1", group: "string", complexity: "O(N) where N is the number of keys",
            "Sets strings and records, and nobody sees some of them set", setAll),
    ]

    @Sendable private static func getAll(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let start = reply.count
        reply.array(request.argumentCount - 1)
        for index in 1..<request.argumentCount {
            if index % ShardedStore.prefetchLimit == 1 { Lookahead.prefetch(from: index, request, bytes, loop) }
            if !write(loop, loop.locate(bytes, request.argument(index)), bytes, &reply) { reply.null() }
            if loop.refusesLongReply(from: start, &reply) { return }
        }
    }

    @Sendable private static func setAll(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard request.argumentCount % 2 == 1 else {
            reply.error("ERR wrong number of arguments for 'mset' command")
            return
        }
        // Records are read before anything is written, so that one that is none leaves all keys as they are.
        var shards = ShardSet()
        for index in stride(from: 1, to: request.argumentCount, by: 2) {
            let key = loop.locate(bytes, request.argument(index))
            if key.kind == .presence {
                do throws(RecordError) {
                    _ = try PresenceRecord.parse(bytes.extracting(request.argument(index + 1)))
                } catch {
                    reply.error("ERR " + error.message)
                    return
                }
            }
            shards.insert(loop.server.store.shard(of: key.kind, bytes.extracting(key.name)))
        }
        if loop.isExecuting {
            writeAll(loop, request, bytes, &reply)
        } else {
            loop.whileHolding(shards) { writeAll(loop, request, bytes, &reply) }
        }
    }

    private static func writeAll(
        _ loop: ServerLoop, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) {
        for index in stride(from: 1, to: request.argumentCount, by: 2) {
            let key = loop.locate(bytes, request.argument(index))
            do throws(PresenceRecords.Failure) {
                _ = try put(loop, key, request.argument(index + 1), StringOptions(), bytes, &reply)
            } catch {
                // Memory that runs out, or a bound of one user. What was written stays, as after single SETs.
                let done = (index - 1) / 2
                let all = (request.argumentCount - 1) / 2
                reply.error("\(error.message) (\(done) of the \(all) keys were set)")
                return
            }
        }
        reply.simple("OK")
    }
}
