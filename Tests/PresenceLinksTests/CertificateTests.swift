import LoopbackPorts
import PresenceCluster
import PresenceReplication
import PresenceStore
import PresenceTLS
import Testing

@testable import PresenceLinks

@Suite("Nodes with certificates", .serialized)
struct CertificateTests {
    /// Two nodes that show these certificates.
    private func run(
        _ shown: [PeerCertificates?], secrets: [SharedSecret] = [], _ body: ([LocalNode]) async throws -> Void
    ) async throws {
        let clusters = try LocalNodes.clusters(LoopbackPorts.free(shown.count))
        let nodes = try clusters.enumerated().map { index, cluster in
            try LocalNode(
                cluster, secret: secrets.isEmpty ? LocalNode.secret : secrets[index], certificates: shown[index])
        }
        try await LocalNodes.run(nodes, body)
    }

    private func files(_ name: String, trusting authority: String = "ca") -> PeerCertificates {
        PeerCertificateFiles.certificates(name, trusting: authority)
    }

    @Test("of their own are linked, by alternative name or common name, and tell each other who is there")
    func good() async throws {
        try await run([files("n1"), files("n2-common"), files("all")]) { nodes in
            try await eventually("all are joined") {
                nodes.allSatisfy { node in node.cluster.others.allSatisfy { node.isJoined($0.number) } }
            }
            try nodes[0].store.connect("alice", session: "s")
            #expect(await nodes[0].held(by: 2, within: 5_000) == 2)
            #expect(nodes.allSatisfy { $0.store.status(of: "alice") == .online })
            #expect(nodes.allSatisfy { $0.service.snapshot?.counters.refusedCertificates == 0 })
        }
    }

    @Test("are linked by a locked key too")
    func locked() async throws {
        let locked = PeerCertificateFiles.certificates("n1", key: "n1-locked", password: "sesame")
        try await run([locked, files("n2")]) { nodes in
            try await eventually("they are joined") { nodes[0].isJoined(2) && nodes[1].isJoined(1) }
        }
    }

