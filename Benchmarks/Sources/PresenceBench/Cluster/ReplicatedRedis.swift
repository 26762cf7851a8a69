import Foundation

/// A Redis primary with replicas, none of which writes files.
final class ReplicatedRedis {
    private let path: String
    let primary: RunningServer
    private(set) var replicas: [RunningServer] = []

    /// - Parameter settings: more of the primary's command line.
    init(_ path: String, replicas count: Int, settings: [String] = []) throws {
        self.path = path
        primary = try RunningServer(.redis(path), settings: settings)
        for _ in 0..<count { try addReplica() }
        try waitUntilLinked()
    }

    deinit { stop() }

    /// Starts one more.
    @discardableResult
    func addReplica() throws -> RunningServer {
        let replica = try RunningServer(.redis(path), settings: ["--replicaof", "127.0.0.1", "\(primary.port)"])
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
