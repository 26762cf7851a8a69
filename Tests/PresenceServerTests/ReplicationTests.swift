import NIOCore
import Presence
import PresenceCluster
import PresenceStore
import Testing

@testable import PresenceServer

/// What clients see of other nodes, and what waits for them; the other nodes are a test's.
@Suite struct ReplicationTests {
    private func cluster() throws -> ClusterConfiguration {
        try ClusterConfiguration(
            name: "shop", own: "a",
            nodes: ["a", "b", "c"].enumerated().map { index, name in
                try ClusterNode(
                    number: index + 1, name: name, resp: ClusterAddress("10.0.0.\(index + 1):6399"),
                    peer: ClusterAddress("10.0.0.\(index + 1):7399"))
            })
    }

    /// A server that is `a` beside `b`, to which a link is up, and `c`, which nobody has heard.
    private func server() throws -> (EmbeddedServer, FakeReplicationPort, EmbeddedClient) {
        let port = FakeReplicationPort()
        var b = LinkSummary(name: "b", number: 2)
        b.address = "10.0.0.2:7399"
        b.state = .alive
        b.cause = "heard"
        b.sinceMilliseconds = 1_234
        b.isUp = true
        b.isDialed = true
        b.linkBegan = 1_700_000_000_123
        b.protocolVersion = 1
        b.clockOffset = -250
        b.clockError = 90
        b.pingSent = 70
        b.pongReceived = 60
        b.lag.p50 = 0.2
        b.lag.p99 = 0.9
        b.lag.last = 1_600.25
        b.changesBehind = 3
        b.position = 97
        b.framesSent = 11
        b.framesReceived = 12
        b.bytesWaiting = 5
        b.bytesAllocated = 4_096
        b.copyOut = LinkSummary.Progress(done: 10, total: 40)
        b.imagesRefused = 9
        b.copyImagesRefused = 5
        b.shardsResent = 7
        var c = LinkSummary(name: "c", number: 3)
        c.cause = "silent for 1,800 ms = down"
        c.framesSent = 1
        var summary = ReplicationSummary()
        summary.incarnation = 8
        summary.position = 100
        summary.links = [b, c]
        summary.refusals = [.init("wrong_secret", count: 2), .init("garbage", count: 1)]
        port.summary = summary
        var configuration = ServerConfiguration()
        configuration.cluster = try cluster()
        let server = EmbeddedServer(configuration, replication: port)
        return (server, port, try server.connectClient())
    }

