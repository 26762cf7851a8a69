import Foundation
import Synchronization

/// The processes that this one has started: when it is told to end (`SIGTERM`, `SIGINT`), it ends them first.
enum StartedProcesses {
    private struct State {
        var pids: Set<Int32> = []
        var sources: [any DispatchSourceSignal] = []
    }

    private static let state = Mutex(State())

    static func add(_ pid: Int32) {
        state.withLock { state in
            state.pids.insert(pid)
            guard state.sources.isEmpty else { return }
            state.sources = [SIGTERM, SIGINT].map(watch)
        }
    }

    static func remove(_ pid: Int32) {
        state.withLock { _ = $0.pids.remove(pid) }
    }

    private static func watch(_ number: Int32) -> any DispatchSourceSignal {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler {
            for pid in state.withLock({ $0.pids }) { kill(pid, SIGTERM) }
            exit(128 + number)
        }
        source.resume()
        return source
    }
}
