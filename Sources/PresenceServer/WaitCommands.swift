import Presence
import PresenceRESP

/// `WAIT`: until other nodes hold what was written here.
enum WaitCommands {
    static let table: [Command] = [
        Command(
            "wait", "numreplicas timeout", arity: 3, [.noScript], [.connection], since: "3.0.0", group: "generic",
            "Waits until so many other nodes hold all that was written here, for so many milliseconds at most, 0 without end; "
                + "answers how many do",
            wait)
    ]

    /// Redis's order of checks, and its texts. Beside Redis's meaning, which is of the writes of one connection, it waits for all that was written at this
    /// node. A node without others behaves as a Redis without replicas: it waits in vain.
    @Sendable private static func wait(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let wanted = Numbers.integer(bytes, request.argument(1)) else {
            reply.error("ERR value is not an integer or out of range")
            return
        }
        guard let milliseconds = Numbers.integer(bytes, request.argument(2)) else {
            reply.error("ERR timeout is not an integer or out of range")
            return
        }
        guard milliseconds >= 0 else {
            reply.error("ERR timeout is negative")
            return
        }
        // Within EXEC nobody may wait: how it was at the last look.
        guard !loop.isExecuting else {
            reply.integer(loop.server.replication?.report().upToDate ?? 0)
            return
        }
        if wanted > 0 {
            let holders = Int(min(wanted, Int64(Int32.max)))
            HolderWait.begin(holders: holders, milliseconds: milliseconds, for: client, loop) { held, reply in
                reply.integer(held ?? 0)
            }
        } else if loop.server.replication != nil {
            // As many as hold it: the port knows as soon as it has looked.
            HolderWait.begin(holders: .max, milliseconds: 1, for: client, loop) { $1.integer($0 ?? 0) }
        } else {
            reply.integer(0)
        }
    }
}
