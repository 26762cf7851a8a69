import Foundation
import PresenceTesting
import Testing
import TranscriptSupport

@testable import PresenceServer

/// What a transaction holds, and what bounds it. The rest of its rules is the story `20-transactions.txt`.
@Suite struct TransactionTests {
    @Test("every command finds in EXEC the shards that it needs, whatever its arguments are")
    func everyCommandInATransaction() throws {
        let grammar = RequestGrammar()
        for random in SeededRandom.cases(30) {
            var random = random
            let server = EmbeddedServer { $0.shards = 64 }
            let client = try server.connectClient()
            for _ in 0..<20 {
                _ = try client.ask("RESET\r\nMULTI\r\n")
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    try client.send(RequestGrammar.encode(grammar.request(&random), &random))
                }
                _ = try client.ask("EXEC\r\n")
                // What ends the transaction before, as EXEC with an argument does, leaves the rest to be done at once; and a long report comes in slices.
                server.eventLoop.advanceTime(by: .milliseconds(100))
                // One reply more may be left out: CLIENT REPLY SKIP.
                let end = try client.ask("RESET\r\nPING\r\n")
                // QUIT is not queued.
                guard client.channel.isActive else { break }
                #expect(end.hasSuffix("+PONG\r\n"), "\(random)")
            }
        }
    }

    @Test func aTransactionIsBoundedAsACommandIs() throws {
        var configuration = ServerConfiguration()
        configuration.maximumCommandBytes = 1 << 20
        let server = EmbeddedServer(configuration)
        let client = try server.connectClient()
        #expect(try client.ask("MULTI\r\n") == "+OK\r\n")
        let value = String(repeating: "x", count: 400_000)
        #expect(try client.ask("SET a \(value)\r\n".asRequest) == "+QUEUED\r\n")
        #expect(try client.ask("SET b \(value)\r\n".asRequest) == "+QUEUED\r\n")
        let refusal = try client.ask("SET c \(value)\r\n".asRequest)
        #expect(refusal.hasPrefix("-ERR ") && refusal.contains("client-query-buffer-limit"))
        #expect(try client.ask("EXEC\r\n") == "-EXECABORT Transaction discarded because of previous errors.\r\n")
        #expect(try client.ask("EXISTS a b c\r\n") == ":0\r\n")
    }

    @Test func watchedKeysAreBounded() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let keys = (0..<TransactionCommands.maximumWatchedKeys).map { "k\($0)" }.joined(separator: " ")
        #expect(try client.ask("WATCH \(keys)\r\n".asRequest) == "+OK\r\n")
        #expect(try client.ask("WATCH one.more\r\n").hasPrefix("-ERR a connection may watch at most 10000 keys"))
        #expect(try client.ask("UNWATCH\r\n") == "+OK\r\n")
        #expect(try client.ask("WATCH one.more\r\n") == "+OK\r\n")
    }

    @Test func aSubscriptionWithinATransactionHearsWhatComesAfterIt() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        _ = try client.ask("HELLO 3\r\n")
        let told = try client.ask(
            "MULTI\r\nSUBSCRIBE user.status.changed\r\nDBSIZE\r\nEXEC\r\nPRESENCE.CONNECT presence:user:a s\r\n")
        #expect(told.contains("\"newStatus\":\"online\""), "\(told)")
    }

    @Test func aConnectionThatEndsWithinATransactionLeavesNothing() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        _ = try client.ask("WATCH a\r\nMULTI\r\nSET a 1\r\n")
        _ = try client.channel.finish(acceptAlreadyClosed: true)
        #expect(server.loop.clients.isEmpty)
        #expect(try server.connectClient().ask("EXISTS a\r\n") == ":0\r\n")
    }

    @Test("a transaction may have sixteen walks over all keys")
    func walks() throws {
        let client = try EmbeddedServer().connectClient()
        let walks = String(repeating: "KEYS *\r\nCLUSTER COUNTKEYSINSLOT 1\r\nFLUSHALL\r\nFLUSHDB\r\n", count: 4)
        let queued = "+OK\r\n" + String(repeating: "+QUEUED\r\n", count: 16)
        for (walk, name) in [
            ("KEYS *", "KEYS"), ("CLUSTER COUNTKEYSINSLOT 1", "CLUSTER COUNTKEYSINSLOT"), ("FLUSHALL", "FLUSHALL"),
        ] {
            #expect(
                try client.ask("MULTI\r\n\(walks)\(walk)\r\n")
                    == "\(queued)-ERR a transaction may have at most 16 commands such as \(name), as all keys are held meanwhile\r\n"
            )
            #expect(try client.ask("EXEC\r\n").hasPrefix("-EXECABORT"))
        }
        // The next transaction may have as many again.
        #expect(try client.ask("MULTI\r\n\(walks)EXEC\r\n").hasPrefix("\(queued)*16\r\n*0\r\n"))
    }
}

extension String {
    /// The words of a typed line as a request, for lines that are too long to be typed.
    var asRequest: String {
        let words = split { " \r\n".contains($0) }
        return "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }
}
