import Foundation

/// What a load gave, with all that it takes to read it: text for people, JSON for programs, a picture for both.
struct LoadReport: Encodable {
    /// How it was loaded, as a title.
    let conditions: String
    /// Commands a write; nil in an open loop.
    let pipeline: Int?
    let machine: Machine
    /// Names of servers and what they say of their versions.
    let versions: [String: String]
    let results: [LoadResult]
    /// What else there is to know of the works.
    var notes: [String] = []

    var table: Table {
        var table = LoadResult.table(results, conditions, pipeline: pipeline)
        table.notes += notes
        table.notes.append("\(servers); \(machine.cores) cores of \(machine.processor).")
        return table
    }

    private var servers: String {
        versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }

    /// Writes all of it as JSON.
    func writeJSON(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        try encoder.encode(self).write(to: URL(fileURLWithPath: path))
    }

    /// Writes the processor time of all servers as a picture.
    func writeChart(_ path: String) throws {
        try Data(chart.svg.utf8).write(to: URL(fileURLWithPath: path))
    }

    var chart: Chart {
        var works: [String] = []
        for result in results where !works.contains(result.work) { works.append(result.work) }
        let groups = works.map { work in
            Chart.Group(title: work, bars: results.filter { $0.work == work }.map(bar))
        }
        return Chart(
            title: "Processor time of the server, microseconds a command: shorter is better",
            subtitles: [
                conditions,
                "\(servers); \(machine.cores) cores of \(machine.processor); each work has a scale of its own",
            ], groups: groups)
    }

    private func bar(_ result: LoadResult) -> Chart.Bar {
        let sample = Sample.of(result.processor)
        let own = results.first { $0.work == result.work && $0.server == "presenced" }
        var note = fixed(sample.median, 2) + " us"
        if let own, own.server != result.server {
            note += ", \(fixed(sample.median / Sample.of(own.processor).median, 1))x"
        }
        return Chart.Bar(
            label: "\(result.server): \(result.way)", series: result.server, value: sample.median,
            least: result.processor.min() ?? 0, greatest: result.processor.max() ?? 0, note: note)
    }
}
