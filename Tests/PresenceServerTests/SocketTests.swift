import Glibc
import Logging
import NIOPosix
import Presence
import PresenceStore
import Testing
import TranscriptSupport

@testable import PresenceServer

/// The server on real sockets of the loopback interface: listening, limits, several event loops, the end.
@Suite(.serialized) struct SocketTests {
    @Test func twoLoopsServeOneStore() async throws {
        try await withServer(loops: 2) { server in
            let clients = try (0..<6).map { _ in try server.connect() }
            for (index, client) in clients.enumerated() {
                #expect(try client.ask("SET key:\(index) \(index)") == "+OK\r\n")
            }
            #expect(try clients[0].ask("DBSIZE") == ":6\r\n")
            let list = try clients[3].ask("CLIENT LIST", until: { $0.components(of: "lib-ver=") >= 6 })
            #expect(list.components(of: " laddr=") == 6)
        }
    }

    @Test func messagesReachTheSubscribersOfAllLoops() async throws {
        try await withServer(loops: 2) { server in
            let subscribers = try (0..<6).map { _ in try server.connect() }
            for client in subscribers { _ = try client.ask("SUBSCRIBE news", until: { $0.hasSuffix(":1\r\n") }) }
            let publisher = try server.connect()
            #expect(try publisher.ask("PUBLISH news hello") == ":6\r\n")
            for client in subscribers {
                #expect(try client.read(until: { $0.hasSuffix("hello\r\n") }).hasPrefix("*3\r\n$7\r\nmessage\r\n"))
            }
        }
    }

    @Test func aChangeIsHeardOnEveryLoop() async throws {
        try await withServer(loops: 2) { server in
            let subscribers = try (0..<4).map { _ in try server.connect() }
            for client in subscribers {
                _ = try client.ask("SUBSCRIBE user.status.changed", until: { $0.hasSuffix(":1\r\n") })
            }
            let service = try server.connect()
            for number in 0..<50 {
                #expect(try service.ask("PRESENCE.CONNECT presence:user:\(number) s") == ":1\r\n")
            }
            for client in subscribers {
                let heard = try client.read(until: { $0.components(of: "\"newStatus\":\"online\"") == 50 })
                #expect(heard.components(of: "\"newStatus\":\"online\"") == 50)
            }
        }
    }

    @Test func timePassesByItself() async throws {
        try await withServer(loops: 1) { server in
            let watcher = try server.connect()
            _ = try watcher.ask("SUBSCRIBE user.status.changed", until: { $0.hasSuffix(":1\r\n") })
            let service = try server.connect()
            let record = #"{"status":"online"}"#
            #expect(try service.ask("SET presence:user:a '\(record)' PX 50") == "+OK\r\n")
            let heard = try watcher.read(until: { $0.contains("heartbeat_timeout") })
            #expect(heard.contains("\"newStatus\":\"offline\""))
        }
    }

    @Test func moreThanMaxclientsAreRefused() async throws {
        var configuration = ServerConfiguration()
        configuration.maximumClients = 2
        try await withServer(loops: 1, configuration) { server in
            let first = try server.connect()
            let second = try server.connect()
            #expect(try first.ask("PING") == "+PONG\r\n")
            #expect(try second.ask("PING") == "+PONG\r\n")
            let third = try server.connect()
            #expect(try third.read(until: { $0.hasSuffix("\r\n") }) == "-ERR max number of clients reached\r\n")
            #expect(try third.receive().isEmpty, "the connection is closed")
            first.close()
            // There is room again once the server has seen it.
            var answer = ""
            for _ in 0..<100 where answer != "+PONG\r\n" { answer = (try? server.connect().ask("PING")) ?? "" }
            #expect(answer == "+PONG\r\n")
        }
    }

    @Test func aClientThatNeverReadsIsBounded() async throws {
        try await withServer(loops: 1) { server in
            let greedy = try server.connect()
            let value = String(repeating: "v", count: 10_000)
            #expect(try greedy.ask("SET k \(value)") == "+OK\r\n")
            let commands = [UInt8](String(repeating: "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", count: 1000).utf8)
            // 200 MB of replies are asked for; the server takes what it can send and then stops reading.
            var sent = 0
            while sent < 20 {
                guard greedy.sendSome(commands) else { break }
                sent += 1
            }
            let other = try server.connect()
            #expect(try other.ask("PING") == "+PONG\r\n")
            let list = try other.ask("CLIENT LIST", until: { $0.components(of: "lib-ver=") >= 2 })
            let waiting = list.split(separator: " ").compactMap { $0.hasPrefix("omem=") ? Int($0.dropFirst(5)) : nil }
            #expect((waiting.max() ?? 0) < 1 << 20)
        }
    }

