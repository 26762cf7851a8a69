import PresenceCluster
import Testing

@Suite("A cluster's configuration")
struct ConfigurationTests {
    static func node(_ number: Int, _ name: String, resp: String? = nil, tls: String? = nil, peer: String? = nil)
        throws -> ClusterNode
    {
        try ClusterNode(
            number: number, name: name, resp: resp.map { try ClusterAddress($0) },
            tls: tls.map { try ClusterAddress($0) }, peer: peer.map { try ClusterAddress($0) })
    }

    static func three(own: String = "a") throws -> ClusterConfiguration {
        try ClusterConfiguration(
            name: "shop", own: own,
            nodes: [
                node(2, "b", resp: "10.0.0.2:6399", peer: "10.0.0.2:7399"),
                node(1, "a", resp: "10.0.0.1:6399", peer: "10.0.0.1:7399"),
                node(3, "c", resp: "10.0.0.3:6399", peer: "10.0.0.3:7399"),
            ])
    }

    private func error(of body: () throws -> Void) -> ClusterError? {
        do {
            try body()
            return nil
        } catch { return error as? ClusterError }
    }

    @Test("knows its nodes by rising numbers, and which one this is")
    func nodes() throws {
        let cluster = try Self.three(own: "b")
        #expect(cluster.nodes.map(\.name) == ["a", "b", "c"])
        #expect(cluster.own.number == 2)
        #expect(cluster.others.map(\.name) == ["a", "c"])
        #expect(cluster.node(3)?.name == "c")
        #expect(cluster.node(4) == nil)
    }

    @Test("gives every node an id of 40 hexadecimal digits, the same on all nodes and after every start")
    func ids() throws {
        let seenByA = try Self.three(own: "a")
        let seenByC = try Self.three(own: "c")
        let ids = seenByA.nodes.map { seenByA.id(of: $0) }
        #expect(ids == seenByC.nodes.map { seenByC.id(of: $0) })
        #expect(Set(ids).count == 3)
        #expect(ids.allSatisfy { $0.count == 40 && $0.allSatisfy { "0123456789abcdef".contains($0) } })
        // Clients may keep them: they are part of what a version promises.
        #expect(ids[0] == "260ef1d35a741f3b92d413e06b2c21378d85e0ec")
        let other = try ClusterConfiguration(name: "market", own: "a", nodes: [Self.node(1, "a")])
        #expect(other.id(of: other.own) != ids[0])
    }

    @Test("reads addresses as it writes them")
    func addresses() throws {
        for text in [
            "10.0.0.1:6399", "[::1]:1", "[::]:1", "[fe80::1%eth0]:65535", "[1:2:3:4:5:6:7:8]:1", "[2001:db8::7:0]:1",
            "[::ffff:10.0.0.1]:1", "host-1.example:6399", "localhost:1", "node_2:1", "7.example:1", "example.:1",
        ] {
            #expect(try ClusterAddress(text).description == text)
        }
        #expect(try ClusterAddress("[::1]:7").host == "::1")
        for text in [
            "", "6399", ":6399", "host", "host:", "host:0", "host:65536", "host:-1", "host:x", "::1:6399", "a b:1",
            "-h:1", "[]:1", "[host]:1", "[10.0.0.1]:1", "[::1:1", "::1]:1", "[::1]", "[::1]1", "[1:2:3:4:5:6:7]:1",
            "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7::8]:1", "[1::2::3]:1", "[:::1]:1", "[12345::]:1", "[g::1]:1",
            "[+1::1]:1", "[fe80::1%]:1", "[::10.0.0.256]:1", "[10.0.0.1::]:1", "10.0.0.256:1", "10.0.0:1", "7:1",
            "10.0.0.1.2:1", "host%eth0:1", "10.0.0.01:1", "010.0.0.1:1", "[::10.0.0.01]:1", "10.0..1:1", "10.0.0.+1:1",
            String(repeating: "h", count: 256) + ":1",
        ] {
            #expect(error { _ = try ClusterAddress(text) } == .address(text), "\(text)")
        }
    }

