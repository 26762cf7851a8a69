import Presence
import PresenceRESP

/// Channels: subscribing, and publishing to those who did.
enum PubSubCommands {
    static let table: [Command] = subscribing + PubSubReport.table

    private static let subscribing: [Command] = [
        Command(
            "subscribe", "channel [channel ...]", arity: -2, [.pubsub, .noScript, .loading, .stale, .whileSubscribed],
            [.pubsub], since: "2.0.0", group: "pubsub", complexity: "O(N) where N is the number of channels",
            "Hears what is published on channels, such as user.status.changed"
        ) { subscribe(.channel, $0, $1, $2, $3, &$4) },
        Command(
            "unsubscribe", "[channel [channel ...]]", arity: -1,
            [.pubsub, .noScript, .loading, .stale, .whileSubscribed], [.pubsub], since: "2.0.0", group: "pubsub",
            complexity: "O(N) where N is the number of channels", "Stops hearing channels, or all"
        ) { unsubscribe(.channel, $0, $1, $2, $3, &$4) },
        Command(
            "psubscribe", "pattern [pattern ...]", arity: -2, [.pubsub, .noScript, .loading, .stale, .whileSubscribed],
            [.pubsub], since: "2.0.0", group: "pubsub", complexity: "O(N) where N is the number of patterns",
            "Hears all channels that match patterns"
        ) { subscribe(.pattern, $0, $1, $2, $3, &$4) },
        Command(
            "punsubscribe", "[pattern [pattern ...]]", arity: -1,
            [.pubsub, .noScript, .loading, .stale, .whileSubscribed], [.pubsub], since: "2.0.0", group: "pubsub",
            complexity: "O(N) where N is the number of patterns", "Stops hearing patterns, or all"
        ) { unsubscribe(.pattern, $0, $1, $2, $3, &$4) },
        Command(
            "publish", "channel message", arity: 3, [.pubsub, .loading, .stale, .fast], [.pubsub], since: "2.0.0",
            group: "pubsub", complexity: "O(N+M) where N is the number of subscribers and M of patterns",
            "Sends a message to the subscribers of a channel; answers how many", publish),
    ]

    /// The most channels and patterns of one connection: they are memory that nothing else bounds.
    static let maximumSubscriptions = 100_000
    /// The bytes of its channels together.
    static let maximumChannelBytes = 16 << 20
    /// The most patterns of one connection, and their bytes together: each message on a channel is compared with each of them.
    static let maximumPatterns = 1_000
    static let maximumPatternBytes = 32_768

    /// What a name that is subscribed to stands for.
    private enum Kind {
        case channel, pattern

        var subscribeWord: StaticString { self == .channel ? "subscribe" : "psubscribe" }
        var unsubscribeWord: StaticString { self == .channel ? "unsubscribe" : "punsubscribe" }

        func names(of client: Client) -> Set<[UInt8]> { self == .channel ? client.channels : client.patterns }

        func subscribe(_ loop: ServerLoop, _ client: Client, _ name: [UInt8]) {
            switch self {
            case .channel: loop.subscribe(client, channel: name)
            case .pattern: loop.subscribe(client, pattern: name)
            }
        }

        func unsubscribe(_ loop: ServerLoop, _ client: Client, _ name: [UInt8]) {
            switch self {
            case .channel: loop.unsubscribe(client, channel: name)
            case .pattern: loop.unsubscribe(client, pattern: name)
            }
        }
    }

    private static func subscribe(
        _ kind: Kind, _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard client.subscriptionCount + request.argumentCount - 1 <= maximumSubscriptions else {
            reply.error("ERR a connection may have at most \(maximumSubscriptions) subscriptions; use a pattern")
            return
        }
        if kind == .pattern, refusesPatterns(loop, client, request, &reply) { return }
        if kind == .channel, refusesChannels(client, request, &reply) { return }
        for index in 1..<request.argumentCount {
            let name = Text.array(bytes, request.argument(index))
            kind.subscribe(loop, client, name)
            confirm(kind.subscribeWord, name, client, &reply)
        }
    }

