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
        /// The present step, and when it began; nil between works.
        var step: (text: String, begun: ContinuousClock.Instant)?
        var hasPulse = false
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

    /// The next step begins: on a terminal one line tells how far the work is, for how long the step goes on, and how long all will take; elsewhere each step has its line.
    static func step(_ text: String) {
        state.withLock { state in
            let now = ContinuousClock.now
            if state.step != nil { state.done = min(state.done + 1, state.total) }
            state.step = (text, now)
            guard isTerminal else {
                write(stamp + text + "  " + rest(state, at: now) + "\n")
                return
            }
            draw(&state, at: now)
            if !state.hasPulse {
                state.hasPulse = true
                Thread.detachNewThread(pulse)
            }
        }
    }

    /// The work is over.
    static func end() {
        state.withLock { state in
            if state.isLive { write("\r\u{1B}[K") }
            state.isLive = false
            state.step = nil
        }
    }

    /// Draws the line anew twice a second, for as long as this process lives.
    @Sendable private static func pulse() {
        while true {
            usleep(500_000)
            state.withLock { state in
                if state.step != nil { draw(&state, at: .now) }
            }
        }
    }

    private static func draw(_ state: inout State, at now: ContinuousClock.Instant) {
        guard let step = state.step else { return }
        let took = Int(seconds(now - step.begun))
        write("\r\u{1B}[K" + stamp + step.text + (took > 0 ? ", \(took) s" : "") + "  " + rest(state, at: now))
        state.isLive = true
    }

    private static func rest(_ state: State, at now: ContinuousClock.Instant) -> String {
        guard state.total > 0 else { return "" }
        let present = state.step.map { seconds(now - $0.begun) } ?? 0
        return rest(done: state.done, total: state.total, elapsed: seconds(now - state.begun), present: present)
    }

    /// A bar and the time that is left.
    ///
    /// - Parameters:
    ///   - done: steps that are over, of `total`.
    ///   - elapsed: seconds since the first began.
    ///   - present: seconds since the present one began.
    static func rest(done: Int, total: Int, elapsed: Double, present: Double) -> String {
        let width = 20
        // The present step is as far as steps so far took, and never over.
        let mean = done > 0 ? (elapsed - present) / Double(done) : 0
        let part = mean > 0 ? min(0.95, present / mean) : 0
        let full = min(width, Int((Double(done) + part) / Double(total) * Double(width)))
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        guard done > 0 else { return "[\(bar)] \(done)/\(total)" }
        let left = mean * Double(total - done) - min(present, mean)
        return "[\(bar)] \(done)/\(total), \(Int(left)) s left"
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
