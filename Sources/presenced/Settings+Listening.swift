import PresenceCluster

/// Where this node listens: at no address twice, however it is spelt.
extension Settings {
    /// Every two listeners of this node that would be in each other's way.
    func brokenListeningRelations() -> [BrokenRelation] {
        var broken: [BrokenRelation] = []
        let hosts = bind.map { $0.hasPrefix("-") ? String($0.dropFirst()) : $0 }
        // One that may be absent does not stop the start.
        for index in hosts.indices where !bind[index].hasPrefix("-") {
            guard let other = hosts[..<index].first(where: { Self.isSameHost($0, hosts[index]) }) else { continue }
            let names = other == hosts[index] ? "\(other) twice" : "\(other) and \(hosts[index]), which are one address"
            broken.append(BrokenRelation(names: ["bind"], message: "bind names \(names): leave one of them out"))
        }
        guard let own = ownNode, let peer = own.peer else { return broken }
        for (name, port) in [("port", port), ("tls-port", tls.port)] where port == peer.port {
            guard let host = hosts.first(where: { Self.takesIn($0, peer) }) else { continue }
            broken.append(
                BrokenRelation(
                    names: [name, "bind", "node"],
                    message:
                        "\(name) \(port) on \(host) is where other nodes come, too: the line of node \(own.name) has "
                        + "peer \(peer); choose another \(name), or give peer another port on every node"))
        }
        return broken
    }

    /// Whether two hosts are one address.
    private static func isSameHost(_ one: String, _ other: String) -> Bool {
        if one == other { return true }
        guard let one = try? ClusterAddress(host: one, port: 1), let other = try? ClusterAddress(host: other, port: 1)
        else { return false }
        return one.isSamePlace(as: other)
    }

    /// Whether who listens at `host` listens at that address, too. Of names only `localhost` is known.
    private static func takesIn(_ host: String, _ address: ClusterAddress) -> Bool {
        if host == "*" || isSameHost(host, "0.0.0.0") { return !address.host.contains(":") }
        return isSameHost(host, "::") || isSameHost(host, address.host)
    }
}
