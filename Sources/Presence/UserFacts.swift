/// All facts of one user as a plain value: what replicas exchange and merge, and what models compute with.
///
/// The store packs the same facts into a record of bytes; this is the readable form. Merging is a join: any number of
/// copies, in any order, however often, give the same facts. Memory and time are linear in the sessions.
public struct UserFacts: Sendable, Hashable {
    /// The sessions by id, ended ones too while their end may still be news to someone.
    public var sessions: [[UInt8]: Session] = [:]

    /// The status set by hand.
    public var manual = Register<ManualStatus>()

    /// The activity text.
    public var text = Register<[UInt8]>()

    /// The latest activity or clean close that could be seen, or nil.
    public var lastSeen: Timestamp?

    /// A user of whom nothing is known.
    public init() {}

    /// The evidence that these facts are at an instant.
    ///
    /// - Parameters:
    ///   - now: the instant.
    ///   - policy: the settings in force.
    ///   - announced: the public status last announced, which a grace holds.
    public func evidence(at now: Timestamp, policy: Policy, announced: Status) -> Evidence {
        var evidence = Evidence(
            at: now, policy: policy, announced: announced, manual: manual.value, manualUntil: manual.until)
        for session in sessions.values { evidence.add(session, policy) }
        return evidence
    }

    /// Joins another holder's facts of the same user.
    public mutating func merge(_ other: UserFacts) {
        for (id, session) in other.sessions {
            if var mine = sessions[id] {
                mine.merge(session)
                sessions[id] = mine
            } else {
                sessions[id] = session
            }
        }
        manual.merge(other.manual)
        text.merge(other.text)
        if let theirs = other.lastSeen { lastSeen = max(lastSeen ?? theirs, theirs) }
    }
}
