import Foundation
import PresenceTLS
import Testing

@testable import presence_bench

@Suite("A server that runs elsewhere")
struct ElsewhereTests {
    @Test("every connection logs in first, and one that is refused says why")
    func logsIn() throws {
        let asked = Asked()
        let server = try ScriptedServer { words in
            asked.append(words)
            if words[0] == "AUTH" { return words.last == "secret" ? "+OK\r\n" : "-WRONGPASS no\r\n" }
            return "+PONG\r\n"
        }
        let known = ServerAddress(port: server.port, login: ServerAddress.Login(user: "ann", password: "secret"))
        #expect(try Connection(known).command("PING") == .simple("PONG"))
        let only = ServerAddress(port: server.port, login: ServerAddress.Login(password: "secret"))
        #expect(try Connection(only).command("PING") == .simple("PONG"))
        #expect(asked.all == [["AUTH", "ann", "secret"], ["PING"], ["AUTH", "secret"], ["PING"]])
        let wrong = ServerAddress(port: server.port, login: ServerAddress.Login(password: "guess"))
        let error = #expect(throws: BenchError.self) { try Connection(wrong) }
        #expect(error?.description == "AUTH was answered \"-WRONGPASS no\\r\\n\"")
        // A process that is started for a part of the load logs in, too.
        let job = LoadJob(address: known, way: .get, users: 1_000, connections: 2, pipeline: 1, seconds: 1)
        let copy = try JSONDecoder().decode(LoadJob.self, from: JSONEncoder().encode(job))
        #expect(copy.address.login?.user == "ann" && copy.address.login?.password == "secret")
    }

    /// A Redis that holds nothing but what `values` says by key, and has the settings `one` and `two`.
    private func redis(_ asked: Asked, _ values: [String: String] = [:]) throws -> ScriptedServer {
        try ScriptedServer { words in
            asked.append(words)
            switch words[0] {
            case "DBSIZE": return ":\(values.count)\r\n"
            case "INFO":
                return LoadWay.bulk(words[1] == "server" ? "redis_version:7.0.15\r\nrun_id:abc\r\n" : "# Keyspace\r\n")
            case "COMMAND": return "*1\r\n$-1\r\n"
            case "GET": return values[words[1]].map(LoadWay.bulk) ?? "$-1\r\n"
            case "CONFIG" where words[1] == "GET":
                return "*2\r\n" + LoadWay.bulk(words[2]) + LoadWay.bulk(words[2] == "one" ? "1" : "2")
            default: return "+OK\r\n"
            }
        }
    }

    private static func note(_ runID: String, _ value: String) -> String {
        "{\"runID\":\"\(runID)\",\"settings\":{\"before\":[{\"name\":\"one\",\"value\":\"\(value)\"}]}}"
    }

