import Presence

/// The store as one would write it on a blackboard: dictionaries, loops, no wheel, no packing, no locks.
///
/// It is written from the specification and shares no rule with `Evidence` or the store, so that a test can run both on
/// the same operations and compare. Embedders may use it the same way, or as a stand-in.
///
///     var model = SlowModel(at: clock.now())
///     model.connect("alice", session: "phone")
///     model.advance(byMilliseconds: 120_000)
///     model.takeEvents()    // online -> offline, heartbeat_timeout, at the very millisecond
///
/// The model holds the time itself; operations happen at `now`. Ids and keys are bytes; string literals will do. Time and
/// memory are linear in everything that was ever opened, and worse for `advance`: it is for tests.
public struct SlowModel: Sendable {
    /// A user id, session id, string key or value: any bytes.
    public struct Name: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
        /// The bytes.
        public var bytes: [UInt8]

        /// A name of bytes.
        public init(_ bytes: [UInt8]) { self.bytes = bytes }

        /// A name of the UTF-8 of a text.
        public init(stringLiteral text: String) { bytes = Array(text.utf8) }

        /// The bytes read as UTF-8.
        public var description: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// One change of what services see of a user.
    public struct Event: Hashable, Sendable, CustomStringConvertible {
        /// Whose status changed.
        public var user: Name
        /// What services saw until then.
        public var old: Status
        /// What services see from then on.
        public var new: Status
        /// Why.
        public var reason: Reason
        /// When: of a change by time the very instant.
        public var timestamp: Timestamp

        /// An event from its parts.
        public init(user: Name, old: Status, new: Status, reason: Reason, timestamp: Timestamp) {
            self.user = user
            self.old = old
            self.new = new
            self.reason = reason
            self.timestamp = timestamp
        }

        /// One line for the output of a failed test.
        public var description: String { "\(timestamp) \(user): \(old.word) -> \(new.word) (\(reason.word))" }
    }

    /// One change of a user's activity text.
    public struct ActivityEvent: Hashable, Sendable {
        /// Whose text changed.
        public var user: Name
        /// The text from then on; nil for none.
        public var activity: Name?
        /// `manual` or `manualEnded`.
        public var reason: Reason
        /// When.
        public var timestamp: Timestamp

        /// An event from its parts.
        public init(user: Name, activity: Name?, reason: Reason, timestamp: Timestamp) {
            self.user = user
            self.activity = activity
            self.reason = reason
            self.timestamp = timestamp
        }
    }

    /// The settings in force.
    public let policy: Policy

    /// The TTL of a session that does not choose one, in milliseconds.
    public let sessionTTLMilliseconds: Int64

    /// The most live sessions of one user.
    public let maxSessionsPerUser: Int

    /// The instant at which the next operation happens.
    public internal(set) var now: Timestamp

    var users: [Name: ModelUser] = [:]
    var strings: [Name: ModelString] = [:]
    var privacy: [Name: ModelPrivacy] = [:]
    /// From whom a rule of the embedder hides each user.
    public var hiddenByRule: [Name: Set<Name>] = [:]
    /// The ends of leases that hold.
    var leases: [Name: Timestamp] = [:]
    /// Whether who blocks another does not see him either.
    let blockHidesBoth: Bool
    var events: [Event] = []
    var activityEvents: [ActivityEvent] = []

    /// An empty model.
    ///
    /// - Parameters:
    ///   - now: where its time begins.
    ///   - policy: the settings that rules depend on.
    ///   - sessionTTLMilliseconds: the TTL of sessions that choose none.
    ///   - maxSessionsPerUser: the most live sessions of one user.
    ///   - blockHidesBoth: whether who blocks another does not see him either.
    public init(
        at now: Timestamp, policy: Policy = Policy(), sessionTTLMilliseconds: Int64 = 120_000,
        maxSessionsPerUser: Int = 32, blockHidesBoth: Bool = false
    ) {
        self.now = now
        self.policy = policy
        self.sessionTTLMilliseconds = sessionTTLMilliseconds
        self.maxSessionsPerUser = maxSessionsPerUser
        self.blockHidesBoth = blockHidesBoth
    }

