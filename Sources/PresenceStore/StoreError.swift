/// Why the store did not do what it was asked for. Nothing is half done.
public enum StoreError: Error, Sendable, Hashable {
    /// `maxmemory` is reached, and no offline user without settings was left to forget.
    case outOfMemory
    /// The user has as many live sessions as `max-sessions-per-user` allows.
    case tooManySessions(limit: Int)
    /// What is known of the user, his sessions above all, would take more bytes than a record may have.
    case userTooLarge(limit: Int)
    /// An id of a user or a session is longer than 255 bytes.
    case idTooLong(limit: Int)
    /// An id of a user or a session has no byte: it names nobody.
    case idEmpty
    /// A device, platform or server is longer than 128 bytes.
    case wordTooLong(limit: Int)
    /// A lease of a server without a name.
    case serverMissing
    /// The table of devices, platforms or servers is full: `max-words`.
    case tooManyWords(limit: Int)
    /// A TTL below 5 s, or above the hard limit; both in milliseconds.
    case ttlOutOfBounds(minimum: Int64, maximum: Int64)
    /// A TTL of a passive session below 5 s, or above a day and the hard limit; both in milliseconds.
    case passiveTTLOutOfBounds(minimum: Int64, maximum: Int64)
    /// A record tells an activity that lies farther back than instants are kept, in milliseconds.
    case activityTooOld(limit: Int64)
    /// A lease of no time, or above the hard limit, in milliseconds.
    case leaseOutOfBounds(maximum: Int64)
    /// The end of a manual status or of a text lies farther from now than instants are kept, in milliseconds.
    case endTooFar(limit: Int64)
    /// An activity text is longer than `max-activity-length` bytes.
    case activityTooLong(limit: Int)
    /// The user has as many friends and blocked users as `max-relations` allows.
    case tooManyRelations(limit: Int)
    /// With those that ended and must be remembered yet, as of whom he is hidden from, the user has twice as many as `max-relations` allows.
    case tooManyEndedRelations(limit: Int)
    /// The list would have more users than `max-watch` allows.
    case tooManyWatched(limit: Int)
    /// A user on the list has as many viewers already as `max-watchers-per-user` allows.
    case tooManyWatchers(limit: Int)
    /// There are as many lists as `max-watch-lists` allows.
    case tooManyWatchLists(limit: Int)
    /// The viewer has a list already, and its frames go elsewhere.
    case watchesAlready
    /// A user was to be his own friend, or to be blocked by himself.
    case selfRelation
    /// An activity text has control characters, or is not UTF-8.
    case activityNotText
    /// An end was given without a status or an activity text that it could be the end of.
    case nothingEnds
    /// A user was to be invisible, which `allow-invisible` forbids.
    case invisibleNotAllowed
    /// What the user sets by hand (status, text, who may see what) was set as often within this minute as `status-changes-per-minute` allows.
    case tooManyChanges(limit: Int)
    /// A cursor of changes that this store did not give.
    case cursorInvalid
    /// The change rings have gone on too far since a cursor was given.
    case cursorLost
    /// The value of the string is no decimal number of 64 bits.
    case notAnInteger
    /// The sum does not fit 64 bits.
    case overflow
    /// The string would be longer than the caller allows.
    case stringTooLong
    /// Key and value would have more bytes together than nodes tell each other of.
    case stringTooLongForOthers(limit: Int)

    /// One sentence that names the limit and the setting, in the form of an error reply.
    public var message: String {
        switch self {
        case .outOfMemory:
            "OOM command not allowed when used memory > 'maxmemory'."
        case .tooManySessions(let limit):
            "ERR the user already has \(limit) live sessions, the limit of max-sessions-per-user"
        case .userTooLarge(let limit):
            "ERR what is known of this user would take more than \(limit) bytes: end sessions of his, or give them shorter ids"
        case .idTooLong(let limit):
            "ERR a user id or session id may have at most \(limit) bytes"
        case .idEmpty:
            "ERR a user id or session id must not be empty; the key of a user is the prefix (key-prefix) and his id"
        case .wordTooLong(let limit):
            "ERR DEVICE, PLATFORM and SERVER may have at most \(limit) bytes each"
        case .serverMissing:
            "ERR the server must have a name, the one that CONNECT gives with SERVER"
        case .tooManyWords(let limit):
            "ERR more than \(limit) different words for DEVICE, PLATFORM or SERVER are in use, the limit of max-words"
        case .ttlOutOfBounds(let minimum, let maximum):
            "ERR invalid expire time: a session lives \(minimum) ms at least and \(maximum) ms at most, "
                + "the limit of heartbeat-hard-limit"
        case .activityTooOld(let limit):
            "ERR the \"lastSeen\" of a presence record lies more than \(limit / 86_400_000) days back, the most that is kept: "
                + "leave it out if it is not known"
        case .leaseOutOfBounds(let maximum):
            "ERR invalid expire time: a lease lasts 1 ms at least and \(maximum) ms at most, the limit of heartbeat-hard-limit"
        case .endTooFar(let limit):
            "ERR invalid expire time: a STATUS or an ACTIVITY that ends does so within \(limit / 1000) s "
                + "(\(limit / 86_400_000) days); for one without end leave EX and PX out"
        case .passiveTTLOutOfBounds(let minimum, let maximum):
            "ERR invalid expire time: a passive session lives \(minimum) ms at least and \(maximum) ms at most"
        case .activityTooLong(let limit):
            "ERR the activity text may have at most \(limit) bytes, the limit of max-activity-length"
        case .tooManyRelations(let limit):
            "ERR a user may have at most \(limit) friends and blocked users, the limit of max-relations"
        case .tooManyEndedRelations(let limit):
            "ERR a user may have at most \(2 * limit) friends and blocked users with those that he took back of late, twice max-relations"
        case .tooManyWatched(let limit):
            "ERR a viewer may watch at most \(limit) users, the limit of max-watch"
        case .tooManyWatchers(let limit):
            "ERR one of these users has \(limit) viewers already, the limit of max-watchers-per-user"
        case .tooManyWatchLists(let limit):
            "ERR there are \(limit) lists of viewers already, the limit of max-watch-lists"
        case .watchesAlready:
            "ERR this viewer has a list already: add users to it"
        case .selfRelation:
            "ERR a user can neither block nor befriend himself"
        case .activityNotText:
            "ERR the activity text must be UTF-8 without control characters"
        case .nothingEnds:
            "ERR EX and PX are the end of a STATUS other than auto, or of an ACTIVITY text, and neither is given: leave them out"
        case .invisibleNotAllowed:
            "ERR nobody may be invisible here (allow-invisible no)"
        case .tooManyChanges(let limit):
            "ERR this user's status, text or visibility was set \(limit) times within this minute, the limit of status-changes-per-minute"
        case .cursorInvalid:
            "ERR this is no cursor of this node's present run: begin with 0 for the oldest kept, or $ from now on, and read again "
                + "what you keep"
        case .cursorLost:
            "ERR changes were lost: the rings have gone on too far since this cursor was given; read again what you keep, go on "
                + "from $, and ask more often or raise change-ring-size"
        case .notAnInteger:
            "ERR value is not an integer or out of range"
        case .overflow:
            "ERR increment or decrement would overflow"
        case .stringTooLong:
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        case .stringTooLongForOthers(let limit):
            "ERR string exceeds \(limit % (1 << 20) == 0 ? "\(limit >> 20)mb" : "\(limit) bytes"), "
                + "the most that nodes of a cluster tell each other"
        }
    }
}
