import NIOCore
import Testing

@testable import PresenceServer

/// How often an event loop looks at the time.
@Suite struct RestingTests {
    @Test func aLoopRestsOnlyWhileNothingCanHappen() throws {
        let server = EmbeddedServer(isManual: false)
        server.loop.start()
        defer { server.loop.stop() }
        let client = try server.connectClient()
        #expect(!server.loop.isResting)
        server.eventLoop.advanceTime(by: .seconds(3))
        #expect(server.loop.isResting)
        #expect(server.loop.server.restingLoops.load(ordering: .relaxed) == 1)

        // A command ends the rest at once: what it brings may be due soon.
        #expect(try client.ask("PING\r\n") == "+PONG\r\n")
        #expect(!server.loop.isResting)
        #expect(server.loop.server.restingLoops.load(ordering: .relaxed) == 0)

        // While a session may run out there is no rest, however quiet it is.
        #expect(try client.ask("PRESENCE.CONNECT presence:user:a s\r\n") == ":1\r\n")
        server.eventLoop.advanceTime(by: .seconds(3))
        #expect(!server.loop.isResting)
    }

    @Test func whatIsDueSoonIsTakenInTimeByALoopThatRested() throws {
        let server = EmbeddedServer(isManual: false)
        server.loop.start()
        defer { server.loop.stop() }
        let client = try server.connectClient()
        server.eventLoop.advanceTime(by: .seconds(3))
        #expect(try client.ask("SET a 1 PX 5\r\n") == "+OK\r\n")
        server.moveClock(milliseconds: 16)
        server.eventLoop.advanceTime(by: .milliseconds(6))
        #expect(server.store.statistics().expiredStrings == 1)
    }
}
