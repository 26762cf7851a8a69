import Presence
import PresenceCluster
import Testing

@testable import PresenceReplication
@testable import PresenceStore

/// What nodes tell each other, and what becomes of it.
@Suite("Replicator")
struct ReplicatorTests {
    @Test("Two nodes meet, copy each other, and are ready")
    func meet() throws {
        let mesh = try Mesh(2)
        try mesh.stores[0].connect("alice", session: "phone")
        try mesh.stores[1].connect("bob", session: "phone")
        #expect(!mesh.nodes[0].isReady)
        mesh.run(milliseconds: 50)
        #expect(mesh.nodes.allSatisfy { $0.isReady })
        #expect(mesh.stores[1].status(of: "alice") == .online)
        #expect(mesh.stores[0].status(of: "bob") == .online)
        #expect(mesh.nodes[0].membership.owners == [1, 2])
        #expect(mesh.actions[0].contains { if case .copied(from: 2, _, _) = $0 { true } else { false } })
        #expect(mesh.peer(2, of: 0)?.hasCopy == true)
        #expect(mesh.peer(2, of: 0)?.isDialed == true && mesh.peer(1, of: 1)?.isDialed == false)
    }

    @Test("A node alone waits for the others, and then is ready without them")
    func alone() throws {
        let mesh = try Mesh(2)
        mesh.isCut = true
        mesh.run(milliseconds: 400)
        #expect(!mesh.nodes[0].isReady)
        mesh.run(milliseconds: 200)
        #expect(mesh.nodes[0].isReady)
        #expect(mesh.nodes[0].membership.owners == [1])
    }

    @Test("What is written at one is known at the others, and each tells it once")
    func changes() throws {
        let mesh = try Mesh(3)
        mesh.run(milliseconds: 50)
        let readers = mesh.stores.map { $0.makeReader { _ in } }
        try mesh.stores[0].connect("alice", session: "phone")
        try mesh.stores[1].set("alice", UserSettings(status: .some(.dnd)))
        mesh.run(milliseconds: 20)
        for (store, reader) in zip(mesh.stores, readers) {
            #expect(store.status(of: "alice") == .dnd)
            #expect(store.describe("alice")?.version == mesh.stores[0].describe("alice")?.version)
            var events: [StoreEvent] = []
            for shard in 0..<store.shardCount { reader.read(shard: shard, into: &events) }
            #expect((1...2).contains(events.count))
        }
        // Nothing is passed on: of three nodes each hears it from the one where it was written; of two writes at once those who wrote tell what both come to.
        let sent = mesh.counters(2, of: 0).imagesSent
        #expect((1...2).contains(sent))
        #expect((1...2).contains(mesh.counters(1, of: 1).imagesSent))
        mesh.run(milliseconds: 1_000)
        try mesh.stores[0].set("alice", UserSettings(status: .some(.away)))
        mesh.run(milliseconds: 1_000)
        #expect(mesh.counters(2, of: 0).imagesSent == sent + 1)
        #expect(mesh.counters(3, of: 0).imagesSent == mesh.counters(2, of: 0).imagesSent)
        #expect(mesh.counters(3, of: 1).imagesSent <= 2)
    }

