import PresenceReplication
import PresenceTesting
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Seeded lives of a cluster: the types are those of the service, `PresenceReplication.Replicator` and `PresenceStore.ShardedStore`.
///
/// `PRESENCE_SEED=n` plays one again, `PRESENCE_SEED_COUNT=n` plays more of them.
@Suite("Simulation", .serialized)
struct SimulationTests {
    static let seedCount = getenv("PRESENCE_SEED_COUNT").flatMap { Int(String(cString: $0)) } ?? 10

    /// What once failed.
    private static let seedsOfBugs = [
        // An activity that nothing showed at home was not told: another session, or a status by hand, stood before it.
        SeededRandom(seed: 16_438_598_527_974_088_727),
        // Whoever flushed was gone before he had told all.
        SeededRandom(seed: 17_974_384_035_653_500_960),
        // Two wrote at once, and each called what came of it by a name of its own.
        SeededRandom(seed: 9_705_434_737_295_980_697),
        // What time did had another version where something of that instant had been told before.
        SeededRandom(seed: 16_695_796_857_690_704_595),
        // An image was refused, and digests did not tell that versions differ.
        SeededRandom(seed: 5_104_932_152_835_256_595),
    ]

    @Test(
        "Nothing goes wrong: all show the same, and nobody who beats is shown offline",
        arguments: SeededRandom.cases(2))
    func calm(random: SeededRandom) throws {
        var scale = Simulation.Scale()
        scale.hasChaos = false
        let simulation = try Simulation(seed: random.seed, scale: scale)
        try simulation.run()
        #expect(simulation.checkers.failures == [], "\(random)")
        #expect(simulation.checkers.inaccuracy < 0.001)
    }

    @Test(
        "Whatever goes wrong: what must hold holds, and after healing all is equal",
        arguments: SimulationTests.seedsOfBugs + SeededRandom.cases(seedCount))
    func chaos(random: SeededRandom) throws {
        let simulation = try Simulation(seed: random.seed)
        try simulation.run()
        guard !simulation.checkers.failures.isEmpty else { return }
        let smaller = try Simulation.smallestFailure(of: random.seed)
        Issue.record("\(random): \(simulation.checkers.failures.joined(separator: "\n"))\n\(smaller)")
    }

    @Test(
        "A node that was stopped for up to 50 seconds and goes on announces nobody offline who beats elsewhere",
        // The first: a lease that its gateway renewed elsewhere by then took its sessions back.
        arguments: [SeededRandom(seed: 9_508_924_142_055_448_135)] + SeededRandom.cases(max(seedCount / 5, 2)))
    func stops(random: SeededRandom) throws {
        var scale = Simulation.Scale()
        scale.hasChaos = false
        scale.hasStops = true
        scale.users = 20
        scale.gateways = 3
        scale.chaos = 150_000
        let simulation = try Simulation(seed: random.seed, scale: scale)
        try simulation.run()
        #expect(simulation.checkers.failures == [], "\(random)")
    }

    @Test("A node that goes on as if it had heard of everybody meanwhile is found out")
    func stopsWithoutHold() throws {
        var scale = Simulation.Scale()
        scale.hasChaos = false
        scale.hasStops = true
        scale.stallHold = 0
        scale.users = 20
        scale.chaos = 150_000
        let simulation = try Simulation(seed: 1, scale: scale)
        try simulation.run()
        #expect(simulation.checkers.failures.contains { $0.contains("offline, who beats") })
    }

    @Test("A thousand users, and two thousand clients: all is equal in the end", arguments: SeededRandom.cases(1))
    func thousand(random: SeededRandom) throws {
        var scale = Simulation.Scale()
        scale.users = 1_000
        scale.chaos = 12_000
        scale.pace = 6
        let simulation = try Simulation(seed: random.seed, scale: scale)
        try simulation.run()
        #expect(simulation.checkers.failures == [], "\(random)")
    }

    @Test(
        "A node that only follows shows what the others show, whatever goes wrong",
        // The first: whoever told the follower alone was gone, and it gave nothing back.
        arguments: [SeededRandom(seed: 17_485_848_402_000_423_281)] + SeededRandom.cases(max(2, seedCount / 5)))
    func follower(random: SeededRandom) throws {
        var scale = Simulation.Scale()
        scale.followers = 1
        let simulation = try Simulation(seed: random.seed, scale: scale)
        #expect(simulation.nodes.last?.cluster.own.isFollower == true)
        try simulation.run()
        #expect(simulation.checkers.failures == [], "\(random)")
    }

    @Test(
        "Gateways keep clients alive with leases, go to other nodes, die and are dropped, whatever goes wrong",
        // The first: a lease that ended across a cut ended what its gateway had taken to the other side.
        arguments: [SeededRandom(seed: 11_473_759_961_582_037_882)] + SeededRandom.cases(max(2, seedCount / 2)))
    func gateways(random: SeededRandom) throws {
        var scale = Simulation.Scale()
        scale.gateways = 3
        let simulation = try Simulation(seed: random.seed, scale: scale)
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

    @Test(
        "Everything that may fail does fail, in more than one life of a hundred"
    )
    func faults() throws {
        var lives: [FaultPoint: Int] = [:]
        for seed in 1...20 {
            var scale = Simulation.Scale()
            scale.users = 24
            let simulation = try Simulation(seed: UInt64(seed), scale: scale)
            try simulation.run()
            for point in simulation.faults.fired.keys { lives[point, default: 0] += 1 }
        }
        for point in FaultPoint.allCases { #expect(lives[point] != nil, "\(point) never fails") }
    }

    @Test("With a failure every half minute, less than 1 % of the time of users is shown wrong")
    func accuracy() throws {
        var (looked, wrong): (Int64, Int64) = (0, 0)
        for seed in 1...8 {
            var scale = Simulation.Scale()
            scale.chaosPause = 25_000...35_000
            scale.hasFaults = false
            let simulation = try Simulation(seed: UInt64(seed), scale: scale)
            try simulation.run()
            looked += simulation.checkers.looked
            wrong += simulation.checkers.wrong
        }
        #expect(looked > 1_000_000)
        print("status accuracy: \(wrong) of \(looked) user-milliseconds were shown wrong")
        #expect(Double(wrong) < 0.01 * Double(looked), "\(wrong) of \(looked) user-milliseconds were shown wrong")
    }

    @Test("A node that takes nothing of what it is told is found out")
    func deaf() throws {
        var scale = Simulation.Scale()
        scale.deaf = 1
        scale.hasChaos = false
        let simulation = try Simulation(seed: 1, scale: scale)
        try simulation.run()
        #expect(Checkers.differences(in: simulation).contains { $0.contains("differs at n2") })
        #expect(simulation.checkers.failures.contains { $0.contains("is offline at n2, where nothing is wrong") })
    }
}

extension Simulation {
    /// Looks for a smaller life that fails as well: fewer users, a shorter time.
    static func smallestFailure(of seed: UInt64) throws -> String {
        for users in [4, 8, 16] {
            for chaos in [10_000, 20_000, 40_000] as [Int64] {
                var scale = Scale()
                scale.users = users
                scale.chaos = chaos
                let simulation = try Simulation(seed: seed, scale: scale)
                try simulation.run()
                guard !simulation.checkers.failures.isEmpty else { continue }
                return "the same seed fails with \(users) users within \(chaos) ms: \(simulation.checkers.failures)"
            }
        }
        return "no smaller life of this seed fails"
    }
}
