/// Who may see that a user is here (`VISIBILITY`).
public enum Visibility: UInt8, Hashable, Sendable, CaseIterable {
    /// Everyone whom he did not block.
    case everyone = 0
    /// Only those whom he names his friends.
    case friends
    /// Nobody but himself.
    case nobody

    /// The word used on the wire, lower case.
    public var word: StaticString {
        switch self {
        case .everyone: "everyone"
        case .friends: "friends"
        case .nobody: "nobody"
        }
    }

    /// The visibility of a word, or nil. Words are lower case and compared byte by byte.
    public init?(word: Span<UInt8>) {
        guard let value = Visibility.allCases.first(where: { word.isEqual(to: $0.word) }) else { return nil }
        self = value
    }
}

/// Who may see when a user was last seen (`LASTSEEN`), of those who may see him at all.
public enum LastSeenVisibility: UInt8, Hashable, Sendable, CaseIterable {
    /// Everyone, to the millisecond.
    case everyone = 0
    /// Only those whom he names his friends.
    case friends
    /// Nobody but himself.
    case nobody
    /// Everyone, but only whether it was within a day, a week, a month.
    case coarse

    /// The word used on the wire, lower case.
    public var word: StaticString {
        switch self {
        case .everyone: "everyone"
        case .friends: "friends"
        case .nobody: "nobody"
        case .coarse: "coarse"
        }
    }

    /// The setting of a word, or nil. Words are lower case and compared byte by byte.
    public init?(word: Span<UInt8>) {
        guard let value = LastSeenVisibility.allCases.first(where: { word.isEqual(to: $0.word) }) else { return nil }
        self = value
    }
}

/// What a viewer may read of when a user was last seen.
public enum LastSeen: Hashable, Sendable {
    /// Nothing: it is not known, or not for him.
    case unknown
    /// The instant.
    case exact(Timestamp)
    /// The instant is to be read as a span of time only: see ``CoarseLastSeen``.
    case coarse(Timestamp)

    /// The span of a coarse one at an instant; nil of the others.
    public func span(at now: Timestamp) -> CoarseLastSeen? {
        guard case .coarse(let instant) = self else { return nil }
        return CoarseLastSeen(now.milliseconds(since: instant))
    }
}

/// How long ago somebody was seen, as those read it to whom he shows no more.
public enum CoarseLastSeen: UInt8, Hashable, Sendable, CaseIterable {
    /// Less than 24 hours ago.
    case day = 0
    /// Less than 7 days ago.
    case week
    /// Less than 30 days ago.
    case month
    /// Longer ago.
    case longAgo

    /// The span that an age in milliseconds falls into.
    public init(_ age: Int64) {
        let day: Int64 = 86_400_000
        self = age < day ? .day : age < 7 * day ? .week : age < 30 * day ? .month : .longAgo
    }

    /// The text that replies carry in place of an instant.
    public var word: StaticString {
        switch self {
        case .day: "within a day"
        case .week: "within a week"
        case .month: "within a month"
        case .longAgo: "long ago"
        }
    }
}

/// What a user set of his privacy, and what those may go on reading from whom that hides him.
public struct Privacy: Hashable, Sendable {
    /// Who may see that he is here.
    public var visibility = Visibility.everyone
    /// Who may see when he was last seen.
    public var lastSeen = LastSeenVisibility.everyone
    /// What strangers could read when `visibility` began to hide him from them.
    public var strangersRead = LastSeen.unknown
    /// What friends could read when `visibility` began to hide him from them.
    public var friendsRead = LastSeen.unknown

    /// The defaults: nothing is hidden.
    public init() {}
}

/// How a user, the target, stands to one viewer.
public struct Standing: Hashable, Sendable {
    /// Whether the viewer is the target himself.
    public var isSelf = false
    /// Whether the target names the viewer a friend.
    public var isFriend = false
    /// Whether the target blocked the viewer.
    public var isBlocked = false
    /// Whether the viewer blocked the target and the server hides both from each other (`block-hides both`).
    public var hasBlocked = false
    /// Whether a rule of the embedder hides the target.
    public var isRefused = false
    /// What the viewer could read when the target was hidden from him, if that was kept for him alone.
    public var read: LastSeen?

    /// A stranger.
    public init() {}
}

/// Why a viewer sees what he sees of a target. The first that holds decides, in the order of the cases.
public enum ViewRule: UInt8, Hashable, Sendable, CaseIterable {
    /// It is himself.
    case own = 0
    /// The target blocked him.
    case blocked
    /// He blocked the target, and `block-hides` is `both`.
    case hasBlocked
    /// The target is visible to nobody.
    case nobody
    /// The target is visible to friends only, and does not name him one.
    case friendsOnly
    /// A rule of the embedder hides the target.
    case refused
    /// The target is visible to friends, and names him one.
    case friend
    /// The target is visible to everyone.
    case everyone

