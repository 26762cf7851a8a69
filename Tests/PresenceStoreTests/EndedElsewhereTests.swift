import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Who is ended where he is not at home stays ended, whenever his home hears of it: a tombstone lasts for a TTL from his end on.
@Suite("Ends that come elsewhere")
struct EndedElsewhereTests {
    private static let ttl: Int64 = 10_000

    enum End: CaseIterable {
        case delete, goodbye, loss, all
    }

    private func end(_ end: End, at store: ShardedStore, _ now: Timestamp) {
        switch end {
        case .delete: store.remove(.presence, "alice", at: now)
        case .goodbye: store.disconnect("alice", session: "phone", at: now)
        case .loss: store.disconnect("alice", session: "phone", reason: .heartbeatTimeout, at: now)
        case .all: store.disconnectAll(SlowModel.Name("alice").bytes.span, at: now)
        }
    }

    /// Nodes that know a session by its CONNECT, which was beaten at the first of them since.
    private func beaten(_ nodes: Int) throws -> ReplicaMesh {
        var mesh = ReplicaMesh(nodes) { $0.policy.lostGrace = 0 }
        try mesh.stores[0].connect(
            "alice", session: "phone", ConnectOptions(ttlMilliseconds: EndedElsewhereTests.ttl))
        try mesh.exchange()
        for _ in 0..<3 {
            mesh.clock.advance(byMilliseconds: 3_000)
            let isKnown = mesh.stores[0].beat("alice", session: "phone", at: mesh.clock.now())
            #expect(isKnown)
        }
        #expect(mesh.stores.allSatisfy { $0.status(of: "alice") == .online })
        return mesh
    }

    @Test(
        "Who is ended at another node while a beat that came in time is waited for there is ended at his home, too, and comes back nowhere",
        arguments: [1, 20, 600], End.allCases)
    func inMargin(behindDeadline late: Int64, _ way: End) throws {
        var mesh = try beaten(3)
        mesh.clock.advance(byMilliseconds: 1_000 + late)
        // The home has more to say than that he beats, and says it before it hears of the end.
        try mesh.stores[0].set("alice", UserSettings(activity: .some(Array("reading".utf8))))
        end(way, at: mesh.stores[1], mesh.clock.now())
        #expect(mesh.stores[1].status(of: "alice") == .offline)
        try mesh.exchange(among: [0, 1])
        #expect(mesh.stores[1].status(of: "alice") == .offline)
        try mesh.exchange()
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline, .offline])
        let isKnown = mesh.stores[0].beat("alice", session: "phone", at: mesh.clock.now())
        #expect(!isKnown)
        try mesh.wait(2 * EndedElsewhereTests.ttl)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline, .offline])
        #expect(mesh.stores.map { $0.statistics().sessions } == [0, 0, 0])
    }

    @Test(
        "So is he whose home is cut off until behind the deadline that is known elsewhere: it hears of the end for a TTL",
        arguments: End.allCases)
    func beyondCut(_ way: End) throws {
        var mesh = try beaten(3)
        // A moment before the deadline that the others know.
        mesh.clock.advance(byMilliseconds: 900)
        end(way, at: mesh.stores[1], mesh.clock.now())
        try mesh.exchange(among: [1, 2])
        for _ in 0..<2 {
            mesh.clock.advance(byMilliseconds: 3_000)
            for store in mesh.stores { store.advance(to: mesh.clock.now()) }
            let isKnown = mesh.stores[0].beat("alice", session: "phone", at: mesh.clock.now())
            #expect(isKnown)
        }
        try mesh.exchange()
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline, .offline])
        #expect(mesh.stores.map { $0.statistics().sessions } == [0, 0, 0])
        #expect(Set(mesh.digests).count == 1)
    }

    @Test("A session of which a node has not heard is not ended there, nor one opened anew elsewhere just before")
    func unheard() throws {
        var mesh = try beaten(2)
        try mesh.exchange()
        mesh.clock.advance(byMilliseconds: 1)
        try mesh.stores[0].connect("alice", session: "phone")
        try mesh.stores[0].connect("bob", session: "phone")
        mesh.clock.advance(byMilliseconds: 1)
        mesh.stores[1].remove(.presence, "alice", at: mesh.clock.now())
        mesh.stores[1].remove(.presence, "bob", at: mesh.clock.now())
        try mesh.exchange()
        for user in ["alice", "bob"] {
            #expect(mesh.stores.map { $0.status(of: user) } == [.online, .online])
        }
    }

    @Test("A tombstone is there for a TTL from the end on, at all nodes, and then nowhere")
    func forgotten() throws {
        var mesh = try beaten(2)
        mesh.clock.advance(byMilliseconds: 1_020)
        end(.goodbye, at: mesh.stores[1], mesh.clock.now())
        try mesh.exchange()
        func tombstones() throws -> [Int] {
            try mesh.stores.map { store in
                try store.image(of: "alice").map { try UserImage.facts(in: $0.span).facts.sessions.count } ?? 0
            }
        }
        try mesh.wait(EndedElsewhereTests.ttl - 1)
        #expect(try tombstones() == [1, 1])
        try mesh.wait(1)
        #expect(try tombstones() == [0, 0])
    }
}
