import PresenceRESP

/// One command as its family describes it: what it is called and takes, what it does, and the function that does it.
///
/// Arity errors, `COMMAND`, `PRESENCE.HELP` and the README's table come from here.
struct Command: Sendable {
    /// Runs the command. The span holds the arguments; where they lie, the reader says. Everything it answers goes into the buffer.
    typealias Body = @Sendable (ServerLoop, Client, borrowing RequestReader, Span<UInt8>, inout ReplyBuffer) -> Void

    /// Lower case; of a subcommand, with its container: `client|id`.
    let name: String
    /// Arguments with the name: exactly so many, or at least so many if negative.
    let arity: Int
    let flags: CommandFlags
    let categories: CommandCategories
    let keys: KeyPositions
    /// How the key is used, in the words of `COMMAND`'s key specifications.
    let keyUse: KeyUse
    /// What it works on beside the keys that it declares.
    let reach: CommandReach
    let summary: String
    /// The version of Redis, or of presenced for its own, that brought it.
    let since: String
    let group: String
    let complexity: String
    /// The arguments, as a person reads them: `key seconds [NX | XX]`.
    let syntax: String
    let subcommands: [Command]
    let body: Body

    init(
        _ name: String, _ syntax: String = "", arity: Int, _ flags: CommandFlags, _ categories: CommandCategories,
        keys: KeyPositions = .none, keyUse: KeyUse = .readOnly, reach: CommandReach = .keys, since: String,
        group: String, complexity: String = "O(1)",
        _ summary: String, subcommands: [Command] = [], _ body: @escaping Body
    ) {
        self.name = name
        self.arity = arity
        self.flags = flags
        self.categories = categories.union(flags.contains(.fast) ? .fast : .slow)
            .union(flags.contains(.write) ? .write : []).union(flags.contains(.readOnly) ? .read : [])
        self.keys = keys
        self.keyUse = keyUse
        self.reach = reach
        self.since = since
        self.group = group
        self.complexity = complexity
        self.syntax = syntax
        self.summary = summary
        self.subcommands = subcommands
        self.body = body
    }

    /// Which of `count` arguments are keys, by their numbers. Counts that a client got wrong give fewer keys, never a number out of bounds.
    func keyIndices(argumentCount count: Int) -> StrideTo<Int> {
        guard keys.step > 0, keys.first < count else { return stride(from: 0, to: 0, by: 1) }
        let last = keys.last < 0 ? count + keys.last : min(keys.last, count - 1)
        return stride(from: keys.first, to: last + 1, by: keys.step)
    }

    /// Whether it may look at any record, though no argument names it: `SCAN`, `FLUSHALL`, `INFO`.
    var mayTouchAllKeys: Bool {
        reach == .everything
            || keys == .none && !flags.contains(.pubsub) && categories.isDisjoint(with: [.connection, .transaction])
    }

    /// Whether a command of `count` arguments, its name included, is complete.
    func takes(_ count: Int) -> Bool {
        arity >= 0 ? count == arity : count >= -arity
    }
}

/// What a command may work on beside the keys that it declares: within EXEC their shards are held, too.
enum CommandReach: Sendable {
    /// Nothing.
    case keys
    /// Users that other arguments name.
    case arguments
    /// Any record.
    case everything
}

/// Which arguments are keys: the first, the last (-1: the last there is) and the distance between two.
struct KeyPositions: Sendable, Equatable {
    let first: Int
    let last: Int
    let step: Int

    static let none = KeyPositions(first: 0, last: 0, step: 0)
    static let one = KeyPositions(first: 1, last: 1, step: 1)
    static let all = KeyPositions(first: 1, last: -1, step: 1)
    /// key session [key session ...]
    static let pairs = KeyPositions(first: 1, last: -1, step: 2)
}

/// How a command uses its keys.
enum KeyUse: Sendable {
    case readOnly, overwrite, readWrite, remove
    /// Whether it is there, how long it is or will be: not what is in it.
    case inspect
    /// Sets it only where there is none.
    case insert
    /// Adds to it without answering what is in it.
    case extend
    /// Answers what is in it and changes it.
    case exchange
    /// Answers what is in it and ends it.
    case take

