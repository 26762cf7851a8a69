import Presence
import Testing

@testable import PresenceMigration

@Suite("What a key of the source says")
struct SourceRecordTests {
    private static let json = """
        {"userId":"ann","status":"online","lastSeen":"2025-01-19T10:35:22.123Z","deviceType":"web","connectionId":"ws-1"}
        """

    private func present(_ record: SourceRecord) throws -> SourceRecord.Live {
        guard case .present(let presence) = record else {
            throw RecordProblem(description: "\(record)")
        }
        return presence
    }

    private struct RecordProblem: Error { var description: String }

    private func hash(_ fields: [PresenceRecord.Field: String]) -> SourceRecord {
        SourceRecord(
            hash: SourceRecord.hashFields.map { fields[$0].map { .bytes([UInt8]($0)) } ?? .null },
            userID: [UInt8]("ann"))
    }

    @Test("JSON goes on as it is, with its session")
    func json() throws {
        let presence = try present(SourceRecord(string: [UInt8](Self.json)))
        #expect(presence.value == [UInt8](Self.json))
        #expect((presence.session, presence.form, presence.droppedFields) == ([UInt8]("ws-1"), .json, 0))
    }

    @Test("JSON without connectionId has the session that the server gives it; what is not kept is counted")
    func defaults() throws {
        let presence = try present(SourceRecord(string: [UInt8](#"{"status":"dnd","activity":"chess","level":9}"#)))
        #expect((presence.session, presence.droppedFields) == (SourceRecord.defaultSession, 2))
    }

    @Test("a session's id is decoded")
    func escapes() throws {
        let presence = try present(SourceRecord(string: [UInt8](#"{"status":"idle","connectionId":"a\"b\u00e9"}"#)))
        #expect(presence.session == [UInt8]("a\"bé"))
    }

    @Test("a bare word becomes a record", arguments: ["online", "idle", "away", "dnd"])
    func words(_ word: String) throws {
        let presence = try present(SourceRecord(string: [UInt8](word)))
        #expect(presence.value == [UInt8](#"{"status":"\#(word)"}"#))
        #expect((presence.session, presence.form) == (SourceRecord.defaultSession, .word))
    }

    @Test("offline is no session", arguments: ["offline", #"{"status":"offline","connectionId":"a"}"#])
    func offline(_ text: String) {
        #expect(SourceRecord(string: [UInt8](text)) == .offline)
        #expect(hash([.status: "offline"]) == .offline)
    }

    @Test(
        "what is no record says why",
        arguments: ["", "1", "hello", "{}", #"{"status":"busy"}"#, #"{"status":"online""#])
    func bad(_ text: String) {
        guard case .bad(let why) = SourceRecord(string: [UInt8](text)) else {
            Issue.record("taken: \(text)")
            return
        }
        #expect(!why.isEmpty && !why.contains("\n"))
    }

    @Test("a hash becomes the record that its fields say, and the server takes it")
    func hashes() throws {
        let presence = try present(
            hash([
                .status: "away", .lastSeen: "1737282922123", .device: "mob\"ile", .connectionID: "ws-2", .server: "s",
                .activity: "chess",
            ]))
        #expect((presence.session, presence.form, presence.droppedFields) == ([UInt8]("ws-2"), .hash, 1))
        let record = try PresenceRecord.parse(presence.value.span)
        #expect(record.status == .away)
        #expect(record.lastSeen == Timestamp(milliseconds: 1_737_282_922_123))
        #expect(record.platform == nil)
        #expect(String(decoding: presence.value, as: UTF8.self).contains(#""deviceType":"mob\"ile""#))
    }

    @Test(
        "a hash's instant is ISO 8601 or epoch milliseconds",
        arguments: ["2025-01-19T10:35:22.123Z", "1737282922123.75"])
    func instants(_ text: String) throws {
        let presence = try present(hash([.status: "online", .lastSeen: text]))
        #expect(try PresenceRecord.parse(presence.value.span).lastSeen == Timestamp(milliseconds: 1_737_282_922_123))
    }

    @Test("a hash that is no record says why")
    func badHashes() {
        #expect(hash([:]) == .bad("the hash lacks the field status"))
        #expect(hash([.status: "ONLINE"]) == .bad(RecordError.statusUnknown.problem))
        #expect(hash([.status: "online", .lastSeen: "yesterday"]) == .bad(RecordError.badInstant(.lastSeen).problem))
        #expect(hash([.status: "online", .server: String(repeating: "x", count: 20_000)]) == .tooLong)
        #expect(SourceRecord(hash: [.oversized(70_000)], userID: [UInt8]("ann")) == .tooLong)
    }
}