    /// Whether the target is hidden by it.
    public var hides: Bool {
        switch self {
        case .own, .friend, .everyone: false
        case .blocked, .hasBlocked, .nobody, .friendsOnly, .refused: true
        }
    }

    /// A word for explanations.
    public var word: StaticString {
        switch self {
        case .own: "own"
        case .blocked: "blocked"
        case .hasBlocked: "has_blocked"
        case .nobody: "visible_to_nobody"
        case .friendsOnly: "visible_to_friends"
        case .refused: "refused_by_rule"
        case .friend: "friend"
        case .everyone: "visible_to_everyone"
        }
    }
}

/// What one viewer may know of one target: the one gate between a user's facts and other people.
public struct View: Hashable, Sendable {
    /// The status that he sees.
    public var status: Status
    /// When the target was last seen, as far as he may know.
    public var lastSeen: LastSeen
    /// Whether he may read the activity text: of those whom he sees here.
    public var showsActivity: Bool
    /// Whether he may read since when the status is what it is: of those whom he sees here, if he may read to the millisecond when they were last seen.
    public var showsChange: Bool
    /// Why.
    public var rule: ViewRule

    /// A view from its parts.
    @inlinable
    public init(status: Status, lastSeen: LastSeen, showsActivity: Bool, showsChange: Bool, rule: ViewRule) {
        self.status = status
        self.lastSeen = lastSeen
        self.showsActivity = showsActivity
        self.showsChange = showsChange
        self.rule = rule
    }
}

extension Visibility {
    /// Which rule decides what someone of this standing sees.
    @inlinable
    public func rule(_ standing: Standing) -> ViewRule {
        if standing.isSelf { return .own }
        if standing.isBlocked { return .blocked }
        if standing.hasBlocked { return .hasBlocked }
        switch self {
        case .nobody: return .nobody
        case .friends where !standing.isFriend: return .friendsOnly
        default: break
        }
        if standing.isRefused { return .refused }
        return self == .friends ? .friend : .everyone
    }
}

extension Privacy {
    /// Which rule decides what someone of this standing sees.
    @inlinable
    public func rule(_ standing: Standing) -> ViewRule { visibility.rule(standing) }

    /// What someone of this standing reads of an instant at which the target was last seen, if nothing hides the target.
    @inlinable
    public func readable(_ instant: Timestamp?, isFriend: Bool) -> LastSeen {
        guard let instant else { return .unknown }
        switch lastSeen {
        case .everyone: return .exact(instant)
        case .friends: return isFriend ? .exact(instant) : .unknown
        case .nobody: return .unknown
        case .coarse: return .coarse(instant)
        }
    }

    /// What someone of this standing reads of when the target was last seen, hidden or not.
    ///
    /// While the target is hidden that is what he could read at the moment of hiding: nothing newer ever gets through. A rule of the embedder hides even
    /// that, whatever else hides the target: it may have hidden him before.
    @inlinable
    public func lastSeen(_ instant: Timestamp?, _ standing: Standing) -> LastSeen {
        let rule = rule(standing)
        if rule == .own { return instant.map { .exact($0) } ?? .unknown }
        if standing.isRefused { return .unknown }
        guard rule.hides else { return readable(instant, isFriend: standing.isFriend) }
        return standing.read ?? (standing.isFriend ? friendsRead : strangersRead)
    }

    /// What someone of this standing may know.
    ///
    /// A hidden target looks like one who is offline, and one who is offline shows no activity text: so the two cannot be
    /// told apart.
    ///
    /// - Parameters:
    ///   - status: the target's true status, which he alone may see.
    ///   - announced: the public status that was announced; it is what others see.
    ///   - lastSeen: when the target was last seen.
    ///   - standing: how the target stands to the viewer.
    @inlinable
    public func view(
        status: Status, announced: Status, lastSeen: Timestamp?, _ standing: Standing
    ) -> View {
        let rule = rule(standing)
        let shown = rule == .own ? status : rule.hides ? .offline : announced
        return View(
            status: shown, lastSeen: self.lastSeen(lastSeen, standing),
            showsActivity: rule == .own || shown != .offline,
            showsChange: shown != .offline && (rule == .own || isExact(isFriend: standing.isFriend)), rule: rule)
    }

    /// Whether someone from whom the target is not hidden reads to the millisecond when the target was last seen, if that is known.
    @inlinable
    func isExact(isFriend: Bool) -> Bool { lastSeen == .everyone || lastSeen == .friends && isFriend }

    /// Changes who may see the target, and keeps for those from whom this hides him what they could read until now.
    ///
    /// For viewers with a standing of their own the caller keeps it: see ``Standing/read``.
    public mutating func setVisibility(_ new: Visibility, lastSeen instant: Timestamp?) {
        let old = self
        visibility = new
        var friend = Standing()
        friend.isFriend = true
        if rule(friend).hides { friendsRead = old.lastSeen(instant, friend) }
        if rule(Standing()).hides { strangersRead = old.lastSeen(instant, Standing()) }
    }
}
