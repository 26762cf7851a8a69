import Presence
import PresenceRESP

/// Channels: subscribing, and publishing to those who did.
enum PubSubCommands {
    static let table: [Command] = [
        Command(
            "subscribe", "channel [channel ...]", arity: -2, [.pubsub, .noScript, .loading, .stale, .whileSubscribed],
            [.pubsub], since: "2.0.0", group: "pubsub", complexity: "O(N) where N is the number of channels",
            "Hears what is published on channels, such as user.status.changed", subscribe),
        Command(
            "unsubscribe", "[channel [channel ...]]", arity: -1,
            [.pubsub, .noScript, .loading, .stale, .whileSubscribed], [.pubsub], since: "2.0.0", group: "pubsub",
            complexity: "O(N) where N is the number of channels", "Stops hearing channels, or all", unsubscribe),
        Command(
            "psubscribe", "pattern [pattern ...]", arity: -2, [.pubsub, .noScript, .loading, .stale, .whileSubscribed],
            [.pubsub], since: "2.0.0", group: "pubsub", complexity: "O(N) where N is the number of patterns",
            "Hears all channels that match patterns", patternSubscribe),
        Command(
            "punsubscribe", "[pattern [pattern ...]]", arity: -1,
            [.pubsub, .noScript, .loading, .stale, .whileSubscribed], [.pubsub], since: "2.0.0", group: "pubsub",
            complexity: "O(N) where N is the number of patterns", "Stops hearing patterns, or all", patternUnsubscribe),
        Command(
            "publish", "channel message", arity: 3, [.pubsub, .loading, .stale, .fast], [.pubsub], since: "2.0.0",
            group: "pubsub", complexity: "O(N+M) where N is the number of subscribers and M of patterns",
            "Sends a message to the subscribers of a channel; answers how many", publish),
    ]

    /// The most channels and patterns of one connection: they are memory that nothing else bounds.
    static let maximumSubscriptions = 100_000

    private static func confirm(
        _ kind: StaticString, _ name: [UInt8]?, _ client: Client, _ reply: inout ReplyBuffer
    ) {
        reply.push(3)
        reply.bulk(kind)
        if let name { reply.bulk(name) } else { reply.null() }
        reply.integer(client.subscriptionCount)
    }

    private static func hasRoom(
        _ client: Client, _ request: borrowing RequestReader, _ reply: inout ReplyBuffer
    ) -> Bool {
        guard client.subscriptionCount + request.argumentCount - 1 <= maximumSubscriptions else {
            reply.error("ERR a connection may have at most \(maximumSubscriptions) subscriptions; use a pattern")
            return false
        }
        return true
    }

    @Sendable private static func subscribe(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard hasRoom(client, request, &reply) else { return }
        for index in 1..<request.argumentCount {
            let channel = Text.array(bytes, request.argument(index))
            loop.subscribe(client, channel: channel)
            confirm("subscribe", channel, client, &reply)
        }
    }

    @Sendable private static func unsubscribe(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        if request.argumentCount > 1 {
            for index in 1..<request.argumentCount {
                let channel = Text.array(bytes, request.argument(index))
                loop.unsubscribe(client, channel: channel)
                confirm("unsubscribe", channel, client, &reply)
            }
        } else if client.channels.isEmpty {
            confirm("unsubscribe", nil, client, &reply)
        } else {
            for channel in client.channels.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                loop.unsubscribe(client, channel: channel)
                confirm("unsubscribe", channel, client, &reply)
            }
        }
    }

    @Sendable private static func patternSubscribe(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard hasRoom(client, request, &reply) else { return }
        for index in 1..<request.argumentCount {
            let pattern = Text.array(bytes, request.argument(index))
            loop.subscribe(client, pattern: pattern)
            confirm("psubscribe", pattern, client, &reply)
        }
    }

    @Sendable private static func patternUnsubscribe(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        if request.argumentCount > 1 {
            for index in 1..<request.argumentCount {
                let pattern = Text.array(bytes, request.argument(index))
                loop.unsubscribe(client, pattern: pattern)
                confirm("punsubscribe", pattern, client, &reply)
            }
        } else if client.patterns.isEmpty {
            confirm("punsubscribe", nil, client, &reply)
        } else {
            for pattern in client.patterns.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                loop.unsubscribe(client, pattern: pattern)
                confirm("punsubscribe", pattern, client, &reply)
            }
        }
    }

    @Sendable private static func publish(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
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
