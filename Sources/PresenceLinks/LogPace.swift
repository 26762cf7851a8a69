/// Keeps lines of one kind from flooding the log: one is written, then none for a while, and the next says how many were left out.
///
/// A value that is handed the time. Remembers 256 kinds; if there are more, the ones that were silent longest are forgotten.
struct LogPace {
    private struct Kind {
        var lastWritten: Int64
        var leftOut = 0
    }

    private var kinds: [String: Kind] = [:]
    private static let maximum = 256

    /// Whether a line is to be written now, and how many of its kind were left out before it; nil to leave it out.
    ///
    /// - Parameters:
    ///   - kind: what the line is about.
    ///   - interval: milliseconds between two lines of the kind.
    ///   - now: milliseconds of any clock.
    mutating func take(_ kind: String, every interval: Int64, at now: Int64) -> Int? {
        if var known = kinds[kind] {
            guard now - known.lastWritten >= interval else {
                known.leftOut += 1
                kinds[kind] = known
                return nil
            }
            kinds[kind] = Kind(lastWritten: now)
            return known.leftOut
        }
        if kinds.count == Self.maximum, let oldest = kinds.min(by: { $0.value.lastWritten < $1.value.lastWritten }) {
            kinds[oldest.key] = nil
        }
        kinds[kind] = Kind(lastWritten: now)
        return 0
    }

    /// Kinds that are remembered.
    var remembered: Int { kinds.count }

    /// The next line of the kind is written in any case.
    mutating func forget(_ kind: String) { kinds[kind] = nil }
}
