import Presence
import PresenceTesting
import Testing

@Suite("Values that a presence key takes, and does not")
struct RecordParseTests {
    func parse(_ json: String) throws(RecordError) -> PresenceRecord {
        try PresenceRecord.parse(Array(json.utf8).span)
    }

    func error(_ json: String) -> RecordError? {
        do {
            _ = try parse(json)
            return nil
        } catch { return error }
    }

    @Test("A status is all that a record needs", arguments: Status.allCases)
    func statusAlone(status: Status) throws {
        let record = try parse(#" { "status" : "\#(status.word)" } "#)
        #expect(record == PresenceRecord(status: status))
    }

    @Test("The bare word offline is the end of all sessions; every other bare word is refused")
    func bareWords() throws {
        #expect(try parse("offline") == PresenceRecord(status: .offline))
        for other in [
            "online", "idle", "away", "dnd", "OFFLINE", " offline", "offline\n", "\"offline\"", "1", "", "[]",
        ] {
            #expect(error(other) == .notARecord, "\(other)")
        }
        let message = RecordError.notARecord.message
        #expect(message.contains("PRESENCE.CONNECT") && message.contains("key-prefix"))
    }

    @Test("Instants may be ISO 8601 or epoch milliseconds, also with a fraction")
    func instants() throws {
        let expected = Timestamp(milliseconds: 1_737_282_922_123)
        for form in [#""2025-01-19T10:35:22.123Z""#, "1737282922123", "1737282922123.75"] {
            let record = try parse(#"{"status":"online","lastSeen":\#(form),"lastHeartbeat":\#(form)}"#)
            #expect(record.lastSeen == expected && record.lastHeartbeat == expected)
        }
        #expect(try parse(#"{"status":"online","lastSeen":-5}"#).lastSeen == Timestamp(milliseconds: -5))
        for form in [#""yesterday""#, "1e12", "9999999999999999999999", "8640000000000001", #""""#, "1.5e3"] {
            #expect(error(#"{"status":"online","lastSeen":\#(form)}"#) == .badInstant(.lastSeen), "\(form)")
        }
    }

    @Test("A null is the same as no field, and of a field that is there twice the last counts")
    func nullsAndDuplicates() throws {
        let nulls = try parse(#"{"status":"dnd","lastSeen":null,"deviceType":null,"connectionId":null}"#)
        #expect(nulls == PresenceRecord(status: .dnd))
        let twice = try parse(#"{"status":"idle","lastSeen":1,"status":"away","lastSeen":null,"platform":"x"}"#)
        #expect(twice.status == .away && twice.lastSeen == nil)
        #expect(error(#"{"status":"online","status":null}"#) == .statusMissing)
    }

    @Test("Fields of other names are dropped and counted, whatever they hold")
    func unknownFields() throws {
        let record = try parse(
            #"{"x":[1,-0.5e+3,{"status":"dnd"},[],{}],"status":"online","Status":"dnd","":true,"y":false,"userId":7}"#)
        #expect(record.unknownFieldCount == 4)
        #expect(record.status == .online)
    }

    @Test("Escapes are decoded in names and values, halves of surrogate pairs become U+FFFD")
    func escapes() throws {
        let json = #"{"st\u0061tus":"\u006fnline","deviceType":"\u00e9\ud83e\udd8a\n\/\"\\\b\f\r\t","serverId":"s"}"#
        let read = try PlainRecord().read(Array(json.utf8))
        #expect(read.status == .online)
        #expect(read.device == Array("é🦊\n/\"\\\u{8}\u{C}\r\t".utf8))
        #expect(read.server == Array("s".utf8))
        let halves = try PlainRecord().read(Array(#"{"status":"idle","platform":"\ud83e-\udd8a\ud83e\u0041"}"#.utf8))
        #expect(halves.platform == Array("\u{FFFD}-\u{FFFD}\u{FFFD}A".utf8))
    }

    @Test("Bytes of texts need not be UTF-8")
    func anyBytes() throws {
        let json = Array(#"{"status":"online","connectionId":""#.utf8) + [0xFF, 0x80] + Array("\"}".utf8)
        #expect(try PlainRecord().read(json).connectionID == [0xFF, 0x80])
    }

    @Test("What is missing or of a wrong type is named")
    func wrongTypes() {
        #expect(error("{}") == .statusMissing)
        #expect(error(#"{"status":"busy"}"#) == .statusUnknown)
        #expect(error(#"{"status":"ONLINE"}"#) == .statusUnknown)
        #expect(error(#"{"status":"invisible"}"#) == .statusUnknown)
        #expect(error(#"{"status":1}"#) == .wrongType(.status))
        #expect(error(#"{"status":"online","deviceType":{}}"#) == .wrongType(.device))
        #expect(error(#"{"status":"online","lastSeen":true}"#) == .wrongType(.lastSeen))
        #expect(RecordError.wrongType(.device).message.contains("deviceType"))
        #expect(RecordError.badInstant(.lastSeen).message.contains("epoch milliseconds"))
    }

    @Test(
        "What is not JSON is refused at its byte",
        arguments: [
            (#"{"status":"online""#, 18), (#"{"status":"online",}"#, 19), (#"{"status":"online"}}"#, 19),
            (#"{"status" "online"}"#, 10), (#"{status:"online"}"#, 1), (#"{"status":'online'}"#, 10),
            (#"{"a":01,"status":"online"}"#, 6), (#"{"a":.5}"#, 5), (#"{"a":1.}"#, 7), (#"{"a":1e}"#, 7),
            (#"{"a":-}"#, 6), (#"{"a":tru}"#, 8), (#"{"a":nul"#, 8), (#"{"a":"\x"}"#, 7), (#"{"a":"\u12g4"}"#, 10),
            ("{\"a\":\"\n\"}", 6), (#"{"a":[1,]}"#, 8), (#"{"a":[1 2]}"#, 8), ("{", 1), (#"{"a":"\"#, 7),
            (#"{"a":NaN}"#, 5), (#"{,}"#, 1), ("{\"a\":1}\0", 7),
        ])
    func notJSON(json: String, offset: Int) {
        #expect(error(json) == .malformed(offset: offset), "\(json)")
    }

    @Test("Every truncation of a record fails cleanly")
    func truncations() {
        for var random in SeededRandom.cases(300) {
            let json = random.plainRecord(anyBytes: true).json
            for length in 0..<json.count {
                #expect(throws: RecordError.self, "cut to \(length), \(random)") {
                    try PresenceRecord.parse(json.span.extracting(first: length))
                }
            }
        }
    }

    @Test("Broken bytes are read or refused, and never trap")
    func brokenBytes() {
        for var random in SeededRandom.cases(20_000) {
            var json = random.plainRecord(anyBytes: true).json
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let position = Int.random(in: 0..<json.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: json[position] = UInt8.random(in: .min ... .max, using: &random)
                case 1: json.remove(at: position)
                default: json.insert(random.pick(Array("{}[]\",:\\u0e-".utf8)), at: position)
                }
                if json.isEmpty { json = [0] }
            }
            guard let record = try? PresenceRecord.parse(json.span) else { continue }
            let limit = record.decoded?.count ?? json.count
            for range in [record.device, record.platform, record.connectionID, record.server, record.activity] {
                #expect(range?.upperBound ?? 0 <= limit, "\(random)")
            }
        }
    }

    @Test("Depth is bounded", arguments: ["[", #"{"a":"#])
    func depth(opening: String) throws {
        let closing = opening == "[" ? "]" : "}"
        func nested(_ depth: Int) -> String {
            let inside =
                String(repeating: opening, count: depth - 1) + "1" + String(repeating: closing, count: depth - 1)
            return #"{"status":"online","x":\#(inside)}"#
        }
        let limit = PresenceRecord.maximumDepth
        #expect(try parse(nested(limit)).unknownFieldCount == 1)
        #expect(error(nested(limit + 1)) == .tooDeep(limit: limit))
        #expect(error(#"{"x":"# + String(repeating: opening, count: 10_000)) == .tooDeep(limit: limit))
    }

    @Test("Length is bounded")
    func length() throws {
        let limit = PresenceRecord.maximumByteCount
        let frame = #"{"status":"online"}"#
        let longest = frame + String(repeating: " ", count: limit - frame.count)
        #expect(try parse(longest).status == .online)
        #expect(error(longest + " ") == .tooLong(limit: limit))
    }

    @Test("idle and away date the activity back to the limit, unless it is older; nothing lies in the future")
    func activityInstant() {
        let now = Timestamp(milliseconds: 10_000_000)
        let policy = Policy()
        func activity(_ status: Status, lastSeen: Int64? = nil) -> Int64 {
            var record = PresenceRecord(status: status)
            record.lastSeen = lastSeen.map { Timestamp(milliseconds: $0) }
            return record.activityInstant(at: now, policy).milliseconds
        }
        #expect(activity(.online) == 10_000_000)
        #expect(activity(.online, lastSeen: 9_999_000) == 9_999_000)
        #expect(activity(.online, lastSeen: 10_000_001) == 10_000_000)
        #expect(activity(.idle) == 9_700_000)
        #expect(activity(.idle, lastSeen: 9_999_000) == 9_700_000)
        #expect(activity(.idle, lastSeen: 9_600_000) == 9_600_000)
        #expect(activity(.away) == 8_200_000)
        #expect(PresenceRecord(status: .dnd).brought == .dnd)
        #expect(PresenceRecord(status: .away).brought == nil)
    }
}
