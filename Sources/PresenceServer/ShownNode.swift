import PresenceCluster

/// A node as one client is shown it.
struct ShownNode {
    let node: ClusterNode
    let member: Membership.Node
    let id: String
    /// Its share, in order.
    let slots: [ClosedRange<Int>]
    /// Empty: the address that the client came by.
    let host: String
    /// The port with TLS for who came by such a port, else the plain one.
    let port: Int
    /// 0: none, or not known.
    let plainPort: Int
    /// 0: none, or not known.
    let tlsPort: Int
    /// The link to it; nil of this node itself, and where nobody keeps links.
    let link: LinkSummary?
    /// How much of what was noted here it holds: Redis's offset.
    let position: Int
    /// Whether it still copies what others hold. Known of this node only.
    let isLoading: Bool

    /// Whether it is this node, or there is a link to it; without links, whether it is there.
    var isConnected: Bool { link?.isUp ?? (member.state != .down) }

    /// In the words of `CLUSTER SHARDS`.
    var health: String { member.state == .down ? "fail" : isLoading ? "loading" : "online" }

    /// All nodes, for that client. What the configuration does not say of this node itself is where it listens.
    static func all(of view: ClusterView, for client: Client, _ loop: ServerLoop) -> [ShownNode] {
        let ranges = Dictionary(grouping: view.shares.ranges) { $0.owner }
        let ownPort = loop.server.port.load(ordering: .relaxed)
        let ownTLSPort = loop.server.tlsPort.load(ordering: .relaxed)
        let isSecure = ownTLSPort != 0 && client.handler.describeConnection().local.hasSuffix(":\(ownTLSPort)")
        let summary = loop.server.replication?.report()
        let links = Dictionary(
            summary?.links.map { ($0.number, $0) } ?? [], uniquingKeysWith: { first, _ in first })
        return view.nodes.map { node, member in
            let isOwn = node.number == view.configuration.own.number
            let plainPort = node.resp?.port ?? (isOwn ? ownPort : 0)
            let tlsPort = node.tls?.port ?? (isOwn ? ownTLSPort : 0)
            let usesTLS = tlsPort != 0 && (isSecure || plainPort == 0)
            return ShownNode(
                node: node, member: member, id: view.configuration.id(of: node),
                slots: ranges[node.number, default: []].map(\.slots),
                host: (usesTLS ? node.tls ?? node.resp : node.resp)?.host ?? "",
                port: usesTLS ? tlsPort : plainPort, plainPort: plainPort, tlsPort: tlsPort,
                link: links[node.number],
                position: Int(clamping: (isOwn ? summary?.position : links[node.number]?.position) ?? 0),
                isLoading: isOwn && summary?.isReady == false)
        }
    }
}
