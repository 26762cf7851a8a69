import Presence

/// What a key names: a user's presence, or a plain string.
public enum KeyKind: Sendable, Hashable {
    /// A user, named by his id without any prefix.
    case presence
    /// A plain string with or without an end.
    case string
}

/// Where one argument lies in the bytes of a batch.
public struct KeyRange: Sendable, Hashable {
    /// Offset of the first byte.
    public var offset: Int
    /// Number of bytes.
    public var length: Int

    /// A range of `length` bytes from `offset` on.
    @inlinable
    public init(offset: Int, length: Int) {
        self.offset = offset
        self.length = length
    }

    var range: Range<Int> { offset..<offset + length }
}

/// A key of either kind in the bytes of a batch.
public struct KeyPlace: Sendable, Hashable {
    /// What the key names.
    public var kind: KeyKind
    /// Of a presence, the user's id.
    public var name: KeyRange

    /// The key of this kind whose name lies there.
    public init(_ kind: KeyKind, _ name: Range<Int>) {
        self.kind = kind
        self.name = KeyRange(offset: name.lowerBound, length: name.count)
    }
}

/// One entry of the store's change rings, decoded.
public enum StoreEvent: Sendable, Hashable {
    /// A user's public status changed.
    case status(StatusChange)
    /// A user's activity text changed, or came to its end.
    case activity(ActivityChange)
    /// Many sessions were lost at once, and that is held back; or such a time is over.
    case storm(StormReport)
    /// Something happened to a key; only classes set by `ShardedStore.setKeyspaceInterest` appear.
    case keyspace(KeyEvent, KeyKind, key: [UInt8])
    /// The reader was too slow, and that many entries of one shard were overwritten before it read them.
    case missed(Int)
}

/// What `CONNECT` may choose.
public struct ConnectOptions: Sendable, Hashable {
    /// How long a sign of life lasts; nil is the store's `sessionTTLMilliseconds`. 5 000 up to the policy's hard limit; of a passive session up
    /// to a day, or to the hard limit if that is more.
    public var ttlMilliseconds: Int64?
    /// A status that the session brings with it while it lives.
    public var brought: SessionStatus?
    /// Whether the session makes nobody online by itself: a calendar, a bot.
    public var isPassive: Bool

    /// Options; by default an ordinary session with the store's TTL.
    public init(ttlMilliseconds: Int64? = nil, brought: SessionStatus? = nil, isPassive: Bool = false) {
        self.ttlMilliseconds = ttlMilliseconds
        self.brought = brought
        self.isPassive = isPassive
    }
}

/// What `ShardedStore.set` changes of a user: what is nil stays as it is.
public struct UserSettings: Sendable, Hashable {
    /// A manual status to set, `.some(nil)` to go back to automatic.
    public var status: ManualStatus??
    /// An activity text to set, `.some(nil)` or empty to clear it.
    public var activity: [UInt8]??
    /// The first instant at which the status and text given here do not hold any more, at most eight years from now; nil and `distantFuture` are no end. Only with one of these: neither automatic nor a
    /// text that is cleared has an end.
    public var until: Timestamp?
    /// Who may see that he is here.
    public var visibility: Visibility?
    /// Who may see when he was last seen, of those who may see him.
    public var lastSeen: LastSeenVisibility?

    /// Settings that change nothing until one is given.
    public init(
        status: ManualStatus?? = nil, activity: [UInt8]?? = nil, until: Timestamp? = nil,
        visibility: Visibility? = nil, lastSeen: LastSeenVisibility? = nil
    ) {
        self.status = status
        self.activity = activity
        self.until = until
        self.visibility = visibility
        self.lastSeen = lastSeen
    }

    /// Whether anything is given that changes.
    public var changesSomething: Bool { status != nil || activity != nil || changesPrivacy }

    var changesPrivacy: Bool { visibility != nil || lastSeen != nil }

    /// Whether a status or a text is set: what `until` can be the end of.
    package var setsWhatMayEnd: Bool {
        if let status, status != nil { return true }
        if let activity, let activity { return !activity.isEmpty }
        return false
    }
}

/// What services may read of a user. `invisible` is shown as offline.
public struct UserDescription: Sendable, Hashable {
    /// The id, as it was given.
    public var id: [UInt8]
    /// The public status.
    public var status: Status
    /// The latest activity or clean close of any device that was visible then.
    public var lastSeen: Timestamp?
    /// When the public status last changed; nil if it never did.
    public var lastStatusChange: Timestamp?
    /// The activity text in force.
    public var activity: [UInt8]?
    /// The stamp of the last change of the public status.
    public var version: Stamp
    /// Whether a session is live, or a grace runs: whether the key exists for Redis's commands.
    public var isPresent: Bool
}

