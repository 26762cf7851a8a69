import Foundation
import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// `docs/PROTOCOL.md` shows images byte by byte: what the store makes.
@Suite("docs/PROTOCOL.md shows the images that are made")
struct ImageDocumentTests {
    private static func images() throws -> [(name: String, bytes: [UInt8])] {
        let clock = TestClock(Timestamp(milliseconds: 1_764_108_000_123))
        let store = MergeTests.store(1, clock) {
            $0.replicaLogEntries = 64
        }
        try store.connect("0f8fad5b-d9cb-469f-a165-70867728950e", session: "ws-1", device: "mobile", platform: "ios")
        try store.setString(
            "greeting", "hello", StringSetOptions(expiry: .at(Timestamp(milliseconds: 1_764_108_060_000))),
            at: clock.now())
        try store.setString("old", "1", at: clock.now())
        clock.advance(byMilliseconds: 30_000)
        let user = "0f8fad5b-d9cb-469f-a165-70867728950e"
        store.beat(user, session: "ws-1", isActive: true)
        try store.set(user, UserSettings(status: .some(.away)))
        store.remove(.string, "old", at: clock.now())
        return [
            ("image of a user, form 3", store.image(of: user, form: .three)),
            ("image of a user, form 1", store.image(of: user, form: .one)),
            ("image of a string", try #require(store.imageOfString("greeting", at: clock.now()))),
            ("image of a tombstone", try #require(store.imageOfString("old", at: clock.now()))),
        ]
    }

    private func document() throws -> String {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/PROTOCOL.md")
        return try String(contentsOf: file, encoding: .utf8)
    }

    /// Sixteen bytes a line.
    private func dump(_ bytes: [UInt8]) -> String {
        stride(from: 0, to: bytes.count, by: 16).map { start in
            bytes[start..<min(start + 16, bytes.count)].map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined(separator: " ") + "\n"
        }.joined()
    }

    @Test("each")
    func dumps() throws {
        let document = try document()
        for (name, bytes) in try ImageDocumentTests.images() {
            let block = "```bytes \(name)\n\(dump(bytes))```\n"
            #expect(document.contains(block), "the document should have:\n\(block)")
        }
        #expect(document.components(separatedBy: "```bytes ").count == 5, "and no others")
    }
}
