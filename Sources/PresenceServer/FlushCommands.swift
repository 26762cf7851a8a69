import Presence
import PresenceRESP
import PresenceStore

/// `FLUSHALL` and `FLUSHDB`: the end of all keys, in slices with others' commands in between. There is one database, so they are the same.
enum FlushCommands {
    static let table: [Command] = ["flushall", "flushdb"].map { name in
        Command(
            name, "[ASYNC | SYNC]", arity: -1, [.write], [.keyspace, .dangerous], since: "1.0.0", group: "server",
            complexity: "O(N) where N is the number of keys",
            "Deletes all strings and ends all sessions; what is written meanwhile stays", flush)
    }

    /// Segments that a slice empties: at most 160 keys each, two milliseconds' work if all are full. So a store with few keys is done at once,
    /// though each shard has a segment.
    private static let sliceSegments = 64

    @Sendable private static func flush(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        if request.argumentCount > 1 {
            // ASYNC and SYNC both: nobody but the client waits, and it waits until all is gone.
            let option = Word(bytes, request.argument(1))
            guard request.argumentCount == 2, option == "ASYNC" || option == "SYNC" else {
                reply.error("ERR syntax error")
                return
            }
        }
        let limit = loop.store.beginRemoveAll(at: loop.now)
        loop.server.replication?.flushed(limit)
        var cursor: UInt64 = 0
        let isExecuting = loop.isExecuting
        loop.inSlices(for: client, outlivesClient: true, &reply) {
            for _ in 0..<sliceSegments {
                // Every end is told: not faster than it is read. A transaction waits for nobody.
                let shard = loop.store.shardOfRemoval(at: cursor)
                if !isExecuting, loop.publisher.reader?.isFarBehind(shard: shard) == true { return false }
                cursor = loop.store.removeAll(from: cursor, upTo: limit, at: loop.now)
                if cursor == 0 { return true }
            }
            return false
        } _: {
            $0.simple("OK")
        }
    }
}
