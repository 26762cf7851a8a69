import Foundation
import Testing

@testable import PresenceReplication

/// One link of `Tests/Corpus/peers`: what a peer sends, and what ends it.
struct FrameCorpus: Sendable, CustomTestStringConvertible {
    let name: String
    /// The version of a link that is open; nil if it begins with a greeting.
    let version: UInt16?
    /// What ends the link; nil if nothing does.
    let error: FrameError.Kind?
    /// How many frames are found before that.
    let frames: Int
    let bytes: [UInt8]
    var testDescription: String { name }

    struct Unreadable: Error { var file, line: String }

    /// All of them, by name.
    static func read() throws -> [FrameCorpus] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Corpus/peers")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return try files.filter { $0.pathExtension == "txt" }.sorted { $0.path < $1.path }.map { file in
            let name = file.deletingPathExtension().lastPathComponent
            return try FrameCorpus(name, String(contentsOf: file, encoding: .utf8))
        }
    }

    private init(_ name: String, _ text: String) throws {
        var facts: [String: String] = [:]
        var bytes: [UInt8] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("//") {
            let fact = line.split(separator: ":").map { $0.trimmingCharacters(in: .whitespaces) }
            if fact.count == 2 {
                facts[fact[0]] = fact[1]
                continue
            }
            for word in line.split(separator: " ") {
                guard word.count == 2, let byte = UInt8(word, radix: 16) else {
                    throw Unreadable(file: name, line: String(line))
                }
                bytes.append(byte)
            }
        }
        guard let link = facts["link"], let error = facts["error"], let frames = facts["frames"].flatMap({ Int($0) }),
            link == "new" || UInt16(link) != nil, error == "none" || FrameError.Kind(rawValue: error) != nil
        else { throw Unreadable(file: name, line: "link, error or frames") }
        self.name = name
        version = UInt16(link)
        self.error = FrameError.Kind(rawValue: error)
        self.frames = frames
        self.bytes = bytes
    }
}

@Suite("The corpus of broken links")
struct FrameCorpusTests {
    @Test("ends as each file says, whole, byte by byte and in sevens", arguments: try FrameCorpus.read())
    func corpus(_ link: FrameCorpus) {
        let whole = reading(link.bytes, version: link.version)
        #expect(whole.failure?.kind == link.error, "\(String(describing: whole.failure))")
        #expect(whole.frames.count == link.frames)
        for step in [1, 7] {
            let places = Array(stride(from: step, to: link.bytes.count, by: step))
            #expect(reading(link.bytes, cuts: places, version: link.version) == whole)
        }
    }

    @Test("has a link for every error, and links that nothing ends")
    func everyError() throws {
        let kinds = try Set(FrameCorpus.read().map(\.error))
        #expect(kinds == Set(FrameError.Kind.allCases.map { $0 } + [nil]))
    }
}
