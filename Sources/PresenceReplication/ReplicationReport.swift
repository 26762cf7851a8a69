import Presence
import PresenceCluster
import PresenceStore

/// What a ``Replicator`` knows of itself at one moment, for those who run it.
public struct ReplicationReport: Sendable {
    /// One other node.
    public struct Peer: Sendable {
        /// Its line.
        public var node: ClusterNode
        /// How it is thought to be.
        public var member: Membership.Node
        /// Whether there is an open link, and since when.
        public var linkOpenedAt: PeerTime?
        /// Whether this node dialed.
        public var isDialed = false
        /// The version that is spoken; 0 without a link.
        public var version: UInt16 = 0
        /// The start of the peer that was seen last; 0 if none.
        public var incarnation: UInt64 = 0
        /// Its clock against ours; nil if it was not measured.
        public var clock: ClockOffset.Estimate?
        /// When a ping went to it last, and a pong came last, on the link that is open; nil for never.
        public var pingSent: PeerTime?
        /// See ``pingSent``.
        public var pongReceived: PeerTime?
        /// Changes of ours that it has not acknowledged; of shards that it must have as a whole, all.
        public var behind: UInt64 = 0
        /// Whether it was sent all records that were here when it came, the last of which may be on their way, and is told the rest as it happens.
        public var hasCopy = false
        /// Records sent to it of the copy under way, and how many there are; it may ask others for some of them. Of shards that it is sent as a whole because it
        /// missed too much, records of those; how many there are is what so many shards have on the average.
        public var copyOut: (done: UInt64, total: UInt64)?
        /// How old what it has not acknowledged is at least, in microseconds, to a tenth of a second; nil if it has acknowledged all.
        public var oldestLacking: Int64?
        /// Records that came of the copy from it, and how many it has, some of which others may send; nil once the copy is done.
        public var copyIn: (done: UInt64, total: UInt64)?
        /// How much of what it had when its link opened is here, whoever sent it, in percent; nil once the copy is done. On one link it only grows.
        public var copyInPercent: Int?
        /// What was counted.
        public var counters: PeerCounters
        /// Why the last image that could not be merged could not.
        public var lastRefusal: String?
    }

    /// This start of the node.
    public var incarnation: UInt64
    /// Whether it has copied from all who are there.
    public var isReady: Bool
    /// Milliseconds until it leaves; nil if it stays.
    public var drainLeft: Int64?
    /// Changes noted since the start.
    public var position: UInt64
    /// All others, by rising numbers.
    public var peers: [Peer]
    /// Connections that have not said who they are.
    public var greeting: Int
    /// What came from such, and was no frame.
    public var strayFrameErrors: UInt64
    /// Images that fit into no frame.
    public var oversizedImages: UInt64
}

extension Replicator {
    /// What is known now. O(peers * shards).
    public func report(at instant: PeerTime) -> ReplicationReport {
        advance(to: instant)
        let ends = positions().map(\.position)
        return ReplicationReport(
            incarnation: incarnation, isReady: isReady,
            drainLeft: drainsUntil.map { max(0, $0.milliseconds(since: now)) }, position: ends.reduce(0, &+),
            peers: peers.compactMap { describe($0, ends) }, greeting: links.values.count { $0.openedAt == nil },
            strayFrameErrors: strayFrameErrors, oversizedImages: oversizedImages)
    }

    private func describe(_ peer: PeerState, _ ends: [UInt64]) -> ReplicationReport.Peer? {
        guard let member = membership.node(peer.number) else { return nil }
        var report = ReplicationReport.Peer(node: peer.node, member: member, counters: peer.counters)
        report.incarnation = peer.incarnation
        report.hasCopy = peer.hasCopy
        report.lastRefusal = peer.lastRefusal?.message
        for shard in ends.indices { report.behind &+= peer.lacking(shard, before: ends[shard]) }
        report.oldestLacking = peer.mark.map { now.microseconds - $0.at.microseconds }
        guard let link = openLink(to: peer) else { return report }
        report.linkOpenedAt = link.openedAt
        report.isDialed = link.dialed != nil
        report.version = link.version
        report.pingSent = link.pingSent
        report.pongReceived = link.pongReceived
        report.clock = link.clock.estimate(at: now.microseconds)
        report.copyOut = copyOut(to: peer)
        if let copy = peer.copyIn, !copy.isDone {
            report.copyIn = (copy.done, copy.total)
            report.copyInPercent = percent(of: copy, peer)
        }
        return report
    }

    private func percent(of copy: PeerState.CopyIn, _ peer: PeerState) -> Int {
        if copiesInParts(from: peer) { return peer.covered.nonzeroBitCount * 100 / CopyPlan.count }
        return copy.total == 0 ? 0 : Int(Double(copy.done) / Double(copy.total) * 100)
    }

    private func copyOut(to peer: PeerState) -> (done: UInt64, total: UInt64)? {
        // Of parts, as long as it has not said how far it is in each shard.
        let inParts = peer.shards.contains { $0.sending == .unknown } ? peer.handedOut?.done : nil
        if peer.copyOut == nil, let done = inParts { return (done, max(done, UInt64(store.recordCount()))) }
        return sent(to: peer)
    }
}
