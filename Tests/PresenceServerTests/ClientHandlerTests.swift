import NIOCore
import NIOEmbedded
import Presence
import PresenceStore
import Testing

@testable import PresenceServer

/// One connection's bytes: cuts, pipelines, pauses and bounds.
@Suite struct ClientHandlerTests {
    private static func command(_ words: String...) -> String {
        "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    private static let story =
        command("PING") + "ECHO typed\r\n" + command("SET", "k", "value with \r\n in it") + command("GET", "k")
        + command("PRESENCE.CONNECT", "presence:user:a", "one") + command("PRESENCE.BEAT", "presence:user:a", "one")
        + command("PRESENCE.BEAT", "presence:user:a", "two") + command("PRESENCE.ACTIVE", "presence:user:a", "one")
        + command("PRESENCE.BEAT", "alice", "one") + command("PRESENCE.BEAT", "presence:user:a")
        + "GET \"k\"\r\n" + command("DEL", "k")

    private static let replies =
        "+PONG\r\n$5\r\ntyped\r\n+OK\r\n$19\r\nvalue with \r\n in it\r\n:1\r\n:1\r\n:0\r\n:1\r\n"
        + "-ERR a user is named by his full key: 'alice' does not begin with 'presence:user:' (key-prefix)\r\n"
        + "-ERR wrong number of arguments for 'presence.beat' command\r\n$19\r\nvalue with \r\n in it\r\n:1\r\n"

    @Test func commandsCutAnywhereGiveTheSameReplies() throws {
        let bytes = Array(Self.story.utf8)
        for cut in 1..<bytes.count {
            let client = try EmbeddedServer().connectClient()
            try client.send(Array(bytes[..<cut]))
            try client.send(Array(bytes[cut...]))
            #expect(try client.read() == Self.replies, "cut at \(cut)")
        }
    }

    @Test func commandsByteByByte() throws {
        let client = try EmbeddedServer().connectClient()
        for byte in Self.story.utf8 { try client.send([byte]) }
        #expect(try client.read() == Self.replies)
    }

    @Test func thePipelineOfOneReadIsAnsweredByOneWrite() throws {
        let client = try EmbeddedServer().connectClient()
        try client.send(Array(Self.story.utf8))
        let first = try #require(try client.channel.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: first) == Self.replies)
        #expect(try client.channel.readOutbound(as: ByteBuffer.self) == nil)
    }

    @Test func beatsThatFollowOneAnotherAreAnsweredOneByOne() throws {
        let server = EmbeddedServer(isManual: false)
        let client = try server.connectClient()
        var expected = ""
        var beats = ""
        for number in 0..<300 {
            if number % 3 != 0 {
                _ = try client.ask(Self.command("PRESENCE.CONNECT", "presence:user:\(number)", "s"))
            }
            beats += Self.command(number % 5 == 0 ? "PRESENCE.ACTIVE" : "presence.beat", "presence:user:\(number)", "s")
            expected += number % 3 != 0 ? ":1\r\n" : ":0\r\n"
            if number % 50 == 0 {
                beats += Self.command("ECHO", "x")
                expected += "$1\r\nx\r\n"
            }
        }
        #expect(try client.ask(beats) == expected)
    }

    @Test func aClientThatDoesNotReadIsNotReadFrom() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let echo = Self.command("ECHO", String(repeating: "x", count: 1000))
        client.channel.isWritable = false
        try client.send(Array(echo.utf8))
        client.channel.embeddedEventLoop.run()
        #expect(try client.read().utf8.count == 1009)
        // What is here already waits too.
        try client.send(Array((echo + echo).utf8))
        #expect(try client.read() == "")
        #expect(try client.handler.isReadingStopped)

        client.channel.isWritable = true
        client.channel.pipeline.fireChannelWritabilityChanged()
        client.channel.embeddedEventLoop.run()
        #expect(try client.read().utf8.count == 2 * 1009)
        #expect(try !client.handler.isReadingStopped)
    }

