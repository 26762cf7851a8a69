import PresenceCluster
import PresenceLinks

/// What the configuration says of the cluster.
struct ClusterSettings: Equatable, Sendable {
    /// Empty: no cluster.
    var name = ""
    /// In the order of their lines.
    var nodes: [ClusterNode] = []
    /// The name of this node, if a setting says it.
    var nodeName = ""
    var secretFile = ""
    /// No file: nodes know each other by the secret.
    var certificates = PeerCertificates(certificateFile: "", keyFile: "", authorityFile: "")
    /// Milliseconds, as all durations here.
    var maxClockOffset = 1_000
    var peerTimeout = 1_800
    var digestInterval = 30_000
    var peerMargin = 2_000
    var stallHold = 5_000
    /// Of all shards together.
    var replicaLogEntries = 1 << 20
    var tombstoneTTL = 600_000
    /// Of all shards together.
    var maxTombstones = 2 << 20
    /// The name that this node goes by, and who says so. Found when the settings are read; no setting of its own.
    var own = NodeName(name: "", origin: "node-name")
}

/// A name for this node.
struct NodeName: Equatable, Sendable {
    let name: String
    /// For messages: `node-name`, `PRESENCED_NODE`, `the host name`.
    let origin: String
}

extension Settings {
    /// The cluster's part of ``table``.
    static let clusterTable = [
        Setting(
            "cluster", .cluster, \.cluster.name, .clusterName, isLive: false,
            """
            Name of the cluster. With a name, clients of Redis Cluster are served: `CLUSTER` tells them which node is
            master of which slots, this node of all if there is no other. Without one, `CLUSTER` answers as a Redis does
            whose cluster support is disabled.
            """),
        Setting(
            "node", .cluster, \.cluster.nodes, .clusterNodes, isLive: false, isList: true, isRepeatable: true,
            """
            A node of the cluster, a line for each, the same lines in the file of every node. `resp` is where clients
            are sent; the node whose line it is listens there, unless `port` and `bind` say otherwise. `tls` is the same
            for clients that come by `tls-port`, `peer` the address for other nodes. Without `number` the first line has
            number 1, the second 2. With more than one node each needs a `peer` address, and the cluster a `secret-file`.
            A line with `peer` alone, `cache number 9 peer 10.0.0.9:7399`, is a follower: a copy in the process of a
            service, which is told everything and tells nothing, and to which no client is sent.
            """),
        Setting(
            "node-name", .cluster, \.cluster.nodeName, .nodeName, isLive: false,
            """
            Which of the nodes this one is, and the `node` of its events. `--node a` is short for `--node-name a`; if
            neither is there, the environment's `PRESENCED_NODE` says it, and where there are `node` lines the host name.
            """),
        Setting(
            "secret-file", .cluster, \.cluster.secretFile, .text(0...4_096), isLive: false,
            """
            File of the cluster's secret: one line of 32 to 128 hexadecimal digits, as `openssl rand -hex 32` makes it, which
            nobody but its owner may read. It is checked at the start and by `presenced check-config`. Nodes name users by
            a hash with it, and without `peer-tls-cert-file` they know each other by a key that follows from it; so all
            nodes of a cluster have the same one.
            """),
        Setting(
            "peer-tls-cert-file", .cluster, \.cluster.certificates.certificateFile, .text(0...4_096), isLive: true,
            """
            This node's certificate and the chain above it, PEM: with it nodes know each other by certificates, and no
            longer by a key of `secret-file`; all of them do. It names the node (`subjectAltName=DNS:` and the name in its
            `node` line), or the host of its `peer` address where no other node lives, and is good for both ends of a
            connection. The file may be the same name on every node, such as `/etc/presenced/peer.pem`. It is read anew
            whenever one of the `peer-tls-` files is set, be it to the same name, and on SIGHUP; what cannot be used
            changes nothing. Links keep what they began with, but for certificates that were taken back.
            """),
        Setting(
            "peer-tls-key-file", .cluster, \.cluster.certificates.keyFile, .text(0...4_096), isLive: true,
            """
            The private key of `peer-tls-cert-file`, PEM, which nobody but its owner may read. A new pair is set with one
            `CONFIG SET` of both.
            """),
        Setting(
            "peer-tls-key-file-pass", .cluster, \.cluster.certificates.keyFilePassword, .text(0...512), isLive: true,
            "The password of `peer-tls-key-file`; empty for none."),
        Setting(
            "peer-tls-ca-cert-file", .cluster, \.cluster.certificates.authorityFile, .text(0...4_096), isLive: true,
            """
            The authorities whose certificates other nodes show, PEM. Whoever has a certificate of theirs with a node's
            name may speak as that node: an authority of this cluster's own.
            """),
        Setting(
            "peer-tls-crl-file", .cluster, \.cluster.certificates.revocationFile, .text(0...4_096), isLive: true,
            """
            Which certificates those authorities took back, PEM, as `openssl ca -gencrl` makes it: a list of each authority in
            `peer-tls-ca-cert-file`, none of which may have ended. It is looked at when a link begins and read anew as
            `peer-tls-cert-file` is; then links with nodes whose certificate it names are closed. Once a list has ended no
            link begins until there is a new one, and those that are there stay.
            """),
        Setting(
            "max-clock-offset", .cluster, \.cluster.maxClockOffset, .duration(10...60_000), isLive: false,
            """
            How far apart the clocks of two nodes may be. Beyond it they refuse to link, and say so; nor is taken what
            another node wrote further ahead of this node's clock.
            """),
        Setting(
            "peer-timeout", .cluster, \.cluster.peerTimeout, .duration(500...600_000), isLive: false,
            """
            After how long without a word another node is down: clients are shown other masters for its slots. After 40 %
            of it the node is suspect, which changes nothing yet.
            """),
        Setting(
            "peer-margin", .cluster, \.cluster.peerMargin, .duration(0...60_000), isLive: false,
            """
            How long past a session's deadline the other nodes wait for the word of the node at which it beat last. It
            covers the time that a beat takes between nodes, and clocks that differ.
            """),
        Setting(
            "stall-hold", .cluster, \.cluster.stallHold, .duration(0...60_000), isLive: false,
            """
            For how long a node that was stopped or suspended for more than 2 s goes on showing whom it could not hear of
            meanwhile as they were, so that clients and other nodes can tell who is there: nobody is announced offline or
            idle for his silence in that time. 0s announces at once what silence says. Each node may have its own; one without
            other nodes holds nobody. `INFO presence` counts such stops as `stalls`.
            """),
        Setting(
            "replica-log-entries", .cluster, \.cluster.replicaLogEntries, .integer(1_024...1 << 30), isLive: false,
            """
            Changes that are kept for other nodes, in all shards together, rounded up to a power of two in each; 9 bytes
            each. A node that missed more than that of a shard is sent this shard as a whole.
            """),
        Setting(
            "digest-interval", .cluster, \.cluster.digestInterval, .duration(1_000...86_400_000), isLive: false,
            """
            Within this time everything is compared once with each other node, a range at a time. What differs is mended.
            """),
        Setting(
            "tombstone-ttl", .cluster, \.cluster.tombstoneTTL, .duration(1_000...86_400_000), isLive: false,
            """
            For how long it is kept in mind, where there are other nodes, that a string was deleted or expired: a node
            that was cut off for longer may bring it back.
            """),
        Setting(
            "max-tombstones", .cluster, \.cluster.maxTombstones, .integer(1_024...1 << 30), isLive: false,
            "Deleted strings that are kept in mind at once, in all shards together; the oldest are forgotten early."),
    ]

