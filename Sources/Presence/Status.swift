/// What others see of a user. The order is that of presence: `online` is the most present.
public enum Status: UInt8, Comparable, Hashable, Sendable, CaseIterable {
    /// Not connected, or not to be seen.
    case offline = 0
    /// Connected, and for long nobody acted.
    case away
    /// Connected, and for a while nobody acted.
    case idle
    /// Connected, not to be disturbed.
    case dnd
    /// Connected and active.
    case online

    /// The word used on the wire and in JSON, lower case.
    public var word: StaticString {
        switch self {
        case .offline: "offline"
        case .away: "away"
        case .idle: "idle"
        case .dnd: "dnd"
        case .online: "online"
        }
    }

    /// The status of a word, or nil. Words are lower case and compared byte by byte.
    public init?(word: Span<UInt8>) {
        if word.isEqual(to: ["o", "n", "l", "i", "n", "e"]) {
            self = .online
        } else if word.isEqual(to: ["o", "f", "f", "l", "i", "n", "e"]) {
            self = .offline
        } else if word.isEqual(to: ["i", "d", "l", "e"]) {
            self = .idle
        } else if word.isEqual(to: ["a", "w", "a", "y"]) {
            self = .away
        } else if word.isEqual(to: ["d", "n", "d"]) {
            self = .dnd
        } else {
            return nil
        }
    }

    /// Whether `left` is less present than `right`.
    @inlinable
    public static func < (left: Status, right: Status) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// What a user set by hand. It goes before everything but having no live session.
public enum ManualStatus: UInt8, Hashable, Sendable, CaseIterable {
    /// Do not disturb.
    case dnd = 1
    /// Shown as away.
    case away
    /// Shown as idle.
    case idle
    /// Shown as offline. It can be set, never seen.
    case invisible

    /// The word used on the wire, lower case.
    public var word: StaticString {
        switch self {
        case .dnd: "dnd"
        case .away: "away"
        case .idle: "idle"
        case .invisible: "invisible"
        }
    }

    /// The manual status of a word, or nil. Words are lower case and compared byte by byte.
    public init?(word: Span<UInt8>) {
        if word.isEqual(to: ["d", "n", "d"]) {
            self = .dnd
        } else if word.isEqual(to: ["a", "w", "a", "y"]) {
            self = .away
        } else if word.isEqual(to: ["i", "d", "l", "e"]) {
            self = .idle
        } else if word.isEqual(to: ["i", "n", "v", "i", "s", "i", "b", "l", "e"]) {
            self = .invisible
        } else {
            return nil
        }
    }

    /// What the user himself is shown as, or nil for `invisible`, which says nothing about that.
    @inlinable
    public var status: Status? {
        switch self {
        case .dnd: .dnd
        case .away: .away
        case .idle: .idle
        case .invisible: nil
        }
    }
}

/// What a session brings with it, as a calendar brings `dnd`. The first case is the strongest.
public enum SessionStatus: UInt8, Hashable, Sendable, CaseIterable {
    /// Do not disturb: over `away` and `idle`.
    case dnd = 1
    /// Away: over `idle`.
    case away
    /// Idle.
    case idle

    /// The word used on the wire, lower case.
    public var word: StaticString {
        switch self {
        case .dnd: "dnd"
        case .away: "away"
        case .idle: "idle"
        }
    }

    /// The status of a word, or nil. Words are lower case and compared byte by byte.
    public init?(word: Span<UInt8>) {
        if word.isEqual(to: ["d", "n", "d"]) {
            self = .dnd
        } else if word.isEqual(to: ["a", "w", "a", "y"]) {
            self = .away
        } else if word.isEqual(to: ["i", "d", "l", "e"]) {
            self = .idle
        } else {
            return nil
        }
    }

    /// What a user is shown as by it.
    @inlinable
    public var status: Status {
        switch self {
        case .dnd: .dnd
        case .away: .away
        case .idle: .idle
        }
    }

    /// Whether it goes before `other` when two sessions bring different ones.
    @inlinable
    public func isStronger(than other: SessionStatus) -> Bool {
        rawValue < other.rawValue
    }
}
