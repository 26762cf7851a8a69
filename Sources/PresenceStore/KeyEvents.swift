/// Classes of things that happen to keys, which readers may ask to hear of: the letters of Redis's keyspace notifications.
public struct KeyspaceEvents: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt16

    /// A set from its bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Time ended a key (`x`).
    public static let expired = KeyspaceEvents(rawValue: 1)
    /// An offline user was forgotten for room (`e`).
    public static let evicted = KeyspaceEvents(rawValue: 2)
    /// A key came to exist (`n`).
    public static let new = KeyspaceEvents(rawValue: 4)
    /// What can happen to a key of any kind: its end, another lifetime (`g`).
    public static let generic = KeyspaceEvents(rawValue: 8)
    /// A value was written (`$`): of a string, or the record of a presence.
    public static let string = KeyspaceEvents(rawValue: 16)
}

/// One thing that happened to a key.
///
/// Heartbeats are none: a key that lives on tells nothing. A presence is `new` with its first session, and `expired` or `deleted` once its last one
/// and every grace are over; its record is `set` by whoever writes it as one.
public enum KeyEvent: UInt8, Sendable, Hashable, CaseIterable {
    /// Time ended the key.
    case expired
    /// A command ended the key.
    case deleted
    /// An offline user was forgotten for room.
    case evicted
    /// The key came to exist.
    case new
    /// A value was written.
    case set
    /// The key got an end.
    case expire
    /// The end of the key was taken away.
    case persist
    /// A number was added to the value.
    case incremented
    /// Bytes were added to the value.
    case appended

    /// The class that a reader asks for.
    @inlinable
    public var kind: KeyspaceEvents {
        switch self {
        case .expired: .expired
        case .evicted: .evicted
        case .new: .new
        case .deleted, .expire, .persist: .generic
        case .set, .incremented, .appended: .string
        }
    }

    /// Redis's name of it, the last part of an event's channel.
    public var word: StaticString {
        switch self {
        case .expired: "expired"
        case .deleted: "del"
        case .evicted: "evicted"
        case .new: "new"
        case .set: "set"
        case .expire: "expire"
        case .persist: "persist"
        case .incremented: "incrby"
        case .appended: "append"
        }
    }
}