    /// Whether there are nodes beside this one.
    var hasOtherNodes: Bool { cluster.nodes.count > 1 }

    /// The node line of this node, if there are lines and one has its name.
    var ownNode: ClusterNode? { cluster.nodes.first { $0.name == cluster.own.name } }

    /// The defaults for this node: with its own node line, the addresses that it says.
    var usual: Settings {
        var usual = Settings()
        guard let own = ownNode else { return usual }
        if let resp = own.resp {
            usual.port = resp.port
            if !resp.isLoopback { usual.bind = [resp.host] + usual.bind }
        }
        if let tls = own.tls { usual.tls.port = tls.port }
        return usual
    }

    /// Finds out which node this is, and takes from its line what no setting said.
    mutating func takeOwnNode(_ surroundings: Surroundings, isSet: (String) -> Bool) {
        let names = [
            NodeName(name: cluster.nodeName, origin: "node-name"),
            NodeName(name: surroundings.nodeVariable, origin: "PRESENCED_NODE"),
            NodeName(name: cluster.nodes.isEmpty ? "" : surroundings.hostName, origin: "the host name"),
        ]
        cluster.own = names.first { !$0.name.isEmpty } ?? NodeName(name: "", origin: "node-name")
        let usual = usual
        if !isSet("port") { port = usual.port }
        if !isSet("bind") { bind = usual.bind }
        if !isSet("tls-port") { tls.port = usual.tls.port }
    }

