import NIOCore
import Presence
import PresenceRESP
import Testing
import TranscriptSupport

@testable import PresenceServer

/// What looks at connections from outside, on one loop that runs when it is told to: monitors, the slow log, pauses, kills.
struct ObservationTests {
    @Test func monitorsAreToldAndCostNothingBefore() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        #expect(server.loop.scrutiny.isEmpty)
        let monitor = try server.connectClient()
        #expect(try monitor.ask("MONITOR\r\n") == "+OK\r\n")
        #expect(server.loop.scrutiny == .monitored)
        _ = try client.ask("SET a b\r\nCONFIG GET timeout\r\nGET a\r\n")
        let lines = try monitor.read().split(separator: "\r\n")
        #expect(lines.count == 2)
        #expect(lines[0].hasSuffix(#"] "SET" "a" "b""#) && lines[1].hasSuffix(#"] "GET" "a""#))
        #expect(try monitor.ask("MONITOR\r\n") == "", "asked twice, it is answered once")
        _ = try monitor.ask("RESET\r\n")
        #expect(server.loop.scrutiny.isEmpty)
        _ = try client.ask("GET a\r\n")
        #expect(try monitor.read() == "")
    }

    @Test func aMonitorThatGoesIsForgotten() throws {
        let server = EmbeddedServer()
        let monitors = try (0..<3).map { _ in try server.connectClient() }
        for monitor in monitors { #expect(try monitor.ask("MONITOR\r\n").hasPrefix("+OK")) }
        for monitor in monitors { try monitor.channel.close().wait() }
        #expect(server.loop.scrutiny.isEmpty)
    }

    @Test func theSlowLogKeepsTheNewest() {
        let log = SlowLog(limit: 3)
        let server = EmbeddedServer()
        let client = Client(
            id: 7, handler: ClientHandler(loop: server.loop), isAuthenticated: true, now: server.clock.now())
        for number in 0..<10 {
            var reader = RequestReader()
            let bytes = Array("GET key:\(number)\r\n".utf8)
            let step = reader.next(in: bytes.span, from: 0)
            #expect(step == .command)
            log.record(Int64(number), at: server.clock.now(), client, reader, bytes.span)
            #expect(log.count == min(3, number + 1))
        }
        #expect(log.newest(2).map(\.id) == [9, 8])
        #expect(log.newest(.max).map(\.microseconds) == [9, 8, 7])
        log.setLimit(1)
        #expect(log.newest(10).map(\.id) == [9])
        log.reset()
        #expect(log.count == 0)
        log.setLimit(0)
        #expect(log.newest(1).isEmpty)
    }

    @Test func heldWritesRunWhenThePauseEnds() throws {
        let server = EmbeddedServer()
        let writer = try server.connectClient()
        let reader = try server.connectClient()
        #expect(try reader.ask("CLIENT PAUSE 100000 WRITE\r\n") == "+OK\r\n")
        #expect(try writer.ask("GET a\r\nSET a 1\r\nGET a\r\n") == "$-1\r\n")
        #expect(try reader.ask("GET a\r\n") == "$-1\r\n")
        let gone = try server.connectClient()
        #expect(try gone.ask("SET b 1\r\n") == "")
        try gone.channel.close().wait()
        #expect(server.loop.heldClients.count == 1)
        #expect(try reader.ask("CLIENT UNPAUSE\r\n") == "+OK\r\n")
        #expect(try writer.read() == "+OK\r\n$1\r\n1\r\n")
        #expect(server.loop.heldClients.isEmpty && server.loop.scrutiny.isEmpty)
        #expect(try reader.ask("EXISTS b\r\n") == ":0\r\n")
    }

    @Test func whoIsKilledIsNeitherReadNorWrittenAnyMore() throws {
        let server = EmbeddedServer()
        let victim = try server.connectClient()
        let killer = try server.connectClient()
        #expect(try victim.ask("SUBSCRIBE news\r\n").hasPrefix("*3"))
        // In one read: what is published behind the kill reaches nobody.
        let replies = try killer.ask("CLIENT KILL TYPE pubsub\r\nPUBLISH news late\r\nCLIENT KILL TYPE pubsub\r\n")
        #expect(replies.hasPrefix(":1\r\n") && replies.hasSuffix(":0\r\n"))
        #expect(try victim.read() == "")
        #expect(!victim.channel.isActive)
        #expect(server.loop.clients.count == 1)
    }

    @Test func answersThatComeTooLateFindNobody() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        weak var handler: ClientHandler?
        handler = try client.handler
        try client.channel.writeInbound(ByteBuffer(string: "CLIENT PAUSE 0\r\nPING\r\n"))
        client.channel.close(promise: nil)
        server.eventLoop.run()
        #expect(server.loop.clients.isEmpty)
        #expect(handler == nil, "the connection is gone, and so is all of it")
    }
}
