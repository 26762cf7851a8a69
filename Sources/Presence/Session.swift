/// The end of a session by a word of someone: a goodbye, a loss that was noticed, or a deletion.
///
/// A session whose TTL ran out has none: nobody wrote anything.
public struct Closure: Comparable, Hashable, Sendable {
    /// When it ended.
    public var at: Timestamp

    /// Whether it was lost and not closed on purpose.
    public var isLoss: Bool

    /// Whether the end may be held back from others for a while; false for a deletion, after which the key is gone.
    public var leavesGrace: Bool

    /// Whether it was the gateway's: its WebSocket closed, or, of a loss, the gateway was dropped. Only reasons of events depend on it.
    public var isOfGateway: Bool

    /// An end at an instant.
    @inlinable
    public init(at: Timestamp, isLoss: Bool, leavesGrace: Bool = true, isOfGateway: Bool = false) {
        self.at = at
        self.isLoss = isLoss
        self.leavesGrace = leavesGrace
        self.isOfGateway = isOfGateway
    }

    /// An end at an instant for a reason that somebody gave.
    public init(at: Timestamp, reason: Reason, leavesGrace: Bool = true) {
        self.init(
            at: at, isLoss: reason.isLoss, leavesGrace: leavesGrace,
            isOfGateway: reason == .wsDisconnect || reason == .dropped)
    }

    /// Why it ended, as far as it says: `leaseLost` stands for other silence, too (`Session.reason(of:_:)`), and `deleted` for all after which the key is gone.
    public var reason: Reason {
        guard leavesGrace else { return .deleted }
        if isLoss { return isOfGateway ? .dropped : .leaseLost }
        return isOfGateway ? .wsDisconnect : .disconnect
    }

    /// The order in which ends merge: the later goes first, of the same instant a goodbye, which may end what a loss left (`Session.leave`), then the gateway's.
    @inlinable
    public static func < (left: Closure, right: Closure) -> Bool {
        if left.at != right.at { return left.at < right.at }
        if left.isLoss != right.isLoss { return left.isLoss }
        if left.isOfGateway != right.isOfGateway { return right.isOfGateway }
        return left.leavesGrace && !right.leavesGrace
    }

    /// What two holders' ends of one session come to: the one that goes first, and no grace if either is a deletion. A key that was deleted does not come back
    /// since somebody said goodbye elsewhere.
    func joined(with other: Closure) -> Closure {
        var end = max(self, other)
        end.leavesGrace = leavesGrace && other.leavesGrace
        return end
    }
}

/// The facts of one session that the rules need: no id, no words.
///
/// A session is a join and not a last write: merging any number of copies, in any order, however often, gives the same
/// facts. What it brings with it and whether it is passive belong to the incarnation; changing them is a new CONNECT.
public struct Session: Sendable, Hashable {
    /// The stamp of the CONNECT that opened it. Only CONNECT opens; a newer one replaces all facts of an older one.
    public var incarnation: Stamp

    /// The last sign of life.
    public var heartbeat: Timestamp

    /// How long a sign of life lasts, in milliseconds. The policy's hard limit bounds it.
    public var ttlMilliseconds: Int64

    /// When a person last did something, or nil if that was never reported. No report is not inactivity.
    public var activity: Timestamp?

    /// A status that the session brings with it.
    public var brought: SessionStatus?

    /// Whether it makes nobody online by itself (a calendar, a bot).
    public var isPassive: Bool

    /// The node that it was last beaten at: the one that knows first of its heartbeats. 0 if nobody says.
    public var home: UInt8

    /// The deadline that its gateway's lease gives it in place of its own, or nil. Whoever takes the facts fills it in; it is not merged.
    public var leasedUntil: Timestamp?

    /// For how long past its deadline, and before its activity makes it idle, the word of its home is waited for, in milliseconds: 0 at its home.
    /// Whoever takes the facts fills it in; it is not merged.
    public var marginMilliseconds: Int64 = 0

    /// For how long past that it is held live, since the process of its holder stood still and could hear nobody, in milliseconds; 0 as a rule.
    /// Whoever takes the facts fills it in; it is not merged.
    public var stalledMilliseconds: Int64 = 0

    /// For how long past the instant at which its activity makes it idle it is held active, likewise, in milliseconds; 0 as a rule. Whoever takes the facts
    /// fills it in; it is not merged.
    public var stalledActivityMilliseconds: Int64 = 0

