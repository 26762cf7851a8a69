import Presence
import PresenceStore
import Synchronization
import Testing

@testable import PresenceReplication

/// What a node cannot merge it does not say that it has.
@Suite("Images that cannot be merged")
struct RefusedTests {
    /// Whether images are refused, as for want of memory.
    private final class Switch: Sendable {
        let isOn = Atomic(false)
    }

    /// Two nodes that do not compare, and a switch for the memory of both.
    private func pair(versions: [ClosedRange<UInt16>]? = nil) throws -> (Mesh, Switch) {
        let full = Switch()
        let mesh = try Mesh(2, versions: versions) {
            $0.digestInterval = 1_000_000_000
            $0.fault = { $0 == .refusedImage && full.isOn.load(ordering: .relaxed) }
        } store: {
            $0.replicaLogEntries = 4_096
        }
        mesh.run(milliseconds: 200)
        #expect(mesh.nodes.allSatisfy { $0.isReady })
        return (mesh, full)
    }

    private func holders(_ positions: [ShardPosition], _ mesh: Mesh) -> [Int] {
        let (holding, lacking) = mesh.nodes[0].holders(of: positions)
        return [holding, lacking]
    }

    @Test("are not acknowledged, and are asked for until they can be merged", arguments: [1...4, 1...2])
    func askedAgain(versions: ClosedRange<UInt16>) throws {
        let (mesh, full) = try pair(versions: [1...4, versions])
        try mesh.stores[0].connect("bob", session: "phone")
        mesh.run(milliseconds: 50)
        full.isOn.store(true, ordering: .relaxed)
        try mesh.stores[0].relate("bob", .block, to: "eve")
        try mesh.stores[0].setString("key", "value")
        let positions = mesh.nodes[0].positions()
        mesh.run(milliseconds: 2_500)
        #expect(holders(positions, mesh) == [0, 1])
        #expect(mesh.counters(1, of: 1).imagesRefused >= 4 && mesh.counters(1, of: 1).imagesRefused < 20)
        // What can be merged is, also behind it.
        full.isOn.store(false, ordering: .relaxed)
        try mesh.stores[0].connect("carol", session: "phone")
        mesh.run(milliseconds: 50)
        #expect(mesh.stores[1].status(of: "carol") == .online)
        mesh.run(milliseconds: 1_200)
        #expect(holders(mesh.nodes[0].positions(), mesh) == [1, 0])
        #expect(mesh.stores[1].relations(of: "bob").blocked.count == 1)
        #expect(mesh.stores[1].getString("key") == "value")
        #expect(mesh.counters(2, of: 0).links == 1)
        #expect(mesh.nodes[1].peer(1)?.refused.isEmpty == true)
    }

    @Test("of keys that are gone meanwhile are asked for no more")
    func gone() throws {
        let (mesh, full) = try pair()
        full.isOn.store(true, ordering: .relaxed)
        try mesh.stores[0].setString(
            "key".utf8.span, "value".utf8.span,
            StringSetOptions(expiry: .at(mesh.clock.now().advanced(byMilliseconds: 300))),
            at: mesh.clock.now())
        mesh.run(milliseconds: 500)
        #expect(holders(mesh.nodes[0].positions(), mesh) == [0, 1])
        full.isOn.store(false, ordering: .relaxed)
        mesh.run(milliseconds: 1_500)
        #expect(holders(mesh.nodes[0].positions(), mesh) == [1, 0])
    }

    @Test("come again from the log by the next link; what others are told of the peer does not include them")
    func nextLink() throws {
        let (mesh, full) = try pair()
        full.isOn.store(true, ordering: .relaxed)
        for user in 0..<20 { try mesh.stores[0].connect("user-\(user)", session: "phone") }
        let positions = mesh.nodes[0].positions()
        mesh.run(milliseconds: 100)
        let heard = try #require(mesh.nodes[1].peer(1)?.heard)
        #expect(zip(heard.positions, positions).contains { $0 < $1.position })
        mesh.isCut = true
        mesh.cutWires(of: 1)
        full.isOn.store(false, ordering: .relaxed)
        mesh.isCut = false
        mesh.run(milliseconds: 300)
        #expect((0..<20).allSatisfy { mesh.stores[1].status(of: "user-\($0)") == .online })
        #expect(holders(positions, mesh) == [1, 0])
    }

