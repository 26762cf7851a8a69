import LoopbackPorts
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import Testing

@testable import PresenceLinks

@Suite("A peer that takes nothing", .serialized)
struct StuckPeerTests {
    /// Nodes a, b and c; a reaches b through a relay that can be held.
    private func run(
        _ change: @escaping (inout PeerSettings) -> Void,
        _ body: (_ a: LocalNode, _ b: LocalNode, _ c: LocalNode, Relay) async throws -> Void
    ) async throws {
        let ports = LoopbackPorts.free(3)
        let relay = Relay(to: ports[1])
        var reached = ports
        reached[1] = try await relay.start()
        let clusters = try [
            LocalNodes.clusters(ports, reached: reached)[0], LocalNodes.clusters(ports)[1],
            LocalNodes.clusters(ports)[2],
        ]
        let nodes = try clusters.map { try LocalNode($0, change) }
        for node in nodes { try await node.service.start() }
        try await eventually("all are joined") {
            nodes.allSatisfy { node in node.cluster.others.allSatisfy { node.isJoined($0.number) } }
        }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(nodes[0], nodes[1], nodes[2], relay))
        } catch {
            outcome = .failure(error)
        }
        for node in nodes { await node.service.stop() }
        await relay.stop()
        try outcome.get()
    }

    @Test("costs bounded memory, holds up nobody else, and has all of it once it goes on")
    func bounded() async throws {
        // Nobody is given up in this test, and nothing is mended by the third node, however long it takes.
        let patient = Membership.Limits(suspectAfter: 600_000, downAfter: 1_200_000)
        try await run({
            $0.replicator.silence = patient ?? .usual
            $0.replicator.digestInterval = 3_600_000
        }) { a, b, c, relay in
            relay.hold(true)
            // 24 MB, which no socket holds.
            let text = String(repeating: "x", count: 60_000)
            for key in 0..<400 { try a.store.setString("key-\(key)", text) }
            #expect(await a.held(by: 1, within: 30_000) == 1, "the other peer has it all")
            #expect(c.store.recordCount() == 400)
            let waiting = try #require(a.service.snapshot?.bytesWaiting[2])
            #expect(waiting > 0, "its socket is full")
            #expect(waiting <= PeerSettings.waitingBytes.upperBound + PeerSettings.pullBytes + 65_536)
            #expect(b.store.recordCount() < 400)
            relay.hold(false)
            #expect(await a.held(by: 2, within: 30_000) == 2, "it has all of it")
            #expect(b.store.recordCount() == 400)
            #expect(a.peer(2)?.counters.links == 1, "over the same link")
        }
    }

    @Test("is suspect, then down, and its link is closed; it returns")
    func silent() async throws {
        let hasty = Membership.Limits(suspectAfter: 400, downAfter: 900)
        try await run({ $0.replicator.silence = hasty ?? .usual }) { a, b, _, relay in
            relay.hold(true)
            try await eventually("a gives it up") { a.peer(2)?.member.state == .down }
            #expect(a.log.has("notice node n2 is suspect: silent for "))
            #expect(a.log.has("warning node n2 is down: silent for "))
            try await eventually("and b gives a up") { b.peer(1)?.member.state == .down }
            #expect(await a.held(by: nil, within: 5_000) == 1, "who is down is not waited for")
            relay.hold(false)
            try await eventually("it is back") { a.isJoined(2) && b.isJoined(1) }
            #expect(a.log.has("notice node n2 is alive: returned after "))
        }
    }
}