/// One live session.
public struct SessionDescription: Sendable, Hashable {
    /// The session's id.
    public var id: [UInt8]
    /// What this session alone says.
    public var status: Status
    /// Its device type, as given.
    public var device: [UInt8]?
    /// Its platform, as given.
    public var platform: [UInt8]?
    /// The server that holds it, as given.
    public var server: [UInt8]?
    /// Its last sign of life.
    public var lastHeartbeat: Timestamp
    /// When a person last did something there; nil if that was never reported.
    public var lastActivity: Timestamp?
    /// The first instant at which it is not live if no heartbeat comes.
    public var expiresAt: Timestamp
    /// What it brings with it.
    public var brought: SessionStatus?
    /// Whether it is passive.
    public var isPassive: Bool
    /// The node that it was last beaten at, by its number; 0 if nobody says.
    public var home: UInt8
}

/// The fields of the seed's record of a present user: those of the user, and those of his most present session.
public struct RecordFields: Sendable, Hashable {
    /// The user's id, as it was given.
    public var userID: [UInt8]
    /// His public status.
    public var status: Status
    /// The latest activity or clean close of any of his devices that was visible then.
    public var lastSeen: Timestamp?
    /// The session's last sign of life.
    public var lastHeartbeat: Timestamp?
    /// The session's device.
    public var deviceType: [UInt8]?
    /// The session's platform.
    public var platform: [UInt8]?
    /// The session's id.
    public var connectionID: [UInt8]?
    /// The server that holds the session.
    public var serverID: [UInt8]?
    /// The user's activity text in force.
    public var activity: [UInt8]?
}

/// What a service writes when it `SET`s the seed's record.
public struct RecordWrite: Sendable, Hashable {
    /// The status that the record gives; `offline` ends the session.
    public var status: Status
    /// When a person last did something, at most eight years ago; nil is the instant of the write.
    public var activity: Timestamp?
    /// A TTL up to the hard limit, 0 or less for one that is over; nil is the store's `sessionTTLMilliseconds`.
    public var ttlMilliseconds: Int64?
    /// Whether lifetimes stay as they are, if the key exists: a session that lives is beaten with the TTL that it has, and one that is opened ends when the
    /// key does, so that it lives no longer for it.
    public var keepsTTL: Bool
    /// Whether the key must exist, or must not.
    public var condition: StringSetOptions.Condition
    /// Whether a record that says `offline` ends all sessions of the user, not only the one that is given.
    public var endsAllSessions: Bool

    /// A record to write.
    public init(
        status: Status, activity: Timestamp? = nil, ttlMilliseconds: Int64? = nil, keepsTTL: Bool = false,
        condition: StringSetOptions.Condition = .always, endsAllSessions: Bool = false
    ) {
        self.endsAllSessions = endsAllSessions
        self.status = status
        self.activity = activity
        self.ttlMilliseconds = ttlMilliseconds
        self.keepsTTL = keepsTTL
        self.condition = condition
    }
}

/// How long a key will live if nothing is written.
public enum TimeToLive: Sendable, Hashable {
    /// There is no such key.
    case missing
    /// The key has no end.
    case persistent
    /// It ends in that many milliseconds, at least 1.
    case milliseconds(Int64)
}

/// How a string is set.
public struct StringSetOptions: Sendable, Hashable {
    /// The end of the string.
    public enum Expiry: Sendable, Hashable {
        /// It never ends.
        case none
        /// It keeps the end that it has.
        case keep
        /// The first instant at which it is gone.
        case at(Timestamp)
    }

    /// When the write takes place at all.
    public enum Condition: Sendable, Hashable {
        /// In any case.
        case always
        /// Only if the key does not exist.
        case ifAbsent
        /// Only if the key exists.
        case ifPresent
    }

    /// The end that the string gets.
    public var expiry: Expiry
    /// When the write takes place at all.
    public var condition: Condition

    /// Options; by default the string never ends and replaces whatever was there.
    public init(expiry: Expiry = .none, condition: Condition = .always) {
        self.expiry = expiry
        self.condition = condition
    }
}

/// What reading a string may do to its end.
public enum StringExpiryChange: Sendable, Hashable {
    /// It stays.
    case keep
    /// It is taken away.
    case persist
    /// The first instant at which the string is gone.
    case at(Timestamp)
}

/// Which of a session's words to count by.
public enum WordKind: Sendable, Hashable, CaseIterable {
    /// What the session runs on.
    case device
    /// The browser or the app.
    case platform
    /// The gateway that holds the session.
    case server
}

/// What `advance` did.
public struct AdvanceResult: Sendable, Hashable {
    /// Records that were looked at.
    public var lookedAt = 0
    /// Whether the budget ended before the work did: call again.
    public var isBehind = false
    /// Whether timers wait for their time. Without any, nothing can happen by itself.
    public var hasTimers = false
    /// Sessions that were lost: they ran out though they had been kept alive, or their gateway's lease ended.
    var lost = 0

    static func += (left: inout AdvanceResult, right: AdvanceResult) {
        left.lookedAt += right.lookedAt
        left.isBehind = left.isBehind || right.isBehind
        left.hasTimers = left.hasTimers || right.hasTimers
        left.lost += right.lost
    }
}
