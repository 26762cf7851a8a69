/// What a heartbeat costs the server as users grow: its work is the same, but its cold lines of memory are not.
struct GrowthPart {
    let server: String
    let options: ScaleOptions

    private static let sizes = [1_000, 100_000, 1_000_000, 10_000_000, 30_000_000]
    private static let rounds = 3
    private static let seconds = 2.0
    /// Nobody runs out while this takes.
    private static let lifetime = 86_400_000

    /// The sizes up to that which was asked for, and that one.
    private var sizes: [Int] { GrowthPart.sizes.filter { $0 < options.users } + [options.users] }

    /// Medians at one size.
    private struct Point {
        var users: Int
        /// Nanoseconds of the server a beat, and beats a second.
        var single: (cost: Double, rate: Double)
        var batched: (cost: Double, rate: Double)
    }

    func run() throws -> ScaleResult {
        let running = try RunningServer(atScale: server, settings: ["--heartbeat-hard-limit", "1d"])
        defer { running.stop() }
        var points: [Point] = []
        var loaded = 0
        for size in sizes {
            Progress.say("growth: \(grouped(size)) users")
            var loader = try ClosedLoop(port: running.port, connections: 4, depth: 2, users: size)
            var connecting = BatchForm.connect(500, lifetime: GrowthPart.lifetime)
            try loader.pass(over: loaded..<size, &connecting)
            loaded = size
            var single = BatchForm.beats(16)
            var batched = BatchForm.batchOfBeats(500)
            points.append(
                Point(
                    users: size, single: try measure(&single, connections: 16, depth: 1, running, size),
                    batched: try measure(&batched, connections: 4, depth: 2, running, size)))
        }
        return ScaleResult(table: table(points))
    }

    private func measure(
        _ form: inout BatchForm, connections: Int, depth: Int, _ server: RunningServer, _ users: Int
    ) throws -> (cost: Double, rate: Double) {
        var loop = try ClosedLoop(port: server.port, connections: connections, depth: depth, users: users)
        // What is touched once is touched: pages, buffers.
        _ = try loop.run(&form, seconds: GrowthPart.seconds / 2, of: server)
        var (costs, rates) = (Sample(), Sample())
        for _ in 0..<GrowthPart.rounds {
            let outcome = try loop.run(&form, seconds: GrowthPart.seconds, of: server)
            costs.add(outcome.cost)
            rates.add(outcome.rate)
        }
        return (costs.median, rates.median)
    }

    private func table(_ points: [Point]) -> Table {
        var table = Table(
            "A heartbeat in random order as users grow: processor time of the server",
            ["users", "BEAT, 16 a write", "", "a second", "in an MBEAT of 500", "", "a second"])
        let greatest = points.map { max($0.single.cost, $0.batched.cost) }.max() ?? 1
        for point in points {
            table.add(
                grouped(point.users), fixed(point.single.cost, 0) + " ns", bar(point.single.cost / greatest),
                fixed(point.single.rate, 0), fixed(point.batched.cost, 0) + " ns", bar(point.batched.cost / greatest),
                fixed(point.batched.rate, 0))
        }
        table.notes = [
            "Medians of \(GrowthPart.rounds) rounds of \(fixed(GrowthPart.seconds, 0)) s, closed loop, every reply checked. Bars are on one scale. What grows is what a heartbeat waits for: the lines "
                + "of index and record that no cache holds any more, and the pages that no TLB does. A second: with the generator on the same cores."
        ]
        return table
    }

    private func bar(_ share: Double) -> String {
        let length = Int((share * 20).rounded())
        return String(repeating: "█", count: length) + String(repeating: "·", count: 20 - length)
    }
}
