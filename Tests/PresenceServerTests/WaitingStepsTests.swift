import NIOPosix
import PresenceStore
import Testing

@testable import PresenceServer

@Suite("Steps of long work", .serialized)
struct WaitingStepsTests {
    @Test("run in the order in which they came, and what one leaves for later behind all others")
    func order() {
        let server = EmbeddedServer()
        var order: [String] = []
        for name in ["a", "b", "c"] {
            server.loop.afterOthers {
                order.append(name)
                server.loop.afterOthers { order.append(name + "'") }
            }
        }
        #expect(order.isEmpty)
        server.eventLoop.advanceTime(by: .milliseconds(1))
        #expect(order == ["a", "b", "c", "a'", "b'", "c'"])
        server.loop.afterOthers { order = [] }
        server.eventLoop.advanceTime(by: .milliseconds(1))
        #expect(order.isEmpty)
    }

    /// Steps that take as long as a slice should, and steps so long that a tick is due behind each; of one client, of two.
    @Test("let sockets have their turn, however long each takes and whoever else has some", arguments: [1, 6], [1, 2])
    func sockets(milliseconds: Int64, chains: Int) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await SocketServer(ServerConfiguration(), group)
        let loop = try #require(server.server.loops.first)
        let steps = Tally()
        let answers = Tally()
        let limit = Int(6_000 / milliseconds)
        for _ in 0..<chains { loop.eventLoop.execute { goOn() } }
        @Sendable func goOn() {
            loop.afterOthers {
                let end = Stopwatch.microseconds() + milliseconds * 1_000
                while Stopwatch.microseconds() < end {}
                steps.add()
                if answers.value < 10, steps.value < limit { goOn() }
            }
        }
        let client = try server.connect()
        for _ in 0..<10 {
            #expect(try client.ask("PING") == "+PONG\r\n")
            answers.add()
        }
        #expect(steps.value < limit, "answered only once all steps were done")
        await server.server.stop()
        try await group.shutdownGracefully()
    }

    @Test("that nobody will run any more are forgotten with the event loop")
    func endOfLoop() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await SocketServer(ServerConfiguration(), group)
        let loop = try #require(server.server.loops.first)
        loop.eventLoop.execute { goOn() }
        @Sendable func goOn() { loop.afterOthers { goOn() } }
        await server.server.stop()
        try await group.shutdownGracefully()
        #expect(loop.waitingSteps.isEmpty)
    }
}
