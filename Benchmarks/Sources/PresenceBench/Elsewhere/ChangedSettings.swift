import Foundation

/// What settings of a server were before they were changed, so that they can be put back.
struct ChangedSettings: Codable, Equatable {
    struct Setting: Codable, Equatable {
        var name: String
        var value: String
    }

    /// In the order in which they were changed first.
    private(set) var before: [Setting] = []

    /// Takes down what settings are, unless that is known.
    mutating func remember(_ names: [String], _ connection: Connection) throws {
        for name in names where !before.contains(where: { $0.name == name }) {
            // An array here and there, a name and its value.
            guard case .array(let told) = try connection.command("CONFIG", "GET", name), told.count == 2,
                case .bulk(let value) = told[1]
            else { throw BenchError("CONFIG GET \(name) was refused") }
            before.append(Setting(name: name, value: value))
        }
    }

    /// Sets settings, all at once: some are allowed only beside each other.
    static func put(_ settings: [(name: String, value: String)], _ connection: Connection) throws {
        guard !settings.isEmpty else { return }
        try connection.command(["CONFIG", "SET"] + settings.flatMap { [$0.name, $0.value] }, expecting: .simple("OK"))
    }

    static func put(_ settings: [Setting], _ connection: Connection) throws {
        try put(settings.map { ($0.name, $0.value) }, connection)
    }

    /// What one types to put them back; empty if nothing was changed.
    var commands: String {
        guard !before.isEmpty else { return "" }
        return (["CONFIG SET"] + before.map { "\($0.name) \($0.value.isEmpty ? "\"\"" : $0.value)" })
            .joined(separator: " ")
    }

    // MARK: The note

    /// Where a server keeps what its settings were, as long as they are changed.
    static let noteKey = "presence-bench:settings"

    /// A server that began anew has its settings back, and may have kept its keys.
    private struct Note: Codable {
        var runID: String
        var settings: ChangedSettings
    }

    /// Leaves a note of them at the server, if any was changed.
    func leaveNote(_ connection: Connection, _ runID: String) throws {
        guard !before.isEmpty else { return }
        let text = String(decoding: try JSONEncoder().encode(Note(runID: runID, settings: self)), as: UTF8.self)
        try connection.command(["SET", ChangedSettings.noteKey, text], expecting: .simple("OK"))
    }

    /// What a run that was cut off left there; nil if none did, or the server has begun anew since.
    static func note(_ connection: Connection, _ runID: String) throws -> ChangedSettings? {
        guard case .bulk(let text) = try connection.command("GET", noteKey),
            let note = try? JSONDecoder().decode(Note.self, from: Data(text.utf8)), note.runID == runID
        else { return nil }
        return note.settings
    }
}
