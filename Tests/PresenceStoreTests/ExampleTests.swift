import Foundation
import Testing

/// The program of `Examples/embedding`, a package of its own that imports `PresenceStore` and nothing else.
@Suite("Examples")
struct ExampleTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// What the program prints; built first if need be.
    private func run() throws -> [String] {
        // Built anew: an old plan would not know source files that the store has got since.
        try? FileManager.default.removeItem(at: ExampleTests.root.appendingPathComponent(".build-example"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.currentDirectoryURL = ExampleTests.root
        process.arguments = [
            "swift", "run", "--quiet", "--package-path", "Examples/embedding", "--scratch-path", ".build-example",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("Thirty lines that import the store alone: two sessions beat, one ends, one goes silent, one offline event")
    func embedding() throws {
        let file = ExampleTests.root.appendingPathComponent("Examples/embedding/Sources/embedding/Embedding.swift")
        let source = try String(contentsOf: file, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(source.count <= 31, "thirty lines and the end of the file")
        #expect(source.filter { $0.contains("import ") } == ["import PresenceStore"])
        var lines = try run()
        // How late is a matter of the machine; that it is no minute is not.
        lines = lines.map { line in
            guard let match = line.firstMatch(of: /told (\d+) ms later/), let late = Int(match.output.1) else {
                return line
            }
            #expect(late < 2_000, "\(line)")
            return line.replacing(/, told \d+ ms later/, with: "")
        }
        #expect(
            lines == [
                "alice is online, 2 sessions",
                "alice is online, hello greeting",
                "alice: offline to online, connect",
                "alice: online to offline, heartbeatTimeout",
                "alice is offline, no greeting",
            ])
    }
}
