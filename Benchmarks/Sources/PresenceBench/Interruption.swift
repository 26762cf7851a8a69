import Foundation
import Synchronization

/// What happens when this process is told to end, by the terminal (`SIGINT`), by its closing (`SIGHUP`) or otherwise (`SIGTERM`): processes
/// that it started end, what it made elsewhere is taken back, and only then it ends. A second signal ends it at once.
///
/// A crash runs nothing of this: processes then end because the system ends them (``StartedProcess``).
enum Interruption {
    private struct State {
        var actions: [(number: Int, run: @Sendable () -> Void)] = []
        var count = 0
        var sources: [any DispatchSourceSignal] = []
        var isEnding = false
    }

    private static let state = Mutex(State())

    /// Whether it was told to end: from then on only what is taken back may be done.
    static var isEnding: Bool { state.withLock { $0.isEnding } }

    /// Does something before the process ends; what was added last is done first. On a thread of its own, while others still run.
    ///
    /// - Returns: a number for `forget`.
    static func beforeEnd(_ action: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            state.count += 1
            state.actions.append((state.count, action))
            if state.sources.isEmpty {
                // Who writes where nobody reads any more gets an error, and is not the end of what is taken back.
                signal(SIGPIPE, SIG_IGN)
                state.sources = [SIGINT, SIGTERM, SIGHUP].map(watch)
            }
            return state.count
        }
    }

    /// It need not be done any more.
    static func forget(_ number: Int) { state.withLock { $0.actions.removeAll { $0.number == number } } }

    /// If the process was told to end, waits for that: the end of a run has no work left, and no error of it is the user's.
    static func waitIfEnding() {
        while isEnding { pause() }
    }

    private static func watch(_ number: Int32) -> any DispatchSourceSignal {
        let source = DispatchSource.makeSignalSource(
            signal: number, queue: DispatchQueue(label: "signal \(number)"))
        source.setEventHandler { end(128 + number) }
        // Until the source hears of it a signal ends the process as it comes; ignored before, it would be lost.
        let isHeard = DispatchSemaphore(value: 0)
        source.setRegistrationHandler {
            signal(number, SIG_IGN)
            isHeard.signal()
        }
        source.resume()
        isHeard.wait()
        return source
    }

    private static func end(_ code: Int32) {
        let actions = state.withLock { state in
            defer { state.isEnding = true }
            return state.isEnding ? nil : state.actions
        }
        guard let actions else { _exit(code) }
        for action in actions.reversed() { action.run() }
        exit(code)
    }
}
