import Foundation

/// What `presence-bench scale` gave, for programs: what the text says, cell by cell, with the machine and how it was loaded.
struct ScaleReport: Encodable {
    /// What one part gave: its table, and what ended the run if something did.
    struct Part: Encodable {
        let part: ScalePart
        let table: Table
        let failure: String?
    }

    let machine: Machine
    /// How large, how long, how fast it was to be.
    let options: ScaleOptions
    /// Parts that are done, in the order of the run.
    private(set) var parts: [Part] = []

    init(machine: Machine, options: ScaleOptions) {
        self.machine = machine
        self.options = options
    }

    mutating func add(_ part: ScalePart, _ result: ScaleResult) {
        parts.append(Part(part: part, table: result.table, failure: result.failure?.description))
    }

    /// Writes all of it as JSON, in place of what is in the file.
    func writeJSON(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}

extension ScaleOptions: Encodable {
    private enum Name: String, CodingKey {
        case users, seconds, interval, ttl, leaving, lists, storm, nice
    }

    /// Option by option, by its name on the command line.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        try container.encode(users, forKey: .users)
        try container.encode(seconds, forKey: .seconds)
        try container.encode(interval, forKey: .interval)
        try container.encode(ttl, forKey: .ttl)
        try container.encode(leaving, forKey: .leaving)
        try container.encode(lists, forKey: .lists)
        try container.encode(storm, forKey: .storm)
        try container.encode(nice, forKey: .nice)
    }
}
