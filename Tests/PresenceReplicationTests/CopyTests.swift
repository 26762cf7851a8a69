import Presence
import PresenceCluster
import Testing

@testable import PresenceReplication
@testable import PresenceStore

/// A node that comes back with nothing has each part of everything from one of the others, and lacks nothing.
@Suite("A copy in parts")
struct CopyTests {
    /// Nodes that do not compare: what is missing stays so.
    private func mesh(_ count: Int, versions: [ClosedRange<UInt16>]? = nil, followers: Set<Int> = []) throws -> Mesh {
        let mesh = try Mesh(count, versions: versions, followers: followers) { $0.digestInterval = 1_000_000_000 }
        mesh.run(milliseconds: 50)
        return mesh
    }

    private func connect(_ users: Range<Int>, _ name: String = "user", at index: Int, _ mesh: Mesh) throws {
        for user in users { try mesh.stores[index].connect("\(name)-\(user)", session: "phone") }
        mesh.run(milliseconds: 20)
    }

    private func lacks(_ index: Int, _ users: Range<Int>, _ mesh: Mesh, _ name: String = "user") -> Int {
        users.count { mesh.stores[index].status(of: "\(name)-\($0)") != .online }
    }

    /// Records that came to a node from each of the others.
    private func copied(to index: Int, _ mesh: Mesh) -> [Int] {
        mesh.nodes.indices.filter { $0 != index }.map { Int(mesh.counters(UInt8($0 + 1), of: index).copiedIn) }
    }