    @Test func largeRepliesLeaveInParts() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let value = String(repeating: "v", count: 200_000)
        #expect(try client.ask(Self.command("SET", "k", value)) == "+OK\r\n")
        let gets = String(repeating: Self.command("GET", "k"), count: 20)
        try client.send(Array(gets.utf8))
        var parts = 0
        var total = 0
        while let part = try client.channel.readOutbound(as: ByteBuffer.self) {
            parts += 1
            total += part.readableBytes
            #expect(part.readableBytes <= Pipeline.replyBatchBytes + 200_100)
        }
        #expect(parts >= 10)
        #expect(total == 20 * 200_011)
    }

    @Test func protocolErrorsEndThatConnectionAlone() throws {
        let server = EmbeddedServer()
        let good = try server.connectClient()
        let bad = try server.connectClient()
        #expect(try bad.ask("*1\r\n$-5\r\n") == "-ERR Protocol error: invalid bulk length\r\n")
        #expect(!bad.channel.isActive)
        #expect(try good.ask(Self.command("PING")) == "+PONG\r\n")
        #expect(server.loop.clients.count == 1)
        #expect(server.loop.counters.protocolErrors.value == 1)
    }

    @Test func aCommandWithoutEndIsCutOff() throws {
        var configuration = ServerConfiguration()
        configuration.maximumCommandBytes = 1000
        let server = EmbeddedServer(configuration)
        let client = try server.connectClient()
        #expect(try client.ask("*2\r\n$4\r\nECHO\r\n$5000\r\n") == "")
        #expect(!client.channel.isActive)
        #expect(server.loop.counters.queryLimitClosures.value == 1)
    }

    @Test func silentClientsAreClosed() throws {
        var configuration = ServerConfiguration()
        configuration.idleTimeoutSeconds = 60
        let server = EmbeddedServer(configuration)
        let silent = try server.connectClient()
        let subscriber = try server.connectClient()
        _ = try subscriber.ask(Self.command("SUBSCRIBE", "c"))
        let busy = try server.connectClient()
        server.advance(milliseconds: 50_000)
        _ = try busy.ask(Self.command("PING"))
        server.advance(milliseconds: 20_000)
        server.loop.inspectClients()
        server.eventLoop.run()
        #expect(!silent.channel.isActive)
        #expect(subscriber.channel.isActive)
        #expect(busy.channel.isActive)
        #expect(server.loop.counters.idleClosures.value == 1)
    }

    @Test func quitClosesAfterTheReplies() throws {
        let client = try EmbeddedServer().connectClient()
        #expect(
            try client.ask(Self.command("PING") + Self.command("QUIT") + Self.command("PING")) == "+PONG\r\n+OK\r\n")
        #expect(!client.channel.isActive)
    }

    @Test func shutdownIsHandedOn() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        #expect(try client.ask(Self.command("SHUTDOWN", "ABORT")) == "-ERR No shutdown in progress.\r\n")
        #expect(try client.ask(Self.command("SHUTDOWN", "NOSAVE")) == "")
        #expect(server.shutdownCount.value == 1)
    }

    @Test func aSubscriberThatGoesAwayIsForgotten() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        _ = try client.ask(Self.command("SUBSCRIBE", "a", "b") + Self.command("PSUBSCRIBE", "c*"))
        #expect(server.loop.server.registry.total == 3)
        #expect(server.loop.publisher.reader != nil)
        try client.channel.close().wait()
        server.eventLoop.run()
        #expect(server.loop.server.registry.total == 0)
        #expect(server.loop.subscriptions.channels.isEmpty)
        #expect(server.loop.subscriptions.patterns.isEmpty)
        #expect(server.loop.publisher.reader == nil)
    }

    @Test func withoutSubscribersNobodyReadsTheRings() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        #expect(server.loop.publisher.reader == nil)
        _ = try client.ask(Self.command("PRESENCE.CONNECT", "presence:user:a", "one"))
        #expect(!server.loop.hasEvents)
        _ = try client.ask(Self.command("SUBSCRIBE", "news"))
        #expect(server.loop.publisher.reader == nil, "news is not about presence")
        _ = try client.ask(Self.command("SUBSCRIBE", "user.status.changed"))
        #expect(server.loop.publisher.reader != nil)
        _ = try client.ask(Self.command("UNSUBSCRIBE"))
        #expect(server.loop.publisher.reader == nil)
    }

    @Test("Of reads of small commands one in 64 is timed, of longer ones each")
    func turns() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        func count() -> Int { server.loop.counters.turns.withLock { Int($0.count) } }
        let before = count()
        for _ in 0..<640 { _ = try client.ask(Self.command("PING")) }
        #expect(count() - before == 10)
        let long = String(repeating: Self.command("PING"), count: 40)
        for _ in 0..<5 { _ = try client.ask(long) }
        #expect(count() - before == 15)
    }
}
