import Foundation
import Glibc
import Logging
import NIOPosix
import PresenceServer
import PresenceStore

/// Commands through a whole server in this process, over a socket: the way that they really go, for an instruction counter.
///
/// One shard, so that the ticks that time brings weigh next to nothing; one event loop; bytes that were made before.
enum PortWork {
    case beat
    case get, set
    case presenceGet

    private static let users = 64
    private static let value = String(repeating: "x", count: 250)

    private func words(_ user: Int) -> [String] {
        switch self {
        case .beat: ["PRESENCE.BEAT", "presence:user:u\(user)", "s1"]
        case .get: ["GET", "record:u\(user)"]
        case .set: ["SET", "record:u\(user)", PortWork.value, "EX", "300"]
        case .presenceGet: ["GET", "presence:user:u\(user)"]
        }
    }

    /// Sends `operations` commands, `pipeline` a write, and looks at every reply.
    func run(_ operations: Int, pipeline: Int) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var settings = ShardedStore.Configuration()
        settings.shards = 1
        let store = ShardedStore(settings)
        for user in 0..<PortWork.users {
            try store.connect("u\(user)", session: "s1")
            try store.setString("record:u\(user)", PortWork.value)
        }
        var configuration = ServerConfiguration()
        configuration.bind = ["127.0.0.1"]
        configuration.port = 0
        let server = RESPServer(
            store: store, configuration: configuration, clock: SystemClock(), configurationPort: NoSettings(),
            process: ProcessInformation(version: "0", allocator: "", processID: 0),
            logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }, group: group, shutdown: {})
        try PortWork.wait { try await server.start() }
        let handle = try ServerAddress(port: server.port).openSocket()
        defer { close(handle) }
        let bytes = (0..<pipeline).flatMap { Connection.encoded(words($0 * 7 % PortWork.users)) }
        var buffer = [UInt8](repeating: 0, count: 262_144)
        // All replies to the same bytes are equally long.
        let replies = try PortWork.exchange(handle, bytes, &buffer)
        for _ in 1..<operations / pipeline { try PortWork.exchange(handle, bytes, expecting: replies, &buffer) }
        try PortWork.wait { await server.stop() }
        try group.syncShutdownGracefully()
    }

    /// Sends the pipeline for the first time: the length of all its replies, none of which is an error.
    private static func exchange(_ handle: Int32, _ bytes: [UInt8], _ buffer: inout [UInt8]) throws -> Int {
        guard write(handle, bytes, bytes.count) == bytes.count else { throw BenchError("the socket is full") }
        // Under an instruction counter the replies take their time, and come in pieces: all are there once nothing more comes.
        var count = 0
        var waiting = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
        while poll(&waiting, 1, count == 0 ? 20_000 : 1_000) == 1 {
            let read = buffer.withUnsafeMutableBytes { Glibc.read(handle, $0.baseAddress! + count, $0.count - count) }
            guard read > 0 else { break }
            count += read
        }
        guard count > 0, buffer[0] != UInt8(ascii: "-") else { throw BenchError("a command was refused") }
        return count
    }

    private static func exchange(
        _ handle: Int32, _ bytes: [UInt8], expecting replies: Int, _ buffer: inout [UInt8]
    ) throws {
        guard write(handle, bytes, bytes.count) == bytes.count else { throw BenchError("the socket is full") }
        var missing = replies
        while missing > 0 {
            let count = read(handle, &buffer, missing)
            guard count > 0 else { throw BenchError("the server closed the connection") }
            missing -= count
        }
    }

    private static func wait(_ body: @escaping @Sendable () async throws -> Void) throws {
        let done = DispatchSemaphore(value: 0)
        let failure = Failure()
        Task.detached {
            do { try await body() } catch { failure.set(error) }
            done.signal()
        }
        done.wait()
        if let error = failure.error { throw error }
    }

    /// Written before the semaphore is raised and read after it: hence `@unchecked`.
    private final class Failure: @unchecked Sendable {
        private(set) var error: (any Error)?
        func set(_ error: any Error) { self.error = error }
    }

    private struct NoSettings: ConfigurationPort {
        func get(matching pattern: String) -> [(name: String, value: String)] { [] }
        func set(_ pairs: [(name: String, value: String)]) throws(ConfigurationPortError) {}
        func rewrite() -> String? { "ERR there is no file" }
    }
}
