import Presence
import PresenceCluster
import PresenceRESP
import PresenceStore

/// `CLUSTER`, `READONLY`, `READWRITE`: what clients of Redis Cluster ask, in Redis 7's formats.
///
/// Every node holds every key, so no slot is anywhere in particular and nothing is ever answered with `MOVED`: each live node is shown as
/// master of its rendezvous share of the slots, so that such clients spread over all, and go to another when one is down.
enum ClusterCommands {
    static let table: [Command] = [
        Command(
            "cluster", "subcommand [argument ...]", arity: -2, [], [], since: "3.0.0", group: "cluster",
            complexity: "Depends on subcommand.", "A container for what is known of the cluster",
            subcommands: subcommands
        ) { CommandDispatch.runSubcommand(of: "cluster", $0, $1, $2, $3, &$4) },
        Command(
            "readonly", arity: 1, [.loading, .stale, .fast], [.connection], since: "3.0.0", group: "cluster",
            "Allows reads of what other masters own; here every node answers them always", acknowledge),
        Command(
            "readwrite", arity: 1, [.loading, .stale, .fast], [.connection], since: "3.0.0", group: "cluster",
            "Takes READONLY back; here every node reads and writes always", acknowledge),
    ]

    private static let subcommands: [Command] = [
        subcommand(
            "cluster|countkeysinslot", "slot", arity: 3, complexity: "O(N) where N is the number of all keys",
            "How many keys are in a slot; looks at every key, in slices", countKeys),
        subcommand("cluster|info", arity: 2, complexity: ofNodes, "How the cluster is", information),
        subcommand(
            "cluster|keyslot", "key", arity: 3, complexity: "O(N) where N is the length of the key",
            "The slot of a key", keySlot),
        subcommand(
            "cluster|links", arity: 2, "The links to other nodes", links),
        subcommand("cluster|myid", arity: 2, "The id of this node", myID),
        subcommand(
            "cluster|nodes", arity: 2, complexity: ofNodes, "All nodes, how they are, and their slots", nodes),
        subcommand("cluster|shards", arity: 2, complexity: ofNodes, "The slots of each node, and where it is", shards),
        subcommand("cluster|slots", arity: 2, complexity: ofNodes, "Where each range of slots is", slots),
        Command(
            "cluster|help", arity: 2, [.loading, .stale], [], since: "5.0.0", group: "cluster", "Tells the subcommands"
        ) { loop, _, _, _, reply in
            if view(loop, &reply) != nil { HelpText.write("CLUSTER", of: "cluster", &reply) }
        },
    ]

    private static let ofNodes = "O(N) where N is the number of ranges of slots, at most 1024, and of nodes"

    private static func subcommand(
        _ name: String, _ syntax: String = "", arity: Int, complexity: String = "O(1)", _ summary: String,
        _ body: @escaping Command.Body
    ) -> Command {
        Command(
            name, syntax, arity: arity, [.stale], [],
            since: name == "cluster|links" || name == "cluster|shards" ? "7.0.0" : "3.0.0",
            group: "cluster", complexity: complexity, summary, body)
    }

    /// The cluster as it is now, or nil and Redis's error.
    private static func view(_ loop: ServerLoop, _ reply: inout ReplyBuffer) -> ClusterView? {
        guard let view = loop.server.cluster.withLock({ $0 }) else {
            reply.error("ERR This instance has cluster support disabled")
            return nil
        }
        return view
    }

    @Sendable private static func acknowledge(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        // Nothing is to be done for it: no node refuses what another one owns.
        if view(loop, &reply) != nil { reply.simple("OK") }
    }

    // MARK: - Keys

    @Sendable private static func keySlot(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard view(loop, &reply) != nil else { return }
        reply.integer(KeySlot.slot(of: bytes.extracting(request.argument(2))))
    }

    /// Places looked at in a slice: half a millisecond.
    private static let sliceCount = 2048
    /// Bytes of keys that are hashed in a slice: about a millisecond's work.
    private static let sliceBytes = 512 * 1024

    /// A count under way.
    private final class Count {
        let slot: Int
        /// The key prefix of presences; keys are put behind it to be hashed.
        let prefix: [UInt8]
        var cursor: UInt64 = 0
        var found = 0
        private var name: [UInt8] = []

        init(slot: Int, prefix: [UInt8]) {
            self.slot = slot
            self.prefix = prefix
        }

        /// Looks at some keys; true if they were the last.
        func step(_ store: ShardedStore, at now: Timestamp) -> Bool {
            var name = name
            var hashed = 0
            cursor = store.scanPart(cursor: cursor, count: ClusterCommands.sliceCount, at: now) { kind, key in
                name.removeAll(keepingCapacity: true)
                if kind == .presence { name += prefix }
                for index in 0..<key.count { name.append(key[index]) }
                if KeySlot.slot(of: name.span) == slot { found += 1 }
                hashed += name.count
                return hashed < ClusterCommands.sliceBytes
            }
            self.name = name
            return cursor == 0
        }
    }

    @Sendable private static func countKeys(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard view(loop, &reply) != nil else { return }
        guard let slot = Numbers.integer(bytes, request.argument(2)) else {
            reply.error("ERR value is not an integer or out of range")
            return
        }
        guard (0..<Int64(KeySlot.count)).contains(slot) else {
            reply.error("ERR Invalid slot")
            return
        }
        let count = Count(slot: Int(slot), prefix: loop.keyPrefix.bytes)
        loop.inSlices(for: client, &reply) {
            count.step(loop.store, at: loop.now)
        } _: {
            $0.integer(count.found)
        }
    }

