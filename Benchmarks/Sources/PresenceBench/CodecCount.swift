import Presence
import PresenceRESP

/// Replies and events as bytes, for an instruction counter.
enum CodecCount {
    private static let session = Array(Heartbeat.session.utf8)
    private static let record = Array(Record.json(user: Heartbeat.name(42), session: Heartbeat.session).utf8)
    private static let message = Array("message".utf8)
    private static let channel = Array(StatusChannel.name.utf8)

    /// An integer, the record of a user, a null, and two pairs of a session's facts.
    static func replies(_ operations: Int, _ version: RESPVersion) throws {
        var length = 0
        try write(operations, version, &length) { buffer in
            buffer.integer(1)
            buffer.bulk(record.span)
            buffer.null()
            buffer.map(2)
            buffer.bulk("connectionId")
            buffer.bulk(session.span)
            buffer.bulk("lastHeartbeat")
            buffer.integer(1_735_689_600_000)
        }
        guard length > record.count + session.count else { throw BenchError("replies of \(length) bytes") }
    }

    /// One that was made, as each of its subscribers gets it.
    static func frames(_ operations: Int, _ version: RESPVersion) throws {
        let payload = try event()
        var length = 0
        try write(operations, version, &length) { buffer in
            buffer.push(3)
            buffer.bulk(message.span)
            buffer.bulk(channel.span)
            buffer.bulk(payload.span)
        }
        guard length > payload.count + channel.count else { throw BenchError("messages of \(length) bytes") }
    }

    /// Made once, whoever listens.
    static func events(_ operations: Int) throws {
        let length = try event().count
        for _ in 0..<operations {
            guard try event().count == length else { throw BenchError("no two events are equally long") }
        }
    }

    private static let node = Array("node-1".utf8)
    private static let change = StatusChange(
        userID: Array(Heartbeat.name(42).utf8), old: .offline, new: .online, reason: .connect, timestamp: Crowd.start,
        since: Crowd.start.advanced(byMilliseconds: -60_000), version: Stamp(Crowd.start, node: 1),
        device: Array("mobile".utf8), connection: session, server: Array("gateway-7".utf8))

    private static func event() throws -> [UInt8] {
        let json = change.json(node: node.span)
        guard json.first == UInt8(ascii: "{"), json.last == UInt8(ascii: "}") else {
            throw BenchError("no event was written")
        }
        return json
    }

    private static func write(
        _ operations: Int, _ version: RESPVersion, _ length: inout Int, _ body: (inout ReplyBuffer) -> Void
    ) throws {
        var buffer = ReplyBuffer(capacity: 65_536)
        buffer.version = version
        for operation in 0..<operations {
            if operation.isMultiple(of: 64) { buffer.clear() }
            body(&buffer)
        }
        guard buffer.count > 0 else { throw BenchError("nothing was written") }
        buffer.clear()
        body(&buffer)
        length = buffer.count
    }
}
