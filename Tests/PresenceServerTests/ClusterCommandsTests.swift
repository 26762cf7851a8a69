import PresenceCluster
import Testing

@testable import PresenceServer

/// What clients of Redis Cluster are told: of one node, and of a membership that is handed in.
@Suite struct ClusterCommandsTests {
    private static func cluster() throws -> ClusterConfiguration {
        let nodes = try [
            ClusterNode(
                number: 1, name: "a", resp: ClusterAddress("10.0.0.1:6399"), tls: ClusterAddress("10.0.0.1:6390"),
                peer: ClusterAddress("10.0.0.1:7399")),
            ClusterNode(
                number: 2, name: "b", resp: ClusterAddress("10.0.0.2:6399"), peer: ClusterAddress("10.0.0.2:7399")),
            ClusterNode(
                number: 7, name: "c", resp: ClusterAddress("[fd00::7]:6399"), peer: ClusterAddress("[fd00::7]:7399")),
        ]
        return try ClusterConfiguration(name: "shop", own: "a", nodes: nodes)
    }

    /// A server that is `a` of three, a membership that has heard of all at 0, and a client.
    private func three() throws -> (EmbeddedServer, ClusterConfiguration, Membership, EmbeddedClient) {
        let cluster = try Self.cluster()
        var configuration = ServerConfiguration()
        configuration.cluster = cluster
        let server = EmbeddedServer(configuration)
        var membership = Membership(cluster, at: 0)
        _ = membership.heard(from: 2, at: 5)
        _ = membership.heard(from: 7, at: 6)
        server.loop.server.show(ClusterView(cluster, membership))
        return (server, cluster, membership, try server.connectClient())
    }

    /// The text of a bulk reply.
    private func bulk(_ client: EmbeddedClient, _ command: String) throws -> String {
        let reply = try client.ask(command + "\r\n")
        let body = try #require(reply.split(separator: "\r\n", maxSplits: 1).last)
        #expect(reply.hasPrefix("$"))
        return String(body.dropLast(2))
    }