    // MARK: - The cluster

    @Sendable private static func information(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let view = view(loop, &reply) else { return }
        // There are no elections, so epochs stay at 0. Messages are frames.
        let summary = loop.server.replication?.report()
        let suspect = view.slots(in: .suspect)
        let alive = view.slots(in: .alive)
        let fields: [(String, String)] = [
            ("cluster_state", alive + suspect == KeySlot.count ? "ok" : "fail"),
            ("cluster_slots_assigned", "\(alive + suspect)"), ("cluster_slots_ok", "\(alive)"),
            ("cluster_slots_pfail", "\(suspect)"), ("cluster_slots_fail", "0"),
            ("cluster_known_nodes", "\(view.members.count)"),
            ("cluster_size", "\(view.members.count { view.shares.count(of: $0.number) > 0 })"),
            ("cluster_current_epoch", "0"), ("cluster_my_epoch", "0"),
            ("cluster_stats_messages_sent", "\(summary?.sum(\.framesSent) ?? 0)"),
            ("cluster_stats_messages_received", "\(summary?.sum(\.framesReceived) ?? 0)"),
            ("total_cluster_links_buffer_limit_exceeded", "0"),
        ]
        reply.verbatim(fields.map { "\($0.0):\($0.1)\r\n" }.joined())
    }

    @Sendable private static func myID(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let view = view(loop, &reply) else { return }
        reply.bulk(view.configuration.id(of: view.configuration.own))
    }

    /// One link to each node that is shown and has one, not one each way as in Redis: who dialed it is its direction.
    @Sendable private static func links(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let view = view(loop, &reply) else { return }
        let links = loop.server.replication?.report().links.filter(\.isUp) ?? []
        let shown = links.compactMap { link in
            view.nodes.first { $0.node.number == link.number }.map { (link, $0.node) }
        }
        reply.array(shown.count)
        for (link, node) in shown {
            reply.map(6)
            reply.bulk("direction")
            reply.bulk(link.isDialed ? "to" : "from")
            reply.bulk("node")
            reply.bulk(view.configuration.id(of: node))
            reply.bulk("create-time")
            reply.integer(Int(link.linkBegan))
            reply.bulk("events")
            reply.bulk(link.bytesWaiting > 0 ? "rw" : "r")
            reply.bulk("send-buffer-allocated")
            reply.integer(link.bytesAllocated)
            reply.bulk("send-buffer-used")
            reply.integer(link.bytesWaiting)
        }
    }

    @Sendable private static func nodes(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let view = view(loop, &reply) else { return }
        var lines = ""
        for shown in ShownNode.all(of: view, for: client, loop) {
            let (node, member) = (shown.node, shown.member)
            let isOwn = node.number == view.configuration.own.number
            let flags: String =
                switch member.state {
                case .alive: isOwn ? "myself,master" : "master"
                case .suspect: "master,fail?"
                case .down: "master,fail"
                }
            // The ping that waits for its pong, and the last pong, as Redis has them.
            let waiting = shown.link.map { $0.pingSent > $0.pongReceived ? $0.pingSent : 0 } ?? 0
            let heard = max(member.lastHeard ?? 0, shown.link?.pongReceived ?? 0)
            lines += "\(shown.id) \(shown.host):\(shown.port)@\(node.peer?.port ?? 0) \(flags) - \(waiting) \(heard) 0 "
            lines += shown.isConnected ? "connected" : "disconnected"
            for slots in shown.slots {
                lines += slots.count == 1 ? " \(slots.lowerBound)" : " \(slots.lowerBound)-\(slots.upperBound)"
            }
            lines += "\n"
        }
        reply.verbatim(lines)
    }

    @Sendable private static func slots(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let view = view(loop, &reply) else { return }
        let nodes = ShownNode.all(of: view, for: client, loop)
        let ranges = nodes.flatMap { node in node.slots.map { (slots: $0, node: node) } }
            .sorted { $0.slots.lowerBound < $1.slots.lowerBound }
        reply.array(ranges.count)
        for (slots, node) in ranges {
            reply.array(3)
            reply.integer(slots.lowerBound)
            reply.integer(slots.upperBound)
            reply.array(4)
            reply.bulk(node.host)
            reply.integer(node.port)
            reply.bulk(node.id)
            reply.map(0)
        }
    }

    @Sendable private static func shards(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let view = view(loop, &reply) else { return }
        let nodes = ShownNode.all(of: view, for: client, loop)
        reply.array(nodes.count)
        for node in nodes {
            reply.map(2)
            reply.bulk("slots")
            reply.array(node.slots.count * 2)
            for slots in node.slots {
                reply.integer(slots.lowerBound)
                reply.integer(slots.upperBound)
            }
            reply.bulk("nodes")
            reply.array(1)
            write(node, &reply)
        }
    }

    /// A node as `CLUSTER SHARDS` tells it.
    private static func write(_ node: ShownNode, _ reply: inout ReplyBuffer) {
        let ports: [(StaticString, Int)] = [("port", node.plainPort), ("tls-port", node.tlsPort)].filter { $0.1 != 0 }
        reply.map(6 + ports.count)
        reply.bulk("id")
        reply.bulk(node.id)
        for (name, port) in ports {
            reply.bulk(name)
            reply.integer(port)
        }
        reply.bulk("ip")
        reply.bulk(node.host)
        reply.bulk("endpoint")
        reply.bulk(node.host)
        reply.bulk("role")
        reply.bulk("master")
        reply.bulk("replication-offset")
        reply.integer(node.position)
        reply.bulk("health")
        reply.bulk(node.health)
    }
}
