import Foundation

/// Three presenced nodes on the loopback interface that know each other, with a folder of their own for `cluster.conf` and secret.
///
/// They are ended, and the folder removed, when nobody holds this any more.
final class LocalNodes {
    static let names = ["a", "b", "c"]

    private let path: String
    private let folder: TemporaryFolder
    private let settings: [String]
    private let ports: [Int]
    private(set) var servers: [RunningServer] = []

    /// Starts them and waits until each is ready and linked to the others.
    ///
    /// - Parameter settings: more of each one's command line.
    init(_ path: String, settings: [String] = []) throws {
        self.path = path
        self.settings = settings
        folder = try TemporaryFolder()
        ports = try LocalNodes.names.map { _ in try RunningServer.freePort() }
        let peers = try LocalNodes.names.map { _ in try RunningServer.freePort() }
        let secret = folder.url.appendingPathComponent("secret").path
        let digits = String(repeating: "5eed", count: 16) + "\n"
        guard
            FileManager.default.createFile(
                atPath: secret, contents: Data(digits.utf8), attributes: [.posixPermissions: 0o600])
        else { throw BenchError("\(secret) cannot be written") }
        var lines = ["cluster bench", "secret-file \(secret)"]
        for (index, name) in LocalNodes.names.enumerated() {
            lines.append(
                "node \(name) number \(index + 1) resp 127.0.0.1:\(ports[index]) peer 127.0.0.1:\(peers[index])")
        }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: file)
        servers = try LocalNodes.names.indices.map(start)
        try waitUntilReady()
    }

    deinit { stop() }

    private var file: URL { folder.url.appendingPathComponent("cluster.conf") }

    private func start(_ index: Int) throws -> RunningServer {
        try RunningServer(
            .presenced(path),
            settings: [
                "--config", file.path, "--node", LocalNodes.names[index], "--loglevel", "warning",
                // Those who measure change the same users again and again.
                "--status-changes-per-minute", "0", "--heartbeat-hard-limit", "1d",
            ] + settings, tellsWarnings: true, port: ports[index])
    }

    /// Starts one anew that was ended or has crashed.
    func restart(_ index: Int) throws { servers[index] = try start(index) }

    func info(_ index: Int) throws -> ReplicationInfo { try ReplicationInfo(servers[index].connect()) }

    /// Waits until all are ready and linked to each other.
    func waitUntilReady(seconds: Double = 60) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try !servers.indices.allSatisfy({ try info($0).isReady(links: servers.count - 1) }) {
            guard ContinuousClock.now < deadline else { throw BenchError("the nodes are not ready after \(seconds) s") }
            usleep(20_000)
        }
    }

    /// Waits until nobody has anything to tell anybody.
    func waitUntilQuiet(seconds: Double = 120) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try servers.indices.contains(where: { try info($0).sum("behind") > 0 }) {
            guard ContinuousClock.now < deadline else { throw BenchError("the nodes are behind after \(seconds) s") }
            usleep(20_000)
        }
    }

    /// Processor time of each, in nanoseconds.
    func processorTimes() throws -> [UInt64] { try servers.map { try $0.processorTime() } }

    func stop() { for server in servers { server.stop() } }
}
