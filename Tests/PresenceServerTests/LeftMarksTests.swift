import NIOCore
import Presence
import PresenceTesting
import Testing

@testable import PresenceServer

@Suite("What changes on a list while nobody hears of it")
struct LeftMarksTests {
    private func set(_ client: EmbeddedClient, _ status: String) throws {
        #expect(try client.ask("PRESENCE.SET presence:user:x STATUS \(status)\r\n") == "+OK\r\n")
    }

    @Test(
        "is told with the next change to who hears a pattern since, and at once to who hears the list",
        arguments: [true, false])
    func later(_ isPattern: Bool) throws {
        let server = EmbeddedServer { $0.statusChangesPerMinute = 0 }
        let client = try server.connectClient()
        let listener = try server.connectClient()
        for user in ["x", "y"] { _ = try client.ask("PRESENCE.CONNECT presence:user:\(user) s EX 300\r\n") }
        _ = try client.ask("PRESENCE.WATCH presence:user:v presence:user:x presence:user:y\r\n")
        try set(client, "dnd")
        _ = try client.ask("PRESENCE.SET presence:user:y STATUS dnd\r\n")
        server.advance(milliseconds: 100)
        _ = try listener.ask(isPattern ? "PSUBSCRIBE presence.watch:*\r\n" : "SUBSCRIBE presence.watch:v\r\n")
        server.advance(milliseconds: 100)
        if !isPattern {
            let first = try listener.read()
            #expect(first.contains(#"["x","dnd""#) && first.contains(#"["y","dnd""#))
        }
        for (place, status) in ["away", "dnd", "away"].enumerated() {
            try set(client, status)
            server.advance(milliseconds: 100)
            let told = try listener.read()
            #expect(told.contains(#"["x","\#(status)""#), "\(told)")
            #expect(told.contains(#"["y","dnd""#) == (isPattern && place == 0), "\(told)")
        }
        // Left again, and heard again.
        _ = try listener.ask(isPattern ? "PUNSUBSCRIBE\r\n" : "UNSUBSCRIBE\r\n")
        try set(client, "dnd")
        server.advance(milliseconds: 100)
        #expect(try listener.read().isEmpty)
        _ = try listener.ask("PSUBSCRIBE presence.watch:*\r\n")
        try set(client, "auto")
        server.advance(milliseconds: 100)
        #expect(try listener.read().contains(#"["x","online""#))
    }
}