    @Test("refuses names and numbers that are out of bounds")
    func bounds() throws {
        for name in ["", "a b", "a,b", "ä", String(repeating: "n", count: 65)] {
            #expect(error { _ = try Self.node(1, name) } == .nodeName(name))
            #expect(
                error { _ = try ClusterConfiguration(name: name, own: "a", nodes: [Self.node(1, "a")]) }
                    == .clusterName(name))
        }
        _ = try Self.node(255, String(repeating: "n", count: 64))
        for number in [-1, 0, 256] {
            #expect(error { _ = try Self.node(number, "a") } == .nodeNumber(number, node: "a"))
        }
    }

    @Test("refuses two nodes with one name, number or address, and tells both")
    func duplicates() throws {
        func problem(_ second: ClusterNode) throws -> String? {
            let first = try Self.node(1, "a", resp: "h:1", tls: "h:2", peer: "h:3")
            return error { _ = try ClusterConfiguration(name: "shop", own: "a", nodes: [first, second]) }?.description
        }
        #expect(try problem(Self.node(2, "a")) == "two nodes have the name a: give each a name of its own")
        #expect(
            try problem(Self.node(1, "b"))
                == "node b has number 1 as node a has: give one of them another with 'number N'")
        #expect(
            try problem(Self.node(2, "b", resp: "h:1"))
                == "resp h:1 of node b is also resp of node a: give each an address of its own")
        #expect(
            try problem(Self.node(2, "b", resp: "h:3"))
                == "resp h:3 of node b is also peer of node a: give each an address of its own")
        #expect(
            try problem(Self.node(2, "b", resp: "i:1", peer: "i:1"))
                == "peer i:1 of node b is also resp of node b: give each an address of its own")
        #expect(
            try problem(Self.node(2, "b", resp: "127.0.0.1:1", peer: "localhost:1"))
                == "peer localhost:1 of node b is also resp of node b, as 127.0.0.1:1: give each an address of its own")
        #expect(try problem(Self.node(2, "b", resp: "i:1", peer: "i:3")) == nil)
    }

    @Test(
        "knows one address that is spelt in two ways",
        arguments: [
            ("127.0.0.1:7399", "localhost:7399"), ("[::1]:7399", "localhost:7399"), ("LocalHost:1", "localhost.:1"),
            ("[::1]:7399", "[0:0:0:0:0:0:0:1]:7399"), ("[2001:DB8::7]:1", "[2001:0db8:0:0::0007]:1"),
            ("10.0.0.1:1", "[::ffff:10.0.0.1]:1"), ("10.0.0.1:1", "[::FFFF:a00:1]:1"), ("[::]:1", "[0::]:1"),
            ("Web-1.Example:1", "web-1.example:1"), ("web-1.example.:1", "web-1.example:1"),
            ("[fe80::1%eth0]:1", "[fe80:0::0:1%eth0]:1"),
        ])
    func spellings(_ one: String, _ other: String) throws {
        let (first, second) = (try Self.node(1, "a", peer: one), try Self.node(2, "b", peer: other))
        let found = [[first, second], [second, first]].map { nodes in
            error { _ = try ClusterConfiguration(name: "shop", own: "a", nodes: nodes) }?.description
        }
        #expect(
            found == [
                "peer \(other) of node b is also peer of node a, as \(one): give each an address of its own",
                "peer \(one) of node a is also peer of node b, as \(other): give each an address of its own",
            ])
        #expect(try ClusterAddress(one) != ClusterAddress(other), "what is written stays as it is written")
    }

    @Test(
        "takes no two addresses for one",
        arguments: [
            ("127.0.0.1:7399", "localhost:7398"), ("127.0.0.1:1", "[::1]:1"), ("127.0.0.2:1", "localhost:1"),
            ("[fe80::1%eth0]:1", "[fe80::1%eth1]:1"), ("[::1:0]:1", "[::1]:1"), ("host:1", "host.example:1"),
            ("[::10.0.0.1]:1", "10.0.0.1:1"), ("localhost.example:1", "localhost:1"), ("[::]:1", "[::1]:1"),
        ])
    func others(_ one: String, _ other: String) throws {
        let nodes = [try Self.node(1, "a", peer: one), try Self.node(2, "b", peer: other)]
        #expect(error { _ = try ClusterConfiguration(name: "shop", own: "a", nodes: nodes) } == nil)
        #expect(try !ClusterAddress(one).isSamePlace(as: ClusterAddress(other)))
    }

    @Test("knows which addresses are of this machine alone")
    func loopback() throws {
        for host in ["127.0.0.1", "127.8.0.1", "localhost", "LOCALHOST", "[::1]", "[0:0::1]", "[::ffff:127.0.0.1]"] {
            #expect(try ClusterAddress("\(host):1").isLoopback, "\(host)")
        }
        for host in ["10.0.0.1", "127.example", "[::]", "[::127.0.0.1]", "[fe80::1]", "localhost.example"] {
            #expect(try !ClusterAddress("\(host):1").isLoopback, "\(host)")
        }
    }

    @Test("refuses a node that it does not name, and tells how to say who one is")
    func unknownSelf() throws {
        #expect(
            error { _ = try Self.three(own: "web-7") }?.description
                == "which node is this? node-name says 'web-7', and the nodes are b, a, c: "
                + "start it with --node NAME, or set node-name or PRESENCED_NODE")
    }

    @Test("has as many nodes as there are numbers, and no more")
    func tooMany() throws {
        let nodes = try (1...255).map { try Self.node($0, "n\($0)") }
        #expect(try ClusterConfiguration(name: "big", own: "n255", nodes: nodes).nodes.count == 255)
        let more = try Self.node(255, "m")
        #expect(error { try ClusterConfiguration.check(more, beside: nodes) } == .tooManyNodes("m"))
    }
}
