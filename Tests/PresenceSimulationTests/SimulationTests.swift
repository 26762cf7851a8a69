import PresenceReplication
import PresenceTesting
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Seeded lives of a cluster: the types are those of the service, `PresenceReplication.Replicator` and `PresenceStore.ShardedStore`.
///
/// `PRESENCE_SEED=n` plays one again, `PRESENCE_SEED_COUNT=n` plays more of them. One that fails prints a smaller one, and how to play that.
@Suite("Simulation")
struct SimulationTests {
    static let seedCount = getenv("PRESENCE_SEED_COUNT").flatMap { Int(String(cString: $0)) } ?? 10

    /// The environment variable that names a life for `replay`: a kind, and what of it is smaller.
    static let lifeVariable = "PRESENCE_LIFE"

    /// Plays a life of a kind. If what must hold does not, looks for a smaller one that shows it.
    @discardableResult
    private func play(_ life: Simulation.Life, _ random: SeededRandom) throws -> Simulation {
        let simulation = try Simulation(seed: random.seed, scale: life.scale)
        try simulation.run()
        if !simulation.checkers.failures.isEmpty {
            let smallest = try SmallestFailure(of: simulation, life)
            Issue.record(
                """
                \(random), \(life):
                \(simulation.checkers.failures.joined(separator: "\n"))
                The smallest that fails so: \(smallest.command)
                \(smallest.failures.joined(separator: "\n"))
                """)
        }
        return simulation
    }

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
        // The first: of an end behind the deadline that was known where it came there was nothing left to tell the session's home of. The second: who was
        // idle at home for less than the margin, and opened his session anew.
        arguments: [9_402_394_543_610_827_357, 1_297_979_245_284_682_511].map { SeededRandom(seed: $0) }
            + SeededRandom.cases(max(seedCount / 5, 2)))
    func calm(random: SeededRandom) throws {
        let simulation = try play(.calm, random)
        #expect(simulation.checkers.accuracy.share < 0.01, "\(simulation.checkers.accuracy.report)")
    }

    @Test(
        "Whatever goes wrong: what must hold holds, and after healing all is equal",
        arguments: SimulationTests.seedsOfBugs + SeededRandom.cases(seedCount))
    func chaos(random: SeededRandom) throws {
        try play(.chaos, random)
    }

    @Test(
        "A node that was stopped for up to 50 seconds and goes on announces nobody offline who beats elsewhere",
        // The first: a lease that its gateway renewed elsewhere by then took its sessions back. The second: who was stopped when a lease ended elsewhere brought
        // its sessions back. The third: of two others one knew of a beat of the node that was stopped, and the other found it by comparing.
        arguments: [9_508_924_142_055_448_135, 11_915_049_746_524_774_604, 7_415_848_897_107_576_584].map {
            SeededRandom(seed: $0)
        }
            + SeededRandom.cases(max(seedCount / 5, 2)))
    func stops(random: SeededRandom) throws {
        try play(.stops, random)
    }

    @Test(
        "A node that is killed, for a while or for good, takes nothing with it but what it alone knew",
        arguments: SeededRandom.cases(max(seedCount / 5, 2)))
    func kills(random: SeededRandom) throws {
        try play(.kills, random)
    }

    @Test(
        "Nodes that end in good order, one after the other, take nothing with them, and nobody is shown or announced otherwise than he is",
        arguments: SeededRandom.cases(max(seedCount / 5, 2)))
    func leaves(random: SeededRandom) throws {
        try play(.leaves, random)
    }

    @Test("A node that goes on as if it had heard of everybody meanwhile is found out")
    func stopsWithoutHold() throws {
        var scale = Simulation.Life.stops.scale
        scale.gateways = 0
        scale.stallHold = 0
        let simulation = try Simulation(seed: 1, scale: scale)
        try simulation.run()
        #expect(simulation.checkers.failures.contains { $0.contains("offline, who beats") })
    }

    @Test("A thousand users, and two thousand clients: all is equal in the end", arguments: SeededRandom.cases(1))
    func thousand(random: SeededRandom) throws {
        try play(.thousand, random)
    }

    @Test(
        "A node that only follows shows what the others show, whatever goes wrong",
        // The first: whoever told the follower alone was gone, and it gave nothing back.
        arguments: [SeededRandom(seed: 17_485_848_402_000_423_281)] + SeededRandom.cases(max(2, seedCount / 5)))
    func follower(random: SeededRandom) throws {
        let simulation = try play(.follower, random)
        #expect(simulation.nodes.last?.cluster.own.isFollower == true)
    }

    @Test(
        "Gateways keep clients alive with leases, go to other nodes, die and are dropped, whatever goes wrong",
        // The first: a lease that ended across a cut ended what its gateway had taken to the other side.
        arguments: [SeededRandom(seed: 11_473_759_961_582_037_882)] + SeededRandom.cases(max(2, seedCount / 2)))
    func gateways(random: SeededRandom) throws {
        try play(.gateways, random)
    }

    @Test("The life that PRESENCE_LIFE and PRESENCE_SEED name", .enabled(if: getenv(lifeVariable) != nil))
    func replay() throws {
        let words = try #require(getenv(SimulationTests.lifeVariable).map { String(cString: $0) })
        var scale = try #require(Simulation.Scale(words), "\(words) names no life")
        scale.asksForKnowledge = true
        let random = SeededRandom.fromEnvironment()
        let simulation = try Simulation(seed: random.seed, scale: scale)
        try simulation.run()
        print("\(words): trace \(simulation.trace), \(simulation.checkers.accuracy.report)")
        #expect(simulation.checkers.failures == [], "\(random)")
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

    @Test(
        "With healthy links, and with a failure every half minute, less than 1 % of the time of users is shown wrong",
        arguments: [false, true])
    func accuracy(hasChaos: Bool) throws {
        var accuracy = Accuracy()
        for seed in 1...(hasChaos ? 8 : 4) {
            var scale = Simulation.Scale()
            scale.hasChaos = hasChaos
            scale.chaosPause = 25_000...35_000
            scale.hasFaults = false
            let simulation = try Simulation(seed: UInt64(seed), scale: scale)
            try simulation.run()
            accuracy.add(simulation.checkers.accuracy)
        }
        print("status accuracy with \(hasChaos ? "chaos" : "healthy links"): \(accuracy.report)")
        #expect(accuracy.looked * 10 > accuracy.all * 9)
        #expect(accuracy.share < 0.01, "\(accuracy.report)")
    }

    @Test(
        "With a failure every two seconds, a node shows wrong what it can know for less than 1 % of the time of users, and hardly ever without waiting for whose word counts"
    )
    func accuracyInDenseChaos() throws {
        var accuracy = Accuracy()
        for seed in 1...8 {
            var scale = Simulation.Life.chaos.scale
            scale.hasFaults = false
            scale.asksForKnowledge = true
            let simulation = try Simulation(seed: UInt64(seed), scale: scale)
            try simulation.run()
            accuracy.add(simulation.checkers.accuracy)
        }
        print("status accuracy in dense chaos: \(accuracy.report)")
        #expect(accuracy.looked * 10 > accuracy.all * 8)
        #expect(accuracy.knownShare < 0.01 && accuracy.inexcusableShare < 0.002, "\(accuracy.report)")
    }
}