    @Test("Each record comes once, about half of them from each of two peers")
    func halves() throws {
        let mesh = try mesh(3)
        try connect(0..<2_000, at: 0, mesh)
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<2_000, mesh) == 0)
        let copied = copied(to: 2, mesh)
        #expect(copied.reduce(0, +) == 2_000 && copied.allSatisfy { $0 > 600 }, "\(copied)")
        #expect((1...2).allSatisfy { mesh.peer(3, of: $0 - 1)?.hasCopy == true })
        // It is not asked to hand back what it was just told.
        #expect(mesh.counters(3, of: 0).copiedIn + mesh.counters(3, of: 1).copiedIn < 100)
        // And what comes then is told as ever.
        try connect(0..<10, "late", at: 1, mesh)
        #expect(lacks(2, 0..<10, mesh, "late") == 0)
        #expect(mesh.peer(3, of: 1)?.behind == 0)
    }

    @Test("What one peer wrote and the other had not heard is told by who wrote it, from where the other had heard it")
    func behind() throws {
        let mesh = try mesh(3)
        try connect(0..<400, at: 0, mesh)
        mesh.stuck = [[0, 1]]
        try connect(0..<50, "late", at: 1, mesh)
        for user in 0..<5 { mesh.stores[1].disconnect("user-\(user)", session: "phone") }
        #expect(lacks(0, 0..<50, mesh, "late") == 50)
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<50, mesh, "late") == 0)
        #expect(lacks(2, 0..<400, mesh) == 5)
        #expect(copied(to: 2, mesh).reduce(0, +) < 500)
    }

    @Test("What only one peer heard of a node that is gone comes from that one; without it all comes from both")
    func lost() throws {
        let mesh = try mesh(4)
        try connect(0..<300, at: 0, mesh)
        mesh.stuck = [[1, 3]]
        try connect(0..<40, "last", at: 3, mesh)
        mesh.lose(3)
        #expect(lacks(1, 0..<40, mesh, "last") == 40)
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<40, mesh, "last") == 0)
        // It has all that was known of the lost one, and says so.
        let heard = mesh.nodes[2].peer(4)?.heard
        #expect(heard?.incarnation == 4 && heard == mesh.nodes[0].peer(4)?.heard)
    }

    @Test("What only one peer heard of the last start of who copies comes back to it")
    func lastStart() throws {
        let mesh = try mesh(3)
        try connect(0..<300, at: 0, mesh)
        mesh.stuck = [[1, 2]]
        try connect(0..<40, "mine", at: 2, mesh)
        mesh.stuck = []
        mesh.lose(2)
        mesh.run(milliseconds: 100)
        #expect(lacks(1, 0..<40, mesh, "mine") == 40)
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<40, mesh, "mine") == 0)
    }

    @Test("How much of a copy is here only grows, up to all of it, though each peer sends a part")
    func percent() throws {
        let mesh = try mesh(3)
        try connect(0..<2_000, at: 0, mesh)
        try mesh.restart(2, incarnation: 9)
        mesh.room = 600
        var seen: [[Int]] = [[], []]
        for _ in 0..<300 where !mesh.nodes[2].isReady {
            mesh.movesLeft = 6
            mesh.run(milliseconds: 10)
            for peer in seen.indices {
                guard let percent = mesh.peer(UInt8(peer + 1), of: 2)?.copyInPercent else { continue }
                seen[peer].append(percent)
            }
        }
        #expect(mesh.nodes[2].isReady && lacks(2, 0..<2_000, mesh) == 0)
        for percents in seen {
            #expect(percents == percents.sorted() && percents.last ?? 0 > 80, "\(percents)")
        }
        #expect(copied(to: 2, mesh).allSatisfy { $0 > 500 })
    }

    @Test("Who has copied a part when the links break waits for them anew, and does not serve it as if it were all")
    func brokenWithin() throws {
        let mesh = try mesh(3)
        try connect(0..<2_000, at: 0, mesh)
        try mesh.restart(2, incarnation: 9)
        /// It copies slowly, for longer than it waits for nodes that it does not reach, and the links break.
        func copyAPart() {
            mesh.isCut = false
            mesh.movesLeft = 60
            mesh.run(milliseconds: 600)
            mesh.movesLeft = nil
            #expect((1..<2_000).contains(mesh.stores[2].recordCount()) && !mesh.nodes[2].isReady)
            mesh.isCut = true
            mesh.cutWires(of: 2)
        }
        mesh.room = 600
        copyAPart()
        mesh.run(milliseconds: 450)
        #expect(!mesh.nodes[2].isReady && lacks(2, 0..<2_000, mesh) > 0)
        mesh.room = 65_536
        mesh.isCut = false
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[2].isReady && lacks(2, 0..<2_000, mesh) == 0)
        // Nobody comes back: it serves what it has.
        mesh.isCut = true
        try mesh.restart(2, incarnation: 10)
        mesh.room = 600
        copyAPart()
        mesh.run(milliseconds: 600)
        #expect(mesh.nodes[2].isReady && lacks(2, 0..<2_000, mesh) > 0)
    }

    @Test("Who has copied a part when the one who tells it falls silent waits anew, too")
    func silentWithin() throws {
        let mesh = try mesh(2)
        try connect(0..<2_000, at: 0, mesh)
        try mesh.restart(1, incarnation: 9)
        mesh.room = 600
        mesh.movesLeft = 60
        mesh.run(milliseconds: 600)
        #expect((1..<2_000).contains(mesh.stores[1].recordCount()) && !mesh.nodes[1].isReady)
        // Its link is there, and nothing comes by it any more.
        mesh.isCut = true
        for _ in 0..<600 where mesh.peer(1, of: 1)?.linkOpenedAt != nil {
            mesh.run(milliseconds: 10)
            #expect(!mesh.nodes[1].isReady)
        }
        #expect(mesh.peer(1, of: 1)?.linkOpenedAt == nil)
        mesh.run(milliseconds: 200)
        #expect(!mesh.nodes[1].isReady)
        mesh.movesLeft = nil
        mesh.room = 65_536
        mesh.isCut = false
        mesh.run(milliseconds: 400)
        #expect(mesh.nodes[1].isReady && lacks(1, 0..<2_000, mesh) == 0)
    }

    @Test("Peers whose links break again and again are waited for a number of times")
    func brokenForEver() throws {
        let mesh = try Mesh(2) {
            $0.maximumJoinWaits = 3
            $0.redial = 10...20
        }
        mesh.stuck = [[0, 1]]
        func breakOff() {
            // The greeting, and nothing behind it.
            mesh.isCut = false
            mesh.stuck = []
            for _ in 0..<20 where mesh.peer(1, of: 1)?.linkOpenedAt == nil {
                mesh.movesLeft = 2
                mesh.run(milliseconds: 10)
            }
            #expect(mesh.peer(1, of: 1)?.linkOpenedAt != nil)
            mesh.isCut = true
            mesh.cutWires(of: 1)
            mesh.movesLeft = nil
        }
        for _ in 0..<3 {
            breakOff()
            mesh.run(milliseconds: 400)
            #expect(!mesh.nodes[1].isReady)
        }
        breakOff()
        mesh.run(milliseconds: 150)
        #expect(mesh.nodes[1].isReady)
    }

    @Test("What was heard of a start that never was ready hides nothing of the one before")
    func neverReady() throws {
        let mesh = try mesh(3)
        try connect(0..<300, at: 0, mesh)
        mesh.stuck = [[1, 2]]
        try connect(0..<40, "mine", at: 2, mesh)
        mesh.stuck = []
        mesh.lose(2)
        mesh.run(milliseconds: 100)
        try mesh.restart(2, incarnation: 9)
        mesh.movesLeft = 24
        mesh.run(milliseconds: 1_100)
        #expect(!mesh.nodes[2].isReady && mesh.peer(3, of: 0)?.incarnation == 9)
        mesh.movesLeft = nil
        mesh.lose(2)
        try mesh.restart(2, incarnation: 10)
        mesh.run(milliseconds: 1_500)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<40, mesh, "mine") == 0)
    }

    @Test("What peers have heard of a start that never was ready does not stand for what was known of the one before")
    func heardOfNeverReady() throws {
        let mesh = try mesh(4)
        try connect(0..<4_000, at: 0, mesh)
        // Only n2 hears what n4 writes last.
        mesh.stuck = [[0, 3], [2, 3]]
        try connect(0..<40, "last", at: 3, mesh)
        mesh.stuck = []
        mesh.lose(3)
        // It is back, and hands over all that it has, which is nothing; then it is gone again, before it has copied.
        try mesh.restart(3, incarnation: 9)
        mesh.room = 1_000
        func heard(_ index: Int) -> NodePositions? { mesh.nodes[index].peer(4)?.heard }
        func isHeard(_ index: Int) -> Bool { heard(index)?.incarnation == 9 && heard(index)?.positions.count == 2 }
        for _ in 0..<60 where !(isHeard(0) && isHeard(1)) {
            mesh.movesLeft = 12
            mesh.run(milliseconds: 10)
        }
        try #require(isHeard(0) && isHeard(1) && !mesh.nodes[3].isReady)
        #expect(lacks(0, 0..<40, mesh, "last") == 40 && lacks(1, 0..<40, mesh, "last") == 0)
        mesh.movesLeft = nil
        mesh.lose(3)
        // n1 and n2 have heard the same of n4, and not the same.
        try mesh.restart(2, incarnation: 10)
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<40, mesh, "last") == 0)
        #expect(lacks(2, 0..<4_000, mesh) == 0)
    }

    @Test("Peers that cannot say how far they have each other's changes both hand over all")
    func untold() throws {
        let mesh = try Mesh(3) {
            $0.digestInterval = 1_000_000_000
            $0.fault = { $0 == .untoldPositions }
        }
        mesh.run(milliseconds: 50)
        try connect(0..<500, at: 0, mesh)
        try connect(0..<20, "other", at: 1, mesh)
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<500, mesh) == 0 && lacks(2, 0..<20, mesh, "other") == 0)
        #expect(copied(to: 2, mesh) == [520, 520])
    }

    @Test("A peer that is lost within its part leaves it to the other", arguments: [20, 40, 60, 80])
    func lostWithin(moves: Int) throws {
        let mesh = try mesh(3)
        try connect(0..<1_000, at: 0, mesh)
        try connect(0..<30, "other", at: 1, mesh)
        try mesh.restart(2, incarnation: 9)
        mesh.room = 1_000
        mesh.run(milliseconds: 10)
        mesh.movesLeft = moves
        mesh.run(milliseconds: 40)
        #expect(!mesh.nodes[2].isReady)
        #expect(mesh.nodes[1].holders(of: mesh.nodes[1].positions()).lacking <= 1)
        mesh.movesLeft = nil
        mesh.lose(0)
        mesh.run(milliseconds: 1_500)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<1_000, mesh) == 0 && lacks(2, 0..<30, mesh, "other") == 0)
    }

    @Test("A second peer that comes when the first has told all need not tell it again")
    func later() throws {
        let mesh = try mesh(3)
        try connect(0..<500, at: 0, mesh)
        mesh.stuck = [[1, 2]]
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 100)
        #expect(lacks(2, 0..<500, mesh) == 0 && !mesh.nodes[2].isReady)
        try connect(0..<20, "late", at: 1, mesh)
        #expect(lacks(2, 0..<20, mesh, "late") == 20)
        mesh.stuck = []
        mesh.run(milliseconds: 100)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<20, mesh, "late") == 0)
        #expect(copied(to: 2, mesh) == [500, 0])
    }

    @Test("Nor does it where it overwrote its log meanwhile: then its shards come whole")
    func laterOverwritten() throws {
        let mesh = try mesh(3)
        try connect(0..<100, at: 0, mesh)
        mesh.stuck = [[1, 2]]
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 100)
        try connect(0..<400, "late", at: 1, mesh)
        mesh.stuck = []
        mesh.run(milliseconds: 200)
        #expect(mesh.nodes[2].isReady)
        #expect(lacks(2, 0..<400, mesh, "late") == 0)
        #expect(copied(to: 2, mesh)[1] == 500)
    }

    @Test("Two empty nodes of three copy from the one that knows, and one from the other only what it has")
    func twoEmpty() throws {
        let mesh = try mesh(3)
        try connect(0..<500, at: 0, mesh)
        mesh.lose(1)
        mesh.lose(2)
        try mesh.restart(1, incarnation: 8)
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 1_500)
        #expect(mesh.nodes[1].isReady && mesh.nodes[2].isReady)
        #expect(lacks(1, 0..<500, mesh) == 0 && lacks(2, 0..<500, mesh) == 0)
    }

    @Test("Nodes that each know others meet, and all know all")
    func strangers() throws {
        let mesh = try Mesh(3) { $0.digestInterval = 1_000_000_000 }
        for index in 0..<3 {
            for user in 0..<100 { try mesh.stores[index].connect("u\(index)-\(user)", session: "phone") }
        }
        mesh.run(milliseconds: 300)
        for index in 0..<3 {
            #expect(mesh.nodes[index].isReady)
            for name in ["u0", "u1", "u2"] { #expect(lacks(index, 0..<100, mesh, name) == 0) }
        }
    }

    @Test(
        "Beside a node of the release before, and as one, all comes",
        arguments: [[1...4, 1...3, 1...4], [1...3, 1...3, 1...4], [1...4, 1...4, 1...3]] as [[ClosedRange<UInt16>]])
    func previousVersion(versions: [ClosedRange<UInt16>]) throws {
        let mesh = try mesh(3, versions: versions)
        try connect(0..<300, at: 0, mesh)
        try mesh.restart(2, incarnation: 9, versions: versions[2])
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[2].isReady)
        try connect(0..<20, "late", at: 1, mesh)
        #expect(lacks(2, 0..<300, mesh) == 0 && lacks(2, 0..<20, mesh, "late") == 0)
    }

    @Test("Stores of other numbers of shards copy each other", arguments: [1, 16, 128])
    func shards(_ count: Int) throws {
        let mesh = try mesh(3)
        try connect(0..<500, at: 0, mesh)
        try mesh.restart(2, incarnation: 9) { $0.shards = count }
        mesh.run(milliseconds: 500)
        try connect(0..<30, "mine", at: 2, mesh)
        #expect(lacks(2, 0..<500, mesh) == 0 && lacks(1, 0..<30, mesh, "mine") == 0)
        #expect(copied(to: 2, mesh).reduce(0, +) == 500)
        try mesh.restart(1, incarnation: 10)
        mesh.run(milliseconds: 1_000)
        #expect(mesh.nodes[1].isReady)
        #expect(lacks(1, 0..<500, mesh) == 0 && lacks(1, 0..<30, mesh, "mine") == 0)
        #expect(copied(to: 1, mesh).reduce(0, +) == 530)
    }

    @Test("A follower copies half from each")
    func follower() throws {
        let mesh = try mesh(3, followers: [3])
        try connect(0..<1_000, at: 0, mesh)
        try mesh.restart(2, incarnation: 9)
        mesh.run(milliseconds: 500)
        #expect(mesh.nodes[2].isReady && lacks(2, 0..<1_000, mesh) == 0)
        let copied = copied(to: 2, mesh)
        #expect(copied.reduce(0, +) == 1_000 && copied.allSatisfy { $0 > 300 }, "\(copied)")
    }

    @Test("A peer that tells nothing of itself, or of another start, is no peer")
    func nonsense() throws {
        let mesh = try mesh(2)
        let replicator = mesh.nodes[0]
        let peer = try #require(replicator.peer(2))
        let link = try #require(replicator.openLink(to: peer))
        for entry in [
            NodePositions(node: 1, incarnation: 2, positions: [0, 0]),
            NodePositions(node: 2, incarnation: 7, positions: [0, 0]),
            NodePositions(node: 2, incarnation: 2, positions: [0, 0, 0]),
            NodePositions(node: 2, incarnation: 2, positions: []),
        ] {
            link.isClosing = false
            replicator.told([entry], peer, link)
            #expect(link.isClosing && link.goodbye?.reason == .frameError)
        }
        // Nor is one whose shards are others than they were on the same link.
        link.isClosing = false
        replicator.told([NodePositions(node: 2, incarnation: 2, positions: [0, 0])], peer, link)
        #expect(!link.isClosing)
        replicator.told([NodePositions(node: 2, incarnation: 2, positions: [0, 0, 0, 0])], peer, link)
        #expect(link.isClosing && link.goodbye?.reason == .frameError)
    }

    @Test("Who has copied all of a peer that begins anew before its old link ended copies what it has now")
    func replacedWithin() throws {
        let mesh = try mesh(3)
        try connect(0..<300, at: 0, mesh)
        // The second peer has said who it is and nothing more, so the copy from the first is not the end.
        try mesh.restart(2, incarnation: 9)
        for _ in 0..<20 where mesh.wires.count < 3 {
            mesh.movesLeft = 0
            mesh.run(milliseconds: 10)
        }
        mesh.movesLeft = 5
        mesh.carry()
        mesh.movesLeft = nil
        mesh.stuck = [[1, 2]]
        mesh.run(milliseconds: 20)
        try #require(mesh.peer(2, of: 2)?.linkOpenedAt != nil && mesh.nodes[2].peer(1)?.covered == .max)
        try #require(!mesh.nodes[2].isReady)
        // The first one died, and nobody saw its link end.
        let old = mesh.wires.filter { $0.from == 0 && $0.to == 2 }
        mesh.wires.removeAll { $0.from == 0 && $0.to == 2 }
        try mesh.restart(0, incarnation: 10)
        for user in 0..<20 { try mesh.stores[0].connect("fresh-\(user)", session: "phone") }
        let dialed = mesh.nodes[0].dialed(3, at: mesh.now)
        let answered = try #require(mesh.nodes[2].answered(at: mesh.now))
        mesh.wires.append(Mesh.Wire(from: 0, to: 2, dialed: dialed, answered: answered))
        mesh.carry()
        #expect(mesh.peer(1, of: 2)?.incarnation == 10)
        for wire in old { mesh.nodes[2].closed(wire.answered, at: mesh.now) }
        mesh.stuck = []
        mesh.run(milliseconds: 1_500)
        #expect(mesh.nodes[2].isReady && lacks(2, 0..<300, mesh) == 0)
        #expect(lacks(2, 0..<20, mesh, "fresh") == 0)
        #expect(mesh.peer(1, of: 2)?.copyIn == nil, "the copy is done")
    }

    @Test("Positions of one start reach those that are no further; of another start, or unsaid, they say nothing")
    func reaching() {
        func told(_ positions: [UInt64], _ incarnation: UInt64 = 1) -> NodePositions {
            NodePositions(node: 1, incarnation: incarnation, positions: positions)
        }
        #expect(told([5, 5]).reaches(told([5, 4])))
        #expect(!told([5, 5]).reaches(told([4, 6])))
        #expect(!told([5, 5], 2).reaches(told([1, 1])))
        #expect(!told([5]).reaches(told([1, 1])))
        #expect(!told([]).reaches(told([])))
        #expect(told([5, 1]).joined(told([4, 6])) == told([5, 6]))
        #expect(told([5, 1]).joined(told([0, 0], 2)) == told([0, 0], 2))
        #expect(told([5, 1], 2).joined(told([9, 9])) == told([5, 1], 2))
        #expect(told([]).joined(told([9, 9])) == told([9, 9]))
        for shards in [1, 2, 32, 64, 128, 1_024] {
            let parts = (0..<shards).map { CopyPlan.parts(ofShard: $0, of: shards) }
            #expect(Set(parts.joined()) == Set(0..<64))
        }
    }
}
