import Presence

/// What can be asked of presences: a ``ShardedStore``, or a copy of a cluster's that follows every change and is not to be written.
///
/// Code that only reads is written for it, and is tested with a store in its own process:
/// ```swift
/// func online(_ friends: [String], in presences: some PresenceReading) -> [String] {
///     friends.filter { presences.status(of: $0) == .online }
/// }
/// ```
/// Each is what ``ShardedStore`` says of it, in meaning and cost. Those with a string take the store's clock; those with a span take the instant.
public protocol PresenceReading: Sendable {
    /// The clock whose time it is.
    var clock: any PresenceClock { get }

    /// What a user is, as services may know it; offline if nobody knows him.
    func status(of user: String) -> Status
    /// The same of an id in memory, at an instant.
    func status(of user: Span<UInt8>, at now: Timestamp) -> Status
    /// The statuses of many users, in their order.
    func statuses(
        _ bytes: Span<UInt8>, _ users: Span<KeyRange>, at now: Timestamp, _ body: (Int, Status) -> Void)
    /// All that services may know of a user; nil if nobody knows him.
    func describe(_ user: String) -> UserDescription?
    /// A user's sessions.
    func sessions(of user: String) -> [SessionDescription]

    /// What a viewer may know of a user.
    func view(of target: String, for viewer: String) -> UserView
    /// The statuses of many users as a viewer may see them, in their order.
    func views(
        for viewer: Span<UInt8>, _ bytes: Span<UInt8>, _ users: Span<KeyRange>, at now: Timestamp,
        _ body: (Int, Status) -> Void)
    /// A user's privacy, friends and blocked users.
    func relations(of user: String) -> Relations
    /// Why a user is shown as he is, to services and, if one is named, to a viewer.
    func explain(_ user: String, for viewer: String?) -> Explanation

    /// A plain string; nil if there is none.
    func getString(_ key: String) -> String?
    /// How long a key still has.
    func timeToLive(_ kind: KeyKind, _ key: String) -> TimeToLive

    /// What is announced from now on.
    func events() -> Events
    /// What a viewer's list of users looks like, and what changes in it.
    func frames(for viewer: String, of users: [String], every window: Duration) throws(StoreError) -> WatchFrames

    /// How many users are shown with each status.
    func countByStatus() -> [(status: Status, count: Int)]
    /// Counts and memory.
    func statistics() -> Statistics
}

extension ShardedStore: PresenceReading {}
