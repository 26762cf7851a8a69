import Presence
import PresenceRESP
import PresenceStore

/// Friends and blocks: what users say of each other.
enum RelationCommands {
    static let table: [Command] = [
        command("presence.block", .block, "Hides a user from others: they see him offline from now on"),
        command("presence.unblock", .unblock, "Shows a user to others again"),
        command("presence.friend", .friend, "Names others friends of a user: they see what he shows to friends"),
        command("presence.unfriend", .unfriend, "Takes back that others are friends of a user"),
        Command(
            "presence.relations", "key", arity: 2, [.readOnly], [.presence], keys: .one, reach: .everything,
            since: "0.1.0", group: "presence", complexity: "O(N) where N is the number of friends and blocked users",
            "Whom a user blocked, who his friends are, and who may see him", relations),
    ]

    /// Who is blocked sees nothing more at any node that is reachable once BLOCK has answered, or these milliseconds are over.
    private static let blockMilliseconds: Int64 = 2_000

    private static func command(_ name: String, _ change: RelationChange, _ summary: String) -> Command {
        Command(
            name, "key other [other ...]", arity: -3, change.holds ? [.write, .denyOutOfMemory] : [.write],
            [.presence], keys: .one, keyUse: .readWrite, reach: .arguments, since: "0.1.0", group: "presence",
            complexity: "O(N log M) where N is the number of others and M that of the user's friends and blocked users",
            summary
        ) { loop, client, request, bytes, reply in
            guard let user = loop.user(bytes, request.argument(1), &reply),
                loop.takeUsers(bytes, request, from: 2, &reply)
            else { return }
            let others = loop.ranges
            do throws(StoreError) {
                let count = try loop.store.relate(
                    bytes.extracting(user), change, to: bytes, others.span, at: loop.now)
                guard change == .block, let port = loop.server.replication, !loop.isExecuting else {
                    reply.integer(count)
                    return
                }
                HolderWait.begin(allWithin: blockMilliseconds, port, for: client, loop) { held, reply in
                    if held == nil { loop.server.blocksNotHeld.wrappingAdd(1, ordering: .relaxed) }
                    reply.integer(count)
                }
            } catch {
                reply.error(error.message)
            }
        }
    }

    @Sendable private static func relations(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        let relations = loop.store.relations(of: bytes.extracting(user), at: loop.now)
        reply.map(4)
        reply.bulk("visibility")
        reply.bulk(relations.visibility.word)
        reply.bulk("lastSeen")
        reply.bulk(relations.lastSeen.word)
        reply.bulk("friends")
        reply.array(relations.friends.count)
        for id in relations.friends { reply.bulk(id) }
        reply.bulk("blocked")
        reply.array(relations.blocked.count)
        for id in relations.blocked { reply.bulk(id) }
    }
}