    private func info(_ client: EmbeddedClient) throws -> [Substring: Substring] {
        var fields: [Substring: Substring] = [:]
        for line in try bulk(client, "CLUSTER INFO").split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":")
            fields[parts[0]] = parts[1]
        }
        return fields
    }

    /// How many slots the ranges at the end of a line of CLUSTER NODES have.
    private func slots(_ line: Substring) -> Int {
        line.split(separator: " ").dropFirst(8).reduce(0) { sum, range in
            let bounds = range.split(separator: "-").compactMap { Int($0) }
            return sum + (bounds.last ?? 0) - (bounds.first ?? 0) + 1
        }
    }

    @Test func nodesAreAllShownAndEachIsMasterOfItsShare() throws {
        let (_, cluster, membership, client) = try three()
        let view = ClusterView(cluster, membership)
        let lines = try bulk(client, "CLUSTER NODES").split(separator: "\n")
        #expect(lines.count == 3)
        let heads = zip(
            cluster.nodes,
            [
                "10.0.0.1:6399@7399 myself,master - 0 0 0 connected", "10.0.0.2:6399@7399 master - 0 5 0 connected",
                "fd00::7:6399@7399 master - 0 6 0 connected",
            ]
        ).map { "\(cluster.id(of: $0)) \($1) " }
        for (line, head) in zip(lines, heads) { #expect(line.hasPrefix(head)) }
        #expect(lines.map(slots) == cluster.nodes.map { view.shares.count(of: $0.number) })
        #expect(lines.map(slots).reduce(0, +) == 16_384)
        #expect(lines.allSatisfy { slots($0) > 4_500 })
    }

    @Test func aNodeThatIsSuspectKeepsItsSlotsAndOneThatIsDownLosesThem() throws {
        var (server, cluster, membership, client) = try three()
        let before = try bulk(client, "CLUSTER NODES").split(separator: "\n").map(slots)
        _ = membership.tick(at: 350)
        _ = membership.heard(from: 2, at: 700)
        _ = membership.tick(at: 706)
        server.loop.server.show(ClusterView(cluster, membership))
        let doubtful = try bulk(client, "CLUSTER NODES").split(separator: "\n")
        #expect(doubtful[2].contains(" master,fail? - 0 6 0 connected "))
        #expect(doubtful.map(slots) == before)
        var fields = try info(client)
        #expect(fields["cluster_state"] == "ok")
        #expect(fields["cluster_slots_pfail"] == "\(before[2])")
        #expect(fields["cluster_slots_ok"] == "\(before[0] + before[1])")

        _ = membership.left(7, at: 707)
        server.loop.server.show(ClusterView(cluster, membership))
        let less = try bulk(client, "CLUSTER NODES").split(separator: "\n")
        #expect(less[2].hasSuffix(" master,fail - 0 6 0 disconnected"))
        #expect(less.map(slots)[2] == 0)
        #expect(less.map(slots)[0] > before[0] && less.map(slots)[1] > before[1])
        fields = try info(client)
        #expect(fields["cluster_slots_assigned"] == "16384")
        #expect(fields["cluster_known_nodes"] == "3")
        #expect(fields["cluster_size"] == "2")
        let shards = try client.ask("CLUSTER SHARDS\r\n")
        #expect(shards.hasPrefix("*3\r\n"))
        #expect(shards.contains("*4\r\n$5\r\nslots\r\n*0\r\n"), "who is down is told without slots")
        #expect(shards.components("$6\r\nhealth\r\n$4\r\nfail\r\n") == 1)
        #expect(shards.components("$6\r\nhealth\r\n$6\r\nonline\r\n") == 2)
        // Node a has a port with TLS.
        #expect(shards.contains("$4\r\nport\r\n:6399\r\n$8\r\ntls-port\r\n:6390\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n"))
    }

    @Test func slotsAreRangesInOrderWithTheirNode() throws {
        let (_, cluster, membership, client) = try three()
        let ranges = ClusterView(cluster, membership).shares.ranges
        var expected = "*\(ranges.count)\r\n"
        for range in ranges {
            let node = try #require(cluster.node(range.owner))
            let host = try #require(node.resp?.host)
            expected += "*3\r\n:\(range.slots.lowerBound)\r\n:\(range.slots.upperBound)\r\n"
            expected += "*4\r\n$\(host.utf8.count)\r\n\(host)\r\n:6399\r\n$40\r\n\(cluster.id(of: node))\r\n*0\r\n"
        }
        #expect(try client.ask("CLUSTER SLOTS\r\n") == expected)
        #expect(ranges.count > 100)
    }

    @Test func aServerWithoutClusterIsShownNone() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let cluster = try Self.cluster()
        server.loop.server.show(ClusterView(cluster, Membership(cluster, at: 0)))
        #expect(try client.ask("CLUSTER MYID\r\n") == "-ERR This instance has cluster support disabled\r\n")
    }

    @Test func keysOfASlotAreCountedInSlicesAndWhollyWithinATransaction() throws {
        let (server, _, _, client) = try three()
        for number in 0..<6_000 { _ = try client.ask("SET {tag}\(number) v\r\nSET other:\(number) v\r\n") }
        for number in 0..<50 {
            _ = try client.ask("PRESENCE.CONNECT presence:user:{tag}\(number) s\r\n")
        }
        let others = (0..<6_000).count { KeySlot.slot(of: "other:\($0)") == KeySlot.slot(of: "tag") }
        let slot = KeySlot.slot(of: "tag")
        try client.send(Array("CLUSTER COUNTKEYSINSLOT \(slot)\r\n".utf8))
        #expect(try client.read() == "", "others come in between")
        // As many slices as the machine needs.
        var counted = ""
        for _ in 0..<100_000 where counted.isEmpty {
            server.eventLoop.advanceTime(by: .milliseconds(1))
            counted = try client.read()
        }
        #expect(counted == ":\(6_050 + others)\r\n")
        let reply = try client.ask("MULTI\r\nCLUSTER COUNTKEYSINSLOT \(slot)\r\nEXEC\r\n")
        #expect(reply == "+OK\r\n+QUEUED\r\n*1\r\n:\(6_050 + others)\r\n")
    }
}

extension String {
    /// How often a text is in this one.
    fileprivate func components(_ text: String) -> Int { ranges(of: text).count }
}