    @Test func messagesThatNobodyReadsEndTheConnection() async throws {
        var configuration = ServerConfiguration()
        configuration.outputLimits.pubsub = .init(hardBytes: 1 << 20, softBytes: 0, softSeconds: 0)
        try await withServer(loops: 1, configuration) { server in
            let slow = try server.connect()
            _ = try slow.ask("SUBSCRIBE news", until: { $0.hasSuffix(":1\r\n") })
            let publisher = try server.connect()
            let payload = String(repeating: "x", count: 50_000)
            var answer = ":1\r\n"
            for _ in 0..<1000 where answer == ":1\r\n" { answer = try publisher.ask("PUBLISH news \(payload)") }
            #expect(answer == ":0\r\n", "the subscriber was closed")
            #expect(
                try publisher.ask("INFO stats", until: { $0.contains("idle") })
                    .contains("client_output_buffer_limit_disconnections:1"))
        }
    }

    @Test func settingsChangeWhileServing() async throws {
        try await withServer(loops: 2) { server in
            let client = try server.connect()
            #expect(try client.ask("PING") == "+PONG\r\n")
            var configuration = ServerConfiguration()
            configuration.password = "secret"
            server.server.apply(configuration)
            let other = try server.connect()
            var answer = ""
            for _ in 0..<100 where !answer.hasPrefix("-NOAUTH") { answer = try server.connect().ask("PING") }
            #expect(answer == "-NOAUTH Authentication required.\r\n")
            _ = other
            #expect(try client.ask("PING") == "+PONG\r\n", "who was there stays")
        }
    }

    @Test func aListenerThatAnErrorClosesIsOpenedAgain() async throws {
        try await withServer(loops: 2) { server in
            let early = try server.connect()
            #expect(try early.ask("PING") == "+PONG\r\n", "it is accepted")
            let listeners = server.server.channels.withLock { $0 }
            #expect(!listeners.isEmpty)
            for listener in listeners { listener.close(promise: nil) }
            func isOpenAgain() -> Bool {
                let now = server.server.channels.withLock { $0 }
                return now.count == listeners.count && !now.contains { new in listeners.contains { $0 === new } }
            }
            for _ in 0..<500 where !isOpenAgain() { try await Task.sleep(for: .milliseconds(10)) }
            #expect(isOpenAgain())
            #expect(try early.ask("PING") == "+PONG\r\n")
            #expect(try server.connect().ask("PING") == "+PONG\r\n")
        }
    }

    @Test func repliesLeaveBeforeTheEnd() async throws {
        try await withServer(loops: 2) { server in
            let client = try server.connect()
            #expect(try client.ask("SET k v") == "+OK\r\n")
            try client.send(Array("GET k\r\n".utf8))
            #expect(try client.read(until: { $0.hasSuffix("v\r\n") }) == "$1\r\nv\r\n")
            await server.server.stop()
            #expect(try client.receive().isEmpty)
            #expect(throws: SocketClient.Failure.self) { try server.connect() }
        }
    }

    @Test func loopbackIsToldFromTheRest() throws {
        #expect(Listener.isLoopback(try .init(ipAddress: "127.0.0.1", port: 1)))
        #expect(Listener.isLoopback(try .init(ipAddress: "127.9.9.9", port: 1)))
        #expect(Listener.isLoopback(try .init(ipAddress: "::1", port: 1)))
        #expect(Listener.isLoopback(try .init(ipAddress: "::ffff:127.0.0.1", port: 1)))
        #expect(!Listener.isLoopback(try .init(ipAddress: "10.0.0.1", port: 1)))
        #expect(!Listener.isLoopback(try .init(ipAddress: "fe80::1", port: 1)))
    }

    // MARK: - Servers

    private func withServer(
        loops: Int, _ configuration: ServerConfiguration = ServerConfiguration(),
        _ body: (SocketServer) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let server = try await SocketServer(configuration, group)
        do {
            try await body(server)
        } catch {
            await server.server.stop()
            try await group.shutdownGracefully()
            throw error
        }
        await server.server.stop()
        try await group.shutdownGracefully()
    }
}

extension String {
    /// How often `text` is in it.
    fileprivate func components(of text: String) -> Int {
        var count = 0
        var rest = Substring(self)
        while let range = rest.firstRange(of: text) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}

/// A server on a free port.
final class SocketServer {
    let server: RESPServer

    init(_ change: ServerConfiguration, _ group: MultiThreadedEventLoopGroup) async throws {
        var configuration = change
        configuration.bind = ["127.0.0.1"]
        configuration.port = 0
        let clock = SystemClock()
        server = RESPServer(
            store: ShardedStore(), configuration: configuration, clock: clock, configurationPort: TestSettings(),
            process: ProcessInformation(version: "0.0.0", allocator: "test", processID: 1),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, group: group, shutdown: {})
        try await server.start()
    }

    func connect() throws -> SocketClient { try SocketClient(port: server.port) }
}

/// A blocking connection with a limit of time.
final class SocketClient: TranscriptConnection {
    private var descriptor: Int32

    struct Failure: Error {}

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw Failure() }
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure() }
            rest = rest.dropFirst(count)
        }
    }

    /// Sends without waiting; false if the kernel takes no more.
    func sendSome(_ bytes: [UInt8]) -> Bool {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    func receive() throws -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &block, block.count, 0)
        if count < 0, errno == ECONNRESET { return [] }
        guard count >= 0 else { throw Failure() }
        return Array(block[..<count])
    }

    /// Sends a line and returns the reply, up to where `isWhole` says; by default the first line end.
    func ask(_ line: String, until isWhole: (String) -> Bool = { $0.hasSuffix("\r\n") }) throws -> String {
        try send(Array((line + "\r\n").utf8))
        return try read(until: isWhole)
    }

    /// What comes, up to where `isWhole` says or the connection ends.
    func read(until isWhole: (String) -> Bool) throws -> String {
        var text = ""
        while !isWhole(text) {
            let bytes = try receive()
            if bytes.isEmpty { break }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text
    }
}
