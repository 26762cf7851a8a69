import NIOCore
import Testing

@testable import PresenceServer

/// `SHUTDOWN DRAIN`: connections end one after the other, then the server does.
@Suite struct DrainTests {
    private func connect(_ count: Int, to server: EmbeddedServer) throws -> [EmbeddedClient] {
        try (0..<count).map { _ in
            server.moveClock(milliseconds: 100)
            let client = try server.connectClient()
            _ = try client.ask("PING\r\n")
            return client
        }
    }

    private func open(_ clients: [EmbeddedClient]) -> Int { clients.count { $0.channel.isActive } }

    @Test func connectionsCloseEvenlyAndThenTheServerEnds() throws {
        let port = FakeReplicationPort()
        let server = EmbeddedServer(replication: port)
        let clients = try connect(100, to: server)
        let operatorClient = try server.connectClient()
        #expect(try operatorClient.ask("SHUTDOWN DRAIN 10\r\n") == "")
        #expect(port.drains == [10])
        #expect(open(clients) == 100)
        var before = 100
        for second in 1...9 {
            server.eventLoop.advanceTime(by: .seconds(1))
            let now = open(clients)
            #expect((9...13).contains(before - now), "\(before - now) in second \(second)")
            before = now
        }
        #expect(before == 0)
        #expect(operatorClient.channel.isActive, "who asked waits for the end")
        #expect(server.shutdownCount.value == 0)
        server.eventLoop.advanceTime(by: .seconds(1))
        #expect(server.shutdownCount.value == 1)
    }

    @Test func whoIsIdleGoesFirstAndRepliesLeave() throws {
        let server = EmbeddedServer()
        let clients = try connect(4, to: server)
        server.moveClock(milliseconds: 60_000)
        _ = try clients[0].ask("PING\r\n")
        let operatorClient = try server.connectClient()
        _ = try operatorClient.ask("SHUTDOWN DRAIN 4\r\n")
        server.eventLoop.advanceTime(by: .milliseconds(3_000))
        #expect(open(clients) == 1)
        #expect(try clients[0].ask("ECHO still\r\n") == "$5\r\nstill\r\n")
        server.eventLoop.advanceTime(by: .milliseconds(1_000))
        #expect(open(clients) == 0)
    }

    @Test func whoComesMeanwhileIsToldOrWhereThereAreOtherNodesLeftWithoutAWord() throws {
        let several = EmbeddedServer(replication: FakeReplicationPort())
        _ = try several.connectClient().ask("SHUTDOWN DRAIN 10\r\n")
        let lost = try several.connectClient()
        #expect(try lost.ask("PING\r\n") == "")
        several.eventLoop.advanceTime(by: .milliseconds(100))
        #expect(!lost.channel.isActive)

        let server = EmbeddedServer()
        let first = try server.connectClient()
        _ = try first.ask("SHUTDOWN DRAIN 10\r\n")
        let late = try server.connectClient()
        #expect(try late.ask("PING\r\n") == "-LOADING this server drains: it ends soon\r\n")
        server.eventLoop.advanceTime(by: .milliseconds(100))
        #expect(!late.channel.isActive)
        let subscriber = try server.connectClient()
        #expect(try subscriber.ask("SUBSCRIBE a\r\n") == "-LOADING this server drains: it ends soon\r\n")
        let looker = try server.connectClient()
        let info = try looker.ask("INFO replication\r\n")
        #expect(info.contains("\r\ndraining:1\r\n"))
        let left = info.split(separator: "drain_left_ms:").last.flatMap { Int($0.prefix { $0.isNumber }) }
        #expect((8_000...10_000).contains(left ?? 0))
    }

    @Test func whoComesBeforeTheNodeKnowsWhatOthersKnowIsNotServed() throws {
        let port = FakeReplicationPort()
        port.summary.isReady = false
        let server = EmbeddedServer(replication: port)
        let alone = try server.connectClient()
        let text = "-LOADING this node waits for the other nodes, to copy what they hold\r\n"
        #expect(try alone.ask("PRESENCE.MGET presence:user:ann\r\n") == text)
        #expect(try alone.ask("SUBSCRIBE user.status.changed\r\n") == text)
        #expect(try alone.ask("INFO replication\r\n").contains("\r\ncluster_ready:0\r\n"))

        var link = LinkSummary(name: "b", number: 2)
        link.isUp = true
        port.summary.links = [link]
        let lost = try server.connectClient()
        #expect(try lost.ask("PRESENCE.MGET presence:user:ann\r\n") == "")
        server.eventLoop.advanceTime(by: .milliseconds(100))
        #expect(!lost.channel.isActive)

        port.summary.isReady = true
        #expect(try alone.ask("PING\r\n") == "+PONG\r\n", "it is a client like all others now")
        #expect(try server.connectClient().ask("PING\r\n") == "+PONG\r\n")
    }

    @Test func abortLetsTheServerStay() throws {
        let port = FakeReplicationPort()
        let server = EmbeddedServer(replication: port)
        let clients = try connect(10, to: server)
        let waiting = try server.connectClient()
        _ = try waiting.ask("SHUTDOWN DRAIN 10\r\n")
        server.eventLoop.advanceTime(by: .seconds(5))
        let left = open(clients)
        #expect((3...6).contains(left))
        let late = try server.connectClient()
        #expect(try late.ask("SHUTDOWN ABORT\r\n") == "+OK\r\n")
        #expect(try waiting.read() == "-ERR SHUTDOWN ABORT has ended the drain: the server stays\r\n")
        #expect(port.drains == [10, 0])
        server.eventLoop.advanceTime(by: .seconds(20))
        #expect(open(clients) == left && server.shutdownCount.value == 0)
        #expect(try late.ask("PING\r\n") == "+PONG\r\n", "it is a client like all others now")
        #expect(try waiting.ask("SHUTDOWN ABORT\r\n") == "-ERR No shutdown in progress.\r\n")
    }

    @Test func aSecondShutdownEndsAtOnceAndASecondDrainHasItsOwnEnd() throws {
        let server = EmbeddedServer()
        let first = try server.connectClient()
        _ = try first.ask("SHUTDOWN DRAIN 10\r\n")
        let second = try server.connectClient()
        _ = try second.ask("SHUTDOWN DRAIN 60\r\n")
        server.eventLoop.advanceTime(by: .seconds(11))
        #expect(server.shutdownCount.value == 0)
        let third = try server.connectClient()
        _ = try third.ask("SHUTDOWN NOW\r\n")
        #expect(server.shutdownCount.value == 1)
    }

    @Test(arguments: [
        ("DRAIN", "ERR syntax error"), ("DRAIN x", "ERR DRAIN takes 0 to 86400 seconds"),
        ("DRAIN -1", "ERR DRAIN takes 0 to 86400 seconds"), ("DRAIN 86401", "ERR DRAIN takes 0 to 86400 seconds"),
        ("DRAIN 5 NOW", "ERR syntax error"), ("ABORT DRAIN 5", "ERR syntax error"),
        ("DRAIN 5 DRAIN 5", "ERR syntax error"),
    ])
    func wordsThatMakeNoSenseAreRefused(_ words: String, _ error: String) throws {
        let server = EmbeddedServer()
        #expect(try server.connectClient().ask("SHUTDOWN \(words)\r\n") == "-\(error)\r\n")
        #expect(!server.loop.server.drain.isOn)
    }

    @Test func aDrainOfNoTimeIsAShutdown() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        _ = try client.ask("SHUTDOWN NOSAVE DRAIN 0\r\n")
        #expect(server.shutdownCount.value == 1)
    }
}