    /// The events since the last call, in order.
    public mutating func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    /// The changes of activity texts since the last call, in order.
    public mutating func takeActivityEvents() -> [ActivityEvent] {
        defer { activityEvents = [] }
        return activityEvents
    }

    // MARK: Reading

    /// What services see of a user; `offline` for one never heard of.
    public func status(of user: Name) -> Status {
        users[user]?.publicStatus(at: now, policy) ?? .offline
    }

    /// The ids of his live sessions, in no order.
    public func liveSessions(of user: Name) -> Set<Name> {
        Set(users[user]?.live(at: now, policy).map(\.key) ?? [])
    }

    /// The ids of his sessions that were lost while that is held back from others, or would be if he were not invisible to them; in no order.
    public func heldLosses(of user: Name) -> Set<Name> {
        guard let user = users[user] else { return [] }
        return Set(user.sessions.filter { $0.value.isHeldLoss(at: now, policy) }.map(\.key))
    }

    /// His latest activity or clean close that could be seen.
    public func lastSeen(of user: Name) -> Timestamp? { users[user]?.lastSeen }

    /// When what services see of him last changed.
    public func lastStatusChange(of user: Name) -> Timestamp? { users[user]?.changedAt }

    /// What he set by hand, if it holds.
    public func manualStatus(of user: Name) -> ManualStatus? { users[user]?.manual(at: now) }

    /// His activity text, if one holds.
    public func activity(of user: Name) -> Name? {
        guard let user = users[user], now < user.textUntil else { return nil }
        return user.text
    }

    /// Whether his key exists for Redis's commands: a session is live, passive ones too, or a grace runs.
    public func exists(user: Name) -> Bool {
        users[user]?.isPresent(at: now, policy) ?? false
    }

    /// Milliseconds until his key is gone if no heartbeat comes; nil if it does not exist. A passive session keeps the key, and nobody online.
    public func timeToLive(user: Name) -> Int64? {
        guard let user = users[user], user.isPresent(at: now, policy) else { return nil }
        return user.end(at: now, policy).map { $0.milliseconds(since: now) }
    }

    /// How many users have a key.
    public var presentUserCount: Int { users.values.count { $0.isPresent(at: now, policy) } }

    // MARK: Sessions

    /// Opens a session, anew if there is one of that id.
    ///
    /// - Returns: the user's live sessions; nil, and nothing happens, if he has the most allowed.
    @discardableResult
    public mutating func connect(
        _ user: Name, session: Name, server: Name = "", ttlMilliseconds: Int64? = nil,
        brings brought: SessionStatus? = nil, isPassive: Bool = false
    ) -> Int? {
        let live = liveSessions(of: user)
        guard live.contains(session) || live.count < maxSessionsPerUser else { return nil }
        var opened = ModelSession(
            opened: now, heartbeat: now, ttl: ttlMilliseconds ?? sessionTTLMilliseconds, brought: brought,
            isPassive: isPassive)
        opened.server = server
        opened.leasedUntil = leases[server]
        let before = live.contains(session) ? users[user]?.sessions[session] : nil
        users[user, default: ModelUser()].sessions[session] = opened
        announce(user, reasonOfOpening(user, before, opened))
        return liveSessions(of: user).count
    }

    /// A sign of life; `isActive`: and a person did something.
    ///
    /// - Returns: false if that session is not live: only `connect` opens.
    @discardableResult
    public mutating func beat(_ user: Name, session: Name, isActive: Bool = false) -> Bool {
        guard liveSessions(of: user).contains(session) else { return false }
        users[user]?.sessions[session]?.heartbeat = now
        if isActive {
            users[user]?.sessions[session]?.activity = now
            see(user, session, at: now)
        }
        announce(user, .activity)
        return true
    }

