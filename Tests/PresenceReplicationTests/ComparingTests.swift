import Presence
import PresenceTesting
import Testing

@testable import PresenceReplication
@testable import PresenceStore

/// What comparing finds of users of whom nothing is left but when their status changed last.
@Suite("Comparing what is left of users")
struct ComparingTests {
    /// Somebody comes and goes at a node that tells nobody; it is long over when changes are told again.
    private func comeAndGoInSilence(at store: ShardedStore, _ mesh: Mesh) throws {
        store.noteChanges(false)
        try store.connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 5_000))
        store.disconnect("alice", session: "phone")
        mesh.run(milliseconds: 6_000)
        store.noteChanges(true)
    }

    private func version(_ mesh: Mesh, _ node: Int) -> Stamp? {
        mesh.stores[node].describe("alice".utf8.span, at: mesh.clock.now())?.version
    }

    @Test("That somebody came and went, which was told to nobody, is found", arguments: [0, 1])
    func comeAndGone(at place: Int) throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        try mesh.stores[0].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 5_000))
        mesh.run(milliseconds: 12_000)
        let old = try #require(version(mesh, 0))
        #expect(version(mesh, 1) == old)
        try comeAndGoInSilence(at: mesh.stores[place], mesh)
        mesh.run(milliseconds: 8_000)
        let new = try #require(version(mesh, place))
        #expect(new > old && version(mesh, 1 - place) == new)
        let mended = mesh.counters(2, of: 0).rangesMended
        #expect(mended == 1)
        mesh.run(milliseconds: 8_000)
        #expect(mesh.counters(2, of: 0).rangesMended == mended)
    }

    @Test("Where one node may forget users for room, what the other knows of those of whom nothing is left counts not")
    func forgetting() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        mesh.stores[1].setMaxMemory(1 << 30)
        mesh.nodes[1].share(SharedSettings(), at: mesh.now)
        mesh.run(milliseconds: 50)
        try comeAndGoInSilence(at: mesh.stores[0], mesh)
        mesh.run(milliseconds: 8_000)
        #expect(version(mesh, 0) != nil && version(mesh, 1) == nil)
        #expect(mesh.counters(2, of: 0).rangesMended == 0)
        // It has no limit any more.
        mesh.stores[1].setMaxMemory(0)
        mesh.nodes[1].share(SharedSettings(), at: mesh.now)
        mesh.run(milliseconds: 8_000)
        #expect(version(mesh, 1) == version(mesh, 0))
    }

    @Test("A node that comes and goes for ever keeps no comparison from its end")
    func comesAndGoes() throws {
        let mesh = try Mesh(3) { $0.redial = 10...20 }
        mesh.run(milliseconds: 5_000)
        // In the last quarter of the hash order, which no pass reaches between two links.
        let ghost = try #require(
            (0..<100).map { "ghost-\($0)" }.first { mesh.stores[0].userHash($0.utf8.span) >> 62 == 3 })
        let other = mesh.makeStore(9)
        try other.connect(ghost, session: "phone")
        try mesh.stores[1].merge(try #require(other.image(of: ghost)))
        for _ in 0..<60 {
            mesh.cutWires(of: 2)
            mesh.run(milliseconds: 70)
        }
        #expect(mesh.counters(3, of: 0).links > 50)
        #expect(mesh.stores[0].status(of: ghost) == .online)
        #expect(mesh.counters(2, of: 0).rangesMended == 1)
    }
}
