import Presence
import PresenceRESP

/// `PUBSUB`: who is subscribed to what, all event loops together.
enum PubSubReport {
    static let table: [Command] = [
        Command(
            "pubsub", "subcommand [argument ...]", arity: -2, [], [], since: "2.8.0", group: "pubsub",
            complexity: "Depends on subcommand.", "A container for what is known of subscriptions",
            subcommands: subcommands
        ) { CommandDispatch.runSubcommand(of: "pubsub", $0, $1, $2, $3, &$4) }
    ]

    private static let flags: CommandFlags = [.pubsub, .loading, .stale]

    private static let subcommands: [Command] = [
        Command(
            "pubsub|channels", "[pattern]", arity: -2, flags, [.pubsub], since: "2.8.0", group: "pubsub",
            complexity: "O(N) where N is the number of channels", "The channels that have subscribers", channels),
        Command(
            "pubsub|numpat", arity: 2, flags, [.pubsub], since: "2.8.0", group: "pubsub",
            "The number of patterns that clients are subscribed to"
        ) { loop, _, _, _, reply in reply.integer(loop.server.registry.distinct.patterns) },
        Command(
            "pubsub|numsub", "[channel [channel ...]]", arity: -2, flags, [.pubsub], since: "2.8.0", group: "pubsub",
            complexity: "O(N) where N is the number of channels", "How many clients are subscribed to channels",
            subscriberCounts),
        Command(
            "pubsub|shardchannels", "[pattern]", arity: -2, flags, [.pubsub], since: "7.0.0", group: "pubsub",
            "The shard channels that have subscribers: none, as there is no SSUBSCRIBE", shardChannels),
        Command(
            "pubsub|shardnumsub", "[shardchannel [shardchannel ...]]", arity: -2, flags, [.pubsub], since: "7.0.0",
            group: "pubsub", complexity: "O(N) where N is the number of shard channels",
            "How many clients are subscribed to shard channels: none, as there is no SSUBSCRIBE",
            shardSubscriberCounts),
        Command(
            "pubsub|help", arity: 2, [.loading, .stale], [], since: "6.2.0", group: "pubsub", "Tells the subcommands"
        ) { _, _, _, _, reply in HelpText.write("PUBSUB", of: "pubsub", &reply) },
    ]

    @Sendable private static func channels(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard takesOnePattern(request, bytes, &reply) else { return }
        guard request.argumentCount < 3 || !GlobPattern.refuses(request.argument(2), &reply) else { return }
        let walk = Walk(request.argumentCount == 3 ? Text.array(bytes, request.argument(2)) : nil)
        loop.inSlices(for: client, &reply) {
            walk.step(loop.server.registry)
        } _: { reply in
            let start = reply.count
            reply.array(walk.count)
            walk.found.withBytes { reply.raw($0) }
            _ = loop.refusesLongReply(from: start, &reply)
        }
    }

    /// A walk over all channels, in slices with others' commands in between: as many as 100 000 a connection.
    private final class Walk {
        /// The work of a slice, 64 and what matching takes a channel: half a millisecond, and a part's names that are copied.
        private static let sliceWork = 256 * 1024

        let pattern: [UInt8]?
        var found = ReplyBuffer(capacity: 1024)
        var count = 0
        private var part = 0
        private var names: [[UInt8]] = []

        init(_ pattern: [UInt8]?) { self.pattern = pattern }

        /// Looks at some channels; true if they were the last.
        func step(_ registry: SubscriptionRegistry) -> Bool {
            var work = 0
            while work < Walk.sliceWork {
                guard let name = names.popLast() else {
                    guard part < SubscriptionRegistry.parts else { return true }
                    names = registry.channels(part: part)
                    part += 1
                    continue
                }
                work += 64
                if pattern.map({ GlobPattern.matches($0.span, name.span, work: &work) }) ?? true {
                    found.bulk(name)
                    count += 1
                }
            }
            return false
        }
    }

    @Sendable private static func shardChannels(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard takesOnePattern(request, bytes, &reply) else { return }
        reply.array(0)
    }

    /// Redis finds the third argument too many only here, and has words of its own for it.
    private static func takesOnePattern(
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Bool {
        guard request.argumentCount > 3 else { return true }
        let shown = Text.string(bytes, request.argument(1), limit: 128)
        reply.error("ERR unknown subcommand or wrong number of arguments for '\(shown)'. Try PUBSUB HELP.")
        return false
    }

    @Sendable private static func subscriberCounts(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        write(request, bytes, &reply) { loop.server.registry.subscribers(of: $0) }
    }

    @Sendable private static func shardSubscriberCounts(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        write(request, bytes, &reply) { _ in 0 }
    }

    private static func write(
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer,
        _ count: ([UInt8]) -> Int
    ) {
        // Flat in both protocols, as Redis's is.
        reply.array((request.argumentCount - 2) * 2)
        for index in 2..<request.argumentCount {
            let name = Text.array(bytes, request.argument(index))
            reply.bulk(name)
            reply.integer(count(name))
        }
    }
}
