import Foundation

/// What the benchmark is doing: lines on stderr, so that the tables on stdout can be kept alone.
enum Progress {
    private static let start = ContinuousClock.now

    /// Says what begins now.
    static func say(_ text: String) {
        let seconds = (ContinuousClock.now - start).components.seconds
        FileHandle.standardError.write(
            Data("[\(String(repeating: " ", count: max(0, 3 - "\(seconds)".count)))\(seconds) s] \(text)\n".utf8))
    }
}

/// Why a run cannot be trusted, or made at all.
struct BenchError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
