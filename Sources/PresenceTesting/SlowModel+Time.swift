import Presence

/// What the model knows of one session.
struct ModelSession: Sendable {
    /// When it was opened.
    var opened: Timestamp
    var heartbeat: Timestamp
    var ttl: Int64
    var activity: Timestamp?
    var brought: SessionStatus?
    var isPassive = false
    var closed: Timestamp?
    var isLoss = false
    /// Of one that ended with its gateway: until when the grace may last, however little was left of its TTL.
    var gatewayGraceLimit: Timestamp?
    var server: SlowModel.Name = ""
    /// The end of its server's lease, while that holds.
    var leasedUntil: Timestamp?

    func deadline(_ policy: Policy) -> Timestamp {
        let hardLimit = heartbeat.advanced(byMilliseconds: policy.heartbeatHardLimit)
        if let leasedUntil { return isPassive ? leasedUntil : min(leasedUntil, hardLimit) }
        return heartbeat.advanced(byMilliseconds: isPassive ? ttl : min(ttl, policy.heartbeatHardLimit))
    }

    /// The end of the grace after its end; nil if it was not ended, or leaves none.
    func graceEnd(_ policy: Policy) -> Timestamp? {
        guard let closed, !isPassive else { return nil }
        let grace = isLoss ? policy.lostGrace : policy.disconnectGrace
        return min(closed.advanced(byMilliseconds: grace), lifeAndGrace(policy))
    }

    /// What bounds its grace, too.
    func lifeAndGrace(_ policy: Policy) -> Timestamp { max(deadline(policy), gatewayGraceLimit ?? .distantPast) }

    /// Ends with its gateway, or under its lease: its people have the whole grace to come back, within the hard limit.
    mutating func endOfGateway(isLoss: Bool = true, at now: Timestamp, _ policy: Policy) {
        let hardLimit = heartbeat.advanced(byMilliseconds: policy.heartbeatHardLimit)
        let grace = isLoss ? policy.lostGrace : policy.disconnectGrace
        gatewayGraceLimit = min(now.advanced(byMilliseconds: grace), hardLimit)
        leasedUntil = nil
        closed = now
        self.isLoss = isLoss
    }

    /// The end of the grace that the end of its lease will leave; nil if it has none, or leaves none.
    func graceEndOfLease(_ policy: Policy) -> Timestamp? {
        guard closed == nil, let leasedUntil, leasedUntil == deadline(policy) else { return nil }
        var lost = self
        lost.endOfGateway(at: leasedUntil, policy)
        return lost.graceEnd(policy)
    }

    /// Until when a storm holds back that it was lost, or ran out though it had been kept alive; nil if none does.
    func stormEnd(_ policy: Policy) -> Timestamp? {
        guard let storm = policy.storm, !isPassive else { return nil }
        var loss = deadline(policy)
        if let closed {
            loss = lifeAndGrace(policy)
            guard isLoss, closed < loss || closed == loss && (gatewayGraceLimit != nil || heartbeat > opened)
            else { return nil }
            loss = closed
        } else if heartbeat <= opened {
            return nil
        }
        guard storm.heldFrom <= loss, loss < storm.heldUntil else { return nil }
        return min(storm.heldUntil, heartbeat.advanced(byMilliseconds: policy.heartbeatHardLimit))
    }

    /// Whether it was lost, and others are not told yet.
    func isHeldLoss(at now: Timestamp, _ policy: Policy) -> Bool {
        guard closed == nil ? now >= deadline(policy) : isLoss else { return false }
        return now < graceEnd(policy) ?? .distantPast || now < stormEnd(policy) ?? .distantPast
    }
}

/// What the model knows of one user, and the rules read out one after the other.
struct ModelUser: Sendable {
    var sessions: [SlowModel.Name: ModelSession] = [:]
    var manual: ManualStatus?
    var manualUntil = Timestamp.distantFuture
    var manualSince: Timestamp?
    var text: SlowModel.Name?
    var textUntil = Timestamp.distantFuture
    var lastSeen: Timestamp?
    var announced = Status.offline
    var changedAt: Timestamp?

    func live(at now: Timestamp, _ policy: Policy) -> [SlowModel.Name: ModelSession] {
        sessions.filter { $0.value.closed == nil && now < $0.value.deadline(policy) }
    }

    /// Up to when he was invisible, or may have been: nobody knows what he was before his last change.
    var hiddenUntil: Timestamp? { manual == .invisible ? manualUntil : manualSince }

    func manual(at now: Timestamp) -> ManualStatus? { now < manualUntil ? manual : nil }

    func isInGrace(at now: Timestamp, _ policy: Policy) -> Bool {
        sessions.values.contains { now < $0.graceEnd(policy) ?? .distantPast } || isInStorm(at: now, policy)
    }

    /// Of one who is offline to others already there is nothing to be held back.
    private func isInStorm(at now: Timestamp, _ policy: Policy) -> Bool {
        announced != .offline
            && sessions.values.contains {
                ($0.closed != nil || now >= $0.deadline(policy)) && now < $0.stormEnd(policy) ?? .distantPast
            }
    }

    func isPresent(at now: Timestamp, _ policy: Policy) -> Bool {
        !live(at: now, policy).isEmpty || isInGrace(at: now, policy)
    }

    /// The deadlines and ends of grace of all sessions.
    func ends(_ policy: Policy) -> [Timestamp] {
        let ends = sessions.values.compactMap { $0.closed == nil ? $0.deadline(policy) : $0.graceEnd(policy) }
        return ends + (announced == .offline ? [] : sessions.values.compactMap { $0.stormEnd(policy) })
    }

