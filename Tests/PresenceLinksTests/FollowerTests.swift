import Logging
import LoopbackPorts
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import Testing

@testable import PresenceLinks

@Suite("A follower", .serialized)
struct FollowerTests {
    private static let secret = (0..<32).map { String($0 + 256, radix: 16).suffix(2) }.joined()

    /// A node `a`, and the line of a follower of this number.
    private func lines(follower number: Int) throws -> [ClusterNode] {
        let ports = LoopbackPorts.free(2)
        return [
            try ClusterNode("a number 5 resp clients.example:1 peer 127.0.0.1:\(ports[0])", usualNumber: 1),
            try ClusterNode("cache number \(number) peer 127.0.0.1:\(ports[1])", usualNumber: 2),
        ]
    }

    private func follower(
        _ nodes: [ClusterNode], own: String = "cache", secret: String = secret, log: Lines = Lines(),
        _ change: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) throws -> Follower {
        var logger = Logger(label: "follower") { _ in log }
        logger.logLevel = .debug
        var settings = PeerSettings()
        settings.reportInterval = 20
        var configuration = ShardedStore.Configuration()
        change(&configuration)
        return try Follower(
            cluster: "test", nodes: nodes, own: own, secret: secret, configuration: configuration, settings: settings,
            logger: logger)
    }

    @Test("has what nodes have, announces what changes, and holds what a block waits for", arguments: [1, 9])
    func follows(number: Int) async throws {
        let nodes = try lines(follower: number)
        let a = try LocalNode(ClusterConfiguration(name: "test", own: "a", nodes: nodes))
        let follower = try follower(nodes)
        #expect(!follower.isReady && follower.links == nil)
        try a.store.connect("before", session: "phone")
        try await follower.start()
        var events = follower.store.events().makeAsyncIterator()
        try await a.service.start()
        try await eventually("it has copied") { follower.isReady && a.isJoined(UInt8(number)) }
        #expect(follower.store.status(of: "before") == .online)
        try a.store.connect("alice", session: "phone")
        // All that can be reached have it; of those that count, none.
        #expect(await a.held(by: nil, within: 5_000) == 0)
        #expect(follower.store.status(of: "alice") == .online)
        #expect(await a.held(by: 1, within: 50) == 0)
        var told: [String] = []
        while told.count < 2, let event = await events.next() {
            if case .status(let change) = event { told.append(String(decoding: change.userID, as: UTF8.self)) }
        }
        #expect(told == ["before", "alice"])
        #expect(follower.links?.report.peers.map(\.node.name) == ["a"])
        await follower.stop()
        #expect(follower.store.status(of: "alice") == .online, "the store stays")
        try await eventually("it said goodbye") { a.peer(UInt8(number))?.member.cause == .goodbye }
        await a.service.stop()
    }

    @Test("says in which settings that it has it differs from a node")
    func differences() async throws {
        let nodes = try lines(follower: 9)
        let a = try LocalNode(ClusterConfiguration(name: "test", own: "a", nodes: nodes)) { settings in
            settings.shared = SharedSettings([
                .init("idle-after", "300s"), .init("away-after", "10s"), .init("session-ttl", "7s"),
            ])
        }
        let log = Lines()
        let follower = try follower(nodes, log: log) { $0.policy.idleAfter = 5_500 }
        try await follower.start()
        try await a.service.start()
        try await eventually("it has copied") { follower.isReady }
        let warnings = log.all.filter { $0.contains("set it alike") }
        #expect(
            warnings == [
                "warning node a has another away-after: set it alike on all nodes here=1800s there=10s",
                "warning node a has another idle-after: set it alike on all nodes here=5500ms there=300s",
            ])
        await follower.stop()
        await a.service.stop()
    }

    @Test("that cannot be says why, and what to do")
    func errors() throws {
        let nodes = try lines(follower: 9)
        func error(_ nodes: [ClusterNode], own: String = "cache", secret: String = Self.secret) -> String? {
            do {
                _ = try follower(nodes, own: own, secret: secret)
                return nil
            } catch { return "\(error)" }
        }
        #expect(error(nodes) == nil)
        #expect(error(nodes, secret: " \(Self.secret)\n") == nil, "as it is in the file")
        #expect(
            error(nodes, secret: "0f")
                == "the secret is not 32 to 128 hexadecimal digits: it is the line in the nodes' secret-file")
        #expect(
            error(nodes, own: "x")?.hasPrefix("which node is this? own says 'x', and the nodes are a, cache") == true)
        #expect(error(nodes, own: "a")?.hasPrefix("node a is no follower: its line has a peer address and no") == true)
        #expect(
            error([nodes[1]]) == "all nodes are followers: add the lines of the nodes that serve clients")
        let unreachable = try ClusterNode("a resp h:1", usualNumber: 1)
        #expect(
            error([unreachable, nodes[1]]) == "node a has no address for others: add 'peer HOST:PORT' to its line")
    }
}
