import Presence
import PresenceRESP
import PresenceStore

/// Lists of users whose changes a viewer is told.
enum WatchCommands {
    static let table: [Command] = [
        Command(
            "presence.watch", "viewerkey [SINCE cursor] key [key ...]", arity: -3,
            [.write, .denyOutOfMemory, .noMulti],
            [.presence], keys: .one, keyUse: .readWrite, reach: .everything, since: "0.1.0", group: "presence",
            complexity: "O(N) where N is the number of users",
            "Puts users on a viewer's list, and tells how he sees them, or what changed since a cursor", watch),
        Command(
            "presence.unwatch", "viewerkey [key ...]", arity: -2, [.write, .noMulti], [.presence], keys: .one,
            keyUse: .readWrite, reach: .everything, since: "0.1.0", group: "presence",
            complexity: "O(N) where N is the number of users",
            "Takes users off a viewer's list, or gives it up", unwatch),
    ]

    @Sendable private static func watch(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let viewer = loop.user(bytes, request.argument(1), &reply) else { return }
        var cursor = 0..<0
        var first = 2
        if Word(bytes, request.argument(2)) == "SINCE" {
            guard request.argumentCount > 4 else {
                reply.error("ERR wrong number of arguments for 'presence.watch' command")
                return
            }
            cursor = request.argument(3)
            first = 4
        }
        guard loop.takeUsers(bytes, request, from: first, &reply) else { return }
        let id = Text.array(bytes, viewer)
        loop.endIfIdle(id)
        let users = loop.ranges
        do throws(StoreError) {
            write(try add(loop, bytes, viewer, cursor, users), at: loop.now, &reply)
        } catch {
            reply.error(error.message)
        }
    }

    /// Adds users to a viewer's list. Lists whose time is over make room for a new one.
    private static func add(
        _ loop: ServerLoop, _ bytes: Span<UInt8>, _ viewer: Range<Int>, _ cursor: Range<Int>, _ users: [KeyRange]
    ) throws(StoreError) -> WatchReply {
        let server = loop.server
        let peers = loop.peers
        while true {
            do throws(StoreError) {
                return try server.watches.add(
                    from: loop.index, at: loop.now, { shard in peers[shard % peers.count].wake(shard: shard) }
                ) { () throws(StoreError) in
                    try loop.store.watch(
                        bytes.extracting(viewer), since: bytes.extracting(cursor), bytes, users.span, at: loop.now
                    ) { ServerLoop.wake($0, peers, server) }
                }
            } catch {
                guard case .tooManyWatchLists = error, loop.endFirstIdle() else { throw error }
            }
        }
    }

    private static func write(_ answer: WatchReply, at now: Timestamp, _ reply: inout ReplyBuffer) {
        reply.array(3)
        reply.bulk(answer.cursor)
        reply.bulk(answer.isResumed ? "resumed" : "snapshot")
        reply.array(answer.rows.count)
        for row in answer.rows {
            reply.array(4)
            reply.bulk(row.id)
            reply.bulk(row.status.word)
            ViewCommands.write(row.lastSeen, at: now, &reply)
            if let activity = row.activity { reply.bulk(activity) } else { reply.null() }
        }
    }

    @Sendable private static func unwatch(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let viewer = loop.user(bytes, request.argument(1), &reply) else { return }
        let id = Text.array(bytes, viewer)
        loop.endIfIdle(id)
        if request.argumentCount == 2 {
            reply.integer(loop.server.watches.end(id))
            return
        }
        guard loop.takeUsers(bytes, request, from: 2, &reply) else { return }
        let users = loop.ranges
        reply.integer(loop.store.unwatch(bytes.extracting(viewer), bytes, users.span))
    }
}
