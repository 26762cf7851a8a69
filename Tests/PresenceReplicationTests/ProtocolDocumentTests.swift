import Foundation
import Testing

@testable import PresenceReplication

@Suite("docs/PROTOCOL.md shows the bytes that are written")
struct ProtocolDocumentTests {
    private func document() throws -> String {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/PROTOCOL.md")
        return try String(contentsOf: file, encoding: .utf8)
    }

    /// Sixteen bytes a line, each line behind the place of its first byte, and before them as text.
    private func dump(_ bytes: [UInt8]) -> String {
        stride(from: 0, to: bytes.count, by: 16).map { start in
            let row = bytes[start..<min(start + 16, bytes.count)]
            let words = row.map { hex(Int($0), 2) }.joined(separator: " ")
            let text = String(row.map { (0x20...0x7E).contains($0) ? Character(Unicode.Scalar($0)) : "." })
            return "\(hex(start, 4))  \(words.padding(toLength: 47, withPad: " ", startingAt: 0))  \(text)\n"
        }.joined()
    }

    private func hex(_ number: Int, _ digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digits - text.count) + text
    }

    @Test("each frame", arguments: SampleFrames.all.indices)
    func dumps(_ index: Int) throws {
        let sample = SampleFrames.all[index]
        let bytes = try written([sample.frame], version: sample.frame.type.isGreeting ? nil : sample.version)
        let block = "```hex \(sample.name)\n\(dump(bytes))```\n"
        #expect(try document().contains(block), "the document should have:\n\(block)")
    }

    @Test("and no frame that is not written")
    func noOthers() throws {
        let names = try document().matches(of: /(?m)^```hex (.+)$/).map { String($0.output.1) }
        #expect(names.sorted() == SampleFrames.all.map(\.name).sorted())
    }

    @Test("names every type with its number, and the bounds")
    func names() throws {
        let document = try document()
        for type in FrameType.allCases {
            #expect(document.contains("\n### \(type.rawValue) `\(type)`"), "\(type)")
        }
        for kind in FrameError.Kind.allCases { #expect(document.contains("| `\(kind.rawValue)` |"), "\(kind)") }
        // As presenced has them.
        let limits = ReplicatorSettings().limits
        let bounds = [
            ("payload of a greeting", FrameLimits.greetingPayload),
            ("payload of an open link", limits.maximumPayload),
            ("image", limits.maximumImage), ("name of a cluster or node", FrameLimits.name),
            ("settings", FrameLimits.settings), ("name of a setting", FrameLimits.settingName),
            ("value of a setting", FrameLimits.settingValue), ("text of a reason", FrameLimits.reasonText),
            ("shards", FrameLimits.shards), ("nodes in a `positions`", FrameLimits.nodes), ("beats", FrameLimits.beats),
            ("ranges", FrameLimits.ranges),
            ("seconds of a `drain`", Int(FrameLimits.drainSeconds)),
        ]
        for (name, bound) in bounds { #expect(document.contains("| \(name) | \(bound) |"), "\(name)") }
    }
}
