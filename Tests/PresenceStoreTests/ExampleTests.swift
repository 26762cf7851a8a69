import Foundation
import Testing

/// The packages of `Examples` that embed the store, built and run as their readers would.
@Suite("Examples", .serialized)
struct ExampleTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Where all of them are built, one after another: they share what is built of the store.
    ///
    /// Built anew once a run: an old plan would not know source files that the store has got since.
    private static let scratch: String = {
        let path = ".build-example"
        try? FileManager.default.removeItem(at: root.appendingPathComponent(path))
        return path
    }()

    /// What `swift` prints about a package.
    private func swift(_ command: String..., package: String) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.currentDirectoryURL = ExampleTests.root
        process.arguments =
            ["swift"] + command + ["--package-path", "Examples/\(package)", "--scratch-path", ExampleTests.scratch]
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
        var lines = try swift("run", "--quiet", package: "embedding")
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

    @Test("A chat: connections, statuses with an end, blocks, visibility, a game's own rule, a friend's list, events")
    func chat() throws {
        let lines = try swift("run", "--quiet", package: "chat")
        #expect(
            lines == [
                "bob sees alice online",
                "bob sees carol online",
                "bob sees alice dnd (in a meeting)",
                "... her two seconds are over",
                "bob sees alice online",
                "alice blocks bob",
                "bob sees alice offline",
                "bob sees alice online",
                "carol shows herself to friends only",
                "bob sees carol offline",
                "bob sees carol online",
                "alice and bob are enemies in a game",
                "bob sees alice offline",
                "services see alice online, bob sees her offline",
                "bob sees alice online",
                "alice goes",
                "bob sees alice offline",
                "event: alice offline to online, connect",
                "event: alice online to dnd, manual",
                "event: alice dnd to online, manual_ended",
                "event: alice online to offline, ws_disconnect",
            ])
    }

    @Test("A test of others holds the clock: half an hour passes at once, and two tests pass")
    func awayTest() throws {
        let lines = try swift("test", "--disable-xctest", package: "away-test")
        #expect(lines.contains { $0.contains("Test run with 2 tests in 1 suite passed") }, "\(lines)")
    }
}