    /// How it was ended, or nil while it is open. An open session may still have run out of time.
    public var closed: Closure?

    /// A session from its facts.
    @inlinable
    public init(
        incarnation: Stamp, heartbeat: Timestamp, ttlMilliseconds: Int64, activity: Timestamp? = nil,
        brought: SessionStatus? = nil, isPassive: Bool = false, closed: Closure? = nil, home: UInt8 = 0
    ) {
        self.incarnation = incarnation
        self.heartbeat = heartbeat
        self.ttlMilliseconds = ttlMilliseconds
        self.activity = activity
        self.brought = brought
        self.isPassive = isPassive
        self.closed = closed
        self.home = home
    }

    /// The first instant at which it is not live if no heartbeat comes.
    @inlinable
    public func deadline(_ policy: Policy) -> Timestamp {
        if let leasedUntil {
            let end = isPassive ? leasedUntil : min(leasedUntil, hardLimit(policy))
            return end.advanced(byMilliseconds: stalledMilliseconds)
        }
        return heartbeat.advanced(
            byMilliseconds: life(policy) + marginMilliseconds + stalledMilliseconds)
    }

    /// When the policy's hard limit ends it if no heartbeat comes, whatever its TTL or its lease say. Passive sessions are not asked.
    @inlinable
    package func hardLimit(_ policy: Policy) -> Timestamp {
        heartbeat.advanced(byMilliseconds: policy.heartbeatHardLimit)
    }

    /// How long a heartbeat lasts, in milliseconds: the TTL, within the hard limit, which is not for passive sessions: they show nobody live.
    @inlinable
    public func life(_ policy: Policy) -> Int64 {
        isPassive ? ttlMilliseconds : min(ttlMilliseconds, policy.heartbeatHardLimit)
    }

    /// Whether the hard limit ends it, and not its TTL or its lease.
    package func isCutByHardLimit(_ policy: Policy) -> Bool {
        guard !isPassive else { return false }
        if let leasedUntil { return hardLimit(policy) < leasedUntil }
        return policy.heartbeatHardLimit < ttlMilliseconds
    }

    /// The last activity, moved on by the margin if its home may know of a later one that keeps him from turning idle.
    ///
    /// Who is idle is told to be so no more at once; and at its last heartbeat its home knew of no later activity.
    @inlinable
    func activityAsSeen(_ policy: Policy) -> Timestamp? {
        guard marginMilliseconds | stalledActivityMilliseconds != 0, let activity else { return activity }
        let idle = activity.advanced(byMilliseconds: min(policy.idleAfter, policy.awayAfter))
        let margin = idle <= heartbeat ? 0 : marginMilliseconds
        return activity.advanced(byMilliseconds: margin + stalledActivityMilliseconds)
    }

    /// When its activity makes it idle or away first, as seen; nil if none was ever reported.
    package func idleAsSeen(_ policy: Policy) -> Timestamp? {
        activityAsSeen(policy)?.advanced(byMilliseconds: min(policy.idleAfter, policy.awayAfter))
    }

    /// Whether it is open and its last sign of life still lasts.
    @inlinable
    public func isLive(at now: Timestamp, _ policy: Policy) -> Bool {
        closed == nil && now < deadline(policy)
    }

    /// The first instant at which its end is announced; `distantPast` if nothing holds that back.
    ///
    /// Only a session that was live and not passive when it was ended leaves a grace, and never past its deadline: that a
    /// loss was noticed must not show anyone for longer than if it had not been. Of a gateway's session that is later (`endOfGateway(_:isTold:_:)`).
    @inlinable
    public func graceEnd(_ policy: Policy) -> Timestamp {
        let deadline = deadline(policy)
        guard let closed, closed.leavesGrace, !isPassive, closed.at < deadline else { return .distantPast }
        return min(policy.graceEnd(of: closed), deadline)
    }

    /// Why it went by an end. That of a session that ran out is written down where a storm holds it back, at its deadline; time ended it all the same.
    package func reason(of end: Closure, _ policy: Policy) -> Reason {
        guard end.reason == .leaseLost, end.at >= deadline(policy) else { return end.reason }
        return isCutByHardLimit(policy) ? .hardLimit : .heartbeatTimeout
    }

