/// What the rounds of one way of one work gave.
struct LoadResult {
    /// The work, or one stage of it.
    let work: String
    let server: String
    let way: String
    let conditions: LoadConditions
    /// By round.
    private(set) var rounds: [LoadFigure: [Double]] = [:]
    /// Of how many operations that should be, how many were done: ends that were announced.
    private(set) var done: [Int] = []
    private(set) var expected: Int?

    /// Whether it does nothing of the work, and is no peer.
    let isFloor: Bool

    init(work: String, server: String, way: String, isFloor: Bool = false, _ conditions: LoadConditions) {
        self.work = work
        self.server = server
        self.way = way
        self.conditions = conditions
        self.isFloor = isFloor
    }

    var isOwn: Bool { server == ServerTraits.Software.presenced.rawValue }

    /// How many operations a second there are, and what one costs beside others, is told where it says something: not where they
    /// happen by the clock, and elsewhere to few.
    var isByTheClock: Bool { conditions.due != nil }

    mutating func add(_ stage: LoadStage) {
        let outcome = stage.outcome
        let values: [(LoadFigure, Double)] = [
            (.serverMicroseconds, Double(stage.processor) / 1000 / Double(max(1, outcome.operations))),
            (.operationsASecond, Double(outcome.operations) / outcome.elapsed),
            (.p50Milliseconds, outcome.milliseconds(50)), (.p99Milliseconds, outcome.milliseconds(99)),
            (.p999Milliseconds, outcome.milliseconds(99.9)), (.greatestMilliseconds, outcome.milliseconds(100)),
            (.residentBytes, Double(stage.residentBytes)),
        ]
        for (figure, value) in values where !(isByTheClock && figure == .operationsASecond) {
            rounds[figure, default: []].append(value)
        }
        done.append(outcome.operations)
        expected = outcome.expected
    }

    func sample(_ figure: LoadFigure) -> Sample { Sample.of(rounds[figure] ?? []) }

    // MARK: Beside others

    private func others(_ results: [LoadResult]) -> [LoadResult] {
        guard isOwn else { return [] }
        return results.filter { $0.work == work && $0.conditions == conditions && !$0.isOwn && !$0.isFloor }
    }

    /// A figure over that of the better of the others, for each of their ways, in the order in which they are shown.
    func ratios(_ figure: LoadFigure, _ results: [LoadResult]) -> [(way: String, share: Double)] {
        if isByTheClock, figure == .serverMicroseconds { return [] }
        let others = others(results)
        var ways: [String] = []
        for other in others where !ways.contains(other.way) { ways.append(other.way) }
        let own = sample(figure).median
        return ways.map { way in
            (way, own / figure.best(others.filter { $0.way == way }.map { $0.sample(figure).median }))
        }
    }

    /// A figure over the best of the others', in whichever way; nil if there are none, or it says nothing.
    func ratio(_ figure: LoadFigure, _ results: [LoadResult]) -> Double? {
        let best = figure.best(others(results).map { $0.sample(figure).median })
        let share = sample(figure).median / best
        return share.isFinite ? share : nil
    }

    /// What this one is to cost at most, and whether it does, in the order of the ratios.
    func goals(_ results: [LoadResult]) -> [LoadGoal.Verdict?] {
        let ratios = ratios(.serverMicroseconds, results)
        let goals = LoadGoal.all(of: work, way: way, conditions)
        return ratios.map { ratio in
            goals.first { $0.way == nil || $0.way == ratio.way }.map { $0.verdict(ratio.share) }
        }
    }
}

// MARK: JSON

extension LoadResult: Encodable {
    private struct Figure: Encodable {
        var rounds: [Double]
        var median: Double
        var least: Double?
        var greatest: Double?
        /// Over the better of the others, by their way.
        var ofTheirs: [String: Double]?
    }

    private struct Goal: Encodable {
        var atMost: Double
        var ofTheir: String
        var isHeld: Bool
    }

    private struct Whole: Encodable {
        var work: String
        var server: String
        var way: String
        var conditions: LoadConditions
        var figures: [String: Figure]
        var operations: [Int]
        var expected: Int?
        var goals: [Goal]?
    }

    /// What it says by itself.
    func encode(to encoder: any Encoder) throws { try encode(to: encoder, beside: []) }

    private func encode(to encoder: any Encoder, beside results: [LoadResult]) throws {
        var figures: [String: Figure] = [:]
        for figure in LoadFigure.allCases where rounds[figure] != nil {
            let sample = sample(figure)
            let ratios = ratios(figure, results)
            figures[figure.rawValue] = Figure(
                rounds: sample.values, median: sample.median, least: sample.values.min(),
                greatest: sample.values.max(),
                ofTheirs: ratios.isEmpty ? nil : Dictionary(ratios.map { ($0.way, $0.share) }) { first, _ in first })
        }
        let goals = zip(ratios(.serverMicroseconds, results), goals(results)).compactMap { ratio, verdict in
            verdict.map { Goal(atMost: $0.share, ofTheir: ratio.way, isHeld: $0.isHeld) }
        }
        try Whole(
            work: work, server: server, way: way, conditions: conditions, figures: figures, operations: done,
            expected: expected, goals: goals.isEmpty ? nil : goals
        ).encode(to: encoder)
    }

    /// One with what it is beside the others.
    struct Compared: Encodable {
        let result: LoadResult
        let results: [LoadResult]

        func encode(to encoder: any Encoder) throws { try result.encode(to: encoder, beside: results) }
    }
}
