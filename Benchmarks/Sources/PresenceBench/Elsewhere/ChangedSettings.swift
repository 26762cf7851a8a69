/// What settings of a server were before they were changed, so that they can be put back.
struct ChangedSettings {
    /// In the order in which they were changed first.
    private(set) var before: [(name: String, value: String)] = []

    /// Changes settings, all at once.
    mutating func set(_ settings: [(name: String, value: String)], _ connection: Connection) throws {
        for (name, _) in settings where !before.contains(where: { $0.name == name }) {
            // An array here and there, a name and its value.
            guard case .array(let told) = try connection.command("CONFIG", "GET", name), told.count == 2,
                case .bulk(let value) = told[1]
            else { throw BenchError("CONFIG GET \(name) was refused") }
            before.append((name, value))
        }
        try ChangedSettings.put(settings, connection)
    }

    /// Puts all back, at once: some are allowed only beside each other.
    mutating func putBack(_ connection: Connection) throws {
        guard !before.isEmpty else { return }
        try ChangedSettings.put(before, connection)
        before = []
    }

    private static func put(_ settings: [(name: String, value: String)], _ connection: Connection) throws {
        try connection.command(["CONFIG", "SET"] + settings.flatMap { [$0.name, $0.value] }, expecting: .simple("OK"))
    }
}
