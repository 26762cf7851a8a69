/// What one pass over a user's facts leaves for the rules: fixed size, whatever the number of sessions.
///
///     var evidence = Evidence(at: now, policy: policy, announced: record.announced, manual: nil, manualUntil: nil)
///     for session in sessions { evidence.add(session, policy) }
///     let verdict = evidence.verdict(at: now)
///     let wake = evidence.nextTransition(after: now)
///
/// The law that timers rest on: from the instant at which evidence was taken up to, not including, `nextTransition`,
/// the verdict does not change. So a timer has no rules of its own: when it fires, look again.
///
/// Every operation is constant and allocates nothing.
public struct Evidence: Sendable {
    /// The instant at which the sessions were judged live or not.
    public let takenAt: Timestamp

    /// What the rules need of the settings once all sessions were taken into account: evidence is copied, and settings are many.
    @usableFromInline let idleAfter: Int64
    @usableFromInline let awayAfter: Int64

    /// The public status that was last announced; a grace holds it.
    public let announced: Status

    /// What the user set by hand, ended or not.
    public let manual: ManualStatus?

    /// The first instant at which that does not hold any more; `distantFuture` if it has no end.
    public let manualUntil: Timestamp

    /// Live sessions, passive ones too.
    @usableFromInline var liveSessions = 0

    /// The strongest status that a live session brings with it.
    @usableFromInline var strongestBrought: SessionStatus?

    /// The earliest deadline of a live session.
    @usableFromInline var earliestDeadline = Timestamp.distantFuture

    /// The latest deadline of a live session.
    @usableFromInline var latestLiveDeadline = Timestamp.distantPast

    /// The latest deadline of a live session that is not passive.
    @usableFromInline var latestPresentDeadline = Timestamp.distantPast

    /// The end of the last grace that the ends of leases will leave.
    @usableFromInline var leaseGraceUntil = Timestamp.distantPast

    /// The end of the last grace.
    @usableFromInline var graceUntil = Timestamp.distantPast

    /// Until when a storm holds back that sessions were lost.
    @usableFromInline var stormUntil = Timestamp.distantPast

    /// The user's place among those whom a storm holds.
    public let pacing: UInt16

    /// The latest activity of live sessions that are not passive.
    @usableFromInline var latestActivity = Timestamp.distantPast

    /// Whether a live session that is not passive never reported activity.
    @usableFromInline var lacksReport = false

    /// Evidence without a session.
    ///
    /// - Parameters:
    ///   - now: the instant at which it is taken.
    ///   - policy: the settings in force.
    ///   - announced: the public status that was last announced.
    ///   - manual: what the user set by hand, or nil.
    ///   - manualUntil: the end of that, or nil if it has none. It may lie in the past.
    ///   - pacing: the user's place among those whom a storm holds.
    @inlinable
    public init(
        at now: Timestamp, policy: Policy, announced: Status, manual: ManualStatus?, manualUntil: Timestamp?,
        pacing: UInt16 = 0
    ) {
        self.pacing = pacing
        takenAt = now
        idleAfter = policy.idleAfter
        awayAfter = policy.awayAfter
        self.announced = announced
        self.manual = manual
        self.manualUntil = manualUntil ?? .distantFuture
    }

    /// Takes one more session into account, live, ended or run out.
    @inlinable
    public mutating func add(_ session: Session, _ policy: Policy) {
        guard session.closed == nil else {
            graceUntil = max(graceUntil, session.graceEnd(policy))
            if policy.storm != nil { hold(session, policy) }
            return
        }
        let deadline = session.deadline(policy)
        guard takenAt < deadline else {
            if policy.storm != nil { hold(session, policy) }
            return
        }
        liveSessions += 1
        earliestDeadline = min(earliestDeadline, deadline)
        latestLiveDeadline = max(latestLiveDeadline, deadline)
        if session.leasedUntil != nil, let ended = session.endedWithLease(policy) {
            leaseGraceUntil = max(leaseGraceUntil, ended.graceEnd(policy))
        }
        if let theirs = session.brought {
            if let strongest = strongestBrought {
                if theirs.isStronger(than: strongest) { strongestBrought = theirs }
            } else {
                strongestBrought = theirs
            }
        }
        guard !session.isPassive else { return }
        latestPresentDeadline = max(latestPresentDeadline, deadline)
        if let activity = session.activityAsSeen(policy) {
            latestActivity = max(latestActivity, activity)
        } else {
            lacksReport = true
        }
    }

    /// Of one who is offline to others already there is nothing to be held back.
    @inlinable
    mutating func hold(_ session: Session, _ policy: Policy) {
        guard announced != .offline else { return }
        stormUntil = max(stormUntil, session.stormRelease(policy, pacing: pacing))
    }

