import Presence
import PresenceCluster
import PresenceStore
import Testing

@testable import PresenceReplication

/// A node that is told everything and has nothing of its own to tell. With a low number it dials and compares, with a high one it is dialed and compared with.
@Suite("A follower")
struct FollowerTests {
    /// Two nodes and a follower, which has this number.
    private func mesh(follower: Int, _ count: Int = 3) throws -> Mesh { try Mesh(count, followers: [follower]) }

    private func nodes(beside follower: Int) -> [Int] { [0, 1, 2].filter { $0 != follower - 1 } }

    @Test("copies what there is, hears what comes, and announces it", arguments: [1, 3])
    func follows(follower: Int) throws {
        let mesh = try mesh(follower: follower)
        let own = follower - 1
        let others = nodes(beside: follower)
        try mesh.stores[others[0]].connect("alice", session: "phone")
        mesh.run(milliseconds: 50)
        #expect(mesh.nodes.allSatisfy { $0.isReady })
        #expect(mesh.stores[own].status(of: "alice") == .online)
        let reader = mesh.stores[own].makeReader { _ in }
        try mesh.stores[others[1]].connect("bob", session: "phone")
        mesh.stores[others[0]].disconnect("alice", session: "phone")
        mesh.run(milliseconds: 20)
        #expect(mesh.stores[own].status(of: "bob") == .online)
        #expect(mesh.stores[own].status(of: "alice") == .offline)
        var events: [StoreEvent] = []
        for shard in 0..<2 { reader.read(shard: shard, into: &events) }
        #expect(events.count { if case .status = $0 { true } else { false } } == 2)
    }

    @Test("gives back what a node told it alone, and tells nothing else", arguments: [1, 3])
    func givesBack(follower: Int) throws {
        let mesh = try mesh(follower: follower)
        let own = follower - 1
        mesh.run(milliseconds: 50)
        // Whoever told this is gone.
        let stranger = mesh.makeStore(9)
        try stranger.connect("alice", session: "phone")
        try mesh.stores[own].merge(try #require(stranger.image(of: "alice")))
        mesh.run(milliseconds: 6_000)
        for other in nodes(beside: follower) {
            #expect(mesh.stores[other].status(of: "alice") == .online)
            let sent = mesh.counters(UInt8(other + 1), of: own)
            #expect(sent.imagesSent == 0 && sent.beatsSent == 0)
        }
    }

    @Test("that misses something in silence asks for it, or is told", arguments: [1, 3])
    func mending(follower: Int) throws {
        let mesh = try mesh(follower: follower)
        let own = follower - 1
        mesh.run(milliseconds: 50)
        // Planted where no log tells of it, at both others.
        let stranger = mesh.makeStore(9)
        try stranger.connect("ghost", session: "phone")
        let image = try #require(stranger.image(of: "ghost"))
        for other in nodes(beside: follower) { try mesh.stores[other].merge(image) }
        #expect(mesh.stores[own].status(of: "ghost") == .offline)
        mesh.run(milliseconds: 3_000)
        #expect(mesh.stores[own].status(of: "ghost") == .online)
    }

    @Test("flushes, and passes the flush on", arguments: [1, 3])
    func flush(follower: Int) throws {
        let mesh = try mesh(follower: follower)
        let (other, third) = (nodes(beside: follower)[0], nodes(beside: follower)[1])
        mesh.run(milliseconds: 50)
        try mesh.stores[other].connect("alice", session: "phone")
        mesh.run(milliseconds: 20)
        mesh.clock.advance(byMilliseconds: 5)
        let stamp = mesh.stores[other].beginRemoveAll(at: mesh.clock.now())
        var cursor: UInt64 = 0
        repeat {
            cursor = mesh.stores[other].removeAll(from: cursor, upTo: stamp, at: mesh.clock.now())
        } while cursor != 0
        // It reaches the follower alone.
        mesh.nodes[other].peer(UInt8(follower))?.flush = stamp
        mesh.run(milliseconds: 50)
        for store in [mesh.stores[follower - 1], mesh.stores[third]] {
            #expect(store.status(of: "alice") == .offline)
            #expect(store.flushStamp == stamp)
        }
    }

    @Test("owns nothing, and no node waits for it to be ready")
    func ownsNothing() throws {
        let mesh = try mesh(follower: 3)
        mesh.run(milliseconds: 50)
        for node in mesh.nodes {
            #expect(node.membership.owners == [1, 2])
            let view = ClusterView(node.cluster, node.membership)
            #expect(view.nodes.map(\.node.number) == [1, 2])
            #expect(view.shares.count(of: 3) == 0)
        }
        // Neither node of these two hears the other; nor does the follower.
        let absent = try Mesh(2, followers: [2])
        absent.isCut = true
        absent.run(milliseconds: 20)
        #expect(absent.nodes[0].isReady, "the other one is a follower")
        absent.run(milliseconds: 2_000)
        #expect(!absent.nodes[1].isReady, "it would show everybody offline")
        #expect(absent.nodes[1].membership.owners == [])
        absent.isCut = false
        absent.run(milliseconds: 1_500)
        #expect(absent.nodes[1].isReady)
    }

    @Test("does not count among those who hold a write, and who waits for all waits for it")
    func holders() throws {
        let mesh = try mesh(follower: 3)
        mesh.run(milliseconds: 50)
        try mesh.stores[0].connect("alice", session: "phone")
        let positions = mesh.nodes[0].positions()
        #expect(mesh.nodes[0].holders(of: positions) == (0, 2))
        mesh.run(milliseconds: 20)
        #expect(mesh.nodes[0].holders(of: positions) == (1, 0))
    }

    @Test("answers a request for everything with what it has")
    func request() throws {
        let mesh = try mesh(follower: 1, 2)
        mesh.run(milliseconds: 50)
        // Node 2 takes it for one like itself, as with another file: it asks, is answered, and is ready.
        let own = try Mesh.cluster(2, own: 1)
        let store = mesh.makeStore(2)
        try mesh.stores[0].connect("mine", session: "phone")
        mesh.cutWires(of: 1)
        mesh.stores[1] = store
        mesh.nodes[1] = Replicator(store: store, cluster: own, incarnation: 9, at: mesh.now)
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[1].isReady)
        #expect(mesh.actions[1].contains { if case .copied(from: 1, records: 1, _) = $0 { true } else { false } })
        #expect(store.status(of: "mine") == .online)
        try store.connect("alice", session: "phone")
        mesh.run(milliseconds: 20)
        #expect(mesh.stores[0].status(of: "alice") == .online)
    }

    @Test("goes on where it was when its link comes back, and two of them do not link")
    func resume() throws {
        let mesh = try Mesh(4, followers: [3, 4])
        mesh.run(milliseconds: 50)
        #expect(mesh.wires.count == 5)
        try mesh.stores[0].connect("alice", session: "phone")
        mesh.run(milliseconds: 20)
        let copied = mesh.counters(3, of: 0).copiedOut
        mesh.isCut = true
        mesh.cutWires(of: 2)
        try mesh.stores[0].connect("bob", session: "phone")
        mesh.run(milliseconds: 1_000)
        mesh.isCut = false
        mesh.run(milliseconds: 1_500)
        #expect(mesh.stores[2].status(of: "bob") == .online)
        #expect(mesh.counters(3, of: 0).copiedOut == copied)
    }
}
