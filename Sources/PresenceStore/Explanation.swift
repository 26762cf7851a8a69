import Presence

/// Why a user is shown as he is: every fact with its age, the clocks, what decides and what does not, what comes next, what is held back.
///
/// It tells the whole truth, so it is for those who run the server. `lines(node:)` is the text of `PRESENCE.EXPLAIN`.
public struct Explanation: Sendable {
    /// One session, live or ended a while ago.
    public struct SessionFacts: Sendable {
        /// Its id.
        public var id: [UInt8]
        /// The facts that the rules take.
        public var facts: Session
        /// Its device, platform and server, as given.
        public var device: [UInt8]?
        /// Its platform, as given.
        public var platform: [UInt8]?
        /// The server that holds it, as given.
        public var server: [UInt8]?
        /// The first instant at which it is not live if no heartbeat comes.
        public var deadline: Timestamp
        /// Until when its end is not announced, by a grace or a storm; `distantPast` if nothing holds that back.
        public var graceEnd: Timestamp
        /// What it says by itself.
        public var status: Status
    }

    /// What a viewer sees, and by which of the target's words.
    public struct ViewerFacts: Sendable {
        /// The viewer's id.
        public var id: [UInt8]
        /// What he sees.
        public var view: UserView
        /// Why.
        public var rule: ViewRule
        /// Since when he is a friend, if he is.
        public var friendSince: Timestamp?
        /// Since when he is blocked, if he is.
        public var blockedSince: Timestamp?
        /// Since when he blocks the target himself, if he does.
        public var hasBlockedSince: Timestamp?
        /// Whether the target is on his list; nil within a transaction, where lists cannot be asked.
        public var isWatching: Bool?
    }

    /// The user's id.
    public var id: [UInt8]
    /// The instant of the look.
    public var now: Timestamp
    /// The settings that the rules depend on.
    public var policy: Policy
    /// Whether anything is known of him; if not, what follows is empty.
    public var isKnown = false
    /// What the facts say.
    public var verdict = Verdict(status: .offline, publicStatus: .offline, rule: .noSession, isPresent: false)
    /// All rules in the order in which they are asked.
    public var rules: [ConsideredRule] = []
    /// The stamp of the last change of the public status.
    public var version = Stamp.zero
    /// The last change of the public status, as it was announced; nil if the ring does not have it any more, or something newer of his text.
    public var lastChange: StatusChange?
    /// When he was last seen.
    public var lastSeen: Timestamp?
    /// What he set by hand, ended or not.
    public var manual = Register<ManualStatus>()
    /// The activity text, the write that set it, and its end.
    public var text: (value: [UInt8], stamp: Stamp, until: Timestamp?)?
    /// His sessions.
    public var sessions: [SessionFacts] = []
    /// Who may see what of him.
    public var privacy = Privacy()
    /// Edges that hold.
    public var relationCount = 0
    /// Viewers that have him on their lists.
    public var watcherCount = 0
    /// When the status may change if nobody writes, and what he is then; nil if it never does. Ends of `manual` and `text` may come before.
    public var next: (at: Timestamp, verdict: Verdict)?
    /// Until when his being offline is held back, if no session is live, and whether a storm holds it.
    public var held: (until: Timestamp, byStorm: Bool)?
    /// What a viewer sees, if one was named.
    public var viewer: ViewerFacts?
}
