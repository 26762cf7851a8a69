import Presence
import PresenceStore
import Synchronization
import Testing

@testable import PresenceReplication

@Suite("What was merged is acknowledged")
struct AcknowledgementTests {
    /// Two nodes that know each other, and a moment in which nobody has anything to say.
    private func quietPair() throws -> Mesh {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[0].isReady && mesh.nodes[1].isReady)
        return mesh
    }

    private func write(_ mesh: Mesh, _ user: String) throws {
        try mesh.stores[0].connect(user, session: "phone")
        for shard in 0..<2 { mesh.nodes[0].woke(shard: shard) }
        mesh.carry()
    }

    @Test("The first after a rest at once; while changes keep coming one word is for all of a moment")
    func gathered() throws {
        let mesh = try quietPair()
        let link = try #require(mesh.wires.first?.answered)
        mesh.clock.advance(byMilliseconds: 5)
        try write(mesh, "alice")
        #expect(mesh.nodes[0].holders(of: mesh.nodes[0].positions()).holding == 1)
        #expect(mesh.nodes[1].nextPull(link) == nil)
        let frames = mesh.counters(2, of: 0).framesReceived

        try write(mesh, "bob")
        try write(mesh, "carol")
        #expect(mesh.stores[1].status(of: "carol") == .online)
        #expect(mesh.counters(2, of: 0).framesReceived == frames)
        #expect(mesh.nodes[0].holders(of: mesh.nodes[0].positions()).lacking == 1)
        #expect(mesh.nodes[1].nextPull(link) == PeerTime(microseconds: mesh.now.microseconds + 1_000))

        mesh.clock.advance(byMilliseconds: 1)
        mesh.carry()
        #expect(mesh.counters(2, of: 0).framesReceived == frames + 1)
        #expect(mesh.nodes[0].holders(of: mesh.nodes[0].positions()).holding == 1)
        #expect(mesh.nodes[1].nextPull(link) == nil)
    }

    @Test("A flush is acknowledged by who has done it, and not by who has all that was written before")
    func flush() throws {
        let mesh = try Mesh(3)
        mesh.run(milliseconds: 100)
        for user in 0..<20_000 { try mesh.stores[0].connect("user-\(user)", session: "phone") }
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[0].holders(of: mesh.nodes[0].positions()) == (2, 0))
        // The third one hears of it by the second alone at first.
        mesh.stuck = [[0, 2]]
        let stamp = mesh.stores[0].beginRemoveAll(at: mesh.clock.now())
        mesh.nodes[0].flushed(stamp)
        let positions = mesh.nodes[0].positions()
        #expect(mesh.nodes[0].holders(of: positions) == (0, 2))
        mesh.carry()
        try #require(mesh.stores[1].flushStamp == stamp && mesh.stores[1].status(of: "user-0") == .online)
        #expect(mesh.nodes[0].holders(of: positions) == (0, 2))
        mesh.stuck = []
        mesh.carry()
        #expect(mesh.nodes[0].holders(of: positions) == (0, 2))
        var steps = 0
        while mesh.nodes[0].holders(of: positions).holding < 2, steps < 100 {
            mesh.run(milliseconds: 10)
            steps += 1
        }
        #expect((1..<100).contains(steps))
        for store in mesh.stores[1...] {
            #expect((0..<20_000).allSatisfy { store.status(of: "user-\($0)") == .offline })
        }
        // Who was away when it was told has it with its next link, before what came then.
        mesh.isCut = true
        mesh.cutWires(of: 1)
        let second = mesh.stores[0].beginRemoveAll(at: mesh.clock.now())
        mesh.nodes[0].flushed(second)
        let later = mesh.nodes[0].positions()
        #expect(mesh.nodes[0].holders(of: later).holding == 0)
        mesh.isCut = false
        mesh.run(milliseconds: 300)
        #expect(mesh.nodes[0].holders(of: later) == (2, 0) && mesh.stores[1].flushStamp == second)
    }

    @Test("A slice that was made for one peer is not the newest for another once the log has gone on")
    func otherPeer() throws {
        let mesh = try Mesh(3)
        mesh.run(milliseconds: 1_000)
        let wires = mesh.wires.filter { $0.from == 0 }
        try #require(wires.count == 2)
        var first: [UInt8] = []
        var second: [UInt8] = []
        try mesh.stores[0].connect("alice", session: "phone")
        for shard in 0..<2 { mesh.nodes[0].woke(shard: shard) }
        mesh.nodes[0].pull(wires[0].dialed, room: 65_536, into: &first, at: mesh.now)
        // The other peer took nothing meanwhile, and now there is more.
        try mesh.stores[0].set("alice", UserSettings(status: .some(.dnd)))
        for shard in 0..<2 { mesh.nodes[0].woke(shard: shard) }
        mesh.nodes[0].pull(wires[1].dialed, room: 65_536, into: &second, at: mesh.now)
        mesh.nodes[wires[1].to].received(second.span, on: wires[1].answered, at: mesh.now)
        #expect(mesh.stores[wires[1].to].status(of: "alice") == .dnd)
    }

    @Test("What is merged wakes no link; what is written here does, and both wake who reads what is announced")
    func wakes() throws {
        let mesh = try quietPair()
        let links = Atomic(0)
        let others = Atomic(0)
        _ = mesh.stores[1].listenToReplicaLogs { _, _ in links.add(1, ordering: .relaxed) }
        _ = mesh.stores[1].listen { _ in others.add(1, ordering: .relaxed) }
        try write(mesh, "alice")
        #expect(mesh.stores[1].status(of: "alice") == .online)
        #expect(links.load(ordering: .relaxed) == 0 && others.load(ordering: .relaxed) == 1)
        try mesh.stores[1].connect("alice", session: "laptop")
        #expect(links.load(ordering: .relaxed) == 1)
    }

    @Test("Who is between two links has not got a write until its next link brings it, or its silence is its end")
    func unlinkedHolders() throws {
        let mesh = try Mesh(3)
        mesh.run(milliseconds: 100)
        try mesh.stores[0].connect("alice", session: "phone")
        mesh.run(milliseconds: 50)
        let before = mesh.nodes[0].positions()
        mesh.isCut = true
        mesh.cutWires(of: 1)
        try mesh.stores[0].set("alice", UserSettings(status: .some(.dnd)))
        let after = mesh.nodes[0].positions()
        // What it had acknowledged it still has.
        #expect(mesh.nodes[0].holders(of: before) == (1, 0))
        #expect(mesh.nodes[0].holders(of: after) == (0, 2))
        mesh.isCut = false
        mesh.run(milliseconds: 20)
        #expect(mesh.nodes[0].holders(of: after) == (1, 1))
        mesh.run(milliseconds: 100)
        #expect(mesh.nodes[0].holders(of: after) == (2, 0))
        // One that leaves shows people until it is gone, and one that has begun anew shows nobody.
        mesh.nodes[1].drain(seconds: 60, at: mesh.now)
        mesh.run(milliseconds: 20)
        mesh.isCut = true
        mesh.cutWires(of: 1)
        try mesh.stores[0].set("alice", UserSettings(status: .some(.away)))
        let last = mesh.nodes[0].positions()
        #expect(mesh.nodes[0].holders(of: last).lacking == 2)
        mesh.run(milliseconds: 2_000)
        #expect(mesh.nodes[0].membership.node(2)?.state == .down)
        #expect(mesh.nodes[0].holders(of: last).lacking == 0)
    }
}
