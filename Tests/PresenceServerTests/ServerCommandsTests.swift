import Presence
import PresenceStore
import Testing

@testable import PresenceServer

/// What operators ask: INFO, CONFIG, CLIENT LIST, and settings that change while clients are served.
@Suite struct ServerCommandsTests {
    /// The fields of an INFO reply.
    private func fields(_ client: EmbeddedClient, _ section: String = "") throws -> [String: String] {
        let text = try client.ask("INFO \(section)\r\n")
        var fields: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[String(parts[0])] = String(parts[1]) }
        }
        return fields
    }

    @Test func infoTellsOfPresence() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        _ = try client.ask(
            "PRESENCE.CONNECT presence:user:a one EX 5\r\nPRESENCE.CONNECT presence:user:b two STATUS dnd\r\n")
        _ = try client.ask("PRESENCE.BEAT presence:user:a one\r\nPRESENCE.BEAT presence:user:c one\r\nSET k v\r\n")
        _ = try client.ask("PRESENCE.ADVANCE 5000\r\n")
        let presence = try fields(client, "presence")
        #expect(presence["users_online"] == "0")
        #expect(presence["users_dnd"] == "1")
        #expect(presence["users_offline"] == "1")
        #expect(presence["users_present"] == "1")
        #expect(presence["strings"] == "1")
        #expect(presence["connects"] == "2")
        #expect(presence["beats"] == "1")
        #expect(presence["unknown_beats"] == "1")
        #expect(presence["expired_sessions"] == "1")
        #expect(presence["expiry_lateness_max_ms"] == "0")
        #expect(presence["heartbeat_interval_ms"] == "30000")
        #expect(try fields(client, "keyspace")["db0"]?.hasPrefix("keys=2,") == true)
    }

    @Test func infoCountsWhatClientsDo() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        _ = try client.ask("SET k v\r\nGET k\r\nGET nothing\r\nGET presence:user:a\r\n")
        let stats = try fields(client, "stats")
        #expect(stats["total_commands_processed"] == "4")
        #expect(stats["total_connections_received"] == "1")
        #expect(stats["keyspace_hits"] == "1")
        #expect(stats["keyspace_misses"] == "2")
        #expect(try fields(client, "clients")["connected_clients"] == "1")
        #expect(try fields(client, "memory")["mem_allocator"] == "test")

        #expect(try client.ask("CONFIG RESETSTAT\r\n") == "+OK\r\n")
        let fresh = try fields(client, "stats")
        #expect(fresh["keyspace_hits"] == "0")
        #expect(fresh["total_connections_received"] == "0")
    }

    @Test func infoHasSections() throws {
        let client = try EmbeddedServer().connectClient()
        let all = try client.ask("INFO\r\n")
        for section in ["Server", "Clients", "Memory", "Stats", "Replication", "CPU", "Presence", "Keyspace"] {
            #expect(all.contains("# \(section)\r\n"))
        }
        let two = try client.ask("INFO server memory\r\n")
        #expect(two.contains("# Server\r\n") && two.contains("# Memory\r\n") && !two.contains("# Stats"))
        #expect(try client.ask("INFO nothing\r\n") == "$0\r\n\r\n")
    }

    @Test func configGoesThroughThePort() throws {
        let client = try EmbeddedServer().connectClient()
        #expect(
            try client.ask("CONFIG GET max* timeout max*\r\n")
                == "*4\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n$7\r\ntimeout\r\n$1\r\n0\r\n")
        #expect(try client.ask("CONFIG SET timeout 5 maxclients 7\r\n") == "+OK\r\n")
        #expect(try client.ask("CONFIG GET timeout\r\n") == "*2\r\n$7\r\ntimeout\r\n$1\r\n5\r\n")
        #expect(
            try client.ask("CONFIG SET nothing 1\r\n")
                == "-ERR Unknown option or number of arguments for CONFIG SET - 'nothing'\r\n")
        #expect(
            try client.ask("CONFIG SET timeout\r\n") == "-ERR wrong number of arguments for 'config|set' command\r\n")
    }

    @Test func aPasswordSetByAClientHoldsForTheNextOne() throws {
        let server = EmbeddedServer()
        let loop = server.loop
        server.settings.changed.withLock {
            $0 = { _ in
                var configuration = loop.configuration
                configuration.password = "secret"
                configuration.maximumBulkLength = 100
                loop.apply(configuration)
            }
        }
        let client = try server.connectClient()
        #expect(try client.ask("CONFIG SET timeout 1\r\nPING\r\n") == "+OK\r\n+PONG\r\n")
        #expect(try server.connectClient().ask("PING\r\n") == "-NOAUTH Authentication required.\r\n")
        // The new limit holds for the connection that is there.
        #expect(try client.ask("*2\r\n$4\r\nECHO\r\n$200\r\n") == "-ERR Protocol error: invalid bulk length\r\n")
    }

    @Test func notificationsChangeWhileSomebodyListens() throws {
        let server = EmbeddedServer()
        let listener = try server.connectClient()
        let client = try server.connectClient()
        _ = try listener.ask("SUBSCRIBE __keyevent@0__:del\r\n")
        _ = try client.ask("SET k v\r\nDEL k\r\n")
        #expect(try listener.read() == "*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:del\r\n$1\r\nk\r\n")
        var configuration = server.loop.configuration
        configuration.keyspaceNotifications = []
        server.loop.apply(configuration)
        #expect(server.loop.publisher.reader == nil)
        _ = try client.ask("SET k v\r\nDEL k\r\n")
        #expect(try listener.read() == "")
        configuration.keyspaceNotifications = [.keyevent, .generic]
        server.loop.apply(configuration)
        _ = try client.ask("SET k v\r\nDEL k\r\n")
        #expect(try listener.read().hasSuffix("$1\r\nk\r\n"))
    }

    @Test func clientsAreListedByKind() throws {
        let server = EmbeddedServer()
        let subscriber = try server.connectClient()
        let client = try server.connectClient()
        _ = try subscriber.ask("CLIENT SETNAME ear\r\nSUBSCRIBE a b\r\n")
        let all = try client.ask("CLIENT LIST\r\n")
        #expect(all.contains("name=ear ") && all.contains("flags=P") && all.contains("sub=2 "))
        #expect(all.contains("cmd=client|list"))
        let normal = try client.ask("CLIENT LIST TYPE normal\r\n")
        #expect(!normal.contains("name=ear "))
        #expect(try client.ask("CLIENT LIST TYPE master\r\n") == "$0\r\n\r\n")
        #expect(try client.ask("CLIENT LIST ID 1\r\n").contains("name=ear "))
        #expect(try client.ask("CLIENT LIST ID x\r\n") == "-ERR Invalid client ID\r\n")
    }

    @Test func aReaderThatFellBehindIsToldAndCounted() throws {
        let server = EmbeddedServer { $0.changeRingBytes = 16_384 }
        let listener = try server.connectClient()
        _ = try listener.ask("SUBSCRIBE user.status.changed\r\n")
        // Straight into the store, so that nobody reads meanwhile.
        for number in 0..<5000 {
            let user = Array("user-\(number)".utf8)
            let session = Array("s".utf8)
            let none: [UInt8] = []
            try server.store.connect(
                user.span, session: session.span, device: none.span, platform: none.span, server: none.span,
                at: server.clock.now())
        }
        server.advance(milliseconds: 10)
        let client = try server.connectClient()
        let missed = Int(try fields(client, "presence")["events_missed"] ?? "") ?? 0
        #expect(missed > 0)
        let heard = try listener.read().split(separator: "\"newStatus\"").count - 1
        #expect(heard + missed == 5000)
    }

    @Test func helpNamesEveryCommandOfPresence() throws {
        let client = try EmbeddedServer().connectClient()
        let help = try client.ask("PRESENCE.HELP\r\n")
        for command in HelpText.presenceCommands { #expect(help.contains("+\(HelpText.usage(command))\r\n")) }
        #expect(try client.ask("PRESENCE.HELP nothing\r\n").hasPrefix("-ERR no command 'nothing' here"))
        #expect(try client.ask("PRESENCE.HELP config\r\n").contains("CONFIG RESETSTAT"))
    }
}
