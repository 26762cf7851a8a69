import Presence
import PresenceStore
import Testing

@testable import PresenceReplication

@Suite("What the carrier has proven of a peer")
struct ProofTests {
    private let right = [1, 2].map { PeerProof(nodes: [$0], names: "n\($0)") }

    private func isLinked(_ mesh: Mesh) -> Bool {
        mesh.nodes.allSatisfy { node in node.report(at: mesh.now).peers.allSatisfy { $0.linkOpenedAt != nil } }
    }

    @Test("and what he says of himself are the same, or there is no link")
    func same() throws {
        let mesh = try Mesh(2)
        mesh.proofs = right
        mesh.run(milliseconds: 300)
        #expect(isLinked(mesh))
    }

    @Test("does not hold for another node, whoever dialed", arguments: [0, 1])
    func another(_ wrong: Int) throws {
        let mesh = try Mesh(2)
        mesh.proofs = right
        mesh.proofs?[wrong] = PeerProof(nodes: [3], names: "n3, host3")
        try mesh.stores[wrong].connect("alice", session: "s")
        mesh.run(milliseconds: 300)
        #expect(!isLinked(mesh))
        #expect(mesh.stores[1 - wrong].recordCount() == 0, "nothing of him was taken")
        let (refuses, refused) = (2 - wrong, wrong + 1)
        let text =
            "node \(refuses) (n\(refuses)) was shown the certificate of n3, host3 by who says that it is node \(refused) "
            + "(n\(refused)); a node's certificate names that node, or a host that is its alone"
        #expect(mesh.refusals(of: 1 - wrong).first == text)
        // Who dialed hears it from who answered; the other way round he just closes.
        if wrong == 0 { #expect(mesh.refusals(of: 0).first == text) }
    }

    @Test("and who dialed refuses: who answered has not heard him, however often he comes")
    func unheard() throws {
        let mesh = try Mesh(2)
        mesh.proofs = right
        mesh.proofs?[1] = PeerProof(nodes: [3], names: "n3")
        for _ in 0..<300 {
            mesh.run(milliseconds: 10)
            #expect(mesh.nodes[1].membership.node(1)?.state == .down)
        }
        #expect(mesh.counters(1, of: 1).links > 2)
        #expect(mesh.nodes[1].isReady && mesh.nodes[1].membership.owners == [2])
    }

    @Test("and nothing follows: a link by which nothing comes ends like one whose peer falls silent")
    func silentBehindHello() throws {
        let mesh = try Mesh(2)
        // The hello, and nothing behind it.
        mesh.movesLeft = 1
        mesh.run(milliseconds: 10)
        mesh.isCut = true
        mesh.movesLeft = nil
        #expect(mesh.peer(1, of: 1)?.linkOpenedAt != nil)
        mesh.run(milliseconds: 1_700)
        #expect(mesh.peer(1, of: 1)?.linkOpenedAt != nil && mesh.nodes[1].membership.node(1)?.state == .down)
        mesh.run(milliseconds: 200)
        #expect(mesh.peer(1, of: 1)?.linkOpenedAt == nil)
    }

    @Test("may hold for several nodes, or for none of the cluster")
    func several() throws {
        let mesh = try Mesh(2)
        mesh.proofs = [PeerProof(nodes: [1, 2], names: "n1, n2"), PeerProof(nodes: [1, 2], names: "n1, n2")]
        mesh.run(milliseconds: 300)
        #expect(isLinked(mesh))
        let strange = try Mesh(2)
        strange.proofs = [PeerProof(nodes: [], names: "nobody"), PeerProof(nodes: [], names: "nobody")]
        strange.run(milliseconds: 300)
        #expect(!isLinked(strange))
    }

    @Test("says nothing of the secret: nodes that differ there do not link, if both tell it")
    func secret() throws {
        func telling(_ values: [String?]) throws -> Mesh {
            let shared = values.map { value in
                SharedSettings(value.map { [SharedSettings.Setting(SharedSettings.secretName, $0)] } ?? [])
            }
            let mesh = try Mesh(2, shared: shared)
            mesh.run(milliseconds: 300)
            return mesh
        }
        #expect(isLinked(try telling(["aa", "aa"])))
        let differing = try telling(["aa", "bb"])
        #expect(!isLinked(differing))
        for index in 0..<2 {
            #expect(
                differing.refusals(of: index).first
                    == "node 2 (n2) and node 1 (n1) have different secrets; have the same secret-file on all nodes")
        }
        // An older release does not tell it, which is no difference that somebody could mend.
        let older = try telling(["aa", nil])
        #expect(isLinked(older))
        for action in older.actions.joined() {
            if case .opened(_, _, _, let differences) = action { #expect(differences.isEmpty) }
        }
    }
}
