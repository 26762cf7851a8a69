/// One task waits until any thread rings.
///
/// A ring that comes while nobody waits is kept: the next wait is over at once. Cancellation of the task that waits ends the wait, for good.
final class Doorbell: Sendable {
    private struct State {
        var hasRung = false
        var isCancelled = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    /// Ends the wait, or the next one.
    func ring() { wake { $0.hasRung = true } }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Waits for a ring; for one task at a time. False once the task is cancelled.
    func wait() async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    guard !state.hasRung && !state.isCancelled else { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            wake { $0.isCancelled = true }
        }
        return state.withLock { state in
            state.hasRung = false
            return !state.isCancelled
        }
    }
}
