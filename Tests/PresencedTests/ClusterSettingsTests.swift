import Foundation
import PresenceCluster
import PresenceStore
import Testing

@testable import PresenceLinks
@testable import presenced

@Suite("Settings of the cluster")
struct ClusterSettingsTests {
    private static let three = """
        cluster shop
        node a number 3 resp 10.0.0.1:6399 peer 10.0.0.1:7399
        node b number 4 resp 127.0.0.1:7001 peer 127.0.0.1:8001
        secret-file /secret

        """

    private func settings(
        _ text: String, _ arguments: [String] = [], _ surroundings: Surroundings = Surroundings(hostName: "a")
    ) throws -> Settings {
        try SettingsReader.read(file: ("cluster.conf", text), arguments: arguments, surroundings: surroundings)
    }

    private func problems(
        _ text: String, _ arguments: [String] = [], _ surroundings: Surroundings = Surroundings(hostName: "a")
    ) -> [String] {
        do {
            _ = try settings(text, arguments, surroundings)
            return []
        } catch {
            return (error as? SettingsProblems)?.lines ?? ["\(error)"]
        }
    }

    @Test("come from lines that are the same on every node")
    func lines() throws {
        let settings = try settings(Self.three)
        let cluster = try #require(try settings.clusterConfiguration())
        #expect(cluster.name == "shop")
        #expect(cluster.nodes.map(\.name) == ["a", "b"])
        #expect(cluster.nodes.map(\.number) == [3, 4])
        #expect(cluster.own.name == "a")
        #expect(settings.server.cluster == cluster)
        #expect(settings.server.nodeName == "a")
        #expect(
            Setting.named("node")?.read(settings)
                == "a number 3 resp 10.0.0.1:6399 peer 10.0.0.1:7399, "
                + "b number 4 resp 127.0.0.1:7001 peer 127.0.0.1:8001")
        let unnumbered = try self.settings(
            "cluster x\nnode a resp h:1 peer h:3\nnode b resp h:2 peer h:4\nsecret-file /s\n")
        #expect(unnumbered.cluster.nodes.map(\.number) == [1, 2])
    }

    @Test("are read as they are written")
    func readBack() throws {
        let settings = try settings(Self.three)
        let value = try #require(Setting.named("node")).read(settings)
        let again = try self.settings("cluster shop\nnode \(value)\nsecret-file /secret\n")
        #expect(again == settings)
        let typed = try SettingsReader.read(
            file: nil, arguments: ["--cluster", "shop", "--node", value, "--secret-file", "/secret"],
            surroundings: Surroundings(hostName: "a"))
        #expect(typed == settings)
    }

    @Test("say who this node is: setting, environment, host name, in this order")
    func own() throws {
        #expect(try settings(Self.three).ownNode?.name == "a")
        let environment = Surroundings(nodeVariable: "b", hostName: "a")
        #expect(try settings(Self.three, [], environment).ownNode?.name == "b")
        for words in [["--node", "a"], ["--node=a"], ["--node-name", "a"]] {
            #expect(try settings(Self.three, words, environment).ownNode?.name == "a")
        }
        #expect(try settings(Self.three + "node-name b\n").ownNode?.name == "b")
        #expect(
            problems(Self.three, [], Surroundings(hostName: "web-7")) == [
                "cluster.conf:3: which node is this? the host name says 'web-7', and the nodes are a, b: "
                    + "start it with --node NAME, or set node-name or PRESENCED_NODE"
            ])
        #expect(
            problems(Self.three + "node-name c\n")[0].hasPrefix(
                "cluster.conf:5: which node is this? node-name says 'c'"))
        #expect(problems(Self.three, ["--node", "c"])[0].hasPrefix("--node-name: which node is this?"))
    }

    @Test("let a node listen where its line says, unless settings say otherwise")
    func addresses() throws {
        let outside = try settings(Self.three)
        #expect(outside.port == 6399)
        #expect(outside.bind == ["10.0.0.1", "127.0.0.1", "-::1"])
        let local = try settings(Self.three, ["--node", "b"])
        #expect(local.port == 7001)
        #expect(local.bind == Settings().bind)
        #expect(local.tls.port == 0)
        for host in ["LOCALHOST", "[0::1]"] {
            #expect(try settings("cluster s\nnode a resp \(host):1\n", ["--node", "a"]).bind == Settings().bind)
        }
        var said = try settings(Self.three + "port 7002\nbind *\n", ["--node", "b"])
        #expect(said.port == 7002)
        #expect(said.bind == ["*"])
        #expect(!said.advice().contains { $0.contains("peer-margin") })
        said.cluster.maxClockOffset = 10_000
        #expect(said.advice().contains { $0.hasPrefix("peer-margin 2s is not a second above max-clock-offset 10s") })
        #expect(said.advice().contains { $0.hasPrefix("port is 7002, and the line of node b sends clients to 7001") })
        // Its tls address needs a certificate, as tls-port does.
        #expect(problems("cluster s\nnode a resp h:1 tls h:2\n")[0].contains("tls-port 2 needs a certificate"))
        let certificates = "tls-psk-file /keys\n"
        let secure = try settings("cluster s\nnode a resp h:1 tls h:2\n" + certificates)
        #expect(secure.tls.port == 2)
        #expect(Setting.named("node")?.read(secure) == "a number 1 resp h:1 tls h:2")
    }

    @Test("alone make a cluster of one, whose clients come by the address that they know")
    func alone() throws {
        let cluster = try #require(try settings("cluster shop\n").clusterConfiguration())
        #expect(cluster.own.name == "local")
        #expect(cluster.own.resp == nil)
        #expect(try settings("cluster shop\n", ["--node", "x"]).clusterConfiguration()?.own.name == "x")
        let none = try settings("", ["--node", "x"])
        #expect(try none.clusterConfiguration() == nil)
        #expect(none.server.nodeName == "x")
        #expect(Settings().server.nodeName == "local")
        #expect(try settings("", [], Surroundings(nodeVariable: "y", hostName: "h")).server.nodeName == "y")
    }

    @Test("that are wrong name line and remedy")
    func wrong() {
        #expect(
            problems("cluster shop\nnode a resp h:1\nnode b resp h:1\n") == [
                "cluster.conf:3: node: resp h:1 of node b is also resp of node a: give each an address of its own"
            ])
        #expect(
            problems("cluster shop\nnode a resp h:1\nnode a resp h:2\n") == [
                "cluster.conf:3: node: two nodes have the name a: give each a name of its own"
            ])
        #expect(
            problems("cluster shop\nnode a number 2 resp h:1\nnode b resp h:2\n") == [
                "cluster.conf:3: node: node b has number 2 as node a has: give one of them another with 'number N'"
            ])
        #expect(problems("node a resp h:1\n") == ["cluster.conf:1: node is part of no cluster: name it, cluster NAME"])
        #expect(
            problems("secret-file /x\n") == ["cluster.conf:1: secret-file is part of no cluster: name it, cluster NAME"]
        )
        #expect(
            problems("cluster a,b\n")[0].hasPrefix("cluster.conf:1: cluster: 'a,b' cannot name a cluster; allowed: "))
        #expect(problems("node-name 'a b'\n")[0].hasPrefix("cluster.conf:1: node-name: 'a b' cannot name a node"))
        #expect(
            problems("cluster s\n", [], Surroundings(nodeVariable: "a b"))[0].hasPrefix(
                "PRESENCED_NODE: 'a b' cannot name a node"))
        #expect(problems("cluster s\nnode\n")[0].hasPrefix("cluster.conf:2: node: a value is missing; allowed: "))
        let shape = "expected: NAME [number N] resp HOST:PORT [tls HOST:PORT] [peer HOST:PORT]"
        for (line, problem) in [
            ("node '' ''", "' ' is not a node; \(shape)"), ("node a resp", "'a resp' is not a node; \(shape)"),
            ("node a tls h:1 peer h:2", "node a has no address for clients; \(shape)"),
            ("node a number 1", "node a has no address for clients; \(shape)"),
            ("node a resp h:1 resp h:2", "'resp' of node a is not expected; \(shape)"),
            ("node a resp h:1 color red", "'color' of node a is not expected; \(shape)"),
            ("node a number x resp h:1", "0 cannot be the number of node a; allowed: 1 to 255"),
            ("node a,b resp h:1", "'a,b' cannot name a node; allowed: 1 to 64 letters, digits, '.', '_' and '-'"),
            (
                "node a resp h:1 peer ::1:2",
                "'::1:2' is not an address such as 10.0.0.1:6399, host.example:6399 or [::1]:6399"
            ),
            (
                "node a resp h:1 peer [::g]:2",
                "'[::g]:2' is not an address such as 10.0.0.1:6399, host.example:6399 or [::1]:6399"
            ),
            (
                "node a resp h:1 peer 10.0.0.256:2",
                "'10.0.0.256:2' is not an address such as 10.0.0.1:6399, host.example:6399 or [::1]:6399"
            ),
            ("node a resp h", "'h' is not an address such as 10.0.0.1:6399, host.example:6399 or [::1]:6399"),
        ] {
            #expect(problems("cluster s\n\(line)\n").first == "cluster.conf:2: node: \(problem)")
        }
    }

    @Test("let a node listen at no address twice, however it is spelt")
    func listeners() {
        let node = "cluster s\nnode a resp 127.0.0.1:7001 peer 127.0.0.1:8001\n"
        func problem(_ name: String, _ port: Int, on host: String) -> String {
            "cluster.conf:3: \(name) \(port) on \(host) is where other nodes come, too: the line of node a has "
                + "peer 127.0.0.1:\(port); choose another \(name), or give peer another port on every node"
        }
        #expect(problems(node + "port 8001\n") == [problem("port", 8_001, on: "127.0.0.1")])
        #expect(
            problems(node + "tls-port 8001\ntls-psk-file /keys\n") == [problem("tls-port", 8_001, on: "127.0.0.1")])
        for host in ["*", "0.0.0.0", "localhost", "127.0.0.2 LOCALHOST", "-::ffff:127.0.0.1", "::"] {
            let first = host.split(separator: " ").last.map { $0.hasPrefix("-") ? $0.dropFirst() : $0 } ?? ""
            #expect(problems(node + "port 8001\nbind \(host)\n") == [problem("port", 8_001, on: String(first))])
        }
        for host in ["127.0.0.2", "-::1", "10.0.0.1 ::1"] {
            #expect(problems(node + "port 8001\nbind \(host)\n") == [])
        }
        // By its line alone it listens for clients at 127.0.0.1 beside its address.
        #expect(
            problems("cluster s\nnode a resp 10.0.0.1:8001 peer 127.0.0.1:8001\n")[0].hasPrefix(
                "cluster.conf:2: port 8001 on 127.0.0.1 is where other nodes come, too"))
        for (bind, names) in [
            ("127.0.0.1 localhost", "127.0.0.1 and localhost, which are one address"),
            ("10.0.0.1 ::1 0:0:0:0:0:0:0:1", "::1 and 0:0:0:0:0:0:0:1, which are one address"),
            ("-host.example host.example", "host.example twice"),
        ] {
            #expect(problems("bind \(bind)\n") == ["cluster.conf:1: bind names \(names): leave one of them out"])
        }
        #expect(problems("bind 127.0.0.1 ::1 -localhost\n") == [], "what may be absent stops nothing")
    }

    @Test("with other nodes want a secret, an address of each for the others, and a clock that runs")
    func others() throws {
        let node = "cluster s\nnode a resp h:1 peer h:2\nnode b resp h:3 peer h:4\n"
        #expect(
            problems(node) == [
                "cluster.conf:3: nodes know each other by a secret, and there is none: openssl rand -hex 32 > FILE; "
                    + "chmod 600 FILE; then secret-file FILE on every node, the same file"
            ])
        #expect(
            problems("cluster s\nsecret-file /s\nnode a resp h:1 peer h:2\nnode b resp h:3\n") == [
                "cluster.conf:4: node b has no address for the other nodes: add 'peer HOST:PORT' to its line"
            ])
        #expect(
            problems(node + "secret-file /s\nmanual-clock yes\nenable-debug-command yes\n") == [
                "cluster.conf:5: manual-clock yes is for one node: the others' clocks would not stand still"
            ])
        // One node alone needs none of these.
        #expect(problems("cluster s\nnode a resp h:1\n") == [])
    }

    @Test("name followers by lines without an address for clients, which presenced does not run as")
    func followers() throws {
        let lines = "cluster s\nsecret-file /s\nnode a resp h:1 peer h:2\nnode cache number 9 peer h:3\n"
        let settings = try settings(lines)
        let cluster = try #require(try settings.clusterConfiguration())
        #expect(cluster.nodes.map(\.isFollower) == [false, true])
        #expect(cluster.servers.map(\.name) == ["a"])
        #expect(Setting.named("node")?.read(settings) == "a number 1 resp h:1 peer h:2, cache number 9 peer h:3")
        #expect(
            settings.clusterSummary().hasSuffix(
                "no other nodes; followers, which have no resp address, so that no client is sent there: cache at h:3"))
        // It is told of changes; but one node takes all writes, so what it reads and then writes is one step.
        #expect(settings.replicaLogEntriesOfShard > 0 && !settings.server.hasPeers)
        let two = try self.settings(lines + "node b number 2 resp h:5 peer h:6\n")
        #expect(two.server.hasPeers)
        #expect(two.clusterSummary().contains("a full copy on each of 2 nodes; other nodes: b at h:6; followers"))
        #expect(
            problems(lines, ["--node", "cache"]) == [
                "--node-name: the line of node cache has no address for clients, so it is a follower, and presenced "
                    + "serves clients: add 'resp HOST:PORT' to the line on every node, or embed the follower in a "
                    + "service (Examples/follower)"
            ])
        // Those of a follower that sets nothing are those of a node that sets nothing.
        let own = Follower.shared(ShardedStore.Configuration())
        #expect(own.differences(from: Settings().sharedSettings).allSatisfy { $0.ours == nil })
        #expect(own.all.count == 14)
        #expect(
            problems(lines.replacing("secret-file /s\n", with: ""))[0].contains("nodes know each other by a secret"))
    }

    @Test("say what nodes are linked by, and what a join compares")
    func links() throws {
        let settings = try settings(
            Self.three + "peer-timeout 5s\nmax-clock-offset 250ms\ndigest-interval 1m\nreplica-log-entries 100000\n")
        #expect(settings.clusterSummary().hasSuffix("a full copy on each of 2 nodes; other nodes: b at 127.0.0.1:8001"))
        let peers = settings.peerSettings()
        #expect(peers.replicator.silence == Membership.Limits(suspectAfter: 2_000, downAfter: 5_000))
        #expect(peers.replicator.pingInterval == 200)
        #expect(peers.replicator.maxClockOffset == 250)
        #expect(peers.replicator.digestInterval == 60_000)
        #expect(settings.replicaLogEntriesOfShard == 4_096)
        #expect(settings.replicaLogBytes == 32 * 4_096 * 9)
        #expect(Settings().replicaLogEntriesOfShard == 0 && Settings().replicaLogBytes == 0)
        let hasty = try self.settings(Self.three + "peer-timeout 500ms\n").peerSettings()
        #expect(hasty.replicator.silence == Membership.Limits(suspectAfter: 200, downAfter: 500))
        #expect(hasty.replicator.pingInterval == 66)
        // Every name is a setting's, and a long or odd value can still be sent.
        let shared = try self.settings(Self.three + "session-ttl 90s\n").sharedSettings
        #expect(shared.all.map(\.name) == Setting.sharedNames)
        #expect(shared.all.first { $0.name == "session-ttl" }?.value == "90s")
        var odd = settings
        odd.keyPrefix = String(repeating: "\u{1}\u{e9}", count: 100)
        let prefix = odd.sharedSettings.all.first { $0.name == "key-prefix" }?.value
        #expect(prefix == String(repeating: "\u{e9}", count: 32))
        #expect(
            settings.sharedSettings.differences(from: shared).map(\.name) == [
                "max-clock-offset", "peer-timeout", "session-ttl",
            ])
    }

    @Test("bound memory together: what is kept for other nodes must fit beside the rings")
    func memory() {
        let problem = problems(Self.three + "maxmemory 8mb\n")
        #expect(problem.count == 1)
        #expect(problem[0].hasPrefix("cluster.conf:5: maxmemory 8mb leaves nothing beside the change rings and the "))
        #expect(problems(Self.three + "maxmemory 8mb\nreplica-log-entries 65536\n") == [])
    }

    @Test("stay as they are in a file that CONFIG REWRITE writes, and those of the command line are added")
    func rewrite() throws {
        let text = "# ours\n" + Self.three + "timeout 5\n"
        var settings = try settings(text)
        #expect(SettingsRewriter.rewrite(text, to: settings) == text)
        settings.timeout = 9
        #expect(SettingsRewriter.rewrite(text, to: settings) == "# ours\n" + Self.three + "timeout 9\n")
        let added = try self.settings(text, ["--node", "c number 9 resp 10.0.0.3:1 peer 10.0.0.3:2", "--node", "b"])
        let written = SettingsRewriter.rewrite(text, to: added)
        #expect(
            written == text
                + "# Generated by CONFIG REWRITE\nnode c number 9 resp 10.0.0.3:1 peer 10.0.0.3:2\nnode-name b\n")
        #expect(try self.settings(written) == added)
    }

    @Test("name a secret that nobody else may read")
    func secret() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "presenced-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "secret").path
        func problem(_ text: String, mode: Int) throws -> String? {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            return Surroundings.ofProcess.secretProblem(path)
        }
        let secret = String(repeating: "0f", count: 32)
        #expect(try problem(secret + "\n", mode: 0o600) == nil)
        #expect(try problem(" \(secret) \n\n", mode: 0o400) == nil)
        #expect(try SecretFile(path: path).secret() == [UInt8](repeating: 0x0F, count: 32))
        for (mode, shown) in [(0o640, "640"), (0o604, "604"), (0o620, "620"), (0o601, "601")] {
            #expect(try problem(secret, mode: mode) == "others may read \(path) (mode \(shown)): chmod 600 \(path)")
        }
        for text in ["", "\n", "secret", "0f0f", secret + "0", secret + secret + secret + "00", secret + "\n" + secret]
        {
            #expect(try problem(text, mode: 0o600)?.contains("is not one line of 32 to 128 hexadecimal digits") == true)
        }
        #expect(Surroundings.ofProcess.secretProblem(path + "x") == "\(path)x: No such file or directory")
        #expect(Surroundings.ofProcess.secretProblem(folder.path) == "\(folder.path) is not a file")
        let surroundings = Surroundings(hostName: "a", secretProblem: { "\($0) is odd" })
        #expect(
            problems("cluster s\nsecret-file /x\n", [], surroundings) == ["cluster.conf:2: secret-file: /x is odd"])
    }

    @Test("have all files of certificates, or none, and other nodes to show them to")
    func certificates() {
        let secure = Self.three + "peer-tls-cert-file /c\npeer-tls-key-file /k\npeer-tls-ca-cert-file /a\n"
        #expect(problems(secure).isEmpty && problems(secure + "peer-tls-crl-file /r\n").isEmpty)
        #expect(
            problems(Self.three + "peer-tls-crl-file /r\n") == [
                "cluster.conf:5: peer-tls-crl-file /r is about certificates, and nodes have none: set peer-tls-cert-file, "
                    + "peer-tls-key-file and peer-tls-ca-cert-file, or leave it out"
            ])
        #expect(
            problems(Self.three + "peer-tls-cert-file /c\n") == [
                "cluster.conf:5: peer-tls-cert-file /c alone makes no certificates for nodes: set peer-tls-key-file too, its key; or "
                    + "leave all out, and nodes know each other by secret-file",
                "cluster.conf:5: peer-tls-cert-file /c alone makes no certificates for nodes: set peer-tls-ca-cert-file too, the "
                    + "authority of all nodes; or leave all out, and nodes know each other by secret-file",
            ])
        #expect(
            problems("peer-tls-ca-cert-file /a\n") == [
                "cluster.conf:1: peer-tls-ca-cert-file /a is for links to other nodes, and there are none: add their 'node' lines, "
                    + "or leave it out"
            ])
        #expect(
            problems(secure.replacing("secret-file /secret", with: "")) == [
                "cluster.conf:3: nodes name users by a hash with a secret, beside certificates too, and there is none: openssl rand "
                    + "-hex 32 > FILE; chmod 600 FILE; then secret-file FILE on every node, the same file"
            ])
        let odd = Surroundings(
            hostName: "a",
            peerCertificateProblem: { settings in
                settings.peerCertificates.map { .init(names: ["peer-tls-key-file"], message: "\($0.keyFile) is odd") }
            })
        #expect(problems(secure, [], odd) == ["cluster.conf:6: /k is odd"])
        #expect(problems(Self.three, [], odd).isEmpty)
    }
}
