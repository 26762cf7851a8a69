import Foundation
import Logging
import NIOPosix
import PresenceServer
import PresenceStore

/// Heartbeats through a whole server in this process, over a socket: the way that they really go, for an instruction counter.
///
/// One shard, so that the ticks that time brings weigh next to nothing; one event loop; bytes that were made before.
enum PortWork {
    private static let users = 64

    /// Sends `operations` beats, `pipeline` a write, and looks at every reply.
    static func beat(_ operations: Int, pipeline: Int) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var settings = ShardedStore.Configuration()
        settings.shards = 1
        let store = ShardedStore(settings)
        for user in 0..<users { try store.connect("u\(user)", session: "s1") }
        var configuration = ServerConfiguration()
        configuration.bind = ["127.0.0.1"]
        configuration.port = 0
        let server = RESPServer(
            store: store, configuration: configuration, clock: SystemClock(), configurationPort: NoSettings(),
            process: ProcessInformation(version: "0", allocator: "", processID: 0),
            logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }, group: group, shutdown: {})
        try wait { try await server.start() }
        let handle = try ServerAddress(port: server.port).openSocket()
        defer { close(handle) }
        let bytes = (0..<pipeline).flatMap { place in
            let user = "presence:user:u\(place * 7 % users)"
            return Array("*3\r\n$13\r\nPRESENCE.BEAT\r\n$\(user.utf8.count)\r\n\(user)\r\n$2\r\ns1\r\n".utf8)
        }
        for _ in 0..<operations / pipeline { try exchange(handle, bytes, replies: pipeline) }
        try wait { await server.stop() }
        try group.syncShutdownGracefully()
    }

    private static func exchange(_ handle: Int32, _ bytes: [UInt8], replies: Int) throws {
        guard write(handle, bytes, bytes.count) == bytes.count else { throw BenchError("the socket is full") }
        var missing = replies * 4
        var buffer = [UInt8](repeating: 0, count: missing)
        while missing > 0 {
            let count = read(handle, &buffer, missing)
            guard count > 0, buffer[0] != UInt8(ascii: "-") else { throw BenchError("a beat was refused") }
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