    /// Until when its end is remembered: until nobody can take it for live any more, which is for a TTL from the end on, and until its grace is over.
    ///
    /// Not for a TTL from the last heartbeat that is known: where it was ended away from its home nobody knew until when it had been beaten there. A tombstone that
    /// was over by then left nothing to tell the home of, whose next word brought the session back. At all nodes it is as long, so that they know the same.
    package func tombstoneEnd(_ policy: Policy) -> Timestamp {
        let end = closed?.at.advanced(byMilliseconds: life(policy)) ?? .distantPast
        return max(deadline(policy), graceEnd(policy), end)
    }

    /// Until when its end is held back from others, by a grace or a storm; `distantPast` if it lives at `now`, or nothing holds it.
    ///
    /// - Parameters:
    ///   - now: when that is asked.
    ///   - pacing: the user's place among those whom a storm holds.
    ///   - policy: the settings in force.
    @inlinable
    public func heldUntil(at now: Timestamp, pacing: UInt16, _ policy: Policy) -> Timestamp {
        guard !isLive(at: now, policy) else { return .distantPast }
        return policy.storm == nil
            ? graceEnd(policy) : max(graceEnd(policy), stormRelease(policy, pacing: pacing))
    }

    /// The end of a session whose gateway was dropped, or keeps it alive by a lease: with the lease, or before.
    ///
    /// A gateway's end is not the people's, who need time to come back: the grace is theirs in full, whatever was left of the TTL, but not past the hard limit. Had
    /// a loss under a lease not been noticed, the lease's end would have left as much, and later. So the TTL, which counts for nothing else from now on, reaches that far.
    ///
    /// - Parameters:
    ///   - closure: the end.
    ///   - isTold: whether other nodes were told that it lives. If its lease reaches beyond its TTL, they were told heartbeats with which the TTL ends no later than the
    ///     lease does, and it has the last of them from now on.
    ///   - policy: the settings in force.
    package mutating func endOfGateway(_ closure: Closure, isTold: Bool, _ policy: Policy) {
        let hardLimit = hardLimit(policy)
        // Behind the end in any case: who ended when his TTL did was silent, which leaves no grace.
        let reach = min(max(policy.graceEnd(of: closure), closure.at.advanced(byMilliseconds: 1)), hardLimit)
        if isTold, let leasedUntil {
            heartbeat = max(heartbeat, min(closure.at, leasedUntil.advanced(byMilliseconds: -life(policy))))
        }
        leasedUntil = nil
        closed = closure
        ttlMilliseconds = max(ttlMilliseconds, min(reach.milliseconds(since: heartbeat), Session.greatestExactTTL))
    }

    /// The facts as they are once its gateway's lease has ended, if that is what ends it; nil if it has none, or is over by then.
    @usableFromInline
    package func endedWithLease(_ policy: Policy) -> Session? {
        guard closed == nil, let leasedUntil,
            isPassive || leasedUntil <= hardLimit(policy)
        else { return nil }
        var ended = self
        ended.endOfGateway(Closure(at: leasedUntil, isLoss: true), isTold: false, policy)
        return ended
    }

    /// What this session alone says, manual status aside: `offline` if it is not live, then what it brings, then
    /// `online`, `idle` or `away` by its activity.
    @inlinable
    public func status(at now: Timestamp, _ policy: Policy) -> Status {
        guard isLive(at: now, policy) else { return .offline }
        if let brought { return brought.status }
        guard let activity = activityAsSeen(policy) else { return .online }
        if now >= activity.advanced(byMilliseconds: policy.awayAfter) { return .away }
        if now >= activity.advanced(byMilliseconds: policy.idleAfter) { return .idle }
        return .online
    }

    /// Whether a record of the user is better written from this session than from `other`: not passive goes before
    /// passive, then the more present status, the later activity, the later heartbeat, the newer incarnation.
    @inlinable
    public func isMorePresent(than other: Session, at now: Timestamp, _ policy: Policy) -> Bool {
        let mine = status(at: now, policy)
        let others = other.status(at: now, policy)
        if (mine == .offline) != (others == .offline) { return others == .offline }
        if isPassive != other.isPassive { return other.isPassive }
        if mine != others { return mine > others }
        let acted = activity ?? .distantPast
        let othersActed = other.activity ?? .distantPast
        if acted != othersActed { return acted > othersActed }
        if heartbeat != other.heartbeat { return heartbeat > other.heartbeat }
        return incarnation > other.incarnation
    }

