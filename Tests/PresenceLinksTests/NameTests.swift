import Dispatch
import LoopbackPorts
import NIOCore
import NIOPosix
import PresenceCluster
import Synchronization
import Testing

@testable import PresenceLinks

/// Names of nodes, one of which nobody answers for.
@Suite("Names of other nodes", .serialized)
struct NameTests {
    /// A system in which one name is looked up for as long as a test says.
    private final class Names: Sendable {
        let asked = Mutex<[String]>([])
        private let isReleased = DispatchSemaphore(value: 0)

        func lookup(_ host: String, _ port: Int) throws -> [SocketAddress] {
            asked.withLock { $0.append(host) }
            if host == "dead.example" {
                isReleased.wait()
                throw UnknownName(host: host)
            }
            return [try SocketAddress(ipAddress: "127.0.0.1", port: port)]
        }

        func release() { isReleased.signal() }
        func count(_ host: String) -> Int { asked.withLock { $0.count { $0 == host } } }
    }

    @Test("A name that nobody answers for keeps nobody else from being dialed, and is not asked for twice at a time")
    func dead() async throws {
        let names = Names()
        let hosts = ["127.0.0.1", "dead.example", "quick.example", "127.0.0.1"]
        let clusters = try LocalNodes.clusters(LoopbackPorts.free(4), hosts: hosts)
        let own = try LocalNode(clusters[0]) {
            $0.lookup = { try names.lookup($0, $1) }
            $0.connectTimeout = 50
            $0.replicator.redial = 10...20
        }
        // A node listens at addresses that it has.
        let others = try [2, 3].map { index in
            var local = hosts
            local[index] = "127.0.0.1"
            return try LocalNode(
                LocalNodes.clusters(clusters[0].nodes.compactMap { $0.peer?.port }, hosts: local)[index])
        }
        try await LocalNodes.run([own] + others) { nodes in
            try await eventually("who has a name is linked") { nodes[0].isLinked(3) }
            try await eventually("who has an address is linked") { nodes[0].isLinked(4) }
            try await eventually("it is dialed again and again") {
                nodes[0].service.snapshot?.counters.failedDials ?? 0 > 5
            }
            #expect(names.count("dead.example") == 1)
            #expect(names.count("127.0.0.1") == 0)
            names.release()
            try await eventually("it is looked up anew once that has failed") { names.count("dead.example") == 2 }
            names.release()
        }
        // Whoever stops does not wait for names.
        for _ in 0..<8 { names.release() }
    }

    @Test("The system's names: an address, a name that there is, and one that there is not")
    func system() throws {
        let addresses = try NameLookup.addresses(of: "localhost", port: 6_399)
        #expect(!addresses.isEmpty && addresses.allSatisfy { $0.port == 6_399 })
        #expect(addresses.contains { $0.ipAddress == "127.0.0.1" || $0.ipAddress == "::1" })
        #expect(throws: UnknownName(host: "no-such-host.invalid")) {
            try NameLookup.addresses(of: "no-such-host.invalid", port: 1)
        }
        #expect(try PeerDialer.literal(ClusterAddress("[::1]:7"))?.ipAddress == "::1")
        #expect(try PeerDialer.literal(ClusterAddress("10.0.0.1:7"))?.ipAddress == "10.0.0.1")
        #expect(try PeerDialer.literal(ClusterAddress("host.example:7")) == nil)
    }
}
