import PresenceReplication
import PresenceTesting
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Seeded lives of a cluster. `PRESENCE_SEED=n` plays one again, `PRESENCE_SEED_COUNT=n` plays more.
@Suite("Simulation", .serialized)
struct SimulationTests {
    static let seedCount = getenv("PRESENCE_SEED_COUNT").flatMap { Int(String(cString: $0)) } ?? 12

    /// How often each fault point fired, and in how many runs.
    private static let fired = Mutex<[FaultPoint: Int]>([:])

    @Test(
        "Nothing goes wrong: all show the same, and nobody who beats is shown offline", arguments: SeededRandom.cases(2)
    )
    func calm(random: SeededRandom) throws {
        var scale = Simulation.Scale()
        scale.hasChaos = false
        let simulation = try Simulation(seed: random.seed, scale: scale)
        try simulation.run()
        #expect(simulation.checkers.failures == [], "\(random)")
    }

    @Test(
        "Whatever goes wrong: what must hold holds, and after healing all is equal",
        arguments: SeededRandom.cases(seedCount))
    func chaos(random: SeededRandom) throws {
        let simulation = try Simulation(seed: random.seed)
        try simulation.run()
        #expect(simulation.checkers.failures == [], "\(random)")
    }

    @Test("The same seed gives the same life")
    func sameSeed() throws {
        let seed = SeededRandom.fromEnvironment().seed
        let traces = try (0..<2).map { _ in
            let simulation = try Simulation(seed: seed)
            try simulation.run()
            return simulation.trace
        }
        #expect(traces[0] == traces[1], "PRESENCE_SEED=\(seed)")
    }
}
