import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Activity crosses once a TTL: a node where a user is not at home writes about him without knowing when he was seen last.
@Suite("Last seen across nodes")
struct LastSeenAcrossNodesTests {
    private let alice = SlowModel.Name("alice").bytes
    private let viewer = SlowModel.Name("victor").bytes

    /// Alice is at home at the second of three nodes, and was active there at 0 s, 2 s and 4 s, of which the others know the first.
    private func story(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) throws -> ReplicaMesh {
        var mesh = ReplicaMesh(3) {
            $0.shards = 1
            $0.policy.lostGrace = 0
            $0.policy.disconnectGrace = 0
            change(&$0)
        }
        let home = mesh.stores[1]
        try home.connect("alice", session: "phone", server: "gw")
        #expect(home.beat("alice", session: "phone", isActive: true))
        try mesh.exchange()
        for _ in 0..<2 {
            try mesh.wait(2_000)
            #expect(home.beat("alice", session: "phone", isActive: true))
        }
        try mesh.wait(1_000)
        #expect(reads(mesh).map(\.lastSeen) == [seen(mesh, 0), seen(mesh, 4_000), seen(mesh, 0)])
        return mesh
    }

    private func seen(_ mesh: ReplicaMesh, _ milliseconds: Int64) -> LastSeen {
        .exact(TestClock().now().advanced(byMilliseconds: milliseconds))
    }

    private func reads(_ mesh: ReplicaMesh) -> [UserView] {
        mesh.stores.map { $0.view(of: alice.span, for: viewer.span, at: mesh.clock.now()) }
    }

    private func settle(_ mesh: inout ReplicaMesh) throws {
        for _ in 0..<4 { try mesh.exchange() }
    }

    /// How she hides, at a node where she is not.
    enum Hiding: CaseIterable { case block, nobody, friends, unfriend }

    private func hide(_ hiding: Hiding, at store: ShardedStore) throws {
        switch hiding {
        case .block: try store.relate("alice", .block, to: "victor")
        case .nobody: try store.set("alice", UserSettings(visibility: .nobody))
        case .friends: try store.set("alice", UserSettings(visibility: .friends))
        case .unfriend: try store.relate("alice", .unfriend, to: "victor")
        }
    }

    @Test("Who is hidden from goes on reading what any node showed him until then", arguments: Hiding.allCases)
    func hides(_ hiding: Hiding) throws {
        var mesh = try story()
        if hiding == .unfriend {
            try mesh.stores[1].relate("alice", .friend, to: "victor")
            try mesh.stores[1].set("alice", UserSettings(visibility: .friends))
            try settle(&mesh)
            #expect(mesh.stores[1].beat("alice", session: "phone", isActive: true))
            try mesh.wait(1_000)
        }
        let before = reads(mesh)[1].lastSeen
        try hide(hiding, at: mesh.stores[0])
        try settle(&mesh)
        for (node, view) in reads(mesh).enumerated() {
            #expect(view.status == .offline && view.lastSeen == before, "node \(node)")
        }
        #expect(Set(mesh.digests).count == 1)
        // Nothing newer ever gets through.
        #expect(mesh.stores[1].beat("alice", session: "phone", isActive: true))
        try mesh.wait(1_000)
        try settle(&mesh)
        #expect(reads(mesh).map(\.lastSeen) == [before, before, before])
    }

    @Test("What she did after she hid is not read, however late that is heard", arguments: [Hiding.block, .nobody])
    func hiddenActivity(_ hiding: Hiding) throws {
        var mesh = try story()
        try hide(hiding, at: mesh.stores[0])
        let write = mesh.clock.now()
        // The links are down for a while.
        mesh.clock.advance(byMilliseconds: 3_000)
        #expect(mesh.stores[1].beat("alice", session: "phone", isActive: true))
        mesh.clock.advance(byMilliseconds: 1_000)
        try settle(&mesh)
        #expect(reads(mesh).map(\.lastSeen) == [.exact(write), .exact(write), .exact(write)])
        #expect(reads(mesh).allSatisfy { $0.status == .offline })
    }

