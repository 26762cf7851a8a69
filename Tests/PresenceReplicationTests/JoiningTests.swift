import Presence
import PresenceCluster
import Testing

@testable import PresenceReplication
@testable import PresenceStore

/// When a node that begins may show people to clients.
@Suite("A node that begins")
struct JoiningTests {
    /// A few bytes at a time, and at each step somebody writes at the node that is copied.
    ///
    /// - Returns: what the node that was copied took for held by all that show people before the other was ready, and that was not there then.
    private func lackingWhenReady(_ mesh: Mesh, moves: Int, atLeast least: Int = 5) throws -> [String] {
        mesh.room = 2_000
        var waiting: [(user: String, positions: [ShardPosition])] = []
        var held: [String] = []
        for step in 0..<4_000 where !mesh.nodes[1].isReady {
            // More than one frame has: what was not copied comes in several steps.
            for number in 0..<20 {
                let user = "late-\(step)-\(number)"
                try mesh.stores[0].connect(user, session: "phone")
                waiting.append((user, []))
            }
            let positions = mesh.nodes[0].positions()
            for index in waiting.indices.suffix(20) { waiting[index].positions = positions }
            mesh.movesLeft = moves
            mesh.run(milliseconds: 10)
            let isHeld = waiting.map { mesh.nodes[0].holders(of: $0.positions).lacking == 0 }
            held += zip(waiting, isHeld).filter(\.1).map(\.0.user)
            waiting = zip(waiting, isHeld).filter { !$0.1 }.map(\.0)
        }
        try #require(mesh.nodes[1].isReady && held.count >= least)
        return held.filter { mesh.stores[1].status(of: $0) != .online }
    }

    private func mesh(versions: [ClosedRange<UInt16>]? = nil) throws -> Mesh {
        let mesh = try Mesh(2, versions: versions) {
            $0.digestInterval = 1_000_000_000
            $0.silence = Membership.Limits(suspectAfter: 5_000, downAfter: 60_000) ?? .usual
        } store: {
            $0.replicaLogEntries = 8_192
        }
        mesh.run(milliseconds: 50)
        for user in 0..<2_000 { try mesh.stores[0].connect("user-\(user)", session: "phone") }
        mesh.run(milliseconds: 50)
        return mesh
    }

    @Test("is ready once it has what was written while it copied the last of it", arguments: [2, 3, 4, 7])
    func lastPart(moves: Int) throws {
        let mesh = try mesh()
        try mesh.restart(1, incarnation: 9) { $0.replicaLogEntries = 8_192 }
        #expect(try lackingWhenReady(mesh, moves: moves) == [])
    }

    @Test("asks anew by the link that comes after one that broke behind the copy, and waits for that")
    func brokenBehindCopy() throws {
        let mesh = try mesh()
        try mesh.restart(1, incarnation: 9) { $0.replicaLogEntries = 8_192 }
        mesh.room = 2_000
        for _ in 0..<4_000 where mesh.nodes[1].peer(1)?.copyIn?.isDone != true {
            mesh.movesLeft = 2
            mesh.run(milliseconds: 10)
        }
        try #require(!mesh.nodes[1].isReady)
        mesh.isCut = true
        mesh.cutWires(of: 1)
        // What is written meanwhile is shown by who is ready.
        for user in 0..<100 { try mesh.stores[0].connect("meanwhile-\(user)", session: "phone") }
        mesh.run(milliseconds: 300)
        #expect(!mesh.nodes[1].isReady)
        mesh.isCut = false
        #expect(try lackingWhenReady(mesh, moves: 2, atLeast: 0) == [])
        #expect((0..<100).allSatisfy { mesh.stores[1].status(of: "meanwhile-\($0)") == .online })
    }

    @Test("does not wait for what a node of the release before cannot tell")
    func previousVersion() throws {
        let mesh = try mesh(versions: [1...3, 1...4])
        try mesh.restart(1, incarnation: 9)
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[1].isReady)
    }
}
