import LoopbackPorts
import NIOCore
import NIOPosix
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import PresenceTLS
import Synchronization
import Testing

@testable import PresenceLinks

@Suite("Whoever is no node of the cluster", .serialized)
struct StrangerTests {
    @Test("with another secret gets no link, and both logs say what may be wrong")
    func secret() async throws {
        let clusters = try LocalNodes.clusters(LoopbackPorts.free(2))
        let a = try LocalNode(clusters[0], secret: SharedSecret([UInt8](repeating: 7, count: 32)))
        let b = try LocalNode(clusters[1])
        try await a.service.start()
        try await b.service.start()
        try await eventually("he tried more than once") {
            b.service.snapshot?.counters.refusedHandshakes ?? 0 >= 2
                && a.service.snapshot?.counters.failedDials ?? 0 >= 2
        }
        #expect(!a.isLinked(2) && !b.isLinked(1))
        #expect(b.log.has("warning 127.0.0.1 on the peer port: TLS handshake failed: "))
        #expect(b.log.has("another secret-file or cluster name"))
        #expect(a.log.has("warning cannot reach node n2 at 127.0.0.1:"))
        #expect(b.log.all.contains { $0.contains("on the peer port") })
        await a.service.stop()
        await b.service.stop()
    }

    @Test("of another cluster gets no link, though he has the secret")
    func cluster() async throws {
        let ports = LoopbackPorts.free(2)
        let a = try LocalNode(try LocalNodes.clusters(ports, name: "one")[0])
        let b = try LocalNode(try LocalNodes.clusters(ports, name: "two")[1])
        try await a.service.start()
        try await b.service.start()
        try await eventually("he was refused") { b.service.snapshot?.counters.refusedHandshakes ?? 0 >= 1 }
        #expect(!a.isLinked(2) && !b.isLinked(1))
        await a.service.stop()
        await b.service.stop()
    }

    @Test("has the secret, but no line of cluster.conf, is told so and gets no link")
    func unknown() async throws {
        let ports = LoopbackPorts.free(2)
        let a = try LocalNode(try LocalNodes.clusters(ports)[0])
        let known = try ["other", "n2"].enumerated().map { index, name in
            try ClusterNode(
                number: index + 1, name: name, resp: ClusterAddress(host: "clients.example", port: index + 1),
                peer: ClusterAddress(host: "127.0.0.1", port: ports[index]))
        }
        let b = try LocalNode(try ClusterConfiguration(name: "test", own: "n2", nodes: known))
        try await a.service.start()
        try await b.service.start()
        let text = "node 1 (n1) is in no 'node' line of the answering node; have the same cluster.conf on all nodes"
        try await eventually("who dialed is told why") { a.log.has("warning no link with node n2: \(text)") }
        #expect(b.log.has("warning no link with node other: \(text)"))
        #expect(!a.isLinked(2) && !b.isLinked(1))
        try await eventually("it tells of itself") { b.service.snapshot != nil }
        #expect(b.service.snapshot?.counters.refusedHandshakes == 0, "it is the greeting that is refused")
        await a.service.stop()
        await b.service.stop()
    }

    @Test("is a bounded number of connections, soon closed, that disturb nobody else")
    func garbage() async throws {
        try await LocalNodes.run(2, { $0.handshakeTimeout = 1_000 }) { nodes in
            let (a, b) = (nodes[0], nodes[1])
            try await eventually("they are joined") { a.isJoined(2) && b.isJoined(1) }
            let port = b.cluster.own.peer?.port ?? 0
            let crowd = Crowd(port)
            for bytes in [
                "GET / HTTP/1.1\r\n\r\n", "*1\r\n$4\r\nPING\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}garbage", "\0\0\0\0",
            ] {
                await crowd.send(bytes)
            }
            // Some say nothing at all: 16 of one address may wait for their time to be over.
            for _ in 0..<40 { await crowd.send("") }
            try await eventually("all are gone, refused or late") { crowd.open == 0 }
            // What is shown may be a moment old.
            try await eventually("each is counted, as what it was") {
                guard let counters = b.service.snapshot?.counters else { return false }
                // How many come while 16 others wait depends on how fast they come.
                let all = counters.refusedStrangers + counters.refusedHandshakes + counters.lateHandshakes
                return counters.refusedStrangers >= 1 && counters.refusedHandshakes >= 2
                    && counters.lateHandshakes >= 1 && all >= 43 && counters.accepted >= 45
            }
            #expect(b.log.has("warning 127.0.0.1 on the peer port: refused, "))
            try a.store.connect("alice", session: "s")
            #expect(await a.held(by: 1, within: 5_000) == 1)
            #expect(b.store.status(of: "alice") == .online)
            #expect(a.peer(2)?.counters.links == 1, "the link was there all along")
            await crowd.leave()
        }
    }

    @Test("and has the secret, but speaks another language behind TLS, is closed and counted")
    func frames() async throws {
        try await LocalNodes.run(2) { nodes in
            let b = nodes[1]
            try await eventually("they are joined") { b.isJoined(1) }
            var configuration = TLSConfiguration(role: .client)
            configuration.sharedKeys = [try LocalNode.secret.peerKey(ofCluster: "test")]
            configuration.verifiesServer = false
            let context = try TLSContext(configuration)
            let crowd = Crowd(b.cluster.own.peer?.port ?? 0)
            await crowd.send(String(repeating: "no frame at all ", count: 16), over: context)
            try await eventually("he is gone") { crowd.open == 0 }
            try await eventually("and counted") { b.service.snapshot?.report.strayFrameErrors == 1 }
            try await eventually("as a greeting too") { b.service.snapshot?.counters.refusedGreetings == 1 }
            #expect(b.log.has("warning no link with somebody: the peer sent what is no frame: "))
            #expect(b.isLinked(1))
            await crowd.leave()
        }
    }
}

/// Connections to a port that send what they are told and read nothing of it.
private final class Crowd: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let port: Int
    private let channels = Mutex<[any Channel]>([])

    init(_ port: Int) { self.port = port }

    var open: Int { channels.withLock { $0.count { $0.isActive } } }

    func send(_ text: String, over context: TLSContext? = nil) async {
        let channel = try? await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let context else { return }
                    try channel.pipeline.syncOperations.addHandler(TLSHandler(context: context, buffers: TLSBuffers()))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        guard let channel else { return }
        channels.withLock { $0.append(channel) }
        if !text.isEmpty { try? await channel.writeAndFlush(ByteBuffer(string: text)).get() }
    }

    func leave() async {
        for channel in channels.withLock({ $0 }) { try? await channel.close() }
        try? await group.shutdownGracefully()
    }
}
