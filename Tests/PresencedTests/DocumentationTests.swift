import Foundation
import PresenceServer
import Testing

@testable import presenced

@Suite("Committed documents")
struct DocumentationTests {
    /// The top of the repository.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func committed(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    @Test("docs/CONFIGURATION.md is what the table of settings says; `make docs` writes it")
    func configuration() throws {
        #expect(try committed("docs/CONFIGURATION.md") == SettingsDocumentation.reference)
    }

    @Test("cluster.conf is what the table of settings says; `make docs` writes it")
    func example() throws {
        #expect(try committed("cluster.conf") == SettingsDocumentation.example)
    }

    @Test("the README's table of commands is what the command table says; `make docs` writes it")
    func commands() throws {
        let parts = try committed("README.md").split(
            separator: /<!-- \/?commands[^\n]*\n/, omittingEmptySubsequences: false)
        try #require(parts.count == 3)
        #expect(String(parts[1]) == CommandReference.presenceTable)
    }

    @Test("cluster.conf is good as it is, and good with every example taken out of its comment")
    func exampleIsGood() throws {
        let text = try committed("cluster.conf")
        #expect(try SettingsReader.read(file: ("cluster.conf", text), arguments: []) == Settings())
        // Examples follow the line that says what is allowed, up to an empty line.
        var isExample = false
        var taken: Set<Substring> = []
        let active = text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> Substring in
            defer { isExample = line.hasPrefix("# Allowed: ") || (isExample && !line.isEmpty) }
            guard isExample, line.hasPrefix("# ") else { return line }
            taken.insert(line.split(separator: " ")[1])
            return line.dropFirst(2)
        }
        #expect(taken.count == Settings.table.count { $0.group != .testing })
        let settings = try SettingsReader.read(file: ("cluster.conf", active.joined(separator: "\n")), arguments: [])
        #expect(settings == Settings())
    }

    @Test("check-config shows what differs, as lines that a file takes, and no password")
    func differences() throws {
        let arguments = [
            "--session-ttl", "90s", "--requirepass", "secret", "--logfile", "/tmp/a b", "--notify-keyspace-events=",
            "--bind", "127.0.0.1",
        ]
        let settings = try SettingsReader.read(file: nil, arguments: arguments)
        let text = SettingsDocumentation.differences(of: settings)
        #expect(!text.contains("secret"))
        var again = try SettingsReader.read(file: ("check", text), arguments: [])
        again.requirepass = "secret"
        #expect(again == settings)
    }
}