    /// Until when what was announced is held though no session is live: by a grace, or by a storm.
    @inlinable
    public var heldUntil: Timestamp { max(graceUntil, stormUntil) }

    /// The same of one who set that by hand. Who is invisible is offline to others already: a storm has nothing to hold back of him.
    @inlinable
    func hold(_ manual: ManualStatus?) -> Timestamp { manual == .invisible ? graceUntil : heldUntil }

    /// Whether it is a storm that holds it.
    @inlinable
    public var isHeldByStorm: Bool { stormUntil > graceUntil }

    /// Sessions live when the evidence was taken, passive ones too.
    @inlinable
    public var liveCount: Int { liveSessions }

    /// Whether one of them is not passive.
    @inlinable
    package var hasPresentSession: Bool { takenAt < latestPresentDeadline }

    /// When the user's key is gone if no heartbeat comes, passive sessions and graces included, those too that leases will leave; `distantPast` if it is
    /// already. He turns offline then at the latest: passive sessions alone keep nobody online.
    @inlinable
    public var latestDeadline: Timestamp {
        isPresent ? max(latestLiveDeadline, leaseGraceUntil, hold(manual(at: takenAt))) : .distantPast
    }

    /// Leases that end leave no graces: what falls silent may live elsewhere, and is not written down.
    package mutating func forgetGracesOfLeases() { leaseGraceUntil = .distantPast }

    /// Whether a session was live, or a grace ran, when the evidence was taken.
    @inlinable
    public var isPresent: Bool {
        liveSessions > 0 || takenAt < hold(manual(at: takenAt))
    }

    /// What the user set by hand, if that holds at an instant.
    @inlinable
    func manual(at now: Timestamp) -> ManualStatus? {
        now < manualUntil ? manual : nil
    }

    /// The status at an instant from `takenAt` up to, not including, `nextTransition`.
    ///
    /// Past that it is worthless but for one thing: nobody is shown live after all deadlines and graces.
    @inlinable
    public func verdict(at now: Timestamp) -> Verdict {
        let manual = manual(at: now)
        let hold = hold(manual)
        let isPresent = now < latestLiveDeadline || now < hold
        guard now < latestPresentDeadline else {
            if now < hold {
                let shown = manual == .invisible ? Status.offline : announced
                return Verdict(status: announced, publicStatus: shown, rule: .grace, isPresent: isPresent)
            }
            let rule = isPresent ? Rule.passiveOnly : Rule.noSession
            return Verdict(status: .offline, publicStatus: .offline, rule: rule, isPresent: isPresent)
        }
        if let status = manual?.status {
            return Verdict(status: status, publicStatus: status, rule: .manual, isPresent: isPresent)
        }
        let (status, rule) = unforced(at: now)
        if manual == .invisible {
            return Verdict(status: status, publicStatus: .offline, rule: .invisible, isPresent: isPresent)
        }
        return Verdict(status: status, publicStatus: status, rule: rule, isPresent: isPresent)
    }

    /// The status of a user with a live session who set none by hand.
    @inlinable
    func unforced(at now: Timestamp) -> (Status, Rule) {
        if let strongestBrought { return (strongestBrought.status, .sessionStatus) }
        if lacksReport { return (.online, .noActivityReport) }
        if now >= latestActivity.advanced(byMilliseconds: awayAfter) { return (.away, .activity) }
        if now >= latestActivity.advanced(byMilliseconds: idleAfter) { return (.idle, .activity) }
        return (.online, .activity)
    }

    /// The first instant after `now` at which the verdict may change if nothing is written; `distantFuture` if it never
    /// does. `now` is an instant at which the evidence holds, as a rule `takenAt`.
    @inlinable
    public func nextTransition(after now: Timestamp) -> Timestamp {
        var next = liveSessions > 0 ? earliestDeadline : .distantFuture
        guard now < latestPresentDeadline else {
            let manual = manual(at: now)
            if manual == .invisible, now < heldUntil { next = min(next, manualUntil) }
            let hold = hold(manual)
            return now < hold ? min(next, hold) : next
        }
        let manual = manual(at: now)
        if manual != nil { next = min(next, manualUntil) }
        guard manual?.status == nil, strongestBrought == nil, !lacksReport else { return next }
        let idle = latestActivity.advanced(byMilliseconds: idleAfter)
        if idle > now { next = min(next, idle) }
        let away = latestActivity.advanced(byMilliseconds: awayAfter)
        if away > now { next = min(next, away) }
        return next
    }
}
