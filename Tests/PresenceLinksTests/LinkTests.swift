import LoopbackPorts
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import Synchronization
import Testing

@testable import PresenceLinks

@Suite("Nodes that are linked", .serialized)
struct LinkTests {
    @Test("tell each other who is there, both ways")
    func two() async throws {
        try await LocalNodes.run(2) { nodes in
            let (a, b) = (nodes[0], nodes[1])
            try a.store.connect("before", session: "s")
            try await eventually("they are joined") { a.isJoined(2) && b.isJoined(1) }
            // Joined is what the sender knows: the last bytes of the copy may still be on their way.
            try await eventually("who was there before is told too") { b.store.status(of: "before") == .online }
            try a.store.connect("alice", session: "phone")
            try b.store.connect("bob", session: "phone")
            try await eventually("each knows whom the other knows") {
                b.store.status(of: "alice") == .online && a.store.status(of: "bob") == .online
            }
            #expect(b.store.disconnect("alice", session: "phone"), "a session may be closed anywhere")
            try await eventually("it is closed where it began") { a.store.status(of: "alice") == .offline }
            #expect(a.log.has("notice linked with node n2 version=\(ProtocolVersions.current)"))
            #expect(b.log.has("notice node n1 is alive: heard before=down"))
        }
    }

    @Test("make a full mesh of three, and say when all have what was written")
    func three() async throws {
        try await LocalNodes.run(3) { nodes in
            try await eventually("all are joined") {
                nodes.allSatisfy { node in
                    node.cluster.others.allSatisfy { node.isJoined($0.number) }
                        && node.service.snapshot?.report.isReady == true
                }
            }
            for node in nodes {
                for user in 0..<100 { try node.store.connect("\(node.cluster.own.name)-\(user)", session: "s") }
                #expect(await node.held(by: nil, within: 5_000) == 2)
                #expect(await node.held(by: 2, within: 5_000) == 2)
            }
            for node in nodes { #expect(node.store.recordCount() == 300) }
            // Nobody waits longer than he said.
            #expect(await nodes[0].held(by: 3, within: 20) == 2)
            #expect(await nodes[0].held(by: 3, within: 0) == 2)
        }
    }

    @Test("tell whoever asks of each change of who is there")
    func views() async throws {
        try await LocalNodes.run(2) { nodes in
            let seen = Views()
            nodes[0].service.onMembership { seen.note($0) }
            try await eventually("the other is shown") { seen.newest?.members.map(\.state) == [.alive, .alive] }
            try await eventually("both own slots") { seen.newest?.members.allSatisfy { !$0.isDraining } == true }
            nodes[1].service.drain(seconds: 60)
            try await eventually("it owns nothing") { seen.newest?.members.map(\.isDraining) == [false, true] }
            #expect(seen.newest?.shares.count(of: 2) == 0)
            nodes[1].service.drain(seconds: 0)
            try await eventually("it owns its share again") { seen.newest?.shares.count(of: 2) ?? 0 > 0 }
            await nodes[1].service.stop()
            try await eventually("it is gone at once, since it said so") { seen.newest?.members.last?.state == .down }
            #expect(seen.newest?.members.last?.cause == .goodbye)
            #expect(nodes[0].log.has("notice node n2 is down: said goodbye before=alive"))
            try await eventually("the log tells why") {
                nodes[0].log.has("notice link with node n2 ended: node n2 stops after-ms=")
            }
            #expect(await nodes[0].held(by: nil, within: 5_000) == 0, "nobody is there to be waited for")
        }
    }

    @Test("come back after a cut and go on where they were")
    func cut() async throws {
        let ports = LoopbackPorts.free(2)
        let relay = Relay(to: ports[1])
        let reached = [ports[0], try await relay.start()]
        let clusters = try LocalNodes.clusters(ports, reached: reached)
        let (a, b) = (try LocalNode(clusters[0]), try LocalNode(clusters[1]))
        try await a.service.start()
        try await b.service.start()
        try await eventually("they are joined") { a.isJoined(2) && b.isJoined(1) }
        try a.store.connect("alice", session: "s")
        try await eventually("b knows her") { b.store.status(of: "alice") == .online }
        for round in 1...3 {
            let links = a.peer(2)?.counters.links ?? 0
            relay.cut()
            try a.store.connect("a\(round)", session: "s")
            try b.store.connect("b\(round)", session: "s")
            try await eventually("there is a new link") { a.isLinked(2) && a.peer(2)?.counters.links == links + 1 }
            try await eventually("what was written meanwhile is told") {
                b.store.status(of: "a\(round)") == .online && a.store.status(of: "b\(round)") == .online
            }
        }
        #expect(a.peer(2)?.counters.copiedIn == 0, "whoever has forgotten nothing copies nothing")
        #expect(a.log.has("notice link with node n2 ended: "))
        await a.service.stop()
        await b.service.stop()
        await relay.stop()
    }

    @Test("bring a node up to date that comes back with nothing")
    func restart() async throws {
        try await LocalNodes.run(2) { nodes in
            let a = nodes[0]
            try await eventually("they are joined") { a.isJoined(2) }
            for user in 0..<2_000 { try a.store.connect("user-\(user)", session: "s") }
            await nodes[1].service.stop()
            let again = try LocalNode(nodes[1].cluster)
            #expect(!again.service.isReady && again.service.snapshot == nil)
            try await again.service.start()
            try await eventually("it has a copy") { again.store.recordCount() == 2_000 }
            try await eventually("and knows it") { again.service.isReady }
            #expect(again.service.snapshot?.report.isReady == true)
            #expect(again.log.has("notice copied everything from node n1 ms="))
            await again.service.stop()
        }
    }

    @Test("stand over addresses of version 6 and host names, and come again")
    func addresses() async throws {
        let hosts = ["::1", "localhost", "0:0:0:0:0:0:0:1"]
        let nodes = try LocalNodes.clusters(LoopbackPorts.free(3), hosts: hosts).map { try LocalNode($0) }
        try await LocalNodes.run(nodes) { nodes in
            try await eventually("all are joined") {
                nodes[0].isJoined(2) && nodes[0].isJoined(3) && nodes[1].isJoined(3)
            }
            try nodes[0].store.connect("alice", session: "s")
            try await eventually("all know her") { nodes.allSatisfy { $0.store.status(of: "alice") == .online } }
            await nodes[2].service.stop()
            try await eventually("they say where it was") {
                nodes[0].log.has("cannot reach node n3 at [\(hosts[2])]:") && nodes[1].log.has("node n3 at [")
            }
            let again = try LocalNode(nodes[2].cluster)
            try await again.service.start()
            try await eventually("they are joined again") { again.isJoined(1) && again.isJoined(2) }
            await again.service.stop()
        }
    }

    @Test("say of a name that nobody knows that it is not known, on either side")
    func unknownName() async throws {
        let clusters = try LocalNodes.clusters(LoopbackPorts.free(2), hosts: ["127.0.0.1", "no-such-host.invalid"])
        let nodes = try clusters.map { try LocalNode($0) }
        try await nodes[0].service.start()
        try await eventually("who dials says so") {
            nodes[0].log.has(
                "cannot reach node n2 at no-such-host.invalid:\(clusters[1].own.peer?.port ?? 0): its name is not known"
            )
        }
        await nodes[0].service.stop()
        let failed = await #expect(throws: PeerPortFailed.self) { try await nodes[1].service.start() }
        #expect(failed?.description.hasSuffix(" cannot be listened on: its name is not known") == true)
        await nodes[1].service.stop()
    }

    @Test("say in which settings they differ, once")
    func differences() async throws {
        let clusters = try LocalNodes.clusters(LoopbackPorts.free(2))
        let nodes = try zip(clusters, ["90s", "60s"]).map { cluster, ttl in
            try LocalNode(cluster) {
                $0.shared = SharedSettings([.init("block-hides", "target"), .init("session-ttl", ttl)])
            }
        }
        for node in nodes { try await node.service.start() }
        try await eventually("both said so") { nodes.allSatisfy { $0.log.has("has another session-ttl") } }
        #expect(
            nodes[0].log.has(
                "warning node n2 has another session-ttl: set it alike on all nodes here=90s there=60s"))
        #expect(!nodes[0].log.has("block-hides"))
        // One is set while they run.
        nodes[1].service.share(SharedSettings([.init("block-hides", "both"), .init("session-ttl", "90s")]))
        try await eventually("both say so again") { nodes.allSatisfy { $0.log.has("has another block-hides") } }
        #expect(
            nodes[0].log.has(
                "warning node n2 has another block-hides: set it alike on all nodes here=target there=both"))
        nodes[0].service.share(SharedSettings([.init("block-hides", "both"), .init("session-ttl", "90s")]))
        try await eventually("and that it is over") { nodes.allSatisfy { $0.log.has("has the same settings again") } }
        #expect(!nodes[0].log.has("secret-file"))
        for node in nodes { await node.service.stop() }
    }
}

/// The views of a cluster that were shown.
private final class Views: Sendable {
    private let all = Mutex<ClusterView?>(nil)
    var newest: ClusterView? { all.withLock { $0 } }
    func note(_ view: ClusterView) { all.withLock { $0 = view } }
}
