/// What the rounds of one way of one work gave.
struct LoadResult: Encodable {
    let work: String
    let server: String
    let way: String
    /// Processor time of the server a command, microseconds, each round.
    private(set) var processor: [Double] = []
    /// Commands a second, each round.
    private(set) var throughput: [Double] = []
    /// Milliseconds, each round.
    private(set) var p50: [Double] = []
    private(set) var p99: [Double] = []
    private(set) var p999: [Double] = []
    private(set) var maximum: [Double] = []
    /// Of how many operations that should be, how many were done: ends that were announced.
    private(set) var done: [Int] = []
    private(set) var expected: Int?
    var residentBytes = 0

    /// Whether it is the least that is possible, and no peer.
    private let isFloor: Bool

    init(work: String, server: LoadTarget, way: String) {
        self.init(work: work, server: server.name, way: way, isFloor: server.traits.isFloor)
    }

    init(work: String, server: String, way: String, isFloor: Bool = false) {
        self.work = work
        self.server = server
        self.way = way
        self.isFloor = isFloor
    }

    mutating func add(_ stage: LoadStage) {
        add(stage.outcome, processor: stage.processor)
        residentBytes = stage.residentBytes
    }

    mutating func add(_ outcome: LoadOutcome, processor time: UInt64) {
        processor.append(Double(time) / 1000 / Double(max(1, outcome.operations)))
        throughput.append(Double(outcome.operations) / outcome.elapsed)
        p50.append(outcome.milliseconds(50))
        p99.append(outcome.milliseconds(99))
        p999.append(outcome.milliseconds(99.9))
        maximum.append(outcome.milliseconds(100))
        done.append(outcome.operations)
        expected = outcome.expected
    }

    /// This one's processor time over that of the better of the others, for each of their ways.
    private func ratios(_ results: [LoadResult]) -> [(way: String, share: Double)] {
        let others = results.filter { $0.work == work && $0.server != server && !$0.isFloor }
        var ways: [String] = []
        for other in others where !ways.contains(other.way) { ways.append(other.way) }
        let own = Sample.of(processor).median
        return ways.map { way in
            (way, own / (others.filter { $0.way == way }.map { Sample.of($0.processor).median }.min() ?? .nan))
        }
    }

    /// What this one is to cost at most, and whether it does.
    private func goals(_ results: [LoadResult], pipeline: Int?) -> String {
        let ratios = ratios(results)
        let told = LoadGoal.all(of: work, pipeline: pipeline).compactMap { goal -> String? in
            guard let share = ratios.filter({ goal.way == nil || $0.way == goal.way }).map(\.share).max() else {
                return nil
            }
            // As it is shown: to two places.
            return fixed(goal.share, 2) + (Double(fixed(share, 2)) ?? share <= goal.share ? " held" : " not held")
        }
        return told.joined(separator: ", ")
    }

    /// What presenced's further ways of a work cost, beside its first.
    static func besideFirst(_ results: [LoadResult]) -> [String] {
        var works: [String] = []
        for result in results where !works.contains(result.work) { works.append(result.work) }
        return works.compactMap { work in
            let own = results.filter { $0.work == work && $0.server == "presenced" }
            guard own.count > 1 else { return nil }
            let first = Sample.of(own[0].processor).median
            let ratios = own.dropFirst().map { "\($0.way) \(fixed(Sample.of($0.processor).median / first, 2))" }
            return "*\(work)*: beside presenced's own \(own[0].way): \(ratios.joined(separator: "; "))."
        }
    }

    /// All ways beside each other.
    static func table(_ results: [LoadResult], _ title: String, pipeline: Int?) -> Table {
        var table = Table(
            title,
            [
                "work", "server", "way", "server us", "spread", "of theirs", "goal", "a second", "spread", "p50 ms",
                "p99",
                "p99.9", "max", "MB",
            ])
        for result in results {
            let own = Sample.of(result.processor)
            let isOwn = result.server == "presenced"
            let ratio = isOwn ? result.ratios(results).map { fixed($0.share, 2) } : []
            table.add(
                result.work, result.server, result.way, fixed(own.median, 2), own.spread(2),
                ratio.joined(separator: ", "), isOwn ? result.goals(results, pipeline: pipeline) : "",
                fixed(Sample.of(result.throughput).median, 0), Sample.of(result.throughput).spread(0),
                fixed(Sample.of(result.p50).median, 3),
                fixed(Sample.of(result.p99).median, 3), fixed(Sample.of(result.p999).median, 3),
                fixed(result.maximum.max() ?? 0, 1), grouped(result.residentBytes >> 20))
        }
        let lacking = results.compactMap { result -> String? in
            guard let expected = result.expected else { return nil }
            let least = result.done.min() ?? 0
            return
                "*\(result.work)*: \(result.server) announced \(grouped(least)) of \(grouped(expected)); its latencies are how late they were."
        }
        table.notes =
            lacking + besideFirst(results) + [
                "*server us*: processor time of all the server's threads, user and system, a command: the median, least and greatest of the rounds; *of theirs*: "
                    + "over that of the better of the others, for each of their ways in the order shown. Every reply was checked. *max*: of all rounds. MB: VmRSS after the last round, with what works before it left."
            ]
        return table
    }
}