    /// The name of this node in events.
    var eventNode: String { cluster.own.name.isEmpty ? "local" : cluster.own.name }

    /// The cluster that these settings name, or nil if they name none. Without `node` lines it is this node alone, and clients come by the address
    /// that they know.
    ///
    /// - Throws: what is wrong with it.
    func clusterConfiguration() throws(ClusterError) -> ClusterConfiguration? {
        guard !cluster.name.isEmpty else { return nil }
        let nodes = cluster.nodes.isEmpty ? [try ClusterNode(number: 1, name: eventNode)] : cluster.nodes
        let own = cluster.nodes.isEmpty ? eventNode : cluster.own.name
        return try ClusterConfiguration(name: cluster.name, own: own, origin: cluster.own.origin, nodes: nodes)
    }

    /// Every rule between the settings of the cluster that is broken.
    func brokenClusterRelations() -> [BrokenRelation] {
        var broken: [BrokenRelation] = []
        if cluster.name.isEmpty, !cluster.nodes.isEmpty || !cluster.secretFile.isEmpty {
            let name = cluster.nodes.isEmpty ? "secret-file" : "node"
            broken.append(
                BrokenRelation(
                    names: [name, "cluster"], message: "\(name) is part of no cluster: name it, cluster NAME"))
        }
        broken += brokenCertificateRelations()
        if cluster.nodes.isEmpty, !ClusterNode.isName(eventNode) {
            let error = ClusterError.nodeName(eventNode)
            broken.append(BrokenRelation(names: ["node-name"], message: "\(cluster.own.origin): \(error)"))
        }
        if hasOtherNodes {
            if cluster.secretFile.isEmpty {
                broken.append(
                    BrokenRelation(
                        names: ["node", "secret-file"],
                        message: (hasPeerCertificates
                            ? "nodes name users by a hash with a secret, beside certificates too, and there is none: "
                            : "nodes know each other by a secret, and there is none: ")
                            + "openssl rand -hex 32 > FILE; chmod 600 FILE; then secret-file FILE on every node, the same file"
                    ))
            }
            for node in cluster.nodes where node.peer == nil {
                broken.append(
                    BrokenRelation(
                        names: ["node"],
                        message:
                            "node \(node.name) has no address for the other nodes: add 'peer HOST:PORT' to its line"))
            }
            if manualClock {
                broken.append(
                    BrokenRelation(
                        names: ["manual-clock", "node"],
                        message: "manual-clock yes is for one node: the others' clocks would not stand still"))
            }
        }
        if let own = ownNode, own.isFollower {
            broken.append(
                BrokenRelation(
                    names: ["node-name", "node"],
                    message:
                        "the line of node \(own.name) has no address for clients, so it is a follower, and presenced "
                        + "serves clients: add 'resp HOST:PORT' to the line on every node, or embed the follower in a "
                        + "service (Examples/follower)"))
        }
        do throws(ClusterError) {
            _ = try clusterConfiguration()
        } catch {
            if case .unknownSelf = error {
                broken.append(BrokenRelation(names: ["node-name", "node"], message: error.description))
            }
        }
        return broken
    }

