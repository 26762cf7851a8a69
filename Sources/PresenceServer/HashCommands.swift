import Presence
import PresenceRESP
import PresenceStore

/// A presence read as a hash: the fields of the record.
enum HashCommands {
    static let table: [Command] = [
        Command(
            "hget", "key field", arity: 3, [.readOnly, .fast], [.hash], keys: .one, since: "2.0.0", group: "hash",
            "One field of a present user's record", get),
        Command(
            "hmget", "key field [field ...]", arity: -3, [.readOnly, .fast], [.hash], keys: .one, since: "2.0.0",
            group: "hash", complexity: "O(N) where N is the number of fields",
            "Some fields of a present user's record", getSome),
        Command(
            "hgetall", "key", arity: 2, [.readOnly], [.hash], keys: .one, since: "2.0.0", group: "hash",
            "The fields of a present user's record", getAll),
    ]

    /// The fields of a record, by the seed's names and in its order; the activity text only where there is one.
    private enum Field: String, CaseIterable {
        case userId, status, lastSeen, lastHeartbeat, deviceType, platform, connectionId, serverId, activity

        /// The name, as it is compared and written.
        var name: [UInt8] { Array(rawValue.utf8) }
    }

    /// What a read of a key as a hash found.
    private enum Found {
        case fields(RecordFields)
        case nothing
        /// A string, and the error is written.
        case wrongType
    }

    private static func read(
        _ loop: ServerLoop, _ key: Range<Int>, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Found {
        let key = loop.locate(bytes, key)
        let name = bytes.extracting(key.name)
        if key.kind == .string {
            // Both ways the store counts whether the key was there.
            guard loop.store.exists(.string, name, at: loop.now) else { return .nothing }
            reply.error("WRONGTYPE Operation against a key holding the wrong kind of value")
            return .wrongType
        }
        guard let fields = loop.store.recordFields(of: name, at: loop.now) else {
            loop.counters.misses.add(1)
            return .nothing
        }
        loop.counters.hits.add(1)
        return .fields(fields)
    }

    @Sendable private static func get(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        switch read(loop, request.argument(1), bytes, &reply) {
        case .fields(let fields): write(fields, bytes.extracting(request.argument(2)), &reply)
        case .nothing: reply.null()
        case .wrongType: break
        }
    }

    @Sendable private static func getSome(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let found = read(loop, request.argument(1), bytes, &reply)
        if case .wrongType = found { return }
        let start = reply.count
        reply.array(request.argumentCount - 2)
        for index in 2..<request.argumentCount {
            if case .fields(let fields) = found {
                write(fields, bytes.extracting(request.argument(index)), &reply)
            } else {
                reply.null()
            }
            if loop.refusesLongReply(from: start, &reply) { return }
        }
    }

    @Sendable private static func getAll(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        switch read(loop, request.argument(1), bytes, &reply) {
        case .fields(let fields):
            let present = Field.allCases.filter { $0 != .activity || fields.activity != nil }
            reply.map(present.count)
            for field in present {
                reply.bulk(field.name)
                write(field, of: fields, &reply)
            }
        case .nothing: reply.map(0)
        case .wrongType: break
        }
    }

    /// The field of that name, or nothing if records have none.
    private static func write(_ fields: RecordFields, _ name: Span<UInt8>, _ reply: inout ReplyBuffer) {
        let field = Field.allCases.first { isName($0.name, name) }
        if let field, field != .activity || fields.activity != nil {
            write(field, of: fields, &reply)
        } else {
            reply.null()
        }
    }

    private static func isName(_ known: [UInt8], _ given: Span<UInt8>) -> Bool {
        guard known.count == given.count else { return false }
        return known.indices.allSatisfy { known[$0] == given[$0] }
    }

    /// A field's value. What is absent is an empty text: a hash has no null.
    private static func write(_ field: Field, of fields: RecordFields, _ reply: inout ReplyBuffer) {
        switch field {
        case .userId: reply.bulk(fields.userID)
        case .status: reply.bulk(fields.status.word)
        case .lastSeen: instant(fields.lastSeen, &reply)
        case .lastHeartbeat: instant(fields.lastHeartbeat, &reply)
        case .deviceType: reply.bulk(fields.deviceType ?? [])
        case .platform: reply.bulk(fields.platform ?? [])
        case .connectionId: reply.bulk(fields.connectionID ?? [])
        case .serverId: reply.bulk(fields.serverID ?? [])
        case .activity: reply.bulk(fields.activity ?? [])
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
