import Presence

/// What a model's user set of his privacy, and what those read from whom he is hidden.
struct ModelPrivacy: Sendable {
    var friends: Set<SlowModel.Name> = []
    var blocked: Set<SlowModel.Name> = []
    var visibility = Visibility.everyone
    var lastSeen = LastSeenVisibility.everyone
    /// What each viewer could read when he was hidden from him. Who is not in it is not hidden, or read nothing.
    var readByHidden: [SlowModel.Name: LastSeen] = [:]
    /// What he himself could read of each whom he blocked, where blocks hide both.
    var readOfBlocked: [SlowModel.Name: LastSeen] = [:]

    func hides(from viewer: SlowModel.Name) -> Bool {
        if blocked.contains(viewer) { return true }
        switch visibility {
        case .everyone: return false
        case .friends: return !friends.contains(viewer)
        case .nobody: return true
        }
    }
}

/// Privacy, read out sentence by sentence.
extension SlowModel {
    /// What one viewer may know of one user.
    public struct Sight: Hashable, Sendable {
        /// The status that he sees.
        public var status: Status
        /// When the user was last seen, as far as he may know.
        public var lastSeen: LastSeen
        /// The activity text.
        public var activity: Name?

        /// What a viewer may know, from its parts.
        public init(status: Status, lastSeen: LastSeen, activity: Name?) {
            self.status = status
            self.lastSeen = lastSeen
            self.activity = activity
        }
    }

    /// What `viewer` may know of `user`.
    public func sight(of user: Name, for viewer: Name) -> Sight {
        if user == viewer {
            let status = users[user]?.trueStatus(at: now, policy) ?? .offline
            return Sight(
                status: status, lastSeen: lastSeen(of: user).map { .exact($0) } ?? .unknown,
                activity: activity(of: user))
        }
        if isRefused(user, viewer) { return Sight(status: .offline, lastSeen: .unknown, activity: nil) }
        let hasBlocked = blockHidesBoth && privacy[viewer]?.blocked.contains(user) == true
        let isHidden = hasBlocked || privacy[user]?.hides(from: viewer) == true
        let status = isHidden ? .offline : self.status(of: user)
        return Sight(
            status: status, lastSeen: readable(of: user, for: viewer),
            activity: status == .offline ? nil : activity(of: user))
    }

    private func isRefused(_ user: Name, _ viewer: Name) -> Bool { hiddenByRule[user]?.contains(viewer) == true }

    private func readable(of user: Name, for viewer: Name) -> LastSeen {
        if blockHidesBoth, privacy[viewer]?.blocked.contains(user) == true {
            return privacy[viewer]?.readOfBlocked[user] ?? .unknown
        }
        return readableBesides(of: user, for: viewer)
    }

    /// The same without the viewer's own blocks.
    private func readableBesides(of user: Name, for viewer: Name) -> LastSeen {
        guard let privacy = privacy[user] else { return lastSeen(of: user).map { .exact($0) } ?? .unknown }
        if privacy.hides(from: viewer) { return privacy.readByHidden[viewer] ?? .unknown }
        guard let seen = lastSeen(of: user) else { return .unknown }
        switch privacy.lastSeen {
        case .everyone: return .exact(seen)
        case .friends: return privacy.friends.contains(viewer) ? .exact(seen) : .unknown
        case .nobody: return .unknown
        case .coarse: return .coarse(seen)
        }
    }

    /// Changes what a user set or said; whom that hides him from, of `everyone`, goes on reading what he could. If it is of one other alone who blocks him, that
    /// is what he could when he did so; and nothing if a rule hides the user from that one.
    private mutating func change(
        _ user: Name, among everyone: [Name], of other: Name? = nil, _ body: (inout ModelPrivacy) -> Void
    ) {
        let before = privacy[user] ?? ModelPrivacy()
        var after = before
        body(&after)
        for viewer in everyone where viewer != user {
            if !after.hides(from: viewer) {
                after.readByHidden[viewer] = nil
            } else if viewer == other, blockHidesBoth, privacy[viewer]?.blocked.contains(user) == true {
                after.readByHidden[viewer] = readable(of: user, for: viewer)
            } else if !before.hides(from: viewer) {
                let isUnread = viewer == other && isRefused(user, viewer)
                after.readByHidden[viewer] = isUnread ? .unknown : readableBesides(of: user, for: viewer)
            }
        }
        privacy[user] = after
    }

    /// `FRIEND`, `UNFRIEND`, `BLOCK`, `UNBLOCK` of one other.
    ///
    /// - Parameters:
    ///   - user: who says so.
    ///   - other: of whom.
    ///   - isFriendship: whether it is about friendship; else it is about a block.
    ///   - holds: whether it is said; else it is taken back.
    ///   - everyone: all users of the test.
    /// - Returns: whether anything changed.
    @discardableResult
    public mutating func relate(
        _ user: Name, to other: Name, isFriendship: Bool, holds: Bool, among everyone: [Name]
    ) -> Bool {
        let privacy = privacy[user] ?? ModelPrivacy()
        let isSo = (isFriendship ? privacy.friends : privacy.blocked).contains(other)
        guard isSo != holds else { return false }
        let read = isRefused(other, user) ? .unknown : readable(of: other, for: user)
        change(user, among: everyone, of: other) { privacy in
            switch (isFriendship, holds) {
            case (true, true): privacy.friends.insert(other)
            case (true, false): privacy.friends.remove(other)
            case (false, true):
                privacy.blocked.insert(other)
                privacy.readOfBlocked[other] = read
            case (false, false): privacy.blocked.remove(other)
            }
        }
        return true
    }

    /// Who may see a user, and when he was last seen.
    public mutating func setPrivacy(
        _ user: Name, visibility: Visibility?, lastSeen: LastSeenVisibility?, among everyone: [Name]
    ) {
        change(user, among: everyone) { privacy in
            if let visibility { privacy.visibility = visibility }
            if let lastSeen { privacy.lastSeen = lastSeen }
        }
    }

    /// Whom he names friends, and whom he blocked.
    public func relations(of user: Name) -> (friends: Set<Name>, blocked: Set<Name>) {
        (privacy[user]?.friends ?? [], privacy[user]?.blocked ?? [])
    }
}
