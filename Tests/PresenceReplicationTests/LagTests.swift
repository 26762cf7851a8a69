import Presence
import Testing

@testable import PresenceReplication
@testable import PresenceStore

/// What is told of a peer that has not got everything: how long, how much, and what is done about it.
@Suite("A peer that is behind")
struct LagTests {
    private func connect(_ users: Range<Int>, _ mesh: Mesh) throws {
        for user in users { try mesh.stores[0].connect("user-\(user)", session: "phone") }
    }

    /// In milliseconds.
    private func oldest(_ mesh: Mesh) -> Int64? { mesh.peer(2, of: 0)?.oldestLacking.map { $0 / 1_000 } }

    @Test("has a lag that goes on growing while nothing is acknowledged, and none once all is")
    func growing() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        for user in 0..<30 {
            try connect(user..<user + 1, mesh)
            mesh.run(milliseconds: 10)
            #expect(oldest(mesh) == nil)
        }
        // It reads nothing, and the link stays.
        mesh.isCut = true
        try connect(30..<31, mesh)
        mesh.run(milliseconds: 300)
        let early = try #require(oldest(mesh))
        #expect((200...300).contains(early))
        try connect(31..<32, mesh)
        mesh.run(milliseconds: 300)
        #expect(oldest(mesh) == early + 300, "the oldest counts")
        mesh.isCut = false
        mesh.run(milliseconds: 10)
        #expect(oldest(mesh) == nil)
        #expect(mesh.stores[1].status(of: "user-31") == .online)
    }

    @Test("has it also where there is no link")
    func unlinked() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        mesh.isCut = true
        mesh.cutWires(of: 0)
        mesh.run(milliseconds: 3_000)
        #expect(oldest(mesh) == nil, "there is nothing to be told")
        try connect(0..<1, mesh)
        mesh.run(milliseconds: 3_000)
        #expect((2_900...3_000).contains(oldest(mesh) ?? 0))
        mesh.isCut = false
        mesh.run(milliseconds: 1_500)
        #expect(oldest(mesh) == nil && mesh.counters(2, of: 0).shardsResent == 0)
    }

    @Test("is said to have missed too much, is counted, and how far its whole shards are is told until they are there")
    func whole() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        #expect(mesh.peer(2, of: 0)?.copyOut == nil && mesh.peer(2, of: 0)?.hasCopy == true)
        mesh.isCut = true
        try connect(0..<500, mesh)
        mesh.run(milliseconds: 200)
        mesh.isCut = false
        mesh.room = 1_000
        mesh.movesLeft = 7
        mesh.run(milliseconds: 300)
        let peer = try #require(mesh.peer(2, of: 0))
        #expect(mesh.actions[0].contains(.fellBehind(node: 2, shards: 2)))
        #expect(!mesh.actions[0].contains { if case .resent = $0 { true } else { false } })
        #expect(peer.counters.shardsResent == 2 && !peer.hasCopy)
        let copy = try #require(peer.copyOut)
        #expect(copy.total == 500 && (1..<500).contains(copy.done))
        #expect(oldest(mesh) ?? 0 > 300)
        mesh.movesLeft = nil
        mesh.run(milliseconds: 20)
        let later = try #require(mesh.peer(2, of: 0))
        #expect(later.hasCopy && later.copyOut == nil && later.oldestLacking == nil && later.behind == 0)
        let ends = mesh.actions[0].compactMap { action -> [UInt64]? in
            guard case .resent(to: 2, let shards, let records, let milliseconds) = action else { return nil }
            return [UInt64(shards), records, milliseconds >= 300 ? 1 : 0]
        }
        #expect(ends == [[2, 500, 1]])
        #expect((0..<500).allSatisfy { mesh.stores[1].status(of: "user-\($0)") == .online })
    }

    @Test("is sent shards that count on from frame to frame, up to all that is sent")
    func counts() throws {
        let mesh = try Mesh(2)
        var reader = FrameReader(limits: ReplicatorSettings().limits)
        var slices: [RecordSlice] = []
        mesh.heard = { from, bytes in
            var position = 0
            while from == 0, let frame = try? reader.next(in: bytes.span, from: &position) {
                if case .hello = frame { reader.open(version: ProtocolVersions.spoken.upperBound) }
                if case .records(let slice) = frame, slice.token == 0 { slices.append(slice) }
            }
        }
        mesh.run(milliseconds: 50)
        mesh.isCut = true
        try connect(0..<500, mesh)
        mesh.isCut = false
        mesh.room = 1_000
        mesh.run(milliseconds: 100)
        #expect(slices.count > 5)
        var sent: UInt64 = 0
        for slice in slices {
            sent += UInt64(slice.images.count)
            #expect(slice.done == sent && slice.total == 500)
        }
        #expect(sent == 500)
    }

    @Test("that is lost within its whole shards begins them anew, and nothing stale is told")
    func lostWithin() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        mesh.isCut = true
        try connect(0..<500, mesh)
        mesh.isCut = false
        mesh.room = 1_000
        mesh.movesLeft = 3
        mesh.run(milliseconds: 100)
        #expect(mesh.peer(2, of: 0)?.copyOut != nil)
        mesh.movesLeft = nil
        mesh.cutWires(of: 0)
        #expect(mesh.peer(2, of: 0)?.copyOut == nil)
        mesh.run(milliseconds: 1_000)
        #expect(mesh.peer(2, of: 0)?.copyOut == nil && mesh.peer(2, of: 0)?.hasCopy == true && oldest(mesh) == nil)
        #expect(mesh.counters(2, of: 0).shardsResent == 4)
        #expect((0..<500).allSatisfy { mesh.stores[1].status(of: "user-\($0)") == .online })
    }
}