    @Test("are followed by a service that has one too")
    func follower() async throws {
        let ports = LoopbackPorts.free(2)
        let lines = [
            try ClusterNode("n1 number 1 resp clients.example:1 peer 127.0.0.1:\(ports[0])", usualNumber: 1),
            try ClusterNode("n2 number 2 peer 127.0.0.1:\(ports[1])", usualNumber: 2),
        ]
        let a = try LocalNode(
            ClusterConfiguration(name: "test", own: "n1", nodes: lines), certificates: files("n1"))
        let secret = (0..<32).map { String($0 + 256, radix: 16).suffix(2) }.joined()
        let follower = try Follower(
            cluster: "test", nodes: lines, own: "n2", secret: secret, certificates: files("n2"))
        #expect(throws: FollowerError.self) {
            try Follower(cluster: "test", nodes: lines, own: "n2", secret: secret, certificates: files("n1"))
        }
        try a.store.connect("alice", session: "s")
        try await a.service.start()
        try await follower.start()
        try await eventually("it has copied") { follower.isReady && a.isJoined(2) }
        #expect(follower.store.status(of: "alice") == .online)
        await follower.stop()
        await a.service.stop()
    }

    @Test("say nothing to a node that shows another's certificate: who dials names both")
    func answererIsAnother() async throws {
        // The one at the second address has the third node's certificate, and does not know it: its own cluster calls it n3.
        let ports = LoopbackPorts.free(3)
        let here = try LocalNodes.clusters(ports)
        let there = try LocalNodes.clusters([ports[0], ports[2], ports[1]])
        let a = try LocalNode(here[0], certificates: files("n1"))
        let impostor = try LocalNode(there[2], certificates: files("n3"))
        try await a.service.start()
        try await impostor.service.start()
        let text =
            "who answers there shows the certificate of n3, and node n1 dialed node n2; a node's certificate names that "
            + "node, or a host that is its alone"
        try await eventually("it is refused, again and again") {
            a.service.snapshot?.counters.refusedCertificates ?? 0 >= 2
        }
        #expect(a.log.has("warning cannot reach node n2 at 127.0.0.1:\(ports[1]): \(text)"))
        #expect(!a.isLinked(2) && !a.isLinked(3) && !impostor.isLinked(1))
        #expect(impostor.service.snapshot?.report.strayFrameErrors == 0, "not a word was said")
        await a.service.stop()
        await impostor.service.stop()
    }

    @Test("refuse who says that he is another node than his certificate's, and tell him")
    func dialerIsAnother() async throws {
        // He says that he is n1, and shows what n3 would.
        let ports = LoopbackPorts.free(2)
        let clusters = try LocalNodes.clusters(ports)
        let b = try LocalNode(clusters[1], certificates: files("n2"))
        let liar = try LocalNode(clusters[0], certificates: files("n1"))
        let lie = try PeerCredentials(
            cluster: ClusterConfiguration(
                name: "test", own: "n3",
                nodes: clusters[0].nodes + [ClusterNode(number: 3, name: "n3", peer: ClusterAddress("127.0.0.1:1"))]),
            certificates: files("n3"))
        liar.service.use(lie)
        try await b.service.start()
        try await liar.service.start()
        let text =
            "node 2 (n2) was shown the certificate of n3 by who says that it is node 1 (n1); a node's certificate names "
            + "that node, or a host that is its alone"
        try await eventually("both logs say it") {
            b.log.has("warning no link with node n1: \(text)") && liar.log.has("warning no link with node n2: \(text)")
        }
        try await eventually("it is counted") { b.service.snapshot?.counters.refusedGreetings ?? 0 >= 1 }
        try liar.store.connect("alice", session: "s")
        #expect(!b.isLinked(1) && b.store.recordCount() == 0)
        await b.service.stop()
        await liar.service.stop()
    }

    @Test(
        "close the link with whose certificate was taken back once the list is read, and refuse him from then on, whoever dials",
        arguments: [true, false])
    func takenBack(_ isDialing: Bool) async throws {
        let revoked = isDialing ? 1 : 2
        let clusters = try LocalNodes.clusters(LoopbackPorts.free(2))
        let nodes = try clusters.map { cluster in
            try LocalNode(
                cluster, certificates: PeerCertificateFiles.certificates(cluster.own.name, revoked: "crl"))
        }
        let other = nodes[2 - revoked]
        for node in nodes { try await node.service.start() }
        try await eventually("they are joined") { nodes[0].isJoined(2) && nodes[1].isJoined(1) }
        other.service.use(
            try PeerCredentials(
                cluster: other.cluster,
                certificates: PeerCertificateFiles.certificates(other.cluster.own.name, revoked: "n\(revoked)-crl")))
        try await eventually("the link is closed, and counted") {
            !other.isLinked(UInt8(revoked)) && other.service.snapshot?.counters.revokedCertificates == 1
        }
        #expect(
            other.log.has(
                "warning closing the link with node n\(revoked): a list in peer-tls-crl-file says that its certificate was taken back"
            ))
        // The other one stops, and comes back with what it had.
        await nodes[revoked - 1].service.stop()
        let again = try LocalNode(
            clusters[revoked - 1], certificates: PeerCertificateFiles.certificates("n\(revoked)", revoked: "crl"))
        try await again.service.start()
        try await eventually("it is refused") { other.service.snapshot?.counters.refusedCertificates ?? 0 >= 1 }
        try await eventually("and the log says why") {
            other.log.has("certificate verify failed: certificate revoked (the certificate of n\(revoked))")
        }
        #expect(!again.isLinked(UInt8(3 - revoked)))
        await again.service.stop()
        await other.service.stop()
    }

    @Test("refuse strange authorities, whoever dials, and count it", arguments: [true, false])
    func authority(_ isDialing: Bool) async throws {
        let strange = PeerCertificateFiles.certificates(isDialing ? "n1-foreign" : "n2-foreign", trusting: "both-ca")
        let shown = isDialing ? [strange, files("n2")] : [files("n1"), strange]
        try await run(shown) { nodes in
            try await eventually("both count it") {
                nodes.allSatisfy { node in
                    guard let counters = node.service.snapshot?.counters else { return false }
                    return counters.refusedCertificates + counters.failedDials >= 2
                }
            }
            #expect(!nodes[0].isLinked(2) && !nodes[1].isLinked(1))
            let who = isDialing ? "n1" : "n2"
            let reason =
                "certificate verify failed: self-signed certificate in certificate chain (the certificate of \(who))"
            if isDialing {
                #expect(
                    nodes[1].log.has(
                        "warning 127.0.0.1 on the peer port: TLS handshake failed: \(reason); node n2, which "))
                try await eventually("who dialed says where to look") {
                    nodes[0].log.has("if it refused the certificate of n1, which node n1 shows, its log says why")
                }
            } else {
                #expect(nodes[0].log.has("warning cannot reach node n2 at 127.0.0.1:"))
                #expect(nodes[0].log.has("TLS handshake failed: \(reason)"))
            }
        }
    }

    @Test("refuse who shows none, with the secret in his hand", arguments: [0, 1])
    func none(_ without: Int) async throws {
        let shown = [files("n1"), files("n2")].enumerated().map { $0.offset == without ? nil : $0.element }
        try await run(shown) { nodes in
            try await eventually("he tried") { nodes[1].service.snapshot?.counters.refusedHandshakes ?? 0 >= 1 }
            try await eventually("in vain") { nodes[0].service.snapshot?.counters.failedDials ?? 0 >= 1 }
            #expect(!nodes[0].isLinked(2) && !nodes[1].isLinked(1))
        }
    }

    @Test("refuse who has another secret, by which he names users, and say so")
    func secret() async throws {
        let other = SharedSecret([UInt8](repeating: 7, count: 32))
        try await run([files("n1"), files("n2")], secrets: [other, LocalNode.secret]) { nodes in
            let text = "node 2 (n2) and node 1 (n1) have different secrets; have the same secret-file on all nodes"
            try await eventually("both say it") {
                nodes[0].log.has("warning no link with node n2: \(text)")
                    && nodes[1].log.has("warning no link with node n1: \(text)")
            }
            #expect(!nodes[0].isLinked(2) && !nodes[1].isLinked(1))
        }
    }

    @Test("take other certificates while they run: links stay, new ones have the new")
    func change() async throws {
        try await run([nil, nil]) { nodes in
            try await eventually("they are joined by the secret") { nodes[0].isJoined(2) && nodes[1].isJoined(1) }
            for (node, name) in zip(nodes, ["n1", "n2"]) {
                node.service.use(try PeerCredentials(cluster: node.cluster, certificates: files(name)))
            }
            #expect(nodes[0].peer(2)?.counters.links == 1, "the link is as it was")
            // A third who has the secret alone comes too late.
            let late = try LocalNode(nodes[0].cluster)
            await nodes[0].service.stop()
            try await eventually("it left") { !nodes[1].isLinked(1) }
            try await late.service.start()
            try await eventually("he is refused") { nodes[1].service.snapshot?.counters.refusedHandshakes ?? 0 >= 1 }
            await late.service.stop()
            let again = try LocalNode(nodes[0].cluster, certificates: files("n1"))
            try await again.service.start()
            try await eventually("who has a certificate is not") { again.isJoined(2) && nodes[1].isJoined(1) }
            await again.service.stop()
        }
    }
}

