import PresenceCluster
import PresenceServer

/// One setting: everything that the parser, `CONFIG`, `check-config` and the documentation know about it.
struct Setting: Sendable {
    /// Where the documentation puts it.
    enum Group: String, CaseIterable, Sendable {
        case network = "Network"
        case tls = "TLS"
        case connections = "Limits of a connection"
        case presence = "Presence"
        case memory = "Memory"
        case work = "Threads and shards"
        case events = "Events and log"
        case cluster = "Cluster"
        case testing = "For tests"
    }

    /// As written in `cluster.conf`, after `--`, and in `CONFIG GET`.
    let name: String
    let group: Group
    /// Whether `CONFIG SET` takes it while presenced runs.
    let isLive: Bool
    /// The kind of its value, in a word or two.
    let unit: String
    /// Its bounds, in words.
    let allowed: String
    /// What it does: whole sentences, for an operator.
    let documentation: String
    /// Whether its value is shown to nobody but who asks for it with `CONFIG GET`.
    var isSecret: Bool { ["peer-tls-key-file-pass", "requirepass", "tls-key-file-pass"].contains(name) }
    /// Whether its value names files that are read anew when it is set, be it to the same name.
    var namesFiles: Bool {
        (group == .tls || name.hasPrefix("peer-tls-")) && (name.hasSuffix("-file") || name.hasSuffix("-dir"))
    }
    /// Sets it to what the words say.
    let write: @Sendable (inout Settings, [String]) throws(ValueError) -> Void
    /// The canonical value, as `CONFIG GET` replies it.
    let read: @Sendable (Settings) -> String
    /// Whether several lines of one file may set parts of it.
    let isRepeatable: Bool
    /// Whether its words are one list: `CONFIG SET` then splits the one argument that it gets.
    let isList: Bool

    init<Value>(
        _ name: String, _ group: Group, _ field: WritableKeyPath<Settings, Value> & Sendable, _ form: ValueForm<Value>,
        isLive: Bool, isList: Bool = false, isRepeatable: Bool = false, _ documentation: String
    ) {
        self.name = name
        self.group = group
        self.isLive = isLive
        self.unit = form.unit
        self.allowed = form.allowed
        self.documentation = documentation
        self.isList = isList
        self.isRepeatable = isRepeatable
        self.write = { (settings, words) throws(ValueError) in
            settings[keyPath: field] = try form.parse(words, settings[keyPath: field])
        }
        self.read = { form.format($0[keyPath: field]) }
    }

    /// The value of a setting that nobody set, as `cluster.conf` would write it.
    var defaultValue: String { spell(Settings()) }

    /// The value as a line of `cluster.conf` takes it: sizes with their units, quotes where they are needed.
    func spell(_ settings: Settings) -> String {
        let value = read(settings)
        switch unit {
        case "bytes":
            return Int(value).map(ByteUnits.spell) ?? value
        case ValueForm<OutputLimits>.outputLimits.unit:
            // class hard soft seconds: the seconds are no size.
            return value.split(separator: " ").enumerated().map { place, word in
                place % 4 == 3 ? String(word) : Int(word).map(ByteUnits.spell) ?? String(word)
            }.joined(separator: " ")
        default:
            return isList && !value.isEmpty ? value : SettingsFile.quoted(value)
        }
    }

    /// What its lines in a file say: one, or of a repeatable setting one for each part.
    func lines(of settings: Settings) -> [String] {
        guard isRepeatable else { return [spell(settings)] }
        let parts = parts(of: settings)
        return parts.isEmpty ? [spell(settings)] : parts.map(\.line)
    }

    /// The parts of a repeatable setting: the word that each begins with, and its line, that word included.
    func parts(of settings: Settings) -> [(name: String, line: String)] {
        if name == "node" {
            return settings.cluster.nodes.map { ($0.name, $0.line) }
        }
        // client-output-buffer-limit: class hard soft seconds.
        let words = spell(settings).split(separator: " ").map(String.init)
        return stride(from: 0, to: words.count, by: 4).map {
            (words[$0], words[$0..<$0 + 4].joined(separator: " "))
        }
    }

    /// The setting of that name, in any case.
    static func named(_ name: String) -> Setting? {
        let name = name.lowercased()
        return Settings.table.first { $0.name == name }
    }

    /// Up to three names that a mistyped one may have meant, nearest first.
    static func names(near mistyped: String) -> [String] {
        let mistyped = mistyped.lowercased()
        let ranked = Settings.table.map { (name: $0.name, distance: editDistance(mistyped, $0.name)) }
            .filter { candidate in
                candidate.distance <= max(2, mistyped.utf8.count / 3)
                    || (mistyped.utf8.count >= 3 && candidate.name.contains(mistyped))
            }
        return ranked.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
    }
}

/// How many letters must be inserted, removed or replaced to make one word of the other (Levenshtein); O(n m), for
/// words.
func editDistance(_ first: String, _ second: String) -> Int {
    let second = Array(second.utf8)
    var row = Array(0...second.count)
    for (i, byte) in first.utf8.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for j in second.indices {
            let replaced = diagonal + (byte == second[j] ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[second.count]
}
