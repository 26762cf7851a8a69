import ArgumentParser
import CAllocator
import PresenceStore

/// Counts everything that can be counted exactly, and holds it against the committed counts.
struct BaselineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "baseline",
        abstract: "Compares instructions, allocations and bytes with the committed counts; a tenth more fails.")

    @Argument(help: "The committed counts.")
    var file = Repository.path("Benchmarks/baselines.json")
    @Flag(help: "Write the file instead.")
    var write = false

    func run() throws {
        // First, whether there is anything to compare with: counting takes a minute.
        let baseline = write ? nil : try Baseline(file: file)
        let present = try BaselineCommand.count()
        guard let baseline else {
            try present.write(to: file)
            print("\(file): \(present.counts.count) counts written")
            return
        }
        let differences = baseline.compare(present)
        for gain in differences.gains { print("cheaper  \(gain)") }
        if !differences.gains.isEmpty { print("         `make bench-baseline` keeps it so") }
        for failure in differences.failures { print("FAILED   \(failure)") }
        guard differences.failures.isEmpty else {
            throw BenchError(
                "\(differences.failures.count) of \(present.counts.count) counts do not hold beside \(file). If it is meant to be so: "
                    + "`make bench-baseline`, and say in the commit why")
        }
        print("\(present.counts.count) counts are within a tenth of \(file)")
    }

    private static func count() throws -> Baseline {
        var counts = try storeCounts()
        for count in try InstructionsCommand.counts(operations: 10_000) {
            counts[count.name] = count.instructions
        }
        return Baseline(counts)
    }

    /// Bytes that the store has taken a user, and bytes that its commonest operations allocate.
    private static func storeCounts() throws -> [String: Int] {
        Progress.say("bytes: 200 000 users")
        let users = 200_000
        let crowd = Crowd(Names(count: users))
        try crowd.connect(at: Crowd.start) { _ in Crowd.longTTL }
        let now = Crowd.start.advanced(byMilliseconds: 1_000)
        crowd.act(at: now)
        let pairs = crowd.names.pairs
        let works: [(name: String, run: () -> Int)] = [
            ("beat", { crowd.beat(crowd.names, 0..<users, at: now) }),
            ("batch", { crowd.beatAll(crowd.names, pairs, batch: 100, at: now) }),
            ("read", { crowd.read(crowd.names, 0..<users, at: now) }),
        ]
        guard countsAllocations() else {
            throw BenchError(
                "the allocator counts nothing: presence-bench must run with jemalloc (Debian package libjemalloc-dev)")
        }
        var counts = ["bytes a user: the store": crowd.store.statistics().memory.total / users]
        for (name, run) in works {
            let before = bench_thread_allocated()
            let done = run()
            // All of them together: what is allocated now and then, by a batch in a hundred, is not lost in a division.
            counts["bytes allocated by \(grouped(users)): \(name)"] = Int(bench_thread_allocated() - before)
            guard done == users else { throw BenchError("\(name): \(done) of \(users) were done") }
        }
        return counts
    }

    /// Whether the allocator tells what it gave: else nothing would ever be found.
    private static func countsAllocations() -> Bool {
        let before = bench_thread_allocated()
        let known = [UInt8](repeating: 1, count: 100_000)
        return known.reduce(0) { $0 + Int($1) } == known.count && bench_thread_allocated() - before >= 100_000
    }
}
