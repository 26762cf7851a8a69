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
        ModelPlan(name: "one shard, in step"),
        ModelPlan(name: "eight shards, in step", shards: 8),
        ModelPlan(name: "one shard, late wheel", isLate: true),
        ModelPlan(name: "eight shards, late wheel", shards: 8, isLate: true),
    ]

    @Test("Over random operations and times, in every read and every event", arguments: plans)
    func agree(_ plan: ModelPlan) throws {
        for random in SeededRandom.cases(ModelTests.seedCount) {
            print("model: \(plan), \(random)")
            var run = ModelRun(plan, random)
            try run.run()
        }
    }
}
