/// The figures of a load as text: all ways beside each other, about 160 columns wide. The JSON has the rest, a figure a round.
enum LoadTables {
    /// What the server takes: processor time and memory.
    static func server(_ results: [LoadResult], _ title: String) -> Table {
        var table = Table(
            title, ["work", "server and way", "server us", "spread", "ratios", "goals", "MB", "spread", "ratio"])
        for result in results {
            let time = result.sample(.serverMicroseconds)
            let goals = result.goals(results)
            let ratios = result.ratios(.serverMicroseconds, results).map { fixed($0.share, 2) }
            table.rows.append(
                opening(result) + [
                    fixed(time.median, 2), time.spread(2), ratios.joined(separator: ", "),
                    // In the order of the ratios, each in its place.
                    goals.contains { $0 != nil } ? goals.map { $0?.text ?? "-" }.joined(separator: ", ") : "",
                ] + cells(result, .residentBytes, results))
        }
        table.notes = lacking(results) + besideFirst(results) + (results.contains(where: \.isFloor) ? [floor] : [])
        return table
    }

    /// What those see who ask it: throughput and latency.
    static func clients(_ results: [LoadResult], _ title: String) -> Table {
        var table = Table(
            title,
            [
                "work", "server and way", "1000/s", "spread", "ratio", "p50", "spread", "ratio", "p99", "spread",
                "ratio",
                "p99.9", "max",
            ])
        for result in results {
            let rare = [
                result.sample(.p999Milliseconds).median, result.sample(.greatestMilliseconds).values.max() ?? .nan,
            ]
            table.rows.append(
                opening(result) + cells(result, .operationsASecond, results)
                    + cells(result, .p50Milliseconds, results) + cells(result, .p99Milliseconds, results)
                    + rare.map { fixed($0, LoadFigure.digits($0)) })
        }
        return table
    }

    private static func opening(_ result: LoadResult) -> [String] {
        [result.work, "\(result.server): \(result.way)"]
    }

    /// Median, spread and the share of the best of the others.
    private static func cells(_ result: LoadResult, _ figure: LoadFigure, _ results: [LoadResult]) -> [String] {
        let values = (result.rounds[figure] ?? []).map(figure.shown)
        guard !values.isEmpty else { return ["", "", ""] }
        let sample = Sample.of(values)
        let digits = LoadFigure.digits(sample.median)
        return [
            fixed(sample.median, digits), sample.spread(digits),
            result.ratio(figure, results).map { fixed($0, 2) } ?? "",
        ]
    }

    // MARK: Notes

    /// What the columns are.
    static let legend = [
        "*server us*: processor time of all the server's threads, user and system, an operation: the median, least and greatest of the rounds; *ratios*: over that of the better of the others, for each of "
            + "their ways in the order shown; *goals*: in the same order, yes: held. *ratio*: over the best of the others, in whichever way. Every reply was checked.",
        "*MB*: resident memory of the server's process (VmRSS) right after a round: its program, connections and buffers, what the work needs there, and what works before it left with the allocator. "
            + "*1000/s*: thousands of operations a second. *p50*, *p99*, *p99.9*, *max* (of all rounds): milliseconds.",
    ]

    private static let floor =
        "*floor*: a handler that does nothing on SwiftNIO as it comes, and answers by writeAndFlush. It is not the least that is possible: presenced sends past the channel, and can be below it."

    private static func lacking(_ results: [LoadResult]) -> [String] {
        let told = results.compactMap { result -> String? in
            guard let expected = result.expected else { return nil }
            return
                "*\(result.work)*: \(result.server) announced \(grouped(result.done.min() ?? 0)) of \(grouped(expected)); its latencies are how late they were."
        }
        guard !told.isEmpty else { return [] }
        return told + [
            "*server us* is all that the server did from shortly before the first was due until the last was announced, or for 30 s after the last was due, over those that were announced: "
                + "what it does without anybody is in it. Ends come by the clock, and elsewhere few of them: so there is no ratio, and no throughput."
        ]
    }

    /// What presenced's further ways of a work cost, beside its first.
    static func besideFirst(_ results: [LoadResult]) -> [String] {
        var works: [String] = []
        for result in results where !works.contains(result.work) { works.append(result.work) }
        return works.compactMap { work in
            let own = results.filter { $0.work == work && $0.isOwn }
            guard own.count > 1 else { return nil }
            let first = own[0].sample(.serverMicroseconds).median
            let ratios = own.dropFirst().map {
                "\($0.way) \(fixed($0.sample(.serverMicroseconds).median / first, 2))"
            }
            return "*\(work)*: beside presenced's own \(own[0].way): \(ratios.joined(separator: "; "))."
        }
    }
}
