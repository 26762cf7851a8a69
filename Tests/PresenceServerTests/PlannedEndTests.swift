import NIOCore
import NIOEmbedded
import Testing

@testable import PresenceServer

@Suite("What was planned for the end of a wait goes with the wait")
struct PlannedEndTests {
    private func isTakenBack(_ task: Scheduled<Void>) -> Bool {
        var isTakenBack = false
        task.futureResult.assumeIsolated().whenFailure { isTakenBack = $0 as? EventLoopError == .cancelled }
        return isTakenBack
    }

    @Test("of a client that leaves", arguments: ["PRESENCE.CHANGES $ BLOCK 31000000000", "WAIT 1 31000000000"])
    func leaver(_ command: String) throws {
        let server = EmbeddedServer()
        let connection = try server.connectClient()
        #expect(try connection.ask(command + "\r\n") == "")
        let wait = try #require(server.loop.clients.values.first?.wait)
        let planned = try #require((wait as? ChangeWait)?.plannedEnd ?? (wait as? HolderWait)?.plannedEnd)
        #expect(!isTakenBack(planned))
        try connection.channel.close().wait()
        server.eventLoop.run()
        #expect(isTakenBack(planned))
    }

    @Test("of a pause that is asked for again, or ended")
    func pauses() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        #expect(try client.ask("CLIENT PAUSE 100000\r\n") == "+OK\r\n")
        let first = try #require(server.loop.pause.look)
        #expect(try client.ask("CLIENT PAUSE 200000\r\n") == "")
        #expect(server.loop.pause.look != nil)
        server.loop.pauseClients(holdsReads: true, milliseconds: 300_000)
        #expect(isTakenBack(first))
        let second = try #require(server.loop.pause.look)
        server.loop.endPause()
        #expect(isTakenBack(second))
    }

    @Test("of a drain that is given another end")
    func drains() throws {
        let server = EmbeddedServer()
        #expect(try server.connectClient().ask("SHUTDOWN DRAIN 100\r\n") == "")
        let first = try #require(server.loop.drainEnd)
        #expect(try server.connectClient().ask("SHUTDOWN DRAIN 200\r\n") == "")
        #expect(isTakenBack(first))
        #expect(try !isTakenBack(#require(server.loop.drainEnd)))
    }
}