    private func fields(_ client: EmbeddedClient) throws -> [String: String] {
        var fields: [String: String] = [:]
        for line in try client.ask("INFO replication\r\n").split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[String(parts[0])] = String(parts[1]) }
        }
        return fields
    }

    // MARK: - What is told

    @Test func infoTellsALinkThatIsUpAsAReplicaAndEveryNodeInALine() throws {
        let (server, port, client) = try server()
        var info = try fields(client)
        #expect(info["role"] == "master")
        #expect(info["connected_slaves"] == "1")
        #expect(info["slave0"] == "ip=10.0.0.2,port=6399,state=send_bulk,offset=97,lag=2")
        #expect(info["slave1"] == nil)
        #expect(info["master_replid"] == server.loop.server.runID)
        #expect(info["master_repl_offset"] == "100")
        #expect(info["cluster_ready"] == "1")
        #expect(info["cluster_refusals"] == "wrong_secret=2,garbage=1")
        let b = try #require(info["peer0"])
        #expect(
            b.hasPrefix(
                "name=b,number=2,address=10.0.0.2:7399,follower=0,state=alive,draining=0,since_ms=1234,cause=heard,link=to,"
            ))
        #expect(b.contains(",lag_ms=1600.250,lag_p50_ms=0.200,lag_p99_ms=0.900,behind=3,"))
        #expect(b.contains(",clock_offset_us=-250,clock_error_us=90,"))
        #expect(b.contains(",copy_in=-,copy_out=10/40,shards_resent=7,"))
        #expect(info["cluster_shards_resent"] == "7")
        #expect(b.contains(",images_refused=9,copy_images_refused=5,"))
        #expect(info["cluster_images_refused"] == "9" && info["cluster_copy_images_refused"] == "5")
        let c = try #require(info["peer1"])
        #expect(c.contains(",state=down,draining=0,since_ms=0,cause=silent for 1;800 ms   down,link=none,"))
        #expect(b.split(separator: ",").allSatisfy { $0.split(separator: "=", maxSplits: 1).count >= 1 })

        port.summary.isReady = false
        info = try fields(client)
        #expect(info["cluster_ready"] == "0")
    }

    @Test(arguments: [(false, false, "wait_bgsave"), (false, true, "send_bulk"), (true, false, "online")])
    func aReplicaIsInTheStateThatRedisWouldSay(hasCopy: Bool, isCopiedTo: Bool, state: String) throws {
        let (_, port, client) = try server()
        port.summary.links[0].hasCopy = hasCopy
        if !isCopiedTo { port.summary.links[0].copyOut = nil }
        #expect(try fields(client)["slave0"]?.contains(",state=\(state),") == true)
    }

    @Test func oneNodeTellsAsARedisWithoutReplicas() throws {
        let info = try fields(EmbeddedServer().connectClient())
        #expect(info["role"] == "master")
        #expect(info["connected_slaves"] == "0")
        #expect(info["draining"] == "0")
        #expect(info["cluster_ready"] == nil)
    }

    @Test func linksNodesShardsAndInfoSayWhatTheLinksDo() throws {
        let (server, port, client) = try server()
        let cluster = try cluster()
        let b = try #require(cluster.node(2))
        #expect(
            try client.ask("CLUSTER LINKS\r\n")
                == "*1\r\n*12\r\n$9\r\ndirection\r\n$2\r\nto\r\n$4\r\nnode\r\n$40\r\n\(cluster.id(of: b))\r\n"
                + "$11\r\ncreate-time\r\n:1700000000123\r\n$6\r\nevents\r\n$2\r\nrw\r\n"
                + "$21\r\nsend-buffer-allocated\r\n:4096\r\n$16\r\nsend-buffer-used\r\n:5\r\n")
        var membership = Membership(cluster, at: 0)
        _ = membership.heard(from: 2, at: 50)
        _ = membership.heard(from: 3, at: 55)
        server.loop.server.show(ClusterView(cluster, membership))
        let nodes = try client.ask("CLUSTER NODES\r\n")
        #expect(nodes.contains("10.0.0.1:6399@7399 myself,master - 0 0 0 connected "))
        #expect(nodes.contains("10.0.0.2:6399@7399 master - 70 60 0 connected "))
        #expect(
            nodes.contains("10.0.0.3:6399@7399 master - 0 55 0 disconnected "), "it was heard, and its link is gone")
        let info = try client.ask("CLUSTER INFO\r\n")
        #expect(info.contains("\r\ncluster_stats_messages_sent:12\r\ncluster_stats_messages_received:12\r\n"))
        port.summary.isReady = false
        let shards = try client.ask("CLUSTER SHARDS\r\n")
        #expect(shards.contains("$18\r\nreplication-offset\r\n:100\r\n$6\r\nhealth\r\n$7\r\nloading\r\n"))
        #expect(shards.contains("$18\r\nreplication-offset\r\n:97\r\n$6\r\nhealth\r\n$6\r\nonline\r\n"))
    }

    @Test func whoFlushesTellsTheOthers() throws {
        let (_, port, client) = try server()
        #expect(try client.ask("SET k v\r\nFLUSHALL\r\n") == "+OK\r\n+OK\r\n")
        #expect(port.flushes.count == 1)
        #expect(try client.ask("FLUSHDB\r\n") == "+OK\r\n")
        #expect(port.flushes.count == 2 && port.flushes[1] > port.flushes[0])
    }

    @Test func sessionsTellTheNodeThatTheyWereLastBeatenAt() throws {
        let cluster = try cluster()
        var configuration = ServerConfiguration()
        configuration.cluster = cluster
        configuration.nodeName = "a"
        let server = EmbeddedServer(configuration, replication: FakeReplicationPort()) {
            $0.node = 1
            $0.replicaLogEntries = 64
        }
        let client = try server.connectClient()
        var other = ShardedStore.Configuration()
        other.clock = server.clock
        other.node = 2
        other.replicaLogEntries = 64
        let b = ShardedStore(other)
        _ = try b.connect("ann", session: "s")
        let image = try #require(b.image(of: "ann"))
        #expect(try server.store.merge(image.span, from: 2, at: server.clock.now()))
        #expect(try client.ask("PRESENCE.SESSIONS presence:user:ann\r\n").hasSuffix("$4\r\nhome\r\n$1\r\nb\r\n"))
        #expect(try client.ask("PRESENCE.BEAT presence:user:ann s\r\n") == ":1\r\n")
        #expect(try client.ask("PRESENCE.SESSIONS presence:user:ann\r\n").hasSuffix("$4\r\nhome\r\n$1\r\na\r\n"))
    }

    // MARK: - WAIT

    @Test func waitAnswersWhenSoManyHoldIt() throws {
        let (server, port, client) = try server()
        #expect(try client.ask("SET k v\r\nWAIT 2 500\r\nGET k\r\n") == "+OK\r\n", "what comes behind it waits")
        #expect(server.loop.server.blockedClients.load(ordering: .relaxed) == 1)
        let waiter = try #require(port.takeWaiters().first)
        #expect(waiter.wanted == 2 && waiter.milliseconds == 500)
        let other = try server.connectClient()
        #expect(try other.ask("PING\r\n") == "+PONG\r\n", "others do not wait")
        waiter.done(2)
        server.eventLoop.run()
        #expect(try client.read() == ":2\r\n$1\r\nv\r\n")
        #expect(server.loop.server.blockedClients.load(ordering: .relaxed) == 0)
        #expect(port.takenBack == 0, "what is answered is not taken back")
    }

    @Test func waitWithoutEndAsksThePortAgain() throws {
        let (server, port, client) = try server()
        #expect(try client.ask("WAIT 1 0\r\n") == "")
        port.takeWaiters()[0].done(0)
        server.eventLoop.run()
        #expect(try client.read() == "")
        port.takeWaiters()[0].done(1)
        server.eventLoop.run()
        #expect(try client.read() == ":1\r\n")
        #expect(port.takeWaiters().isEmpty)
    }

    @Test func waitForNobodyAnswersHowManyHoldIt() throws {
        let (server, port, client) = try server()
        #expect(try client.ask("WAIT 0 9000\r\n") == "")
        let waiter = try #require(port.takeWaiters().first)
        #expect(waiter.milliseconds == 1)
        waiter.done(1)
        server.eventLoop.run()
        #expect(try client.read() == ":1\r\n")
    }

    @Test func waitWithinATransactionAnswersAtOnce() throws {
        let (_, port, client) = try server()
        port.summary.links[0].changesBehind = 0
        #expect(try client.ask("MULTI\r\nWAIT 2 0\r\nEXEC\r\n") == "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n")
        #expect(port.takeWaiters().isEmpty)
    }

    @Test(arguments: ["WAIT 1 0", "WAIT 1 3600000", "PRESENCE.BLOCK presence:user:a presence:user:b"])
    func whoLeavesWhileWaitingIsForgotten(command: String) throws {
        let (server, port, client) = try server()
        _ = try client.ask("\(command)\r\n")
        #expect(port.takenBack == 0)
        try client.channel.close().wait()
        #expect(port.takenBack == 1, "by the port, too")
        #expect(server.loop.server.blockedClients.load(ordering: .relaxed) == 0)
        port.takeWaiters()[0].done(0)
        server.eventLoop.run()
        #expect(port.takeWaiters().isEmpty, "nobody asks on")
    }

    @Test func waitWithoutOtherNodesWaitsInVain() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        #expect(try client.ask("WAIT 0 100\r\nWAIT -1 100\r\n") == ":0\r\n:0\r\n")
        #expect(try client.ask("WAIT 1 100\r\n") == "")
        server.eventLoop.advanceTime(by: .milliseconds(99))
        #expect(try client.read() == "")
        server.eventLoop.advanceTime(by: .milliseconds(1))
        #expect(try client.read() == ":0\r\n")
        #expect(try client.ask("MULTI\r\nWAIT 1 0\r\nEXEC\r\n") == "+OK\r\n+QUEUED\r\n*1\r\n:0\r\n")
    }

    // MARK: - PRESENCE.BLOCK

    @Test func blockAnswersWhenAllThatAreReachableHoldIt() throws {
        let (server, port, client) = try server()
        #expect(try client.ask("PRESENCE.BLOCK presence:user:a presence:user:b\r\n") == "")
        let waiter = try #require(port.takeWaiters().first)
        #expect(waiter.wanted == nil)
        waiter.done(1)
        server.eventLoop.run()
        #expect(try client.read() == ":1\r\n")
        server.eventLoop.advanceTime(by: .seconds(10))
        #expect(try client.read() == "")
        #expect(try fields(client)["block_waits_timed_out"] == "0")
    }

    @Test func blockAnswersAllTheSameAfterTwoSecondsAndIsCounted() throws {
        let (server, port, client) = try server()
        _ = try client.ask("PRESENCE.BLOCK presence:user:a presence:user:b\r\n")
        server.eventLoop.advanceTime(by: .milliseconds(1_999))
        #expect(try client.read() == "")
        server.eventLoop.advanceTime(by: .milliseconds(1))
        #expect(try client.read() == ":1\r\n")
        port.takeWaiters()[0].done(0)
        server.eventLoop.run()
        #expect(try client.read() == "")
        #expect(try fields(client)["block_waits_timed_out"] == "1")
    }

    @Test func onlyBlockWaitsAndNotWithinATransaction() throws {
        let (_, port, client) = try server()
        let users = "presence:user:a presence:user:b\r\n"
        let reply = try client.ask(
            "PRESENCE.FRIEND \(users)PRESENCE.UNFRIEND \(users)PRESENCE.UNBLOCK \(users)MULTI\r\nPRESENCE.BLOCK \(users)EXEC\r\n"
        )
        #expect(reply == ":1\r\n:1\r\n:0\r\n+OK\r\n+QUEUED\r\n*1\r\n:1\r\n")
        #expect(port.takeWaiters().isEmpty)
        #expect(
            try client.ask("PRESENCE.BLOCK presence:user:a nobody\r\n").hasPrefix("-ERR"), "an error waits for nobody")
    }
}
