import PresenceTesting

/// A life that fails, and the smallest one of the same seed that was found to fail as well.
struct SmallestFailure {
    let seed: UInt64
    let life: Simulation.Life
    private(set) var scale: Simulation.Scale
    private(set) var failures: [String]
    private var firstFailure: Int64

    /// Looks for the smallest life that fails: fewer users, a shorter time, nothing in it that is not needed.
    ///
    /// Fewer users are another life, so many sizes are tried. One that ends with its first failure is the same life up to there.
    ///
    /// - Parameters:
    ///   - scale: of the life that failed.
    ///   - failed: that life.
    init(of failed: Simulation, _ life: Simulation.Life) throws {
        seed = failed.seed
        self.life = life
        scale = failed.scale
        failures = failed.checkers.failures
        firstFailure = failed.checkers.firstFailure ?? failed.milliseconds
        let whole = scale
        let counts = [4, 8, 16, whole.users / 4, whole.users / 2].filter { (1..<whole.users).contains($0) }
        search: for users in Set(counts).sorted() {
            for part in [6, 3, 2, 1] as [Int64] {
                var smaller = whole
                smaller.users = users
                smaller.chaos = whole.chaos / part
                if try takes(smaller) { break search }
            }
        }
        for lacking in [
            { $0.gateways = 0 }, { $0.followers = 0 }, { $0.hasFaults = false },
        ] as [(inout Simulation.Scale) -> Void] {
            var smaller = scale
            lacking(&smaller)
            if smaller != scale { _ = try takes(smaller) }
        }
        if firstFailure < scale.chaos {
            var smaller = scale
            smaller.chaos = firstFailure
            _ = try takes(smaller)
        }
    }

    /// Plays a life; whether it fails, and is the smallest one then.
    private mutating func takes(_ smaller: Simulation.Scale) throws -> Bool {
        let simulation = try Simulation(seed: seed, scale: smaller)
        try simulation.run()
        guard let first = simulation.checkers.firstFailure else { return false }
        (scale, failures, firstFailure) = (smaller, simulation.checkers.failures, first)
        return true
    }

    /// How to play it again.
    var command: String {
        "\(SeededRandom.environmentVariable)=\(seed) \(SimulationTests.lifeVariable)='\(scale.spelled(as: life))' "
            + "swift test --filter SimulationTests/replay"
    }
}
