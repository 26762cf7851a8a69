import Presence
import Synchronization

@testable import PresenceServer

/// Other nodes that do what a test says.
final class FakeReplicationPort: ReplicationPort {
    /// Somebody who waits for other nodes.
    struct Waiter: Sendable {
        let wanted: Int?
        let milliseconds: Int?
        let done: @Sendable (Int) -> Void
    }

    private struct State {
        var summary = ReplicationSummary()
        var waiters: [Waiter] = []
        var flushes: [Stamp] = []
        var drains: [Int] = []
        var takenBack = 0
    }

    private let state = Mutex(State())

    var summary: ReplicationSummary {
        get { state.withLock { $0.summary } }
        set { state.withLock { $0.summary = newValue } }
    }
    var flushes: [Stamp] { state.withLock { $0.flushes } }
    var drains: [Int] { state.withLock { $0.drains } }

    /// Hands out who waits, once.
    func takeWaiters() -> [Waiter] {
        state.withLock { state in
            defer { state.waiters = [] }
            return state.waiters
        }
    }

    var isReady: Bool { summary.isReady }

    func report() -> ReplicationSummary { summary }

    func whenHeld(
        byAtLeast wanted: Int?, timeoutMilliseconds: Int?, _ done: @escaping @Sendable (Int) -> Void
    ) -> @Sendable () -> Void {
        state.withLock {
            $0.waiters.append(Waiter(wanted: wanted, milliseconds: timeoutMilliseconds, done: done))
        }
        return { self.state.withLock { $0.takenBack += 1 } }
    }

    /// Questions that were taken back, answered ones among them.
    var takenBack: Int { state.withLock { $0.takenBack } }

    func flushed(_ stamp: Stamp) { state.withLock { $0.flushes.append(stamp) } }

    func drain(seconds: Int) { state.withLock { $0.drains.append(seconds) } }
}
