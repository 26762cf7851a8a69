import Foundation

/// Two event loops against one, on work that costs the server more than it costs who asks.
struct LoopsPart {
    let server: String
    let options: ScaleOptions

    private static let rounds = 3
    private static let seconds = 3.0
    private static let lifetime = 300_000

    private struct Work {
        var name: String
        var batches: SpeltBatches
        /// Users of an operation; 1 where each of them is one.
        var size: Int
        var outcomes: [[ClosedLoop.Outcome]] = [[], []]
    }

    private var users: Int { min(1_000_000, options.users) }

    func run() throws -> ScaleResult {
        let servers = try [1, 2].map { try RunningServer(atScale: server, settings: ["--event-loops", "\($0)"]) }
        defer { for server in servers { server.stop() } }
        for (index, server) in servers.enumerated() {
            Progress.say("loops: \(grouped(users)) users of the server with \(index + 1)")
            var connecting = BatchForm.connect(500, lifetime: LoopsPart.lifetime)
            var loader = try ClosedLoop(port: server.port, connections: 4, depth: 2, users: users)
            try loader.pass(over: 0..<users, &connecting)
        }
        var works = [
            Work(name: "beat in an MBEAT of 500", batches: SpeltBatches(.batchOfBeats(500), users: users), size: 1),
            Work(name: "friends list of 100", batches: SpeltBatches(.friendsList(100), users: users), size: 100),
        ]
        var loops = try servers.map { try ClosedLoop(port: $0.port, connections: 8, depth: 2, users: users) }
        for round in 1...LoopsPart.rounds {
            for work in works.indices {
                for index in servers.indices {
                    Progress.say("loops: \(works[work].name), round \(round): \(index + 1)")
                    let outcome = try loops[index].run(
                        works[work].batches, seconds: LoopsPart.seconds, of: servers[index])
                    works[work].outcomes[index].append(outcome)
                }
            }
        }
        return ScaleResult(table: table(works))
    }

    private func table(_ works: [Work]) -> Table {
        var table = Table(
            "Two event loops against one, \(grouped(users)) users",
            ["work", "event loops", "a second", "ratio", "server", "ratio", "cores: server", "generator"])
        var alone: [Double] = []
        for work in works {
            let median = { (index: Int, value: (ClosedLoop.Outcome) -> Double) in
                Sample.of(work.outcomes[index].map(value)).median
            }
            let size = Double(work.size)
            let rates = [0, 1].map { median($0) { $0.rate / size } }
            let costs = [0, 1].map { median($0) { $0.cost * size } }
            alone.append(2 * costs[0] / costs[1])
            for index in [0, 1] {
                let isSecond = index == 1
                table.add(
                    work.name, "\(index + 1)", fixed(rates[index], 0), isSecond ? fixed(rates[1] / rates[0], 2) : "",
                    fixed(costs[index], 0) + " ns", isSecond ? fixed(costs[1] / costs[0], 2) : "",
                    fixed(median(index) { Double($0.serverTime) / 1e9 / $0.seconds }, 2),
                    fixed(median(index) { Double($0.ownTime) / 1e9 / $0.seconds }, 2))
            }
        }
        table.notes = [
            "Medians of \(LoopsPart.rounds) rounds of \(fixed(LoopsPart.seconds, 0)) s in turns, 8 connections in a closed loop, random order, commands spelt beforehand. *cores*: processor time "
                + "over time, of the server's threads and of the one thread that asks. \(verdict(alone))"
        ]
        return table
    }

    private func verdict(_ ratios: [Double]) -> String {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let alone = ratios.min() ?? .nan
        return
            "This machine has \(cores) cores for two loops and for who asks them: what the generator takes a second loop cannot have. By processor time alone two loops that have a core each "
            + "would do at least \(fixed(alone, 2)) times the work of one: computed, not measured."
    }
}
