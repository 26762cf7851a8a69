import Synchronization

/// Wakes one task that waits: rung from any thread, and remembered if nobody waits.
final class Doorbell: Sendable {
    private struct State {
        var isRung = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    /// Guards two words; taken alone, and let go before the task is woken.
    private let state = Mutex(State())

    /// Wakes who waits, or who waits next.
    func ring() {
        let waiting = state.withLock { state in
            let waiting = state.waiting
            state.waiting = nil
            state.isRung = waiting == nil
            return waiting
        }
        waiting?.resume()
    }

    /// Returns when the bell rings, at once if it rang since the last wait. One task may wait at a time.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isRung = state.withLock { state in
                guard !state.isRung else {
                    state.isRung = false
                    return true
                }
                state.waiting = continuation
                return false
            }
            if isRung { continuation.resume() }
        }
    }
}
