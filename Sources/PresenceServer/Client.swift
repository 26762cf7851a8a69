import Presence
import PresenceRESP

/// What the server knows of one connection, apart from its bytes: those are ``ClientHandler``'s. Touched on its event loop only.
final class Client {
    /// Its number, never used twice while the server runs.
    let id: Int
    /// When it connected.
    let connectedAt: Timestamp
    /// The handler that reads and writes for it. The two keep each other until the connection is gone, so that whoever holds a client, such as an
    /// answer of another event loop on its way, may always ask its handler.
    let handler: ClientHandler

    var version = RESPVersion.resp2
    var isAuthenticated: Bool
    var name: [UInt8] = []
    var libraryName: [UInt8] = []
    var libraryVersion: [UInt8] = []
    /// When it last sent a whole command.
    var lastCommandAt: Timestamp
    /// The number of that command in the table.
    var lastCommand = -1
    /// The name of the subcommand, if that command is a container.
    var lastSubcommand = ""

    private(set) var channels: Set<[UInt8]> = []
    private(set) var patterns: Set<[UInt8]> = []
    /// The bytes of its channels, and of its patterns, together.
    private(set) var channelBytes = 0
    private(set) var patternBytes = 0
    /// Channels and patterns together: the number in every reply of SUBSCRIBE.
    private(set) var subscriptionCount = 0

    /// Close when everything written so far is sent: after QUIT, and after what no one can go on from.
    var closesAfterReply = false
    /// What is unusual about it.
    var traits: ClientTraits = []
    /// What was queued since MULTI.
    var transaction = Transaction()
    /// The keys of WATCH.
    private(set) var watched: [WatchedKey] = []
    /// The bytes of these keys together.
    private(set) var watchedBytes = 0
    /// A command changed what its next ones may be; the reader takes that after it.
    var hasNewLimits = false
    /// What its next command waits for, if that may take long: a change, other nodes, the end of the server.
    var wait: (any ClientWait)?
    /// Its next command waits: one that asked other event loops is not answered yet.
    var isSuspended = false

    init(id: Int, handler: ClientHandler, isAuthenticated: Bool, now: Timestamp) {
        self.id = id
        self.handler = handler
        self.isAuthenticated = isAuthenticated
        connectedAt = now
        lastCommandAt = now
    }

    var isSubscribed: Bool { subscriptionCount > 0 }

    /// Ends the transaction and the watches, and hands out what was queued.
    func endTransaction() -> Transaction {
        defer {
            transaction = Transaction()
            unwatch()
            traits.remove(.inTransaction)
        }
        return transaction
    }

    /// Remembers a key of WATCH.
    func watch(_ key: WatchedKey) {
        watched.append(key)
        watchedBytes += key.key.count
    }

    /// Forgets the keys of WATCH.
    func unwatch() {
        watched = []
        watchedBytes = 0
    }

    /// In RESP2, whoever subscribed may only change subscriptions, ping and leave: a reply could not be told from a message.
    var isLimitedToSubscriptions: Bool { subscriptionCount > 0 && version == .resp2 }

    /// Remembers a subscription; false if it was there.
    func subscribe(channel: [UInt8]) -> Bool {
        guard channels.insert(channel).inserted else { return false }
        channelBytes += channel.count
        subscriptionCount += 1
        return true
    }

    /// Forgets a subscription; false if there was none.
    func unsubscribe(channel: [UInt8]) -> Bool {
        guard channels.remove(channel) != nil else { return false }
        channelBytes -= channel.count
        subscriptionCount -= 1
        return true
    }

    /// Remembers a subscription to a pattern; false if it was there.
    func subscribe(pattern: [UInt8]) -> Bool {
        guard patterns.insert(pattern).inserted else { return false }
        patternBytes += pattern.count
        subscriptionCount += 1
        return true
    }

    /// Forgets a subscription to a pattern; false if there was none.
    func unsubscribe(pattern: [UInt8]) -> Bool {
        guard patterns.remove(pattern) != nil else { return false }
        patternBytes -= pattern.count
        subscriptionCount -= 1
        return true
    }
}
