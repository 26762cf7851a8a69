import Presence
import PresenceRESP
import PresenceStore

/// A presence read as a hash: the fields of the record.
enum HashCommands {
    static let table: [Command] = [
        Command(
            "hgetall", "key", arity: 2, [.readOnly], [.hash], keys: .one, since: "2.0.0", group: "hash",
            "The fields of a present user's record", getAll)
    ]

    @Sendable private static func getAll(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let key = loop.locate(bytes, request.argument(1))
        let name = bytes.extracting(key.name)
        if key.kind == .string {
            if loop.store.exists(.string, name, at: loop.now) {
                reply.error("WRONGTYPE Operation against a key holding the wrong kind of value")
            } else {
                reply.map(0)
            }
            return
        }
        guard let fields = loop.store.recordFields(of: name, at: loop.now) else {
            loop.counters.misses.add(1)
            reply.map(0)
            return
        }
        loop.counters.hits.add(1)
        write(fields, &reply)
    }

    /// The seed's eight fields in its order, then the activity if there is one. What is absent is an empty text: a hash has no null.
    private static func write(_ fields: RecordFields, _ reply: inout ReplyBuffer) {
        reply.map(fields.activity == nil ? 8 : 9)
        reply.bulk("userId")
        reply.bulk(fields.userID)
        reply.bulk("status")
        reply.bulk(fields.status.word)
        reply.bulk("lastSeen")
        instant(fields.lastSeen, &reply)
        reply.bulk("lastHeartbeat")
        instant(fields.lastHeartbeat, &reply)
        reply.bulk("deviceType")
        reply.bulk(fields.deviceType ?? [])
        reply.bulk("platform")
        reply.bulk(fields.platform ?? [])
        reply.bulk("connectionId")
        reply.bulk(fields.connectionID ?? [])
        reply.bulk("serverId")
        reply.bulk(fields.serverID ?? [])
        if let activity = fields.activity {
            reply.bulk("activity")
            reply.bulk(activity)
        }
    }

    /// ISO 8601, as in the record: what was written as a hash reads as that text.
    private static func instant(_ instant: Timestamp?, _ reply: inout ReplyBuffer) {
        guard let instant else {
            reply.bulk("")
            return
        }
        reply.bulk(upTo: Timestamp.maximumISO8601ByteCount) { out in instant.writeISO8601(into: &out) }
    }
}