    /// What is worth a word about the cluster.
    func clusterAdvice() -> [String] {
        guard let own = ownNode else { return [] }
        var advice: [String] = []
        for (name, here, there) in [("port", port, own.resp?.port), ("tls-port", tls.port, own.tls?.port)] {
            if let there, here != there {
                advice.append(
                    "\(name) is \(here), and the line of node \(own.name) sends clients to \(there): "
                        + "right only if something between them passes one on to the other")
            }
        }
        let needed = cluster.maxClockOffset + 1_000
        if hasOtherNodes, cluster.peerMargin < needed {
            advice.append(
                "peer-margin \(DurationUnits.spell(cluster.peerMargin)) is not a second above max-clock-offset "
                    + "\(DurationUnits.spell(cluster.maxClockOffset)): a node whose clock is that far ahead shows users offline "
                    + "who beat at another one; peer-margin \(DurationUnits.spell(needed)), or a smaller max-clock-offset"
            )
        }
        return advice
    }

    /// What holds of the cluster, in a line; empty if there is none.
    func clusterSummary() -> String {
        guard let cluster = try? clusterConfiguration() else { return "" }
        let own = cluster.own
        let addresses = [("resp", own.resp), ("tls", own.tls), ("peer", own.peer)]
            .compactMap { role, address in address.map { ", \(role) \($0)" } }.joined()
        let this = "cluster \(cluster.name), node \(own.name) with number \(own.number)\(addresses); "
        guard !cluster.others.isEmpty else { return this + "no other nodes" }
        func list(_ nodes: [ClusterNode]) -> String {
            nodes.map { node in "\(node.name)" + (node.peer.map { " at \($0)" } ?? "") }.joined(separator: ", ")
        }
        let (servers, followers) = (cluster.servers, cluster.nodes.filter(\.isFollower))
        let others = servers.filter { $0.number != own.number }
        var summary = this
        if hasPeerCertificates { summary += "nodes know each other by certificates; " }
        summary +=
            others.isEmpty
            ? "no other nodes" : "a full copy on each of \(servers.count) nodes; other nodes: \(list(others))"
        if !followers.isEmpty {
            summary += "; followers, which have no resp address, so that no client is sent there: \(list(followers))"
        }
        return summary
    }
}

extension ValueForm<String> {
    /// A name as clusters and nodes have it, or nothing.
    private static func name(_ make: @escaping @Sendable (String) -> ClusterError) -> ValueForm {
        ValueForm(unit: "name", allowed: "at most 64 letters, digits, `.`, `_`, `-`") { (word) throws(ValueError) in
            guard word.isEmpty || ClusterNode.isName(word) else { throw ValueError(message: make(word).description) }
            return word
        } format: {
            $0
        }
    }

    static let clusterName = name { .clusterName($0) }
    static let nodeName = name { .nodeName($0) }
}

extension ValueForm<[ClusterNode]> {
    private static let allowed = "`\(ClusterNode.shape)`, or `\(ClusterNode.followerShape)` for a follower; 255 lines"

    /// Nodes, each as `a number 1 resp 10.0.0.1:6399 peer 10.0.0.1:7399`, followers as `cache number 9 peer 10.0.0.9:7399`, with commas between them;
    /// they are added to those that are there.
    static let clusterNodes = ValueForm(unit: "node", allowed: allowed) { (words, current) throws(ValueError) in
        var nodes = current
        var rest = words[...]
        // A value that is empty sets nothing: that is how none is written.
        if words == [""] || words.isEmpty { return nodes }
        repeat {
            let end = rest.firstIndex { $0.hasSuffix(",") }
            var part = Array(rest[..<(end.map { $0 + 1 } ?? rest.endIndex)])
            if end != nil { part[part.count - 1].removeLast() }
            rest = rest.dropFirst(part.count)
            nodes.append(try node(of: part, beside: nodes))
        } while !rest.isEmpty
        return nodes
    } format: { nodes in
        nodes.map(\.line).joined(separator: ", ")
    }

    /// The node of a line's words, beside those that are there.
    private static func node(of words: [String], beside nodes: [ClusterNode]) throws(ValueError) -> ClusterNode {
        do throws(ClusterError) {
            let node = try ClusterNode(words: words, usualNumber: nodes.count + 1)
            try ClusterConfiguration.check(node, beside: nodes)
            return node
        } catch {
            throw ValueError(message: error.description)
        }
    }
}
