import Presence

/// A time in which nobody looked at the time: the process was stopped, or the machine suspended.
///
/// It heard nobody meanwhile, neither its clients nor the other nodes, and the silence of its sessions says nothing. So what ran out meanwhile is held
/// until the others have told who lives: `stallHold` long, and no heartbeat counts for longer than the hard limit.
struct Stall: Sendable {
    /// How long nobody must have looked: every loop looks many times a second. In milliseconds.
    static let shortest: Int64 = 2_000
    /// For how long it is remembered once nobody is held any more, in milliseconds: looks may be late.
    static let memory: Int64 = 10_000

    /// Whether there was one, a while ago at most.
    private(set) var isRemembered = false
    /// When somebody looked last before it, and until when sessions are held.
    private(set) var since = Timestamp.distantPast
    private(set) var until = Timestamp.distantPast
    /// When the last one was noticed.
    private(set) var noticedAt = Timestamp.distantPast

    /// Whether what somebody notices has been noticed by somebody else.
    func isKnown(since begin: Timestamp) -> Bool { begin < noticedAt }

    mutating func notice(at now: Timestamp) { noticedAt = max(noticedAt, now) }

    /// Another one is over. One that begins before the last one's hold ends goes on with it.
    mutating func add(since begin: Timestamp, until end: Timestamp) {
        since = isRemembered && begin <= until ? min(since, begin) : begin
        until = max(until, end)
        isRemembered = true
    }

    /// When something that ends at `deadline` ends, if it is held over the stall.
    @inline(__always)
    func end(of deadline: Timestamp) -> Timestamp {
        isRemembered && deadline > since ? max(deadline, until) : deadline
    }

    mutating func forget(at now: Timestamp) {
        if now >= until.advanced(byMilliseconds: Stall.memory) { isRemembered = false }
    }
}

extension ShardState {
    /// Time goes on: notices that it stood still, and forgets when it did.
    @inline(__always)
    mutating func noteTime(_ now: Timestamp) {
        if now.milliseconds(since: lastAdvance) > Stall.shortest { noteStall(since: lastAdvance, at: now) }
        if stall.isRemembered { stall.forget(at: now) }
        lastAdvance = max(lastAdvance, now)
        toldUntil = max(toldUntil, now)
    }

    /// Nobody looked at the time from `last` until now.
    @inline(never)
    mutating func noteStall(since last: Timestamp, at now: Timestamp) {
        guard now.milliseconds(since: last) > Stall.shortest else { return }
        if !stall.isKnown(since: last) { counters.stalls += 1 }
        stall.notice(at: now)
        guard settings.stallHold > 0 else { return }
        stall.add(since: last, until: now.advanced(byMilliseconds: settings.stallHold))
    }

    /// What a stall makes of the facts of a session: one that ran out in it is held until it is over, but not past the hard limit and the margin. So is one
    /// that turned idle.
    ///
    /// What somebody ended is not held, nor what its home knows no more.
    @inline(never)
    func hold(_ facts: inout Session, ofServer server: UInt16, at now: Timestamp) {
        guard facts.closed == nil, facts.home != 0 else { return }
        if now < stall.until { holdActivity(&facts) }
        if hasLeases, let lease = leases[server], lease.end(of: facts, isHome: facts.home == stamps.node) != nil {
            return
        }
        let deadline = facts.deadline(settings.policy)
        let most = facts.heartbeat.advanced(
            byMilliseconds: settings.policy.heartbeatHardLimit + facts.marginMilliseconds)
        facts.stalledMilliseconds = max(min(stall.end(of: deadline), most).milliseconds(since: deadline), 0)
    }

    /// One who turned idle in the stall may have done something that nobody has read yet. Who was idle before is not held: what he did is told at once. Behind
    /// the hold all of it is looked at as it was.
    private func holdActivity(_ facts: inout Session) {
        guard let idle = facts.idleAsSeen(settings.policy) else { return }
        facts.stalledActivityMilliseconds = max(stall.end(of: idle).milliseconds(since: idle), 0)
    }
}
