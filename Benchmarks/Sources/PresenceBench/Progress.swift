import Foundation
import Synchronization

/// What the benchmark is doing, on stderr, so that the tables on stdout can be kept alone: lines that stay, and on a terminal one that is
/// written over while a long work goes on.
enum Progress {
    private struct State {
        /// Whether the last line is one to be written over.
        var isLive = false
        var done = 0
        var total = 0
        var begun = ContinuousClock.now
    }

    private static let start = ContinuousClock.now
    private static let state = Mutex(State())
    private static let isTerminal = isatty(2) == 1

    /// Says what begins now; the line stays.
    static func say(_ text: String) {
        state.withLock { state in
            write((state.isLive ? "\r\u{1B}[K" : "") + stamp + text + "\n")
            state.isLive = false
        }
    }

    /// A work of so many steps begins.
    static func begin(steps: Int) {
        state.withLock { state in
            state.done = 0
            state.total = steps
            state.begun = ContinuousClock.now
        }
    }

    /// The next step begins: on a terminal one line tells how far the work is and how long it will take; elsewhere each step has its line.
    static func step(_ text: String) {
        state.withLock { state in
            let line = stamp + text + "  " + rest(state)
            write(isTerminal ? "\r\u{1B}[K" + line : line + "\n")
            state.isLive = isTerminal
            state.done = min(state.done + 1, state.total)
        }
    }

    /// The work is over.
    static func end() {
        state.withLock { state in
            if state.isLive { write("\r\u{1B}[K") }
            state.isLive = false
        }
    }

    private static func rest(_ state: State) -> String {
        guard state.total > 0 else { return "" }
        let width = 20
        let full = state.done * width / state.total
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        var text = "[\(bar)] \(state.done)/\(state.total)"
        if state.done > 0 {
            let elapsed = seconds(ContinuousClock.now - state.begun)
            text += ", \(Int(elapsed / Double(state.done) * Double(state.total - state.done))) s left"
        }
        return text
    }

    private static var stamp: String {
        let passed = "\(Int(seconds(ContinuousClock.now - start)))"
        return "[\(String(repeating: " ", count: max(0, 3 - passed.count)))\(passed) s] "
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}

/// Why a run cannot be trusted, or made at all.
struct BenchError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
