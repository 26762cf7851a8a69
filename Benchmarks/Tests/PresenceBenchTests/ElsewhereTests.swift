import Foundation
import NIOCore
import NIOPosix
import PresenceTLS
import Testing

@testable import presence_bench

/// A server of the Redis protocol for one test: it keeps settings and says what it was asked.
private final class ScriptedServer: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let listener: any Channel
    let port: Int

    /// - Parameter tls: what it speaks TLS with; plain text if nil.
    init(_ tls: TLSContext? = nil, _ answer: @escaping @Sendable ([String]) -> String) throws {
        let buffers = TLSBuffers()
        listener = try ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler(context: tls, buffers: buffers))
                    }
                    try channel.pipeline.syncOperations.addHandler(AnswerHandler(answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        port = listener.localAddress?.port ?? 0
    }

    deinit { try? group.syncShutdownGracefully() }
}

/// Answers whole commands, which the tests send one a write.
private final class AnswerHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let answer: @Sendable ([String]) -> String

    init(_ answer: @escaping @Sendable ([String]) -> String) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let lines = String(buffer: unwrapInboundIn(data)).components(separatedBy: "\r\n")
        let words = stride(from: 2, to: lines.count, by: 2).map { lines[$0] }
        context.channel.writeAndFlush(ByteBuffer(string: answer(words)), promise: nil)
    }
}

/// What a server was asked, in order.
private final class Asked: @unchecked Sendable {
    private let lock = NSLock()
    private var words: [[String]] = []

    var all: [[String]] { lock.withLock { words } }

    func append(_ command: [String]) { lock.withLock { words.append(command) } }
}

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

    @Test("settings are as they were before the first change when all is over, and untouched ones are not written")
    func settings() throws {
        let asked = Asked()
        let values = ["one": "1", "two": "2"]
        let server = try ScriptedServer { words in
            asked.append(words)
            guard words[1] == "GET", let value = values[words[2]] else { return "+OK\r\n" }
            return "*2\r\n" + LoadWay.bulk(words[2]) + LoadWay.bulk(value)
        }
        let connection = try Connection(port: server.port)
        var settings = ChangedSettings()
        try settings.putBack(connection)
        #expect(asked.all.isEmpty)
        try settings.set([("one", "10")], connection)
        try settings.set([("two", "20"), ("one", "11")], connection)
        try settings.putBack(connection)
        try settings.putBack(connection)
        #expect(
            asked.all == [
                ["CONFIG", "GET", "one"], ["CONFIG", "SET", "one", "10"], ["CONFIG", "GET", "two"],
                ["CONFIG", "SET", "two", "20", "one", "11"], ["CONFIG", "SET", "one", "1", "two", "2"],
            ])
    }

    @Test("what is made at a server that runs is deleted, relations first, and its settings are put back")
    func leavesNothing() throws {
        let asked = Asked()
        let server = try ScriptedServer { words in
            asked.append(words)
            switch words[0] {
            case "DBSIZE": return ":0\r\n"
            case "INFO": return LoadWay.bulk("presenced_version:1\r\n")
            case "COMMAND": return "*1\r\n$-1\r\n"
            case "UNDO": return ":1\r\n"
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
        let before = asked.all.count
        target.stop()
        #expect(asked.all[before...] == [["UNDO"], ["FLUSHALL"], ["CONFIG", "SET", "a", "b"]])
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