    @Test("are so many that not all keys are kept: the link begins anew once there is room, and all come")
    func tooMany() throws {
        let (mesh, full) = try pair()
        full.isOn.store(true, ordering: .relaxed)
        for user in 0..<3_000 { try mesh.stores[0].connect("user-\(user)", session: "phone") }
        let positions = mesh.nodes[0].positions()
        mesh.run(milliseconds: 1_500)
        let refused = mesh.nodes[1].peer(1)?.refused ?? [:]
        #expect(refused.values.reduce(0) { $0 + $1.hashes.count } == FrameLimits.ranges)
        full.isOn.store(false, ordering: .relaxed)
        mesh.run(milliseconds: 3_000)
        #expect((0..<3_000).allSatisfy { mesh.stores[1].status(of: "user-\($0)") == .online })
        #expect(holders(positions, mesh) == [1, 0])
        #expect(mesh.counters(2, of: 0).links == 2)
    }

    @Test("of a shard that is sent as a whole are not acknowledged either")
    func wholeShard() throws {
        let (mesh, full) = try pair()
        mesh.isCut = true
        mesh.cutWires(of: 1)
        for user in 0..<9_000 { try mesh.stores[0].connect("user-\(user)", session: "phone") }
        let positions = mesh.nodes[0].positions()
        full.isOn.store(true, ordering: .relaxed)
        mesh.isCut = false
        mesh.run(milliseconds: 300)
        #expect(mesh.counters(2, of: 0).shardsResent == 2)
        #expect(holders(positions, mesh) == [0, 1])
        full.isOn.store(false, ordering: .relaxed)
        mesh.run(milliseconds: 3_000)
        #expect(holders(positions, mesh) == [1, 0])
        #expect((0..<9_000).allSatisfy { mesh.stores[1].status(of: "user-\($0)") == .online })
    }

    @Test(
        "of a copy are said to be missing before the node that copies says that it is ready, and counted",
        arguments: [4, 2])
    func copied(version: UInt16) throws {
        let full = Switch()
        full.isOn.store(true, ordering: .relaxed)
        let mesh = try Mesh(2, versions: [1...version, 1...version]) {
            $0.fault = { $0 == .refusedImage && full.isOn.load(ordering: .relaxed) }
        }
        for user in 0..<10 { try mesh.stores[0].connect("user-\(user)", session: "phone") }
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[1].isReady)
        #expect(mesh.counters(1, of: 1).copiedInRefused == 10)
        let said = mesh.actions[1].compactMap { action -> String? in
            switch action {
            case .notKept(1, _, let reason): reason
            case .copied: "copied"
            case .ready: "ready"
            default: nil
            }
        }
        #expect(Array(said.prefix(3)) == ["no memory for what another node knows: raise maxmemory", "copied", "ready"])
        #expect(mesh.counters(2, of: 0).copiedInRefused == 0)
        full.isOn.store(false, ordering: .relaxed)
        mesh.run(milliseconds: 10_000)
        #expect((0..<10).allSatisfy { mesh.stores[1].status(of: "user-\($0)") == .online }, "by comparing")
        #expect(mesh.counters(1, of: 1).copiedInRefused == 10)
    }

    @Test("keep nodes from comparing for half a minute, as what is on its way does, and no longer")
    func comparing() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 100)
        let other = mesh.makeStore(9)
        try other.connect("ghost", session: "phone", ConnectOptions(ttlMilliseconds: 120_000))
        try mesh.stores[1].merge(try #require(other.image(of: "ghost")))
        mesh.nodes[0].peers[0].marker = (0, .max, mesh.now)
        mesh.run(milliseconds: 29_000)
        #expect(mesh.stores[0].status(of: "ghost") == .offline)
        mesh.run(milliseconds: 5_000)
        #expect(mesh.stores[0].status(of: "ghost") == .online)
    }
}
