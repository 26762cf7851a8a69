import Glibc
import Testing

@testable import PresenceMigration

@Suite("A connection of a migration")
struct WireTests {
    /// Listens on a free port of the loopback interface.
    private func listen() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && Glibc.listen(descriptor, 1) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    @Test("who uses it after it has ended is told why it ended, and not that it is closed", .timeLimit(.minutes(1)))
    func ended() async throws {
        let (descriptor, port) = try listen()
        defer { close(descriptor) }
        let dialer = MigrationDialer(tls: TLSFiles())
        let (ends, end) = AsyncStream<Void>.makeStream()
        let url = try RedisURL("redis://127.0.0.1:\(port)", defaultPort: 6379)
        let wire = try await dialer.dial(url, .source) { _ in end.finish() }
        close(accept(descriptor, nil, nil))
        for await _ in ends {}
        for _ in 0..<3 {
            await #expect(throws: MigrationError.lost(.source, "the server closed it")) {
                try await wire.exchange(Requests("PING"))
            }
        }
        await wire.close()
        await dialer.stop()
    }
}
