import Foundation
import Presence
import PresenceTesting
import Testing

/// A record's fields as plain values, as tests write and compare them.
struct PlainRecord: Equatable {
    var userID: [UInt8] = Array("alice".utf8)
    var status = Status.online
    var lastSeen: Timestamp?
    var lastHeartbeat: Timestamp?
    var device: [UInt8]?
    var platform: [UInt8]?
    var connectionID: [UInt8]?
    var server: [UInt8]?
    var activity: [UInt8]?

    var json: [UInt8] {
        let texts = [userID, device, platform, connectionID, server, activity].compactMap { $0?.count }.reduce(0, +)
        return written(PresenceRecordWriter.maximumByteCount(textByteCount: texts)) { out in
            PresenceRecordWriter.write(
                userID: userID.span, status: status, lastSeen: lastSeen, lastHeartbeat: lastHeartbeat,
                device: device?.span, platform: platform?.span, connectionID: connectionID?.span,
                server: server?.span, activity: activity?.span, into: &out)
        }
    }

    /// What a reader makes of these bytes; the user's id, which readers drop, is taken from `self`.
    func read(_ json: [UInt8]) throws(RecordError) -> PlainRecord {
        let record = try PresenceRecord.parse(json.span)
        var plain = PlainRecord(userID: userID, status: record.status)
        plain.lastSeen = record.lastSeen
        plain.lastHeartbeat = record.lastHeartbeat
        record.withTexts(in: json.span) { texts in
            func bytes(_ range: Range<Int>?) -> [UInt8]? { range.map { $0.map { texts[$0] } } }
            plain.device = bytes(record.device)
            plain.platform = bytes(record.platform)
            plain.connectionID = bytes(record.connectionID)
            plain.server = bytes(record.server)
            plain.activity = bytes(record.activity)
        }
        return plain
    }
}

extension SeededRandom {
    /// Texts of all kinds: plain, with escapes, of several bytes a letter, and (if asked for) no UTF-8 at all.
    mutating func text(anyBytes: Bool = false) -> [UInt8] {
        if anyBytes && chance(oneIn: 3) { return bytes(0...20) }
        let letters: [Character] = [
            "a", "Z", "0", "-", " ", "/", "\"", "\\", "\n", "\r", "\t", "\u{8}", "\u{C}", "\u{0}", "\u{1F}", "\u{7F}",
            "é", "ß", "\u{7FF}", "\u{800}", "€", "\u{FFFF}", "\u{2028}", "🦊", "\u{10FFFF}",
        ]
        let plain = Bool.random(using: &self)
        let count = Int.random(in: 0...20, using: &self)
        return Array(String((0..<count).map { _ in plain ? pick("abc-123") : pick(letters) }).utf8)
    }

    mutating func plainRecord(anyBytes: Bool = false) -> PlainRecord {
        PlainRecord(
            userID: text(anyBytes: anyBytes), status: pick(Status.allCases),
            lastSeen: maybe { $0.instant(0...4_000_000_000_000) },
            lastHeartbeat: maybe { $0.instant(0...4_000_000_000_000) },
            device: maybe { $0.text(anyBytes: anyBytes) }, platform: maybe { $0.text(anyBytes: anyBytes) },
            connectionID: maybe { $0.text(anyBytes: anyBytes) }, server: maybe { $0.text(anyBytes: anyBytes) },
            activity: maybe { $0.text(anyBytes: anyBytes) })
    }
}

@Suite("The record as JSON, both ways")
struct RecordJSONTests {
    @Test("The seed's record comes out byte for byte")
    func seedRecord() {
        let instant = Timestamp(milliseconds: 1_737_282_922_123)
        var record = PlainRecord(
            userID: Array("550e8400-e29b-41d4-a716-446655440000".utf8), lastSeen: instant, lastHeartbeat: instant,
            device: Array("web".utf8), platform: Array("chrome".utf8), connectionID: Array("ws-conn-abc123def456".utf8),
            server: Array("server-2".utf8))
        let expected = """
            {"userId":"550e8400-e29b-41d4-a716-446655440000","status":"online","lastSeen":"2025-01-19T10:35:22.123Z",\
            "lastHeartbeat":"2025-01-19T10:35:22.123Z","deviceType":"web","platform":"chrome",\
            "connectionId":"ws-conn-abc123def456","serverId":"server-2"
            """
        #expect(String(decoding: record.json, as: UTF8.self) == expected + "}")
        record.activity = Array("in game".utf8)
        #expect(String(decoding: record.json, as: UTF8.self) == expected + ",\"activity\":\"in game\"}")
    }

    @Test("What is absent is null")
    func absent() {
        let expected = """
            {"userId":"alice","status":"offline","lastSeen":null,"lastHeartbeat":null,"deviceType":null,\
            "platform":null,"connectionId":null,"serverId":null}
            """
        #expect(String(decoding: PlainRecord(status: .offline).json, as: UTF8.self) == expected)
    }

