import Presence
import PresenceStore
import PresenceTesting
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// A model in plain slow Swift against the store, on the same random operations and times.
@Suite("Model and store agree")
struct ModelTests {
    /// Runs of each plan: a few here, as many as `PRESENCE_SEED_COUNT` says in long runs.
    static let seedCount = getenv("PRESENCE_SEED_COUNT").flatMap { Int(String(cString: $0)) } ?? 2

    static let plans = [
        ModelPlan(name: "one shard"),
        ModelPlan(name: "eight shards", shards: 8),
        ModelPlan(name: "one shard", isLate: true),
        ModelPlan(name: "eight shards", shards: 8, isLate: true),
    ]

    @Test("Over random operations and times, in every read and every event", arguments: plans)
    func agree(_ plan: ModelPlan) throws { try run(plan, ModelTests.seedCount) }

    private static let hour: Int64 = 3_600_000
    private static let day = 24 * hour

    /// The store's clocks wrap: time begins just before each wrap, and runs across it.
    static let wraps: [ModelPlan] = [false, true].flatMap { isLate in
        [
            // Instants of forty bits: 2 * 2^40 ms after 1970 is September 2039.
            ModelPlan(
                name: "instants of 40 bits wrap", shards: 1, start: .init(milliseconds: 1 << 41 - 200_000),
                isLate: isLate, steps: 400, pauses: []),
            ModelPlan(
                name: "instants of 40 bits wrap, eight shards", shards: 8,
                start: .init(milliseconds: 1 << 41 - 200_000), isLate: isLate, steps: 400, pauses: []),
            // Ticks of 32 bits: every 2^32 * 10 ms, the 42nd time in 2027.
            ModelPlan(
                name: "ticks of 32 bits wrap", start: .init(milliseconds: 42 * 10 << 32 - 200_000), isLate: isLate,
                steps: 400, pauses: []),
            ModelPlan(
                name: "ticks of 32 bits wrap, eight shards", shards: 8,
                start: .init(milliseconds: 42 * 10 << 32 - 200_000), isLate: isLate, steps: 400, pauses: []),
            // Ticks of a millisecond: every 2^32 ms, and a horizon of 32 s.
            ModelPlan(
                name: "ticks of a millisecond", shards: 2, start: .init(milliseconds: 420 << 32 - 200_000),
                tick: .millisecond, isLate: isLate, steps: 400, pauses: [32_704, 32_768, 60_000], pauseEvery: 40),
            // Small steps: windows of 640 ms begin and end inside and between them.
            ModelPlan(name: "windows", isLate: isLate, steps: 1_500, pauses: [640, 1_280], longestStep: 90),
            // The horizon of 327 s is passed again and again.
            ModelPlan(
                name: "horizon", isLate: isLate, steps: 800, pauses: [327_040, 327_680, 328_320, 655_360],
                pauseEvery: 7),
            // Together at most 17 years: what is older a record may misread (`RecordInstant`).
            ModelPlan(
                name: "long pauses", shards: 2, isLate: isLate, steps: 400,
                pauses: [hour, 7 * hour, day, 30 * day, 248 * day, 249 * day, 300 * day, 10 << 32, 400 * day],
                pauseEvery: 30),
        ]
    }

    @Test("Across every wrap of the store's clocks and over long pauses", arguments: wraps)
    func wrap(_ plan: ModelPlan) throws { try run(plan, (ModelTests.seedCount + 1) / 2) }

    /// Runs that found something once: a key that came and went again by a second late look, two ends in one millisecond, a loss while invisible, idleness right before
    /// a grace.
    static let found: [(plan: String, isLate: Bool, seed: UInt64)] = [
        ("ticks of 32 bits wrap, eight shards", true, 4_348_268_377_780_331_115),
        ("one shard", true, 11_560_136_581_168_256_793), ("windows", false, 8_155_683_383_636_260_379),
        ("eight shards", true, 10_416_927_741_511_649_253),
    ]

    @Test("In the runs that found something once", arguments: found)
    func again(_ name: String, _ isLate: Bool, _ seed: UInt64) throws {
        let plan = try #require((ModelTests.plans + ModelTests.wraps).first { $0.name == name && $0.isLate == isLate })
        var run = ModelRun(plan, SeededRandom(seed: seed))
        try run.run()
    }

    /// Operations of a long run (`make model`), shared out among all plans; 0 without one.
    static let operations = getenv("PRESENCE_OPERATIONS").flatMap { Int(String(cString: $0)) } ?? 0

    @Test(
        "Over millions of operations, if so many are asked for", .enabled(if: operations > 0), arguments: plans + wraps)
    func millions(_ plan: ModelPlan) throws {
        let share = ModelTests.operations / (ModelTests.plans.count + ModelTests.wraps.count) + 1
        var done = 0
        var told = 0
        while done < share {
            let random = SeededRandom(seed: .random(in: .min ... .max))
            var run = ModelRun(plan, random)
            try run.run()
            done += plan.steps
            guard done - told >= share / 5 || done >= share else { continue }
            told = done
            print("model: \(plan): \(done) of \(share) operations agree")
            fflush(nil)
        }
    }

    private func run(_ plan: ModelPlan, _ count: Int) throws {
        for random in SeededRandom.cases(count) {
            print("model: \(plan), \(random)")
            var run = ModelRun(plan, random)
            try run.run()
        }
    }
}