    @Test("Who may not read it reads nothing afterwards either", arguments: [Hiding.block, .nobody])
    func setting(_ hiding: Hiding) throws {
        var mesh = try story()
        // Both writes come in one image.
        try mesh.stores[0].set("alice", UserSettings(lastSeen: .nobody))
        try hide(hiding, at: mesh.stores[0])
        try settle(&mesh)
        #expect(reads(mesh).map(\.lastSeen) == [.unknown, .unknown, .unknown])
    }

    @Test(
        "One node lets all see it, and another that knows nothing of that hides her: as if one had followed the other",
        arguments: [Hiding.block, .nobody])
    func settingElsewhere(_ hiding: Hiding) throws {
        for isSetFirst in [true, false] {
            var mesh = try story()
            try mesh.stores[0].set("alice", UserSettings(lastSeen: .nobody))
            try settle(&mesh)
            #expect(reads(mesh).map(\.lastSeen) == [.unknown, .unknown, .unknown])
            if isSetFirst { try mesh.stores[1].set("alice", UserSettings(lastSeen: .everyone)) }
            mesh.clock.advance(byMilliseconds: 1)
            try hide(hiding, at: mesh.stores[0])
            mesh.clock.advance(byMilliseconds: 1)
            if !isSetFirst { try mesh.stores[1].set("alice", UserSettings(lastSeen: .everyone)) }
            try settle(&mesh)
            let expected = isSetFirst ? seen(mesh, 4_000) : .unknown
            #expect(reads(mesh).map(\.lastSeen) == [expected, expected, expected], "set first: \(isSetFirst)")
            #expect(Set(mesh.digests).count == 1, "set first: \(isSetFirst)")
        }
    }

    @Test("A node that never saw her hides her: all read what another had shown", arguments: [Hiding.block, .nobody])
    func neverSeen(_ hiding: Hiding) throws {
        var mesh = ReplicaMesh(3) { $0.shards = 1 }
        try mesh.stores[1].connect("alice", session: "phone")
        #expect(mesh.stores[1].beat("alice", session: "phone", isActive: true))
        // Before that is told.
        try hide(hiding, at: mesh.stores[0])
        try settle(&mesh)
        #expect(reads(mesh).map(\.lastSeen) == [seen(mesh, 0), seen(mesh, 0), seen(mesh, 0)])
        #expect(reads(mesh).allSatisfy { $0.status == .offline })
        #expect(Set(mesh.digests).count == 1)
    }

    @Test("What two copies keep of one write is joined in any order and any number of times")
    func join() {
        let values =
            [0, 1, 2].map { Timestamp(milliseconds: $0) }.flatMap { [LastSeen.exact($0), .coarse($0)] } + [.unknown]
        for one in values {
            #expect(one.joined(one) == one)
            for two in values {
                #expect(one.joined(two) == two.joined(one))
                for three in values { #expect(one.joined(two).joined(three) == one.joined(two.joined(three))) }
            }
        }
    }

    /// What is written where she is not, and ends or hides her.
    enum Write: CaseIterable { case delete, drop, invisible, reconnect, goodbye }

    @Test("All nodes come to the latest activity, whoever wrote last", arguments: Write.allCases)
    func ends(_ write: Write) throws {
        var mesh = try story()
        let (other, now) = (mesh.stores[0], mesh.clock.now())
        switch write {
        case .delete: #expect(other.remove(.presence, "alice"))
        case .drop: #expect(try other.drop("gw") == 1)
        case .invisible: try other.set("alice", UserSettings(status: .some(.invisible)))
        case .reconnect: try other.connect("alice", session: "phone")
        case .goodbye: #expect(other.disconnect("alice", session: "phone"))
        }
        for store in mesh.stores { store.advance(to: now) }
        try settle(&mesh)
        let all = mesh.stores.map { $0.describe(alice.span, at: mesh.clock.now())?.lastSeen }
        #expect(Set(all).count == 1, "\(all)")
        #expect(all[0].map { $0 >= TestClock().now().advanced(byMilliseconds: 4_000) } == true)
    }
}