    var words: [StaticString] {
        switch self {
        case .readOnly: ["RO", "access"]
        case .inspect: ["RO"]
        case .overwrite: ["OW", "update"]
        case .insert: ["OW", "insert"]
        case .readWrite: ["RW", "update"]
        case .extend: ["RW", "insert"]
        case .exchange: ["RW", "access", "update"]
        case .take: ["RW", "access", "delete"]
        case .remove: ["RM", "delete"]
        }
    }
}

/// The flags of `COMMAND`, in the order in which Redis prints them.
struct CommandFlags: OptionSet, Sendable {
    let rawValue: UInt16

    static let write = CommandFlags(rawValue: 1 << 0)
    static let readOnly = CommandFlags(rawValue: 1 << 1)
    static let denyOutOfMemory = CommandFlags(rawValue: 1 << 2)
    static let admin = CommandFlags(rawValue: 1 << 3)
    static let pubsub = CommandFlags(rawValue: 1 << 4)
    static let noScript = CommandFlags(rawValue: 1 << 5)
    static let loading = CommandFlags(rawValue: 1 << 6)
    static let stale = CommandFlags(rawValue: 1 << 7)
    static let fast = CommandFlags(rawValue: 1 << 8)
    static let noAuth = CommandFlags(rawValue: 1 << 9)
    /// Refused between MULTI and EXEC: it waits for other event loops, or ends the connection's turn in another way.
    static let noMulti = CommandFlags(rawValue: 1 << 10)
    /// `MONITOR` does not show it. Not among the words that are told.
    static let skipMonitor = CommandFlags(rawValue: 1 << 11)
    /// `SLOWLOG` does not keep it. Not among the words that are told.
    static let skipSlowLog = CommandFlags(rawValue: 1 << 12)
    /// Runs at once between MULTI and EXEC instead of being queued. Not one of Redis's words.
    static let immediate = CommandFlags(rawValue: 1 << 13)
    /// `CLIENT PAUSE WRITE` holds it though it writes no key. Not one of Redis's words here.
    static let mayReplicate = CommandFlags(rawValue: 1 << 14)
    /// Allowed on a RESP2 connection that has subscribed. Not one of Redis's words.
    static let whileSubscribed = CommandFlags(rawValue: 1 << 15)

    private static let all: [(CommandFlags, StaticString)] = [
        (.write, "write"), (.readOnly, "readonly"), (.denyOutOfMemory, "denyoom"), (.admin, "admin"),
        (.pubsub, "pubsub"),
        (.noScript, "noscript"), (.loading, "loading"), (.stale, "stale"), (.fast, "fast"), (.noAuth, "no_auth"),
        (.noMulti, "no_multi"),
    ]

    var words: [StaticString] { CommandFlags.all.filter { contains($0.0) }.map(\.1) }
}

/// The ACL categories of `COMMAND`, in Redis's words and order.
struct CommandCategories: OptionSet, Sendable {
    let rawValue: UInt16

    static let keyspace = CommandCategories(rawValue: 1 << 0)
    static let read = CommandCategories(rawValue: 1 << 1)
    static let write = CommandCategories(rawValue: 1 << 2)
    static let hash = CommandCategories(rawValue: 1 << 3)
    static let string = CommandCategories(rawValue: 1 << 4)
    static let pubsub = CommandCategories(rawValue: 1 << 5)
    static let admin = CommandCategories(rawValue: 1 << 6)
    static let fast = CommandCategories(rawValue: 1 << 7)
    static let slow = CommandCategories(rawValue: 1 << 8)
    static let dangerous = CommandCategories(rawValue: 1 << 9)
    static let connection = CommandCategories(rawValue: 1 << 10)
    static let transaction = CommandCategories(rawValue: 1 << 11)
    static let presence = CommandCategories(rawValue: 1 << 12)

    private static let all: [(CommandCategories, StaticString)] = [
        (.keyspace, "@keyspace"), (.read, "@read"), (.write, "@write"), (.hash, "@hash"), (.string, "@string"),
        (.pubsub, "@pubsub"), (.admin, "@admin"), (.fast, "@fast"), (.slow, "@slow"), (.dangerous, "@dangerous"),
        (.connection, "@connection"), (.transaction, "@transaction"), (.presence, "@presence"),
    ]

    var words: [StaticString] { CommandCategories.all.filter { contains($0.0) }.map(\.1) }
}
