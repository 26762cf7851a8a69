import PresenceCluster

/// A connection between two nodes, as the replicator and whoever carries its bytes name it. Never used again.
public struct LinkID: Hashable, Sendable {
    /// Its number, from 1.
    public let rawValue: UInt32
}

/// What a ``Replicator`` has to say to whoever runs it. All but ``close(_:)`` is news, for logs and for clients.
public enum ReplicatorAction: Sendable, Equatable {
    /// Send what ``Replicator/pull(_:room:into:at:)`` gives once more, then close.
    case close(LinkID)
    /// A link is open: who is at its other end, and in which settings both differ that should not.
    case opened(LinkID, node: UInt8, version: UInt16, differences: [SharedSettings.Difference])
    /// The settings in which nodes should agree are others here, or at a node that there is a link to: in which both differ now.
    case settings(node: UInt8, differences: [SharedSettings.Difference])
    /// A link is gone.
    case lost(LinkID, node: UInt8, reason: String)
    /// There will be no link, and why. The node is 0 if it did not get to say who it is.
    case refused(node: UInt8, reason: String)
    /// A node is otherwise than it was.
    case membership(Membership.Change)
    /// This node has copied all that another one knew, but for what it could not keep: so many records, in so many milliseconds.
    case copied(from: UInt8, records: UInt64, milliseconds: Int64)
    /// What a node told could not be kept here: so many images since this node began, and why the last could not. What was news is asked for again; what
    /// belonged to a copy comes by comparing, once it can be kept.
    case notKept(from: UInt8, images: UInt64, reason: String)
    /// A node missed more changes than the logs of so many shards hold: they are sent to it as a whole.
    case fellBehind(node: UInt8, shards: Int)
    /// All shards that a node was sent as a whole, unasked, have gone: so many records, in so many milliseconds.
    case resent(to: UInt8, shards: Int, records: UInt64, milliseconds: Int64)
    /// This node has copied from all who are there: it may be shown to clients as one that knows everybody. Those that are missing it has waited for in vain.
    case ready(missing: [UInt8])
    /// A range differed from a peer's in silence, and is mended: so many records were told.
    case mended(from: UInt8, records: Int)
}