    /// When his key is gone if nothing comes, as far as his facts tell now: what a storm will hold of those who still live is not among them.
    func end(at now: Timestamp, _ policy: Policy) -> Timestamp? {
        let kept = sessions.values.filter { $0.closed != nil || now >= $0.deadline(policy) }
        let held = announced == .offline ? [] : kept.compactMap { $0.stormEnd(policy) }
        let ends = sessions.values.compactMap { $0.closed == nil ? $0.deadline(policy) : $0.graceEnd(policy) }
        return (ends + held + sessions.values.compactMap { $0.graceEndOfLease(policy) }).max()
    }

    func publicStatus(at now: Timestamp, _ policy: Policy) -> Status {
        manual(at: now) == .invisible ? .offline : trueStatus(at: now, policy)
    }

    func trueStatus(at now: Timestamp, _ policy: Policy) -> Status {
        let live = live(at: now, policy).values
        // 1. Without a live session that is not passive: offline, once a grace is over.
        guard live.contains(where: { !$0.isPassive }) else {
            return isInGrace(at: now, policy) ? announced : .offline
        }
        // 2. What he set by hand. Invisible says nothing about what he is himself.
        switch manual(at: now) {
        case .dnd: return .dnd
        case .away: return .away
        case .idle: return .idle
        case .invisible, nil: break
        }
        // 3. What a session brings, passive ones too: dnd over away over idle.
        if live.contains(where: { $0.brought == .dnd }) { return .dnd }
        if live.contains(where: { $0.brought == .away }) { return .away }
        if live.contains(where: { $0.brought == .idle }) { return .idle }
        // 4. The most present session that is not passive.
        return live.filter { !$0.isPassive }.map { session in
            guard let activity = session.activity else { return .online }
            let silence = now.milliseconds(since: activity)
            if silence >= policy.awayAfter { return .away }
            return silence >= policy.idleAfter ? .idle : .online
        }.max() ?? .offline
    }

    /// Every instant at which time alone may change something.
    func breakpoints(_ policy: Policy) -> Set<Timestamp> {
        var instants = Set(ends(policy))
        instants.insert(manualUntil)
        if text != nil { instants.insert(textUntil) }
        for activity in sessions.values.compactMap(\.activity) {
            instants.insert(activity.advanced(byMilliseconds: policy.idleAfter))
            instants.insert(activity.advanced(byMilliseconds: policy.awayAfter))
        }
        return instants
    }

    /// What passed at an instant, if the status changed there. Of one who is gone by then sessions that made him present come first.
    func reasonOfTime(at instant: Timestamp, _ policy: Policy) -> Reason {
        let isGone = trueStatus(at: instant, policy) == .offline
        let (present, passive) = (sessions.values.filter { !$0.isPassive }, sessions.values.filter(\.isPassive))
        for group in isGone ? [present, passive] : [present + passive] {
            if let session = group.first(where: { $0.closed == nil && $0.deadline(policy) == instant }) {
                return session.ttl > policy.heartbeatHardLimit && !session.isPassive ? .hardLimit : .heartbeatTimeout
            }
            let stormed = group.filter { $0.graceEnd(policy) != instant && $0.stormEnd(policy) == instant }
            if stormed.contains(where: {
                $0.heartbeat.advanced(byMilliseconds: policy.heartbeatHardLimit) == instant
            }) {
                return .hardLimit
            }
            if !stormed.isEmpty || group.contains(where: { $0.graceEnd(policy) == instant }) { return .graceEnded }
        }
        return manual != nil && manualUntil == instant ? .manualEnded : .inactivity
    }
}

/// Time goes by: the model stops at every instant at which something may change, and looks.
extension SlowModel {
    /// The first instant after `now` at which time alone may change something, events or not; `distantFuture` if none.
    public var nextChange: Timestamp {
        let ofUsers = users.values.flatMap { $0.breakpoints(policy) }
        let others = strings.values.compactMap(\.until) + leases.values
        return (ofUsers + others).filter { $0 > now }.min() ?? .distantFuture
    }

    /// Lets time go by up to an instant and announces every change at its own instant, of one instant in the order of
    /// the users' ids.
    ///
    /// - Parameter instant: not before `now`; else nothing happens.
    public mutating func advance(to instant: Timestamp) {
        while case let next = nextChange, next <= instant {
            now = next
            endLeases()
            for user in users.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
                if users[user]?.text != nil, users[user]?.textUntil == now {
                    activityEvents.append(
                        ActivityEvent(user: user, activity: nil, reason: .manualEnded, timestamp: now))
                }
                guard let reason = users[user]?.reasonOfTime(at: now, policy) else { continue }
                announce(user, reason)
            }
            forget()
        }
        now = max(now, instant)
    }

    /// Lets so many milliseconds go by.
    public mutating func advance(byMilliseconds interval: Int64) {
        advance(to: now.advanced(byMilliseconds: interval))
    }

    /// Drops what can have no effect any more. A storm holds nothing back of one who is offline to others, but it will when he is seen again.
    private mutating func forget() {
        for (name, user) in users {
            let kept = user.sessions.filter { _, session in
                now < (session.closed == nil ? session.deadline(policy) : session.graceEnd(policy) ?? .distantPast)
                    || now < session.stormEnd(policy) ?? .distantPast
            }
            if kept.count < user.sessions.count { users[name]?.sessions = kept }
        }
        strings = strings.filter { now < $0.value.until ?? .distantFuture }
    }
}