    /// Ends a session; one that was lost, while that is held back, by a goodbye alone.
    ///
    /// - Returns: false if it is neither live nor ended by that.
    @discardableResult
    public mutating func disconnect(_ user: Name, session: Name, reason: Reason = .disconnect) -> Bool {
        guard liveSessions(of: user).contains(session) || !reason.isLoss && heldLosses(of: user).contains(session)
        else { return false }
        close(user, session, isLoss: reason.isLoss)
        announce(user, reason)
        return true
    }

    /// `SET` of the seed's record with any status but `offline`.
    ///
    /// - Parameters:
    ///   - user: whose record it is.
    ///   - session: the session that the record names.
    ///   - server: the server that holds it; empty keeps the one it has.
    ///   - status: what the record says of the user.
    ///   - lastSeen: when a person last did something; nil is now.
    ///   - ttlMilliseconds: the TTL; nil is the model's.
    ///   - keepsTTL: whether a session that lives keeps its TTL, and one that is opened ends when the key does.
    ///   - hasSameWords: whether device, platform and server stay what they are: then a write that only adds is a sign of life, else the session is
    ///     opened anew.
    /// - Returns: false, and nothing happens, if the user has the most sessions allowed.
    @discardableResult
    public mutating func setRecord(
        _ user: Name, session: Name = "default", server: Name = "", status: Status, lastSeen: Timestamp? = nil,
        ttlMilliseconds: Int64? = nil, keepsTTL: Bool = false, hasSameWords: Bool = true
    ) -> Bool {
        let live = liveSessions(of: user)
        guard live.contains(session) || live.count < maxSessionsPerUser else { return false }
        let before = live.contains(session) ? users[user]?.sessions[session] : nil
        var activity = min(lastSeen ?? now, now)
        if status == .idle { activity = min(activity, now.advanced(byMilliseconds: -policy.idleAfter)) }
        if status == .away { activity = min(activity, now.advanced(byMilliseconds: -policy.awayAfter)) }
        var ttl = ttlMilliseconds ?? sessionTTLMilliseconds
        if keepsTTL {
            ttl = before?.ttl ?? timeToLive(user: user).map { min($0, policy.heartbeatHardLimit) } ?? ttl
        }
        var written = ModelSession(
            opened: now, heartbeat: now, ttl: ttl, activity: activity, brought: status == .dnd ? .dnd : nil,
            isPassive: before?.isPassive ?? false)
        if let before, hasSameWords, before.brought == written.brought, before.activity ?? .distantPast <= activity,
            activity > now.advanced(byMilliseconds: -min(policy.idleAfter, policy.awayAfter))
        {
            written.opened = before.opened
        }
        written.server = server == "" ? before?.server ?? "" : server
        written.leasedUntil = leases[written.server]
        users[user, default: ModelUser()].sessions[session] = written
        if activity == now || activity >= users[user]?.hiddenUntil ?? .distantPast { see(user, session, at: activity) }
        if before == nil || before?.brought != written.brought {
            announce(user, reasonOfOpening(user, before, written))
        } else {
            let isLater = before?.activity.map { $0 <= activity } ?? (status == .online)
            announce(user, isLater ? .activity : .inactivity)
        }
        return true
    }

    /// `SET` of the seed's record with status `offline`: a goodbye of that session, or of all.
    @discardableResult
    public mutating func setOffline(_ user: Name, session: Name? = nil) -> Bool {
        if let session { return disconnect(user, session: session) }
        let ended = liveSessions(of: user).union(heldLosses(of: user))
        for id in ended { close(user, id, isLoss: false) }
        announce(user, .disconnect)
        return !ended.isEmpty
    }

