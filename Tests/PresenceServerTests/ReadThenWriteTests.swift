import Testing

@testable import PresenceServer

/// What several nodes cannot do as one: each such command says so of a plain string, and works on a presence and at a node alone as ever.
@Suite struct ReadThenWriteTests {
    private static let ends = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]

    /// Commands on the key `k`, and the name in the error.
    private static let refused: [(command: String, name: String)] =
        [
            ("INCR k", "INCR"), ("DECR k", "DECR"), ("INCRBY k 5", "INCRBY"), ("DECRBY k 5", "DECRBY"),
            ("APPEND k x", "APPEND"), ("SETNX k 1", "SETNX"), ("GETSET k 1", "GETSET"), ("GETDEL k", "GETDEL"),
            ("SET k 1 NX", "SET NX"), ("SET k 1 XX EX 5", "SET XX"), ("SET k 1 GET", "SET GET"),
            ("set k 1 nx px 5000 get", "SET GET"), ("incr k", "INCR"),
        ]
        + ends.flatMap { end in
            ["NX", "XX", "GT", "LT", "XX GT"].map { ("\(end) k 5000 \($0)", "\(end) \($0 == "XX GT" ? "GT" : $0)") }
        }

    private static func server(hasPeers: Bool) -> EmbeddedServer {
        var configuration = ServerConfiguration()
        configuration.hasPeers = hasPeers
        return EmbeddedServer(configuration) { $0.replicaLogEntries = 64 }
    }

    private static func error(_ name: String) -> String {
        "-ERR \(name) reads and then writes, which several nodes cannot do as one: keep counters in one place, "
            + "or run one node\r\n"
    }

    @Test(arguments: refused)
    func isRefusedWithPeersAndNothingChanges(command: String, name: String) throws {
        let server = Self.server(hasPeers: true)
        let client = try server.connectClient()
        #expect(try client.ask("\(command)\r\n") == Self.error(name))
        #expect(try client.ask("EXISTS k\r\n") == ":0\r\n")
        #expect(try client.ask("SET k 7\r\n") == "+OK\r\n")
        #expect(try client.ask("\(command)\r\n") == Self.error(name))
        #expect(try client.ask("GET k\r\nTTL k\r\n") == "$1\r\n7\r\n:-1\r\n")
        // Within a transaction it is one command's error, as Redis has it.
        #expect(try client.ask("MULTI\r\n\(command)\r\nGET k\r\nEXEC\r\n").hasSuffix(Self.error(name) + "$1\r\n7\r\n"))
        let alone = try Self.server(hasPeers: false).connectClient()
        #expect(try alone.ask("SET k 7\r\n") == "+OK\r\n")
        #expect(!(try alone.ask("\(command)\r\n")).hasPrefix("-"))
    }

    @Test func whatDoesNotReadFirstWorks() throws {
        let client = try Self.server(hasPeers: true).connectClient()
        #expect(try client.ask("SET k 1 EX 50\r\nSET k 2 KEEPTTL\r\n") == "+OK\r\n+OK\r\n")
        #expect(try client.ask("TTL k\r\nEXPIRE k 70\r\nTTL k\r\n") == ":50\r\n:1\r\n:70\r\n")
        #expect(try client.ask("GETEX k PERSIST\r\nTTL k\r\n") == "$1\r\n2\r\n:-1\r\n")
        #expect(try client.ask("SETEX k 5 3\r\nMSET k 4 l 5\r\nDEL l\r\nPERSIST k\r\n") == "+OK\r\n+OK\r\n:1\r\n:0\r\n")
        // WATCH compares with what this node knows.
        #expect(try client.ask("WATCH k\r\nMULTI\r\nSET k 5\r\nEXEC\r\n").hasSuffix("*1\r\n+OK\r\n"))
        // What no command may do is said first.
        #expect(try client.ask("SET k 1 NX XX\r\n") == "-ERR syntax error\r\n")
        #expect(try client.ask("INCRBY k x\r\n") == "-ERR value is not an integer or out of range\r\n")
    }

    @Test func presencesAreExempt() throws {
        let client = try Self.server(hasPeers: true).connectClient()
        func ask(_ command: String) throws -> String {
            let key = "presence:user:alice"
            let line = command.replacing("KEY", with: key).replacing("RECORD", with: "{\"status\":\"online\"}")
            return try client.ask(line.asRequest)
        }
        #expect(try ask("SET KEY RECORD NX EX 60") == "+OK\r\n")
        #expect(try ask("SET KEY RECORD NX EX 60") == "$-1\r\n")
        #expect(try ask("SET KEY RECORD XX EX 60") == "+OK\r\n")
        #expect(try ask("SETNX KEY RECORD") == ":0\r\n")
        #expect(try ask("EXPIRE KEY 90 GT") == ":1\r\n")
        #expect(try ask("EXPIRE KEY 80 XX") == ":1\r\n")
        #expect(try ask("SET KEY RECORD GET").contains("online"))
        #expect(try ask("GETDEL KEY").contains("online"))
        #expect(try ask("INCR KEY").hasPrefix("-WRONGTYPE"))
    }

    @Test func aStringThatIsTooLongForOthersIsRefused() throws {
        let server = EmbeddedServer {
            $0.replicaLogEntries = 64
            $0.maxReplicatedString = 1 << 20
        }
        let client = try server.connectClient()
        let value = String(repeating: "x", count: 1 << 20)
        let error = "-ERR string exceeds 1mb, the most that nodes of a cluster tell each other\r\n"
        #expect(try client.ask("SET k \(value)\r\n".asRequest) == error)
        #expect(try client.ask("SET k \(value.dropLast())\r\n".asRequest) == "+OK\r\n")
        #expect(try client.ask("APPEND k x\r\n") == error)
        #expect(try client.ask("STRLEN k\r\n") == ":1048575\r\n")
    }
}