    /// A sign of life.
    ///
    /// - Parameters:
    ///   - now: when it came; an instant before the last heartbeat moves nothing back.
    ///   - isActive: whether a person did something.
    ///   - ttlMilliseconds: a new TTL, or nil to keep the old one.
    ///   - policy: the settings in force.
    /// - Returns: false, and nothing changes, if the session is not live: a late heartbeat never resurrects.
    @inlinable
    public mutating func beat(
        at now: Timestamp, isActive: Bool, ttlMilliseconds: Int64? = nil, _ policy: Policy
    ) -> Bool {
        guard isLive(at: now, policy) else { return false }
        heartbeat = max(heartbeat, now)
        if let ttlMilliseconds { self.ttlMilliseconds = ttlMilliseconds }
        if isActive { activity = max(activity ?? .distantPast, now) }
        return true
    }

    /// Ends the session.
    ///
    /// - Returns: false, and nothing changes, if it is not live any more: its end was another.
    @inlinable
    public mutating func close(_ closure: Closure, _ policy: Policy) -> Bool {
        close(closure, isTold: false, policy)
    }

    /// The same of a session of which other nodes may have been told (`endOfGateway(_:isTold:_:)`).
    @usableFromInline
    package mutating func close(_ closure: Closure, isTold: Bool, _ policy: Policy) -> Bool {
        guard isLive(at: closure.at, policy) else { return false }
        if leasedUntil != nil, closure.leavesGrace {
            endOfGateway(closure, isTold: isTold, policy)
        } else {
            closed = closure
        }
        return true
    }

    /// A goodbye to a session that was lost, while others are not told of that: it ends as if nobody had noticed the loss, now and on purpose.
    ///
    /// A goodbye is a sign of life, so one that had run out did not before.
    ///
    /// - Parameters:
    ///   - goodbye: the end, which is no loss.
    ///   - pacing: the user's place among those whom a storm holds.
    ///   - policy: the settings in force.
    /// - Returns: false, and nothing changes, if it is live, said goodbye before, or its end is not held back by a grace or a storm.
    public mutating func leave(_ goodbye: Closure, pacing: UInt16 = 0, _ policy: Policy) -> Bool {
        let now = goodbye.at
        guard closed?.isLoss ?? true, now < heldUntil(at: now, pacing: pacing, policy) else { return false }
        if deadline(policy) <= now { heartbeat = max(heartbeat, now) }
        leasedUntil = nil
        // The clock of the node that noticed the loss may be ahead.
        var goodbye = goodbye
        goodbye.at = max(now, closed?.at ?? now)
        closed = goodbye
        return true
    }

    /// 70 minutes: within what the store's record of a session holds to the millisecond.
    private static let greatestExactTTL: Int64 = 1 << 22

    /// Makes it run out at an instant, as if its TTL had ended then: what others know of its last heartbeat gives way to that, and a heartbeat after it,
    /// wherever it was taken, goes before it.
    ///
    /// - Parameter instant: behind the last heartbeat.
    package mutating func runOut(at instant: Timestamp) {
        ttlMilliseconds = min(max(instant.milliseconds(since: heartbeat) - 1, 0), Session.greatestExactTTL)
        heartbeat = instant.advanced(byMilliseconds: -ttlMilliseconds)
    }

    /// Joins another holder's facts of the same session id.
    ///
    /// The newer incarnation wins whole. Of the same one: ended by either (the later end), the greatest of heartbeat, TTL and
    /// home, which go together, and the later activity.
    public mutating func merge(_ other: Session) {
        guard incarnation == other.incarnation else {
            if other.incarnation > incarnation { self = other }
            return
        }
        if let end = other.closed { closed = end.joined(with: closed ?? end) }
        if (heartbeat, ttlMilliseconds, home) < (other.heartbeat, other.ttlMilliseconds, other.home) {
            heartbeat = other.heartbeat
            ttlMilliseconds = other.ttlMilliseconds
            home = other.home
        }
        if let acted = other.activity { activity = max(activity ?? acted, acted) }
        // One CONNECT gives one value of these; should copies differ, the outcome still does not depend on the order.
        if let theirs = other.brought, brought.map({ theirs.isStronger(than: $0) }) ?? true { brought = theirs }
        isPassive = isPassive && other.isPassive
    }
}