@Suite("Certificates of a node")
struct PeerCredentialsTests {
    private func cluster(_ hosts: [String], own: String = "n1") throws -> ClusterConfiguration {
        let nodes = try hosts.enumerated().map { index, host in
            try ClusterNode(
                number: index + 1, name: "n\(index + 1)",
                resp: ClusterAddress(host: "clients.example", port: index + 1),
                peer: ClusterAddress(host: host, port: 7_000 + index))
        }
        return try ClusterConfiguration(name: "test", own: own, nodes: nodes)
    }

    private func problem(_ files: PeerCertificates, _ hosts: [String] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]) -> String?
    {
        do {
            _ = try PeerCredentials(cluster: cluster(hosts), certificates: files)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func files(_ name: String, key: String? = nil, trusting authority: String = "ca") -> PeerCertificates {
        PeerCertificateFiles.certificates(name, key: key, trusting: authority)
    }

    @Test("are looked at before they are used, and what is wrong is said with the setting")
    func own() {
        let at = PeerCertificateFiles.file
        #expect(problem(files("n1")) == nil)
        #expect(problem(files("nobody")) == "peer-tls-cert-file \(at("nobody.pem")): No such file or directory")
        #expect(
            problem(files("n1", key: "n2-key"))
                == "peer-tls-key-file \(at("n2-key.pem")): it is not the key of peer-tls-cert-file \(at("n1.pem"))")
        #expect(
            problem(files("n1", key: "n1-locked"))
                == "peer-tls-key-file \(at("n1-locked.pem")): the key is locked: set peer-tls-key-file-pass")
        #expect(problem(files("n1", trusting: "nobody"))?.hasPrefix("peer-tls-ca-cert-file ") == true)
        #expect(problem(files("n1-expired")) == "peer-tls-cert-file \(at("n1-expired.pem")): certificate has expired")
        #expect(
            problem(files("n1-foreign"))
                == "peer-tls-cert-file \(at("n1-foreign.pem")): unable to get local issuer certificate")
        #expect(problem(files("n1-foreign", trusting: "both-ca")) == nil)
        #expect(problem(files("n1-server"))?.contains("peer-tls-cert-file \(at("n1-server.pem")): un") == true)
        for (name, shown) in [("n2", "n2"), ("wild", "nobody"), ("host", "127.0.0.1")] {
            #expect(
                problem(files(name))
                    == "peer-tls-cert-file \(at("\(name).pem")): it is the certificate of \(shown), and this node is n1: "
                    + "other nodes take it for n1 only if it names it, subjectAltName=DNS:n1")
        }
    }

    @Test("may have been taken back, which is said of this node's own, and of a list that is no use")
    func revoked() {
        let at = PeerCertificateFiles.file
        func problem(_ list: String, trusting authority: String = "ca") -> String? {
            self.problem(PeerCertificateFiles.certificates("n1", trusting: authority, revoked: list))
        }
        #expect(problem("crl") == nil && problem("n2-crl") == nil)
        #expect(problem("n1-crl") == "peer-tls-cert-file \(at("n1.pem")): certificate revoked")
        #expect(problem("nobody") == "peer-tls-crl-file \(at("nobody.pem")): No such file or directory")
        #expect(problem("n1") == "peer-tls-crl-file \(at("n1.pem")): no start line")
        #expect(
            problem("old-crl")
                == "peer-tls-crl-file \(at("old-crl.pem")): its list of CN=ca ended on 2020-02-01 00:00 UTC: have that "
                + "authority make a new one")
        #expect(
            problem("crl", trusting: "both-ca")
                == "peer-tls-crl-file \(at("crl.pem")): it has no list of CN=foreign-ca, whose certificates would all be "
                + "refused")
    }

    @Test("name a host's node if it is the only one there, however the host is written")
    func hosts() throws {
        #expect(problem(files("host"), ["127.0.0.1", "10.0.0.2", "10.0.0.3"]) == nil)
        #expect(problem(files("host"), ["127.0.0.1", "127.0.0.1", "10.0.0.3"]) != nil)
        let shared = try PeerCredentials(
            cluster: try cluster(["127.0.0.1", "10.0.0.2", "10.0.0.3"]), certificates: files("host"))
        #expect(shared.proof(shared.ownNames) == PeerProof(nodes: [1], names: "127.0.0.1"))
        #expect(shared.otherOwnNodes.isEmpty)
        let all = try PeerCredentials(cluster: try cluster(["h1", "h2", "h3"]), certificates: files("all"))
        #expect(all.proof(all.ownNames) == PeerProof(nodes: [1, 2, 3], names: "n1, n2, n3"))
        #expect(all.otherOwnNodes == ["n2", "n3"])
        let secret = try PeerCredentials(cluster: try cluster(["h1", "h2"]), secret: SharedSecret([UInt8](0..<32)))
        #expect(secret.proof(all.ownNames) == nil, "who has the secret may be anybody")
    }
}
