/// A time in which a large share of all sessions was lost at once: a gateway or a network died, and not the people.
///
/// What was lost from `heldFrom` on is not announced before `heldUntil`, and then not all at once. Who comes back meanwhile was never gone. Nobody is held
/// past the hard limit after his last heartbeat.
public struct Storm: Sendable, Hashable {
    /// When the first of the losses that make it a storm was seen.
    public var began: Timestamp
    /// Losses from this instant on are held. It lies before `began`, since a wheel that is late sees losses later than they were.
    public var heldFrom: Timestamp
    /// The first instant at which held losses are announced; losses from then on are not held any more.
    public var heldUntil: Timestamp
    /// For how long the announcements are spread out from then on, in milliseconds.
    public var spreadMilliseconds: Int64

    /// A storm from its parts; without `heldFrom`, losses from its begin on are held.
    public init(began: Timestamp, heldUntil: Timestamp, spreadMilliseconds: Int64, heldFrom: Timestamp? = nil) {
        self.began = began
        self.heldFrom = heldFrom ?? began
        self.heldUntil = heldUntil
        self.spreadMilliseconds = spreadMilliseconds
    }

    /// Until when the loss of a session is held; `distantPast` if it is not.
    ///
    /// - Parameters:
    ///   - session: the session, lost or run out.
    ///   - loss: when.
    ///   - pacing: the user's place among all that are held, 0 for the first, 65 535 for the last.
    @inlinable
    func release(of session: Session, lostAt loss: Timestamp, pacing: UInt16, _ policy: Policy) -> Timestamp {
        guard loss >= heldFrom, loss < heldUntil else { return .distantPast }
        let release = heldUntil.advanced(byMilliseconds: spreadMilliseconds * Int64(pacing) / 65_536)
        return min(release, session.heartbeat.advanced(byMilliseconds: policy.heartbeatHardLimit))
    }
}

extension Session {
    /// Until when a storm holds back that this session was lost, or ran out; `distantPast` if none does.
    ///
    /// A session that never beat was opened for a time and not kept alive by anyone: that it runs out is no loss.
    @inlinable
    public func stormRelease(_ policy: Policy, pacing: UInt16) -> Timestamp {
        guard let storm = policy.storm, !isPassive else { return .distantPast }
        let deadline = deadline(policy)
        if let closed {
            guard closed.isLoss, closed.leavesGrace, closed.at <= deadline else { return .distantPast }
            // At its deadline: it ran out.
            guard closed.at < deadline || heartbeat > incarnation.timestamp else { return .distantPast }
            return storm.release(of: self, lostAt: closed.at, pacing: pacing, policy)
        }
        guard heartbeat > incarnation.timestamp else { return .distantPast }
        return storm.release(of: self, lostAt: deadline, pacing: pacing, policy)
    }
}