    @Test("settings are as they were before the first change when all is over, and a note of them stays until then")
    func settings() throws {
        let asked = Asked()
        let server = try redis(asked)
        let target = try LoadTarget(at: ServerAddress(port: server.port), mayEmpty: false)
        let beginning = asked.all.count
        try target.set([("one", "10")])
        try target.set([("two", "20"), ("one", "11")])
        try target.give(.nothing, users: 1_000)
        target.stop()
        target.stop()
        let commands = asked.all[beginning...].map { $0[0] == "SET" ? [$0[0], $0[1]] : $0 }
        let note = ["SET", ChangedSettings.noteKey]
        #expect(
            commands == [
                ["CONFIG", "GET", "one"], note, ["CONFIG", "SET", "one", "10"], ["CONFIG", "GET", "two"], note,
                ["CONFIG", "SET", "two", "20", "one", "11"], ["FLUSHALL"], note,
                ["CONFIG", "SET", "one", "1", "two", "2"], ["FLUSHALL"],
            ])
    }

    @Test("what a run left changed that was cut off is put back by the next, and not taken for the user's")
    func cutOff() throws {
        let asked = Asked()
        let server = try redis(asked, [ChangedSettings.noteKey: ElsewhereTests.note("abc", "77")])
        let address = ServerAddress(port: server.port)
        let error = #expect(throws: BenchError.self) { try LoadTarget(at: address, mayEmpty: false) }
        #expect(error?.description.contains("puts back the settings that a run left changed") == true)
        let target = try LoadTarget(at: address, mayEmpty: true)
        try target.set([("one", "10")])
        let beginning = asked.all.count
        target.stop()
        #expect(!asked.all.contains(["CONFIG", "GET", "one"]))
        #expect(asked.all[beginning...] == [["CONFIG", "SET", "one", "77"], ["FLUSHALL"]])
    }

    @Test("a note from before a server began anew is none: it has its settings back")
    func oldNote() throws {
        let asked = Asked()
        let server = try redis(asked, [ChangedSettings.noteKey: ElsewhereTests.note("before", "77")])
        let target = try LoadTarget(at: ServerAddress(port: server.port), mayEmpty: true)
        try target.set([("one", "10")])
        target.stop()
        #expect(asked.all.suffix(2) == [["CONFIG", "SET", "one", "1"], ["FLUSHALL"]])
    }

    @Test("what is made at a server is deleted, relations first, and its settings are put back, whatever fails")
    func leavesNothing() throws {
        let asked = Asked()
        let server = try ScriptedServer { words in
            asked.append(words)
            switch words[0] {
            case "DBSIZE": return ":0\r\n"
            case "INFO": return LoadWay.bulk(words[1] == "server" ? "presenced_version:1\r\n" : "# Keyspace\r\n")
            case "COMMAND": return "*1\r\n$-1\r\n"
            case "UNDO": return words.count == 1 ? ":1\r\n" : "-ERR no\r\n"
            default: return words[1...].first == "GET" ? "*2\r\n" + LoadWay.bulk("a") + LoadWay.bulk("b") : "+OK\r\n"
            }
        }
        let target = try LoadTarget(at: ServerAddress(port: server.port), mayEmpty: false)
        let beginning = asked.all.count
        target.stop()
        #expect(asked.all.count == beginning)
        try target.give(.nothing, users: 1_000)
        try target.set([("a", "c")])
        for _ in 0..<2 { target.leavesBehind("edges") { try $0.command(["UNDO"], expecting: .integer(1)) } }
        target.leavesBehind("others") { try $0.command(["UNDO", "more"], expecting: .integer(1)) }
        let before = asked.all.count
        target.stop()
        #expect(asked.all[before...] == [["UNDO"], ["UNDO", "more"], ["CONFIG", "SET", "a", "b"], ["FLUSHALL"]])
    }

    @Test(
        "a server that holds keys in any of its databases is not loaded without --flush",
        arguments: [
            ("db5:keys=1234,expires=0,avg_ttl=0\r\n", 0, "1 234 keys (db5: 1 234)"),
            ("db0:keys=2,expires=0\r\ndb15:keys=3,expires=3\r\n", 2, "5 keys (db0: 2, db15: 3)"),
            ("", 7, "7 keys (db0: 7)"), (nil, 8, "8 keys (db0: 8)"), ("db0:keys=0,expires=0\r\n", 0, nil),
        ] as [(String?, Int, String?)])
    func holds(_ keyspace: String?, _ size: Int, _ told: String?) throws {
        let asked = Asked()
        let server = try ScriptedServer { words in
            asked.append(words)
            switch words {
            case ["DBSIZE"]: return ":\(size)\r\n"
            case ["INFO", "keyspace"]: return keyspace.map { LoadWay.bulk("# Keyspace\r\n" + $0) } ?? "-NOPERM no\r\n"
            case ["INFO", "server"]: return LoadWay.bulk("redis_version:7.0.15\r\n")
            default: return words[0] == "COMMAND" ? "*1\r\n$-1\r\n" : "+OK\r\n"
            }
        }
        let address = ServerAddress(port: server.port)
        if let told {
            let error = #expect(throws: BenchError.self) { try LoadTarget(at: address, mayEmpty: false) }
            #expect(
                error?.description
                    == "127.0.0.1 port \(server.port) holds \(told), which a load deletes: --flush allows it")
        } else {
            _ = try LoadTarget(at: address, mayEmpty: false)
        }
        _ = try LoadTarget(at: address, mayEmpty: true)
        #expect(!asked.all.contains { $0[0] == "FLUSHALL" })
    }

    @Test("a server that speaks TLS is reached by a plain port, and whose key is another is not")
    func relays() throws {
        func configuration(_ role: TLSConfiguration.Role, key: UInt8) -> TLSConfiguration {
            var configuration = TLSConfiguration(role: role)
            configuration.sharedKeys = [TLSSharedKey(identity: [1], key: Array(repeating: key, count: 32))]
            return configuration
        }
        let server = try ScriptedServer(TLSContext(configuration(.server, key: 7))) { words in LoadWay.bulk(words[1]) }
        let address = ServerAddress(port: server.port)
        let relay = try TLSRelay(to: address, configuration(.client, key: 7))
        let connections = try (0..<3).map { _ in try Connection(port: relay.port) }
        for (number, connection) in connections.enumerated() {
            #expect(try connection.command("ECHO", "text \(number)") == .bulk("text \(number)"))
        }
        let other = try TLSRelay(to: address, configuration(.client, key: 8))
        #expect(throws: BenchError.self) { try Connection(port: other.port).command("ECHO", "text") }
    }

    @Test("options of a server elsewhere are refused where there is none, and TLS's where there is no TLS")
    func options() {
        for wrong in [
            ["--password", "p"], ["--flush"], ["--host", "a", "--user", "u"], ["--host", "a", "--cacert", "f"],
            ["--tls"],
        ] {
            #expect(throws: (any Error).self) { try LoadCommand.parse(["get"] + wrong) }
        }
        #expect(throws: Never.self) {
            try LoadCommand.parse(["get", "--host", "a", "--user", "u", "--password", "p", "--tls", "--cacert", "f"])
        }
    }
}
