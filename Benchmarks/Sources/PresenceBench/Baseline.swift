import Foundation

/// Counts that must not grow unnoticed: instructions, bytes allocated and bytes kept, by the name of what was counted.
///
/// Times are not among them: a count is the same on a busy machine. It is kept as JSON, a line a count, so that a change is read in the diff.
struct Baseline: Codable, Equatable {
    var counts: [String: Int]

    /// The share by which a count may differ before it is said.
    static let tolerance = 0.1

    init(_ counts: [String: Int]) { self.counts = counts }

    init(file: String) throws {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw BenchError("there is no \(file): `make bench-baseline` writes it")
        }
        do {
            self = try JSONDecoder().decode(Baseline.self, from: data)
        } catch {
            throw BenchError("\(file) is no baseline (\(error)): `make bench-baseline` writes it anew")
        }
    }

    func write(to file: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try (encoder.encode(self) + Data("\n".utf8)).write(to: URL(fileURLWithPath: file))
    }

    /// What a comparison found.
    struct Differences: Equatable {
        /// Why it fails: a line each.
        var failures: [String] = []
        /// What is that much cheaper: the baseline should be written anew, so that it stays so.
        var gains: [String] = []
    }

    /// Holds `present` against this baseline: more than a tenth above it fails, and so does a count that only one of them has.
    func compare(_ present: Baseline) -> Differences {
        var found = Differences()
        for name in Set(counts.keys).union(present.counts.keys).sorted() {
            guard let old = counts[name] else {
                found.failures.append("\(name): counted now, and not in the baseline")
                continue
            }
            guard let new = present.counts[name] else {
                found.failures.append("\(name): in the baseline, and not counted any more")
                continue
            }
            let line = "\(name): \(grouped(new)), the baseline is \(grouped(old))"
            if Double(new) > Double(old) * (1 + Baseline.tolerance) { found.failures.append(line) }
            if Double(new) < Double(old) * (1 - Baseline.tolerance) { found.gains.append(line) }
        }
        return found
    }
}
