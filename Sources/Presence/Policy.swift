/// The settings that the rules depend on. All are durations in milliseconds, 0 or more.
public struct Policy: Sendable, Hashable {
    /// Nobody is shown live so long after his last heartbeat, whatever TTL was asked for (`heartbeat-hard-limit`).
    public var heartbeatHardLimit: Int64 = 300_000

    /// So long after the last activity a session is idle (`idle-after`).
    public var idleAfter: Int64 = 300_000

    /// So long after the last activity a session is away (`away-after`). If it is not above `idleAfter`, nobody is idle
    /// by inactivity.
    public var awayAfter: Int64 = 1_800_000

    /// So long is a goodbye not announced (`disconnect-grace`).
    public var disconnectGrace: Int64 = 0

    /// So long is a loss that was noticed not announced (`lost-grace`).
    public var lostGrace: Int64 = 15_000

    /// The storm that is on, nil in fair weather. It comes and goes by what is seen of all sessions, not by a setting.
    public var storm: Storm?

    /// What the two graces were before they were made longer. It is a fact of a process that lives on, not a setting.
    @usableFromInline var shorterDisconnectGrace = ShorterGrace()
    @usableFromInline var shorterLostGrace = ShorterGrace()

    /// The defaults.
    @inlinable
    public init() {}

    /// How long the end of a session is not announced.
    @inlinable
    public func grace(isLoss: Bool) -> Int64 {
        isLoss ? lostGrace : disconnectGrace
    }

    /// The first instant at which the end of a session is announced, as far as graces say.
    @inlinable
    func graceEnd(of end: Closure) -> Timestamp {
        let shorter = end.isLoss ? shorterLostGrace : shorterDisconnectGrace
        let length = end.at < shorter.before ? shorter.milliseconds : grace(isLoss: end.isLoss)
        return end.at.advanced(byMilliseconds: length)
    }

    /// Other limits take effect in the place of `old`: what time alone has made of these goes on, and whose grace is over at `now` is not given a longer one.
    package mutating func follow(_ old: Policy, at now: Timestamp) {
        storm = old.storm
        shorterDisconnectGrace = old.shorterDisconnectGrace.followed(by: disconnectGrace, old.disconnectGrace, at: now)
        shorterLostGrace = old.shorterLostGrace.followed(by: lostGrace, old.lostGrace, at: now)
    }
}

/// What a grace was for those for whom it was over when it was made longer. Who has ended stays ended, whoever hears of it, and whenever.
///
/// It is one instant and one length, however often the grace is changed: of all ends before that instant it holds that this length after them was over
/// when the grace was made longer. An end of the very millisecond in which that was for the first time so counts as one that came later.
@usableFromInline
struct ShorterGrace: Sendable, Hashable {
    /// Ends before this instant have the shorter grace.
    @usableFromInline var before = Timestamp.distantPast
    /// How long it is, in milliseconds.
    @usableFromInline var milliseconds: Int64 = 0

    @usableFromInline init() {}

    /// The same once the grace is `new` milliseconds long, and was `old`.
    func followed(by new: Int64, _ old: Int64, at now: Timestamp) -> ShorterGrace {
        let over = now.advanced(byMilliseconds: -old)
        guard new > old, over > before else { return self }
        var shorter = ShorterGrace()
        shorter.before = over
        shorter.milliseconds = old
        return shorter
    }
}
