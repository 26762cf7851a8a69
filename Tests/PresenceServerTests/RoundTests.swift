import NIOCore
import NIOEmbedded
import Testing

@testable import PresenceServer

/// What the commands of several clients publish, in the round in which their sockets were ready.
@Suite struct RoundTests {
    /// Reads what `client` sends without letting the loop go on to the end of the round.
    private func read(_ client: EmbeddedClient, _ text: String) throws {
        try client.channel.writeInbound(ByteBuffer(string: text))
    }

    private func writes(_ client: EmbeddedClient) throws -> [Int] {
        var sizes: [Int] = []
        while let buffer = try client.channel.readOutbound(as: ByteBuffer.self) { sizes.append(buffer.readableBytes) }
        return sizes
    }

    @Test func leavesInOneWrite() throws {
        let server = EmbeddedServer()
        let (one, other, subscriber) = (
            try server.connectClient(), try server.connectClient(), try server.connectClient()
        )
        _ = try subscriber.ask("SUBSCRIBE news\r\n")
        try read(one, "PUBLISH news 1\r\n")
        try read(other, "PUBLISH news 2\r\n")
        #expect(try one.read() == ":1\r\n")
        #expect(try other.read() == ":1\r\n")
        #expect(try writes(subscriber) == [])
        server.eventLoop.run()
        let message = "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n1\r\n"
        #expect(try writes(subscriber) == [2 * message.utf8.count])
    }

    /// A client whose bytes the kernel does not take is looked at, and held to its bounds, without delay.
    @Test func isNotHeldBackWhereItIsMuch() throws {
        let server = EmbeddedServer()
        let (one, subscriber) = (try server.connectClient(), try server.connectClient())
        _ = try subscriber.ask("SUBSCRIBE news\r\n")
        let large = String(repeating: "x", count: 70_000)
        try read(one, "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$70000\r\n\(large)\r\n")
        #expect(try writes(subscriber).reduce(0, +) > 70_000)
    }

    @Test func linesOfAMonitorLeaveInOneWrite() throws {
        let server = EmbeddedServer()
        let (one, other, monitor) = (
            try server.connectClient(), try server.connectClient(), try server.connectClient()
        )
        _ = try monitor.ask("MONITOR\r\n")
        try read(one, "PING one\r\n")
        try read(other, "PING other\r\n")
        #expect(try writes(monitor) == [])
        server.eventLoop.run()
        #expect(try writes(monitor).count == 1)
    }
}
