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

    /// The defaults.
    @inlinable
    public init() {}

    /// How long the end of a session is not announced.
    @inlinable
    public func grace(isLoss: Bool) -> Int64 {
        isLoss ? lostGrace : disconnectGrace
    }
}
