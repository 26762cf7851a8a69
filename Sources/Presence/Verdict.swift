/// The rule that decided a status.
public enum Rule: UInt8, Hashable, Sendable, CaseIterable {
    /// No session is live: offline.
    case noSession = 0
    /// Only passive sessions are live, which make nobody online: offline.
    case passiveOnly
    /// The last session was ended a moment ago: the announced status is held until the grace is over.
    case grace
    /// The user set it by hand.
    case manual
    /// The user is invisible: others see offline, and his true status goes by the rules below.
    case invisible
    /// A session brought it along.
    case sessionStatus
    /// A live session never reported activity: online.
    case noActivityReport
    /// By the time of the last activity.
    case activity

    /// A word for explanations.
    public var word: StaticString {
        switch self {
        case .noSession: "no_session"
        case .passiveOnly: "passive_only"
        case .grace: "grace"
        case .manual: "manual"
        case .invisible: "invisible"
        case .sessionStatus: "session_status"
        case .noActivityReport: "no_activity_report"
        case .activity: "activity"
        }
    }
}

/// What the facts say about a user at one instant.
public struct Verdict: Sendable, Hashable {
    /// The true status, which only the user and trusted explanations may know.
    public var status: Status

    /// What services see: the true status, or `offline` while the user is invisible.
    public var publicStatus: Status

    /// Why.
    public var rule: Rule

    /// Whether a session is live, passive ones too, or a grace runs: to Redis's commands, whether the key exists.
    public var isPresent: Bool

    /// A verdict from its parts.
    @inlinable
    public init(status: Status, publicStatus: Status, rule: Rule, isPresent: Bool) {
        self.status = status
        self.publicStatus = publicStatus
        self.rule = rule
        self.isPresent = isPresent
    }
}
