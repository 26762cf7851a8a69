import ArgumentParser
import Foundation

/// Parts by themselves: what a command is read and answered for, what the rules take, what the wheel and the ring add to a write.
struct MicroCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "micro", abstract: "Parts by themselves: codec, rules, timer wheel, change ring, index.")

    @Option(help: "Rounds; the median is told.")
    var rounds = 7

    func validate() throws {
        try Bounds.check("--rounds", rounds, Bounds.rounds)
    }

    func run() throws { print(try MicroCommand.measure(rounds: rounds).text) }

    static func measure(rounds: Int) throws -> Table {
        var table = Table("Parts by themselves, one thread", ["part", "what", "median", "spread"])
        for (part, what, work) in MicroCodec.works + MicroRules.works + MicroStore.works {
            Progress.say("micro: \(part): \(what)")
            var times = Sample()
            // Once for what is made on first use.
            _ = try work()
            for _ in 0..<rounds { times.add(try work()) }
            table.add(part, what, fixed(times.median, 1) + " ns", times.spread(1))
        }
        table.notes = [
            "Processor time of the one thread an operation; 10 000 users, so that caches hold them. Wheel, ring and index have no door of their own: "
                + "a write with them beside one without them is what tells."
        ]
        return table
    }

    /// A part, what is done, and what does it: nanoseconds an operation.
    typealias Work = (part: String, what: String, run: () throws -> Double)

    /// Nanoseconds an operation of so many that `body` does.
    static func time(_ operations: Int, _ body: () throws -> Void) rethrows -> Double {
        try ProcessorTime.spent(body) / Double(operations)
    }
}
