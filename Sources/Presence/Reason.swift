/// Why a status changed; part of every event.
///
/// Raw values are kept in records and rings, so a case keeps its number.
public enum Reason: UInt8, Hashable, Sendable, CaseIterable {
    /// A session was opened.
    case connect = 0
    /// A session said goodbye.
    case disconnect
    /// A gateway saw its WebSocket close.
    case wsDisconnect
    /// Heartbeats stayed away for the session's TTL.
    case heartbeatTimeout
    /// Heartbeats stayed away for `heartbeat-hard-limit`.
    case hardLimit
    /// The gateway that held the session stopped renewing its lease.
    case leaseLost
    /// The gateway that held the session was dropped.
    case dropped
    /// Nobody acted for `idle-after` or `away-after`, as they are now.
    case inactivity
    /// Somebody acted. Or a limit was raised, and what he did last counts again.
    case activity
    /// The user set or cleared a status by hand.
    case manual
    /// A status set by hand came to its end.
    case manualEnded
    /// A session brought a status with it, or took it away.
    case sessionStatus
    /// Nobody came back within `disconnect-grace` or `lost-grace`.
    case graceEnded
    /// The key was deleted.
    case deleted
    /// The memory was needed.
    case evicted
    /// Everything was deleted.
    case flushed
    /// It was read back from disk.
    case restored
    /// Another node knew better.
    case merged

    /// The word used in events, lower case.
    public var word: StaticString {
        switch self {
        case .connect: "connect"
        case .disconnect: "disconnect"
        case .wsDisconnect: "ws_disconnect"
        case .heartbeatTimeout: "heartbeat_timeout"
        case .hardLimit: "hard_limit"
        case .leaseLost: "lease_lost"
        case .dropped: "dropped"
        case .inactivity: "inactivity"
        case .activity: "activity"
        case .manual: "manual"
        case .manualEnded: "manual_ended"
        case .sessionStatus: "session_status"
        case .graceEnded: "grace_ended"
        case .deleted: "deleted"
        case .evicted: "evicted"
        case .flushed: "flushed"
        case .restored: "restored"
        case .merged: "merged"
        }
    }

    /// The reason of a word, or nil. Words are lower case and compared byte by byte.
    public init?(word: Span<UInt8>) {
        for reason in Reason.allCases where word.isEqual(to: reason.word) {
            self = reason
            return
        }
        return nil
    }

    /// Whether a session that someone ends for this reason was lost (reset, ping time-out, dead gateway) and not closed
    /// on purpose: then `lost-grace` holds the announcement back, else `disconnect-grace`.
    @inlinable
    public var isLoss: Bool {
        switch self {
        case .heartbeatTimeout, .leaseLost, .dropped: true
        default: false
        }
    }
}
