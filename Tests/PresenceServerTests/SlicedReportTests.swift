import NIOCore
import NIOEmbedded
import PresenceStore
import Testing

@testable import PresenceServer

@Suite("Reports that grow with what is asked go in slices")
struct SlicedReportTests {
    /// What a command is answered that is not done in its first slice.
    private func sliced(_ command: String, _ server: EmbeddedServer, _ client: EmbeddedClient) throws -> String {
        #expect(try client.ask(command + "\r\n") == "", "it should not be done in one slice")
        // Others have their turn before it is.
        #expect(try server.connectClient().ask("PING\r\n") == "+PONG\r\n")
        server.eventLoop.advanceTime(by: .seconds(1))
        return try client.read()
    }

    @Test("COMMAND DOCS and INFO of many names; the order and who is unknown stay")
    func commands() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let names = Array(repeating: "get nothing client", count: 333).joined(separator: " ")
        let one = try client.ask("COMMAND INFO get nothing client\r\n").dropFirst(3)
        #expect(one.hasPrefix("*10\r\n$3\r\nget"))
        let many = try sliced("COMMAND INFO \(names)", server, client)
        #expect(many == "*999\r\n" + String(repeating: String(one), count: 333))
        let document = try client.ask("COMMAND DOCS get\r\n").dropFirst(3)
        let documents = try sliced(
            "COMMAND DOCS " + Array(repeating: "get nothing", count: 500).joined(separator: " "), server, client)
        #expect(documents == "*1000\r\n" + String(repeating: String(document), count: 500))
        for word in ["INFO", "DOCS"] {
            #expect(try client.ask("COMMAND \(word) \(names) get get\r\n") == "-ERR at most 1000 names at once\r\n")
            #expect(try sliced("COMMAND \(word)", server, client).hasPrefix("*"))
        }
    }

    @Test("replies that become too long are refused when they are, not when all is written")
    func outputLimit() throws {
        var configuration = ServerConfiguration()
        configuration.outputLimits.normal.hardBytes = 10_000
        let server = EmbeddedServer(configuration)
        let client = try server.connectClient()
        let names = Array(repeating: "get", count: 1_000).joined(separator: " ")
        #expect(try client.ask("COMMAND DOCS \(names)\r\n").hasPrefix("-ERR the reply takes more than 10000 bytes"))
    }

    @Test("CONFIG GET takes as many patterns as there may be of settings that one asks for")
    func settings() throws {
        let client = try EmbeddedServer().connectClient()
        #expect(try client.ask("CONFIG GET" + String(repeating: " *", count: 64) + "\r\n").hasPrefix("*4\r\n"))
        #expect(
            try client.ask("CONFIG GET" + String(repeating: " *", count: 65) + "\r\n")
                == "-ERR CONFIG GET takes at most 64 patterns\r\n")
    }

    @Test("PRESENCE.COUNT BY of many words, in order; of too many an error")
    func words() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let now = server.clock.now()
        func connect(_ numbers: Range<Int>) throws {
            for number in numbers {
                let (user, device) = (Array("u\(number)".utf8), Array("d\(number % 20_000)".utf8))
                let (session, none) = (Array("s".utf8), [UInt8]())
                _ = try server.store.connect(
                    user.span, session: session.span, device: device.span, platform: none.span, server: none.span,
                    at: now)
            }
        }
        try connect(0..<10_000)
        try connect(20_007..<20_008)
        let reply = try sliced("PRESENCE.COUNT BY device", server, client)
        #expect(reply.hasPrefix("*20000\r\n$2\r\nd7\r\n:2\r\n$2\r\nd0\r\n:1\r\n$2\r\nd1\r\n:1\r\n$3\r\nd10\r\n"))
        #expect(try client.ask("PRESENCE.COUNT BY platform\r\n") == "*0\r\n")
        #expect(try client.ask("MULTI\r\nPRESENCE.COUNT BY device\r\nEXEC\r\n").hasSuffix("*1\r\n" + reply))
        try connect(10_000..<18_000)
        #expect(
            try sliced("PRESENCE.COUNT BY device", server, client).hasPrefix(
                "-ERR there are more than 16384 different words"))
    }

    @Test("PUBSUB CHANNELS of many channels, each once")
    func channels() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let subscriber = try server.connectClient()
        let names = (0..<20_000).map { "channel:\($0)" }
        _ = try subscriber.ask(
            "*20001\r\n$9\r\nSUBSCRIBE\r\n" + names.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined())
        let all = try sliced("PUBSUB CHANNELS", server, client).split(separator: "\r\n")
        #expect(all.first == "*20000")
        #expect(Set(all.filter { $0.hasPrefix("c") }.map(String.init)) == Set(names))
        let some = try sliced("PUBSUB CHANNELS *:1999?", server, client)
        #expect(some.hasPrefix("*10\r\n$13\r\nchannel:1999"))
        #expect(server.loop.server.registry.distinct.channels == 20_000)
    }
}
