import Foundation

/// A Redis primary with replicas, each in a folder of its own: a replica keeps what it copied in a file, which the next one that starts there would load.
final class ReplicatedRedis {
    private let path: String
    private let folder: TemporaryFolder
    let primary: RunningServer
    private(set) var replicas: [RunningServer] = []

    /// - Parameter settings: more of the primary's command line.
    init(_ path: String, replicas count: Int, settings: [String] = []) throws {
        self.path = path
        folder = try TemporaryFolder()
        let primaryFolder = try ReplicatedRedis.folder(in: folder.url, "primary")
        primary = try RunningServer(.redis(path), settings: settings + ["--dir", primaryFolder])
        for _ in 0..<count { try addReplica() }
        try waitUntilLinked()
    }

    deinit { stop() }

    private static func folder(in parent: URL, _ name: String) throws -> String {
        let url = parent.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url.path
    }

    /// Starts one more.
    @discardableResult
    func addReplica() throws -> RunningServer {
        let replica = try RunningServer(
            .redis(path),
            settings: [
                "--replicaof", "127.0.0.1", "\(primary.port)", "--dir",
                try ReplicatedRedis.folder(in: folder.url, "replica-\(replicas.count)"),
            ])
        replicas.append(replica)
        return replica
    }

    /// Waits until all replicas have a copy.
    func waitUntilLinked(seconds: Double = 300) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try !replicas.allSatisfy(ReplicatedRedis.isLinked) {
            guard ContinuousClock.now < deadline else { throw BenchError("a replica is not linked") }
            usleep(10_000)
        }
    }

    static func isLinked(_ replica: RunningServer) throws -> Bool {
        try ReplicationInfo(replica.connect()).text("master_link_status") == "up"
    }

    func processorTimes() throws -> [UInt64] { try ([primary] + replicas).map { try $0.processorTime() } }

    func stop() {
        for replica in replicas { replica.stop() }
        primary.stop()
    }
}