    /// Whether a channel is too long; then the error is written.
    private static func refusesChannel(_ channel: Range<Int>, _ reply: inout ReplyBuffer) -> Bool {
        guard channel.count > SubscriptionRegistry.maximumChannelLength else { return false }
        reply.error("ERR a channel may have at most \(SubscriptionRegistry.maximumChannelLength) bytes")
        return true
    }

    /// Whether one of these channels is too long, or all are too long together; then the error is written.
    private static func refusesChannels(
        _ client: Client, _ request: borrowing RequestReader, _ reply: inout ReplyBuffer
    ) -> Bool {
        var bytes = client.channelBytes
        for index in 1..<request.argumentCount {
            if refusesChannel(request.argument(index), &reply) { return true }
            bytes += request.argument(index).count
        }
        guard bytes > maximumChannelBytes else { return false }
        reply.error("ERR the channels of a connection may have \(maximumChannelBytes) bytes together; use a pattern")
        return true
    }

    /// Whether these patterns are too long or too many, for the connection or the server; then the error is written.
    private static func refusesPatterns(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ reply: inout ReplyBuffer
    ) -> Bool {
        let count = request.argumentCount - 1
        var bytes = client.patternBytes
        for index in 1...count {
            if GlobPattern.refuses(request.argument(index), &reply) { return true }
            bytes += request.argument(index).count
        }
        guard client.patterns.count + count <= maximumPatterns, bytes <= maximumPatternBytes else {
            reply.error(
                "ERR a connection may have at most \(maximumPatterns) patterns, of \(maximumPatternBytes) bytes together; "
                    + "SUBSCRIBE takes more channels")
            return true
        }
        guard loop.server.registry.distinct.patterns + count <= SubscriptionRegistry.maximumPatterns else {
            reply.error(
                "ERR all connections together may have at most \(SubscriptionRegistry.maximumPatterns) patterns")
            return true
        }
        return false
    }

    private static func unsubscribe(
        _ kind: Kind, _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var names: [[UInt8]] = []
        if request.argumentCount > 1 {
            for index in 1..<request.argumentCount { names.append(Text.array(bytes, request.argument(index))) }
        } else {
            names = kind.names(of: client).sorted { $0.lexicographicallyPrecedes($1) }
        }
        for name in names {
            kind.unsubscribe(loop, client, name)
            confirm(kind.unsubscribeWord, name, client, &reply)
        }
        if names.isEmpty { confirm(kind.unsubscribeWord, nil, client, &reply) }
    }

    /// One reply a name: the word, the name, and how many subscriptions the client has now.
    private static func confirm(
        _ word: StaticString, _ name: [UInt8]?, _ client: Client, _ reply: inout ReplyBuffer
    ) {
        reply.push(3)
        reply.bulk(word)
        if let name { reply.bulk(name) } else { reply.null() }
        reply.integer(client.subscriptionCount)
    }

    @Sendable private static func publish(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard !refusesChannel(request.argument(1), &reply) else { return }
        guard loop.server.registry.total > 0 else {
            reply.integer(0)
            return
        }
        let channel = Text.array(bytes, request.argument(1))
        let route = loop.server.registry.route(channel)
        if route.receivers > 0 {
            var message = Message(channel: channel, payload: Text.array(bytes, request.argument(2)))
            if client.isSubscribed {
                // As Redis: who publishes to himself gets the message before the reply.
                message.excludedClient = client.id
                if client.channels.contains(channel) { message.write(to: &reply) }
                for (pattern, _) in loop.subscriptions.patterns(matching: channel)
                where client.patterns.contains(pattern) {
                    message.write(to: &reply, pattern: pattern)
                }
            }
            loop.send(message, to: route.loops)
        }
        reply.integer(route.receivers)
    }
}
