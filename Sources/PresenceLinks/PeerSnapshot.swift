import Presence
import PresenceCluster
import PresenceReplication
import Synchronization

/// What the links of a node are like at one moment, for any thread.
public struct PeerSnapshot: Sendable {
    /// What the replicator says of each peer.
    public let report: ReplicationReport
    /// What the links count.
    public let counters: LinkCounters
    /// Bytes that wait for the sockets of linked nodes, by their numbers. What is to be told beyond that is not made yet.
    public let bytesWaiting: [UInt8: Int]
    /// Clients that wait until other nodes have what was written.
    public let waiting: Int
    /// Why the last link to a node ended or could not be made, by the nodes' numbers; of none to whom there is a link.
    public let failures: [UInt8: String]
    /// When this was.
    public let at: Timestamp
}

/// What the links' thread lets others see, and whom it tells. The locks are held for a copy of a reference.
final class Shown: Sendable {
    /// Of the newest snapshot: each client that comes asks.
    private let isReadyNow = Atomic(false)
    private let snapshot = Mutex<PeerSnapshot?>(nil)
    private let membership = Mutex<(view: ClusterView?, listener: (@Sendable (ClusterView) -> Void)?)>((nil, nil))

    /// The newest snapshot; nil before the start.
    var newest: PeerSnapshot? { snapshot.withLock { $0 } }

    /// Whether this node is ready, as the newest snapshot says; false before the start.
    var isReady: Bool { isReadyNow.load(ordering: .acquiring) }

    func publish(_ new: PeerSnapshot) {
        snapshot.withLock { $0 = new }
        isReadyNow.store(new.report.isReady, ordering: .releasing)
    }

    /// Tells the listener, if there is one.
    func show(_ view: ClusterView) {
        let listener = membership.withLock { membership in
            membership.view = view
            return membership.listener
        }
        listener?(view)
    }

    /// Has another listener, which is told at once what was shown last.
    func listen(_ listener: @escaping @Sendable (ClusterView) -> Void) {
        let view = membership.withLock { membership in
            membership.listener = listener
            return membership.view
        }
        if let view { listener(view) }
    }
}
