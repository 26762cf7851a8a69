import ArgumentParser
import Foundation

/// Whole instructions an operation, counted by callgrind: the same on every run and every machine of a kind.
struct InstructionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "instructions",
        abstract:
            "Instructions an operation, by valgrind's callgrind: a run with N operations and one with 2N, the difference over N."
    )

    @Option(help: "N.")
    var operations = 20_000

    func validate() throws {
        try Bounds.check("--operations", operations, Bounds.operations)
        guard operations % 100 == 0 else { throw ValidationError("--operations is a multiple of 100") }
    }

    func run() throws { print(try InstructionsCommand.measure(operations: operations).text) }

    private static let works: [(work: Work, users: Int, share: Int)] = [
        (.beat, 40_000, 1), (.active, 40_000, 1), (.batch, 40_000, 1), (.read, 40_000, 1), (.connect, 40_000, 1),
        (.expiry, 40_000, 1), (.tick, 1_000, 20), (.tick, 200_000, 20), (.parse, 1_000, 1),
        (.connectAlone, 20, 1), (.connectKnown, 20, 1), (.connectTold, 20, 50),
        (.port1, 64, 10), (.port16, 64, 1), (.port100, 64, 1),
        (.portGet, 64, 1), (.portSet, 64, 1), (.portPresenceGet, 64, 1),
        (.rulesVerdict, 1, 1), (.rulesMerge, 1, 1), (.ringAppend, 1, 1), (.ringRead, 1, 1),
        (.replyResp2, 1, 1), (.replyResp3, 1, 1), (.event, 1, 1), (.eventResp2, 1, 1), (.eventResp3, 1, 1),
    ]

    /// Few and many users beside each other, so that it is seen that the work does not grow with them: of so many, only the work itself is counted.
    private static let growth: [(work: Work, users: Int)] = [(.beat, 1_000), (.beat, 1_000_000)]

    /// What was counted of one kind of work.
    struct Count {
        var work: Work
        var users: Int
        var instructions: Int

        /// Whether `users` says how large the store was; otherwise it is only how many names were used.
        var dependsOnUsers: Bool { work != .parse && users > 64 }

        /// What it is called among the committed counts: with its users where there are several.
        var name: String {
            let isOneOfSeveral =
                work == .tick || InstructionsCommand.growth.contains { $0.work == work && $0.users == users }
            return "instructions: \(work.rawValue)" + (isOneOfSeveral ? ", \(users) users" : "")
        }
    }

    /// Counts all kinds of work, as a table.
    static func measure(operations: Int) throws -> Table {
        var table = Table("Instructions an operation", ["work", "users", "instructions"])
        for count in try counts(operations: operations) {
            table.add(
                count.work.operation, count.dependsOnUsers ? grouped(count.users) : "", grouped(count.instructions))
        }
        table.notes = [
            "Counted by callgrind, N = \(grouped(operations)) (ticks: \(grouped(operations / 20))); whatever is done once cancels out. Of "
                + "beats among 1 000 and 1 000 000 users only the beats were counted."
        ]
        return table
    }

    /// Counts all kinds of work.
    static func counts(operations: Int) throws -> [Count] {
        guard let valgrind = Program.find("valgrind"), let strip = Program.find("strip") else {
            throw BenchError("valgrind or strip is missing (Debian packages valgrind and binutils)")
        }
        // Debian 12's valgrind gives up on the debug information that Swift 6 writes.
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let program = folder.url.appendingPathComponent("presence-bench").path
        _ = try Program.output(strip, ["--strip-debug", "-o", program, Program.own()])
        // Whoever has many users to make ready takes a core meanwhile.
        let marked = try growth.map { work, users in
            (work, users, run: try start(valgrind, program, work, operations, users, isMarked: true))
        }
        let counts = try works.map { work, users, share in
            Progress.say("instructions: \(work.rawValue), \(grouped(users)) users")
            let count = operations / share
            let once = try start(valgrind, program, work, count, users)
            let twice = try start(valgrind, program, work, 2 * count, users)
            let (few, many) = (try once.instructions(), try twice.instructions())
            return Count(work: work, users: users, instructions: (many - few) / count)
        }
        return try counts
            + marked.map { work, users, run in
                Count(work: work, users: users, instructions: try run.instructions() / operations)
            }
    }

    private struct Run {
        let process: Process
        let errors: Pipe

        /// Waits for its end; the instructions of the whole run.
        func instructions() throws -> Int {
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            guard process.terminationStatus == 0,
                let line = text.split(separator: "\n").last(where: { $0.contains("Collected :") }),
                let count = line.split(separator: " ").last.flatMap({ Int($0) })
            else { throw BenchError("callgrind failed:\n\(text)") }
            return count
        }
    }

    private static func start(
        _ valgrind: String, _ program: String, _ work: Work, _ operations: Int, _ users: Int, isMarked: Bool = false
    ) throws -> Run {
        let process = Process()
        let mark = isMarked ? (["--instr-atstart=no"], ["--marked"]) : ([], [])
        (process.executableURL, process.arguments) = StartedProcess.bound(
            valgrind,
            ["--tool=callgrind"] + mark.0 + [
                "--callgrind-out-file=/dev/null", program, "count", work.rawValue, "--operations", "\(operations)",
                "--users", "\(users)",
            ] + mark.1)
        // A thread that gives memory back by the clock would be counted, too.
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["MALLOC_CONF": "background_thread:false,dirty_decay_ms:-1,muzzy_decay_ms:-1"]) { $1 }
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        return Run(process: process, errors: errors)
    }
}
