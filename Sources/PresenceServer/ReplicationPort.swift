import Presence

/// What the RESP port needs of whoever keeps the other nodes of the cluster told: the daemon, or a test.
///
/// All methods may be called from any thread, event loops among them: none may wait.
public protocol ReplicationPort: Sendable {
    /// Whether this node has copied what all others hold that are there, as ``ReplicationSummary/isReady``: no client is served before. O(1).
    var isReady: Bool { get }

    /// How links and nodes are, as it was at most some ticks ago. O(nodes).
    func report() -> ReplicationSummary

    /// Calls `done` once, on any thread, with how many other nodes have everything that was written here before the call: as soon as they are at
    /// least `wanted`, or with `wanted` nil all nodes that are alive; or at the deadline.
    ///
    /// - Parameters:
    ///   - wanted: at least 1; nil: every node that is reachable, which is fulfilled at once if none is.
    ///   - timeoutMilliseconds: at least 0; nil waits without end.
    /// - Returns: takes the question back: nothing is kept of it from then on, and `done` is not called, unless that is under way.
    func whenHeld(
        byAtLeast wanted: Int?, timeoutMilliseconds: Int?, _ done: @escaping @Sendable (Int) -> Void
    ) -> @Sendable () -> Void

    /// All that is older than the stamp is gone here: the others are to forget it, too.
    func flushed(_ stamp: Stamp)

    /// This node will leave within so many seconds, 1 to 86 400: the others are told, and it owns no slots from now on. 0: it stays after all.
    func drain(seconds: Int)
}