    @Test("A link that comes back goes on where it was; nothing is copied again")
    func resume() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        let copied = mesh.counters(2, of: 0).copiedOut
        mesh.isCut = true
        mesh.cutWires(of: 0)
        for index in 0..<10 {
            try mesh.stores[0].connect("user-\(index)", session: "phone")
            try mesh.stores[1].connect("other-\(index)", session: "phone")
        }
        mesh.run(milliseconds: 3_000)
        #expect(mesh.nodes[0].membership.node(2)?.state == .down)
        #expect(mesh.stores[1].status(of: "user-3") == .offline)
        mesh.isCut = false
        mesh.run(milliseconds: 1_500)
        #expect(mesh.nodes[0].membership.node(2)?.state == .alive)
        for index in 0..<10 {
            #expect(mesh.stores[1].status(of: "user-\(index)") == .online)
            #expect(mesh.stores[0].status(of: "other-\(index)") == .online)
        }
        #expect(mesh.counters(2, of: 0).copiedOut == copied)
        #expect(mesh.counters(2, of: 0).imagesSent == 10)
        #expect(mesh.peer(2, of: 0)?.behind == 0)
    }

    @Test("Who falls out of a log gets the shard again")
    func overwritten() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        mesh.isCut = true
        mesh.cutWires(of: 0)
        for index in 0..<500 { try mesh.stores[0].connect("user-\(index)", session: "phone") }
        mesh.run(milliseconds: 1_000)
        mesh.isCut = false
        mesh.run(milliseconds: 1_500)
        for index in 0..<500 { #expect(mesh.stores[1].status(of: "user-\(index)") == .online) }
        #expect(mesh.counters(2, of: 0).copiedOut >= 500)
        #expect(mesh.peer(2, of: 0)?.hasCopy == true && mesh.peer(2, of: 0)?.behind == 0)
    }

    @Test("A node that died comes back with nothing, and copies before it is ready")
    func returns() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        try mesh.stores[0].connect("alice", session: "phone")
        mesh.run(milliseconds: 20)
        try mesh.restart(1, incarnation: 9)
        #expect(mesh.stores[1].status(of: "alice") == .offline)
        #expect(!mesh.nodes[1].isReady)
        mesh.run(milliseconds: 1_500)
        #expect(mesh.nodes[1].isReady)
        #expect(mesh.stores[1].status(of: "alice") == .online)
        #expect(mesh.peer(2, of: 0)?.incarnation == 9)
    }

    @Test("A node that says an older start than was seen is refused")
    func oldIncarnation() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        try mesh.restart(1, incarnation: 1)
        mesh.run(milliseconds: 2_000)
        #expect(mesh.nodes[0].membership.node(2)?.state == .down)
        #expect(mesh.refusals(of: 0).contains { $0.contains("was seen in incarnation 2 and now says 1") })
    }

    @Test("Another cluster is refused, and both say why")
    func otherCluster() throws {
        let mesh = try Mesh(2, clusters: ["demo", "test"])
        mesh.run(milliseconds: 300)
        for index in 0..<2 {
            #expect(mesh.refusals(of: index).contains { $0.contains("'demo'") && $0.contains("'test'") })
            #expect(mesh.nodes[index].membership.node(UInt8(2 - index))?.state == .down)
        }
        // It is tried again, and not all the time.
        #expect((2...6).contains(mesh.refusals(of: 0).count))
    }

    @Test(
        "A node of the release before works with one of this, whoever dials",
        arguments: [
            [1...3, 1...4], [1...4, 1...3], [1...2, 1...4], [1...4, 1...2], [1...1, 1...4], [1...4, 1...1],
        ])
    func previousVersion(versions: [ClosedRange<UInt16>]) throws {
        let mesh = try Mesh(2, versions: versions)
        mesh.run(milliseconds: 50)
        #expect(mesh.peer(2, of: 0)?.version == versions.map(\.upperBound).min())
        try mesh.stores[0].connect("alice", session: "phone")
        try mesh.stores[1].connect("bob", session: "phone")
        mesh.run(milliseconds: 20)
        #expect(mesh.stores[1].status(of: "alice") == .online)
        #expect(mesh.stores[0].status(of: "bob") == .online)
        try mesh.stores[0].set("alice", UserSettings(status: .some(.dnd)))
        mesh.run(milliseconds: 20)
        #expect(mesh.stores[1].describe("alice") == mesh.stores[0].describe("alice"))
        let other = mesh.makeStore(9)
        try other.connect("ghost", session: "phone")
        try mesh.stores[0].merge(try #require(other.image(of: "ghost")))
        mesh.run(milliseconds: 5_000)
        #expect(mesh.stores[1].status(of: "ghost") == .online)
        #expect(mesh.counters(2, of: 0).rangesMended == 1)
    }

    @Test("Of three nodes, one of the release before, each is told in its own version, of many shards at once")
    func rolling() throws {
        let mesh = try Mesh(3, versions: [1...3, 1...2, 1...3]) { _ in
        } store: {
            $0.shards = 16
        }
        mesh.run(milliseconds: 50)
        let frames = (2...3).map { mesh.counters(UInt8($0), of: 0).framesSent }
        for index in 0..<200 { try mesh.stores[0].connect("user-\(index)", session: "phone") }
        mesh.run(milliseconds: 10)
        let sent = (2...3).map { mesh.counters(UInt8($0), of: 0).framesSent - frames[Int($0) - 2] }
        // A frame a shard for the old one, and one for all of them beside it; and pings.
        #expect((16...20).contains(sent[0]) && (1...4).contains(sent[1]), "\(sent)")
        for index in 0..<200 {
            for store in mesh.stores { #expect(store.status(of: "user-\(index)") == .online) }
        }
        #expect(mesh.counters(3, of: 0).bytesSent < mesh.counters(2, of: 0).bytesSent)
        mesh.run(milliseconds: 3_000)
        #expect(mesh.counters(2, of: 0).rangesMended == 0 && mesh.counters(3, of: 0).rangesMended == 0)
    }

    @Test("Without a version in common both say which they speak, and who is to be upgraded")
    func noVersion() throws {
        let mesh = try Mesh(2, versions: [1...1, 2...2])
        mesh.run(milliseconds: 300)
        for index in 0..<2 {
            let reason = try #require(mesh.refusals(of: index).first)
            #expect(
                reason.contains("speaks protocol versions 2 to 2, the dialing node 1 to 1; upgrade the dialing node"))
        }
    }

    @Test("What is no frame ends the link, and is counted")
    func garbage() throws {
        let mesh = try Mesh(2)
        let link = try #require(mesh.nodes[1].answered(at: mesh.now))
        let garbage = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        mesh.nodes[1].received(garbage.span, on: link, at: mesh.now)
        #expect(mesh.nodes[1].strayFrameErrors == 1)
        #expect(mesh.nodes[1].takeActions().contains(.close(link)))
        mesh.nodes[1].closed(link, at: mesh.now)
        mesh.run(milliseconds: 50)
        #expect(mesh.nodes.allSatisfy { $0.isReady })
    }

    @Test("Connections that do not say who they are are few, and end")
    func greetings() throws {
        let mesh = try Mesh(2) {
            $0.maximumGreeting = 3; $0.greetingTimeout = 1_000
        }
        let links = (0..<5).map { _ in mesh.nodes[1].answered(at: mesh.now) }
        #expect(links.count { $0 != nil } == 3)
        mesh.isCut = true
        mesh.run(milliseconds: 1_100)
        #expect(mesh.refusals(of: 1).count { $0.contains("no greeting within 1000 ms") } == 3)
    }

    @Test("A store knows whether another node cannot be heard of, before it takes a silence for an end")
    func unheard() throws {
        let mesh = try Mesh(3)
        func knowing() -> [Bool] { mesh.stores.map { $0.withShard(0) { $0.settings.hasUnheardPeer } } }
        mesh.run(milliseconds: 20)
        #expect(knowing() == [false, false, false])
        mesh.cutWires(of: 1)
        mesh.run(milliseconds: 10)
        #expect(knowing() == [true, true, true])
        mesh.run(milliseconds: 5_000)
        #expect(knowing() == [false, false, false])
    }

    @Test("A peer that is silent is suspect, then down, and its link ends")
    func silence() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        mesh.isCut = true
        mesh.run(milliseconds: 900)
        #expect(mesh.nodes[0].membership.node(2)?.state == .suspect)
        #expect(mesh.nodes[0].membership.owners == [1, 2])
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[0].membership.node(2)?.state == .down)
        #expect(mesh.nodes[0].membership.owners == [1])
        #expect(mesh.wires.isEmpty)
        mesh.isCut = false
        mesh.run(milliseconds: 1_500)
        #expect(mesh.nodes[0].membership.node(2)?.state == .alive)
    }

    @Test("Who stops says goodbye, and is down at once")
    func goodbye() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        mesh.nodes[1].stop(at: mesh.now)
        mesh.carry()
        #expect(mesh.nodes[0].membership.node(2)?.state == .down)
        #expect(mesh.nodes[0].membership.node(2)?.cause == .goodbye)
    }

    @Test("Who comes while a node stops, and was not answered yet, is refused and told why, and comes again")
    func unavailable() throws {
        let mesh = try Mesh(2)
        mesh.stuck = [[0, 1]]
        mesh.run(milliseconds: 20)
        #expect(mesh.wires.count == 1)
        mesh.nodes[1].stop(at: mesh.now)
        mesh.carry()
        mesh.carry()
        #expect(mesh.refusals(of: 0) == ["node 2 (n2) stops; try again when it is back"])
        #expect(mesh.wires.isEmpty)
        try mesh.restart(1, incarnation: 9)
        mesh.stuck = []
        mesh.run(milliseconds: 200)
        #expect(mesh.peer(2, of: 0)?.linkOpenedAt != nil)
    }

    @Test("Who leaves owns nothing, until he takes it back")
    func drain() throws {
        let mesh = try Mesh(3)
        mesh.run(milliseconds: 50)
        mesh.nodes[1].drain(seconds: 30, at: mesh.now)
        mesh.carry()
        #expect(mesh.nodes.allSatisfy { $0.membership.owners == [1, 3] })
        #expect(mesh.nodes[1].report(at: mesh.now).drainLeft == 30_000)
        mesh.nodes[1].drain(seconds: 0, at: mesh.now)
        mesh.carry()
        #expect(mesh.nodes.allSatisfy { $0.membership.owners == [1, 2, 3] })
    }

    @Test("Who has a write is known by what was acknowledged")
    func holders() throws {
        let mesh = try Mesh(3)
        mesh.run(milliseconds: 50)
        #expect(mesh.nodes[0].holders(of: mesh.nodes[0].positions()) == (2, 0))
        try mesh.stores[0].connect("alice", session: "phone")
        let positions = mesh.nodes[0].positions()
        #expect(mesh.nodes[0].holders(of: positions) == (0, 2))
        for shard in 0..<2 { mesh.nodes[0].woke(shard: shard) }
        mesh.carry()
        #expect(mesh.nodes[0].holders(of: positions) == (2, 0))
        #expect(mesh.counters(2, of: 0).lag.count > 0)
    }

    @Test("Who is silent has not got a write until his silence is his end")
    func suspectHolders() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        mesh.isCut = true
        mesh.run(milliseconds: 900)
        try #require(mesh.nodes[0].membership.node(2)?.state == .suspect)
        try mesh.stores[0].connect("alice", session: "phone")
        let positions = mesh.nodes[0].positions()
        #expect(mesh.nodes[0].holders(of: positions) == (0, 1))
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[0].holders(of: positions) == (0, 0))
    }

    @Test("Who has fallen out of a log and shows people has not got a write until his copy is there")
    func copiedHolders() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        let wire = try #require(mesh.wires.first)
        for index in 0..<500 { try mesh.stores[0].connect("user-\(index)", session: "phone") }
        let positions = mesh.nodes[0].positions()
        for shard in 0..<2 { mesh.nodes[0].woke(shard: shard) }
        var first: [UInt8] = []
        mesh.nodes[0].pull(
            wire.from == 0 ? wire.dialed : wire.answered, room: 500, into: &first, at: mesh.now)
        try #require(mesh.peer(2, of: 0)?.hasCopy == false)
        #expect(mesh.nodes[0].holders(of: positions) == (0, 1))
    }

    @Test("What differs in silence is found and mended, both ways")
    func mending() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        try mesh.stores[0].connect("alice", session: "phone")
        mesh.run(milliseconds: 3_000)
        let mended = mesh.counters(2, of: 0).rangesMended
        #expect(mended == 0)
        // Planted where no log tells of it: an image that only one node takes.
        let other = mesh.makeStore(9)
        try other.connect("ghost", session: "phone")
        try mesh.stores[1].merge(try #require(other.image(of: "ghost")))
        #expect(mesh.stores[0].status(of: "ghost") == .offline)
        mesh.run(milliseconds: 3_000)
        #expect(mesh.stores[0].status(of: "ghost") == .online)
        #expect(mesh.counters(2, of: 0).rangesMended == 1)
        #expect(mesh.counters(2, of: 0).recordsMended == 1)
        mesh.run(milliseconds: 3_000)
        #expect(mesh.counters(2, of: 0).rangesMended == 1)
    }

    @Test(
        "Of users who beat all the time comparing finds none that differs, and mends nothing", arguments: [false, true])
    func beating(isActive: Bool) throws {
        let mesh = try Mesh(3) {
            $0.digestInterval = 500
        } store: {
            $0.replicaLogEntries = 4_096
        }
        mesh.run(milliseconds: 2_500)
        let names = (0..<300).map { "user-\($0)" }
        for (number, user) in names.enumerated() {
            try mesh.stores[number % 3].connect(user, session: "phone", ConnectOptions(ttlMilliseconds: 6_000))
        }
        for turn in 0..<150 {
            // Each every 2 s, so that every third beat comes just at a deadline.
            for (number, user) in names.enumerated() where turn % 10 == number % 10 {
                try #require(mesh.stores[number % 3].beat(user, session: "phone", isActive: isActive))
            }
            mesh.run(milliseconds: 200)
        }
        for node in 0..<3 {
            for peer in 1...3 where peer != node + 1 {
                let counters = mesh.counters(UInt8(peer), of: node)
                #expect(counters.rangesMended == 0 && counters.rangesCompared > 500, "\(counters)")
            }
            #expect(names.allSatisfy { mesh.stores[node].status(of: $0) == .online })
        }
    }

    @Test(
        "Settings that are set while nodes are linked are told, also who was greeting then; links that open later say the newest"
    )
    func settings() throws {
        func shared(_ ttl: String) -> SharedSettings { SharedSettings([.init("session-ttl", ttl)]) }
        func told(_ mesh: Mesh, _ node: Int) -> [[SharedSettings.Difference]] {
            mesh.actions[node].compactMap {
                switch $0 {
                case .settings(_, let differences), .opened(_, _, _, let differences): differences
                default: nil
                }
            }
        }
        let mesh = try Mesh(2, shared: [shared("90s"), shared("90s")])
        mesh.run(milliseconds: 50)
        #expect(told(mesh, 0) == [[]] && told(mesh, 1) == [[]])
        mesh.nodes[1].share(shared("60s"), at: mesh.now)
        mesh.nodes[1].share(shared("60s"), at: mesh.now)
        mesh.run(milliseconds: 20)
        let there = SharedSettings.Difference("session-ttl", ours: "90s", theirs: "60s")
        let here = SharedSettings.Difference("session-ttl", ours: "60s", theirs: "90s")
        #expect(told(mesh, 0) == [[], [there]] && told(mesh, 1) == [[], [here]])
        mesh.nodes[0].share(shared("60s"), at: mesh.now)
        mesh.run(milliseconds: 20)
        #expect(told(mesh, 0).last == [] && told(mesh, 1).last == [])
        // The hello was made with the old ones.
        let dialed = mesh.nodes[0].dialed(2, at: mesh.now)
        let answered = try #require(mesh.nodes[1].answered(at: mesh.now))
        mesh.wires = [Mesh.Wire(from: 0, to: 1, dialed: dialed, answered: answered)]
        mesh.nodes[0].share(shared("30s"), at: mesh.now)
        mesh.run(milliseconds: 50)
        #expect(told(mesh, 0).last == [SharedSettings.Difference("session-ttl", ours: "30s", theirs: "60s")])
        #expect(told(mesh, 1).last == [SharedSettings.Difference("session-ttl", ours: "60s", theirs: "30s")])
    }

    @Test("While changes are long on their way nothing is compared: what differs is on its way, too")
    func behind() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        let other = mesh.makeStore(9)
        try other.connect("ghost", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        try mesh.stores[1].merge(try #require(other.image(of: "ghost")))
        // Something that the peer never acknowledges.
        mesh.nodes[0].peers[0].marker = (0, .max, mesh.now)
        mesh.run(milliseconds: 6_000)
        #expect(mesh.counters(2, of: 0).rangesMended == 0)
        #expect(mesh.stores[0].status(of: "ghost") == .offline)
        mesh.nodes[0].peers[0].marker = nil
        mesh.run(milliseconds: 6_000)
        #expect(mesh.counters(2, of: 0).rangesMended == 1)
        #expect(mesh.stores[0].status(of: "ghost") == .online)
    }

    @Test("A flush is told, and what was written before it does not come back")
    func flush() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        try mesh.stores[0].connect("alice", session: "phone")
        try mesh.stores[1].setString("key", "value")
        mesh.run(milliseconds: 20)
        #expect(mesh.stores[0].getString("key") == "value")
        mesh.clock.advance(byMilliseconds: 5)
        let stamp = mesh.stores[0].beginRemoveAll(at: mesh.clock.now())
        var cursor: UInt64 = 0
        repeat {
            cursor = mesh.stores[0].removeAll(from: cursor, upTo: stamp, at: mesh.clock.now())
        } while cursor != 0
        mesh.nodes[0].flushed(stamp)
        mesh.run(milliseconds: 50)
        for store in mesh.stores {
            #expect(store.status(of: "alice") == .offline)
            #expect(store.getString("key") == nil)
        }
    }

    @Test("What waits for a peer is sent in pieces of the room that there is")
    func room() throws {
        let mesh = try Mesh(2) { $0.frameBytes = 4_096 }
        mesh.room = 8_192
        for index in 0..<8_000 { try mesh.stores[0].connect("user-\(index)", session: "phone") }
        mesh.run(milliseconds: 100)
        #expect(mesh.stores[1].status(of: "user-7999") == .online)
        #expect(mesh.mostPulled < 8_192 + 4_096 + 40_000, "a segment of the index may be beyond")
        #expect(mesh.mostPulled > 4_096)
    }
}
