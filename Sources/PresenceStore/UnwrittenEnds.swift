import Presence

/// Ends of leases that nobody wrote down, since another node could not be heard of (`endLeased`).
///
/// That a session ran out so is told for a margin, and then no record has it. Who was cut off or stopped for longer may have been told of a later deadline, and
/// nobody tells him anything else: he would bring the session back, as one that is at home here. So the last such end of each server is remembered until nobody
/// can take one of its sessions for live.
///
/// **Cost.** O(1); an end that is new is O(ends).
struct UnwrittenEnds {
    /// Servers that are remembered; beyond, the one whose lease ended first is forgotten.
    static let most = 1_024

    private struct End {
        /// Sessions of older incarnations ended then.
        var stamp: Stamp
        /// The first instant at which they were not live.
        var deadline: Timestamp
    }

    /// By the hashes of servers.
    private var ends: [UInt64: End] = [:]

    var isEmpty: Bool { ends.isEmpty }
    var count: Int { ends.count }

    /// A lease has ended.
    ///
    /// - Parameter begin: who had no sign of life since then is live nowhere.
    mutating func note(_ server: UInt64, _ stamp: Stamp, deadline: Timestamp, forgettingUpTo begin: Timestamp) {
        guard ends[server].map({ $0.stamp < stamp }) ?? true else { return }
        ends = ends.filter { $0.value.deadline > begin }
        if ends[server] == nil, ends.count >= UnwrittenEnds.most,
            let oldest = ends.min(by: { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) })
        {
            ends[oldest.key] = nil
        }
        ends[server] = End(stamp: stamp, deadline: deadline)
    }

    /// Whether a session that was at home here ended by one of these.
    func hasEnded(_ session: Session, of server: UInt64) -> Bool {
        guard let end = ends[server] else { return false }
        return session.incarnation < end.stamp && session.heartbeat < end.deadline
    }
}

extension ShardState {
    /// The lease of a server ended, and with it a session that others may have been told a later deadline of.
    mutating func noteUnwrittenEnd(of server: UInt16, _ end: Lease.End) {
        let life = settings.policy.heartbeatHardLimit + settings.peerMargin
        unwrittenEnds.note(
            servers.hash(of: server), end.stamp, deadline: end.deadline,
            forgettingUpTo: end.deadline.advanced(byMilliseconds: -life))
    }

    /// Whether an end that has not been carried through yet counted a session among those whom it ends.
    ///
    /// Of those without a home it counted who ran out by it; others lose theirs where the node at which they were says nothing of them.
    func isEnded(_ session: SessionRecord, by end: Lease.End) -> Bool {
        guard session.incarnation < end.stamp else { return false }
        if end.reason == .dropped { return true }
        if session.home == 0, stamps.node != 0 {
            return session.deadline(near: end.at, settings.policy) == end.deadline
        }
        return session.home == stamps.node && session.facts(near: end.at).heartbeat < end.deadline
    }

    /// What is to be told of a session that another node takes for live, and that ran out at home here long ago: it runs out now. Nil of any other.
    ///
    /// - Parameter server: as the session names it.
    func endedLongAgo(_ session: Session, ofServer server: [UInt8], at now: Timestamp) -> Session? {
        guard !unwrittenEnds.isEmpty, session.home == stamps.node, session.isLive(at: now, settings.policy),
            unwrittenEnds.hasEnded(session, of: hash.text(server))
        else { return nil }
        var ended = session
        ended.runOut(at: now)
        ended.home = 0
        return ended
    }
}
