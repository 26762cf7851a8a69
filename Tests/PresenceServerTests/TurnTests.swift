import NIOCore
import NIOEmbedded
import Testing

@testable import PresenceServer

@Suite("No client holds an event loop for long")
struct TurnTests {
    /// Lets so much of the event loop's time pass that one turn which waits behind others comes.
    private func nextTurn(_ server: EmbeddedServer) { server.eventLoop.advanceTime(by: .microseconds(60)) }

    @Test(
        "commands whose work grows have a turn each once the turn has taken its time, and their replies keep their order"
    )
    func cutTurns() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let other = try server.connectClient()
        server.loop.turnLimit = 0
        let scan = "*2\r\n$1\r\n0\r\n*0\r\n"
        #expect(try client.ask("ECHO a\r\nSCAN 0\r\nECHO b\r\nMGET x\r\nECHO c\r\n") == "$1\r\na\r\n" + scan)
        // What comes meanwhile waits behind it; others do not.
        #expect(try client.ask("ECHO d\r\n") == "")
        #expect(try other.ask("ECHO other\r\n") == "$5\r\nother\r\n")
        nextTurn(server)
        #expect(try client.read() == "$1\r\nb\r\n*1\r\n$-1\r\n")
        nextTurn(server)
        #expect(try client.read() == "$1\r\nc\r\n$1\r\nd\r\n")
        nextTurn(server)
        #expect(try client.ask("ECHO e\r\n") == "$1\r\ne\r\n")
    }

    @Test("commands that are quick have their turn together, up to 64")
    func quickCommands() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        server.loop.turnLimit = 0
        let pings = String(repeating: "*1\r\n$4\r\nPING\r\n", count: 150)
        #expect(try client.ask(pings) == String(repeating: "+PONG\r\n", count: 64))
        nextTurn(server)
        #expect(try client.read() == String(repeating: "+PONG\r\n", count: 64))
        nextTurn(server)
        #expect(try client.read() == String(repeating: "+PONG\r\n", count: 22))
    }

    @Test("nothing more is read of a client whose commands wait for their turn")
    func backPressure() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        server.loop.turnLimit = 0
        _ = try client.ask("SCAN 0\r\nPING\r\n")
        func isRead() throws -> Bool {
            let options = client.channel.options.last { $0.option is ChannelOptions.Types.AutoReadOption }
            return try !#require(client.handler.client).isSuspended && options?.value as? Bool ?? true
        }
        #expect(try !isRead())
        nextTurn(server)
        #expect(try client.read() == "+PONG\r\n")
        #expect(try isRead())
        // With nothing left there is nothing to wait for.
        _ = try client.ask("SCAN 0\r\n")
        #expect(try isRead())
    }

    @Test("transactions, ends and who leaves are what they are in one turn")
    func cutStories() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        server.loop.turnLimit = 0
        let begin = try client.ask("MULTI\r\nSET a 1\r\nSCAN 0\r\nEXEC\r\nGET a\r\nSCAN 0\r\nQUIT\r\nPING\r\n")
        #expect(begin == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n")
        nextTurn(server)
        #expect(try client.read() == "$1\r\n1\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n")
        nextTurn(server)
        #expect(try client.read() == "+OK\r\n")
        #expect(!client.channel.isActive)
        let leaver = try server.connectClient()
        _ = try leaver.ask("SCAN 0\r\nSET b 1\r\n")
        try leaver.channel.close().wait()
        nextTurn(server)
        #expect(try server.connectClient().ask("GET b\r\n") == "$-1\r\n")
    }
}
