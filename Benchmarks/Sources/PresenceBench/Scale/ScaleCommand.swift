import ArgumentParser
import Foundation

/// What one node holds: 30 million users who beat, storms, what a beat costs as users grow, and a second event loop.
struct ScaleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "30 million users on one node, storms, the curve of a beat's cost, two event loops against one.",
        discussion: """
            The load generator shares the machine with the server. Every reply is checked. A wrong one, or a user who is announced offline \
            although he beat, ends the run with exit code 1; goals that are not held are told, and the exit code is 0.
            """
    )

    @OptionGroup var own: OwnServer
    @OptionGroup var options: ScaleOptions
    @Option(help: "Parts, with commas between: \(ScalePart.allCases.map(\.rawValue).joined(separator: ",")).")
    var parts = ScalePart.allCases.map(\.rawValue).joined(separator: ",")

    @Option(help: "A file that the figures are written to, as JSON, anew after each part.")
    var json: String?

    func validate() throws { _ = try chosen() }

    func run() throws {
        try OutputFile.check(json)
        let options = options.fitted()
        var report = ScaleReport(machine: .present(), options: options)
        for part in try chosen() {
            let load = MachineLoad()
            var result: ScaleResult
            switch part {
            case .hold: result = try HoldPart(server: own.server, options: options, asked: self.options.users).run()
            case .storms: result = try StormsPart(server: own.server, options: options).run()
            case .growth: result = try GrowthPart(server: own.server, options: options).run()
            case .loops: result = try LoopsPart(server: own.server, options: options).run()
            }
            result.table.notes.append(load.text)
            // Each as soon as it is there: the parts take long.
            print(result.table.text)
            fflush(nil)
            report.add(part, result)
            if let json { try report.writeJSON(json) }
            if let failure = result.failure { throw failure }
        }
    }

    private func chosen() throws -> [ScalePart] {
        try parts.split(separator: ",").map { word in
            guard let part = ScalePart(rawValue: word.trimmingCharacters(in: .whitespaces)) else {
                throw ValidationError("there is no part \(word)")
            }
            return part
        }
    }
}
