import Foundation

/// What a load gave, with all that it takes to read it: text for people, JSON for programs, a picture for both.
struct LoadReport: Encodable {
    /// A server that was loaded.
    struct Server: Encodable {
        var name: String
        var version: String
        /// As `INFO` names it; nil if it does not.
        var build: String?
        /// Its program, and when that was made; nil of a server elsewhere.
        var path: String?
        var made: String?
        /// Nil of one that was started.
        var address: String?
    }

    let machine: Machine
    let servers: [Server]
    var results: [LoadResult] = []
    /// What else there is to know of the works.
    var notes: [String] = []
    /// Why the run ended before all was measured.
    var failure: String?

    init(machine: Machine, servers: [Server]) {
        self.machine = machine
        self.servers = servers
    }

    #if DEBUG
        /// How this program was built.
        static let generator = "debug"
    #else
        static let generator = "release"
    #endif

    private var serversText: String {
        servers.map { "\($0.name) \($0.version)" }.joined(separator: ", ")
    }

    // MARK: Text

    /// Two for all works that were done alike: what the server takes, and what its clients see.
    var tables: [Table] {
        var kinds: [LoadConditions] = []
        for result in results where !kinds.contains(result.conditions) { kinds.append(result.conditions) }
        var tables = kinds.flatMap { conditions in
            let results = results.filter { $0.conditions == conditions }
            return [
                LoadTables.server(results, "The server: " + conditions.text),
                LoadTables.clients(results, "Its clients: " + conditions.text),
            ]
        }
        guard !tables.isEmpty else { return [] }
        tables[tables.count - 1].notes += notes + LoadTables.legend
        tables[tables.count - 1].notes.append("\(serversText); \(machine.cores) cores of \(machine.processor).")
        if LoadReport.generator == "debug" {
            tables[tables.count - 1].notes.append(
                "The generator is a debug build: it takes more of the cores than it needs.")
        }
        return tables
    }

    // MARK: JSON

    private enum CodingKeys: CodingKey { case machine, generator, servers, results, notes, failure }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(machine, forKey: .machine)
        try container.encode(LoadReport.generator, forKey: .generator)
        try container.encode(servers, forKey: .servers)
        try container.encode(results.map { LoadResult.Compared(result: $0, results: results) }, forKey: .results)
        try container.encode(notes, forKey: .notes)
        try container.encodeIfPresent(failure, forKey: .failure)
    }

    /// Writes all of it as JSON.
    func writeJSON(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        try encoder.encode(self).write(to: URL(fileURLWithPath: path))
    }

    // MARK: Picture

    /// Writes the processor time of all servers as a picture.
    func writeChart(_ path: String) throws {
        try Data(chart.svg.utf8).write(to: URL(fileURLWithPath: path))
    }

    var chart: Chart {
        var works: [(name: String, conditions: LoadConditions)] = []
        for result in results where !works.contains(where: { $0.name == result.work }) {
            works.append((result.work, result.conditions))
        }
        let isOneKind = works.allSatisfy { $0.conditions == works.first?.conditions }
        let groups = works.map { work, conditions in
            Chart.Group(
                title: isOneKind ? work : "\(work): \(conditions.text)",
                bars: results.filter { $0.work == work }.map(bar))
        }
        let conditions = isOneKind ? works.first.map { [$0.conditions.text] } ?? [] : []
        return Chart(
            title: "Processor time of the server, microseconds a command: shorter is better",
            subtitles: conditions + [
                "\(serversText); \(machine.cores) cores of \(machine.processor); each work has a scale of its own"
            ], groups: groups)
    }

    private func bar(_ result: LoadResult) -> Chart.Bar {
        let sample = result.sample(.serverMicroseconds)
        let own = results.first { $0.work == result.work && $0.isOwn }
        var note = fixed(sample.median, 2) + " us"
        if let own, own.server != result.server, !own.isByTheClock {
            note += ", \(fixed(sample.median / own.sample(.serverMicroseconds).median, 1))x"
        }
        return Chart.Bar(
            label: "\(result.server): \(result.way)", series: result.server, value: sample.median,
            least: sample.values.min() ?? 0, greatest: sample.values.max() ?? 0, note: note)
    }
}