    @Test("Every record comes back from its JSON")
    func roundTrip() throws {
        for var random in SeededRandom.cases(5_000) {
            let record = random.plainRecord()
            #expect(try record.read(record.json) == record, "\(random)")
        }
    }

    @Test("Whatever the bytes of the texts, Foundation reads the JSON, and U+FFFD stands for what is not UTF-8")
    func foundationAgrees() throws {
        for var random in SeededRandom.cases(3_000) {
            let record = random.plainRecord(anyBytes: true)
            let object = try JSONSerialization.jsonObject(with: Data(record.json))
            let fields = try #require(object as? [String: Any])
            #expect(fields["userId"] as? String == String(decoding: record.userID, as: UTF8.self), "\(random)")
            let device = record.device.map { String(decoding: $0, as: UTF8.self) }
            #expect(fields["deviceType"] as? String == device, "\(random)")
            #expect(fields.count == (record.activity == nil ? 8 : 9), "\(random)")
        }
    }

    @Test("The longest record fits into the bound that the writer tells")
    func bound() {
        let zeros = [UInt8](repeating: 0, count: 50)
        let far = Timestamp.distantPast
        let longest = PlainRecord(
            userID: zeros, status: .offline, lastSeen: far, lastHeartbeat: far, device: zeros, platform: zeros,
            connectionID: zeros, server: zeros, activity: zeros)
        #expect(longest.json.count <= PresenceRecordWriter.maximumByteCount(textByteCount: 300))
        #expect(longest.json.count > PresenceRecordWriter.maximumByteCount(textByteCount: 300) - 16)
        #expect(PlainRecord().json.count <= PresenceRecordWriter.maximumByteCount(textByteCount: 5))
    }
}

@Suite("The event as JSON")
struct StatusChangeJSONTests {
    func json(_ change: StatusChange, node: String) -> String {
        let node = Array(node.utf8)
        let bytes = written(change.maximumJSONByteCount(nodeByteCount: node.count)) { out in
            change.writeJSON(node: node.span, into: &out)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("Both of the seed's shapes in one, in the order of the specification")
    func shape() {
        let change = StatusChange(
            userID: Array("alice".utf8), old: .online, new: .offline, reason: .wsDisconnect,
            timestamp: Timestamp(milliseconds: 1_737_282_922_123), since: Timestamp(milliseconds: 0),
            version: Stamp(rawValue: 9_007_199_254_740_993), activity: Array("x \"y\"".utf8),
            device: Array("web".utf8), connection: Array("c1".utf8), server: nil)
        #expect(
            json(change, node: "a") == """
                {"userId":"alice","status":"offline","oldStatus":"online","newStatus":"offline",\
                "timestamp":"2025-01-19T10:35:22.123Z","since":"1970-01-01T00:00:00.000Z","reason":"ws_disconnect",\
                "activity":"x \\"y\\"","version":"9007199254740993","deviceType":"web","connectionId":"c1",\
                "serverId":null,"node":"a"}
                """)
    }

    @Test("Foundation reads every event, and it fits into its bound", arguments: Reason.allCases)
    func everyReason(reason: Reason) throws {
        for var random in SeededRandom.cases(50) {
            let change = StatusChange(
                userID: random.bytes(0...30), old: random.pick(Status.allCases), new: random.pick(Status.allCases),
                reason: reason, timestamp: .distantFuture, since: random.maybe { $0.instant() },
                version: Stamp(rawValue: random.next()), activity: random.maybe { $0.bytes(0...30) },
                device: random.maybe { $0.bytes(0...30) }, connection: random.maybe { $0.bytes(0...30) },
                server: random.maybe { $0.bytes(0...30) })
            let object = try JSONSerialization.jsonObject(with: Data(json(change, node: "node-1").utf8))
            let fields = try #require(object as? [String: Any])
            #expect(fields.count == 13, "\(random)")
            #expect(fields["reason"] as? String == reason.word.description)
            #expect(fields["version"] as? String == String(change.version.rawValue), "\(random)")
            #expect(fields["userId"] as? String == String(decoding: change.userID, as: UTF8.self), "\(random)")
        }
    }

    @Test("The longest event fits into its bound")
    func bound() {
        let zeros = [UInt8](repeating: 0, count: 40)
        let change = StatusChange(
            userID: zeros, old: .offline, new: .offline, reason: .heartbeatTimeout, timestamp: .distantPast,
            since: .distantPast, version: Stamp(rawValue: .max), activity: zeros, device: zeros, connection: zeros,
            server: zeros)
        let bound = change.maximumJSONByteCount(nodeByteCount: 40)
        let length = json(change, node: String(repeating: "\u{1}", count: 40)).utf8.count
        #expect(length <= bound && length > bound - 32)
    }
}