    /// `EXPIRE` of a user's key: a heartbeat of his live sessions with that TTL, of passive ones if there are no others. 0 or less ends them, as `remove` does.
    ///
    /// - Returns: false if the key does not exist, or no session is live to beat (a grace runs).
    @discardableResult
    public mutating func expire(user: Name, ttlMilliseconds: Int64) -> Bool {
        guard ttlMilliseconds > 0 else { return remove(user: user) }
        let live = liveSessions(of: user)
        let hasOthers = live.contains { users[user]?.sessions[$0]?.isPassive == false }
        for id in live where !(hasOthers && users[user]?.sessions[id]?.isPassive == true) {
            users[user]?.sessions[id]?.heartbeat = now
            users[user]?.sessions[id]?.ttl = ttlMilliseconds
        }
        return !live.isEmpty
    }

    /// `DEL` of a user's key: sessions end, and no grace is left.
    ///
    /// - Returns: whether the key existed.
    @discardableResult
    public mutating func remove(user: Name, reason: Reason = .deleted) -> Bool {
        guard exists(user: user) else { return false }
        users[user]?.sessions = [:]
        announce(user, reason)
        return true
    }

    // MARK: What the user sets

    /// Sets or clears the manual status.
    public mutating func setManual(_ user: Name, _ status: ManualStatus?, until: Timestamp? = nil) {
        users[user, default: ModelUser()].manual = status
        users[user]?.manualUntil = until ?? .distantFuture
        users[user]?.manualSince = now
        announce(user, .manual)
    }

    /// Sets or clears the activity text.
    public mutating func setActivity(_ user: Name, _ text: Name?, until: Timestamp? = nil) {
        let before = activity(of: user)
        defer {
            if activity(of: user) != before {
                activityEvents.append(
                    ActivityEvent(user: user, activity: activity(of: user), reason: .manual, timestamp: now))
            }
        }
        users[user, default: ModelUser()].text = text
        users[user]?.textUntil = until ?? .distantFuture
    }

    /// `FLUSHALL`: ends all sessions and drops all strings; what users set stays.
    public mutating func removeAll() {
        strings = [:]
        for user in users.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
            remove(user: user, reason: .flushed)
        }
    }

    // MARK: Inside

    /// Of a user who was shown: what the session brings, or does not bring any more, is the reason if it changed.
    private func reasonOfOpening(_ user: Name, _ before: ModelSession?, _ opened: ModelSession) -> Reason {
        let isShown = users[user]?.announced != .offline
        return isShown && before?.brought != opened.brought ? .sessionStatus : .connect
    }

    private mutating func close(_ user: Name, _ session: Name, isLoss: Bool) {
        // Who says goodbye lived until now.
        if let end = users[user]?.sessions[session]?.lifeAndGrace(policy), end <= now {
            users[user]?.sessions[session]?.heartbeat = now
        }
        if users[user]?.sessions[session]?.leasedUntil != nil {
            users[user]?.sessions[session]?.endOfGateway(isLoss: isLoss, at: now, policy)
        } else {
            users[user]?.sessions[session]?.closed = now
            users[user]?.sessions[session]?.isLoss = isLoss
        }
        if !isLoss { see(user, session, at: now) }
    }

    /// Moves `lastSeen`, unless it could not be seen: while invisible, and of a passive session.
    private mutating func see(_ user: Name, _ session: Name, at instant: Timestamp) {
        guard let facts = users[user], facts.manual(at: now) != .invisible, facts.sessions[session]?.isPassive == false
        else { return }
        users[user]?.lastSeen = max(facts.lastSeen ?? .distantPast, instant)
    }

    mutating func announce(_ user: Name, _ reason: Reason) {
        guard let facts = users[user] else { return }
        let status = facts.publicStatus(at: now, policy)
        guard status != facts.announced else { return }
        events.append(
            Event(user: user, old: facts.announced, new: status, reason: reason, timestamp: now))
        users[user]?.announced = status
        users[user]?.changedAt = now
    }
}
