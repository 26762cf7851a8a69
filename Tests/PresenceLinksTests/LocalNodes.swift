import Glibc
import Logging
import LoopbackPorts
import Presence
import PresenceCluster
import PresenceLinks
import PresenceReplication
import PresenceStore
import PresenceTLS
import Synchronization
import Testing

/// One node in this process: a store, its links, and what they logged.
final class LocalNode: Sendable {
    let store: ShardedStore
    let service: PeerService
    let log: Lines
    let cluster: ClusterConfiguration

    /// The secret of all nodes that are given no other.
    static let secret = SharedSecret([UInt8](0..<32))
    static let clock = SystemClock()

    init(
        _ cluster: ClusterConfiguration, secret: SharedSecret = LocalNode.secret,
        certificates: PeerCertificates? = nil, store: ShardedStore? = nil,
        _ change: (inout PeerSettings) -> Void = { _ in }
    ) throws {
        self.cluster = cluster
        self.store = try store ?? LocalNode.makeStore(cluster.own.number)
        var settings = PeerSettings()
        settings.replicator.joinTimeout = 200
        settings.reportInterval = 20
        change(&settings)
        let log = Lines()
        self.log = log
        var logger = Logger(label: "links") { _ in log }
        logger.logLevel = .debug
        let clock = LocalNode.clock
        service = try PeerService(
            store: self.store, cluster: cluster, incarnation: UInt64(clock.microseconds()), secret: secret,
            certificates: certificates, settings: settings, logger: logger,
            time: { PeerTime(microseconds: clock.microseconds()) })
    }

    static func makeStore(_ number: UInt8) throws -> ShardedStore {
        var configuration = ShardedStore.Configuration(clock: clock)
        configuration.shards = 4
        // Tests beside these may take both cores for minutes.
        configuration.sessionTTLMilliseconds = 300_000
        configuration.node = number
        configuration.hashSecret = try secret.hashSecret()
        configuration.replicaLogEntries = 65_536
        return ShardedStore(configuration)
    }

    /// What the links say of another node.
    func peer(_ number: UInt8) -> ReplicationReport.Peer? {
        service.snapshot?.report.peers.first { $0.node.number == number }
    }

    func isLinked(_ number: UInt8) -> Bool { peer(number)?.linkOpenedAt != nil }

    /// Whether the links know everybody whom a node knew, and it knows that.
    func isJoined(_ number: UInt8) -> Bool { isLinked(number) && peer(number)?.hasCopy == true }

    /// With how many nodes, when all that was written here is held; nil waits for all that are reachable.
    func held(by wanted: Int?, within milliseconds: Int) async -> Int {
        await withCheckedContinuation { continuation in
            service.whenHeld(byAtLeast: wanted, timeoutMilliseconds: milliseconds) {
                continuation.resume(returning: $0)
            }
        }
    }
}

/// Lines of a log.
final class Lines: LogHandler, Sendable {
    private let lines = Mutex<[String]>([])
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .debug }
        set {}
    }
    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        let facts = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        lines.withLock { $0.append("\(event.level) \(event.message)\(facts)") }
    }

    var all: [String] { lines.withLock { $0 } }

    func has(_ part: String) -> Bool { all.contains { $0.contains(part) } }
}

/// Nodes on the loopback interface.
enum LocalNodes {
    /// What each of some nodes is told of all. `reached` are the ports under which a node is known to the others, if they differ from its own.
    static func clusters(
        _ ports: [Int], reached: [Int]? = nil, hosts: [String]? = nil, name: String = "test"
    ) throws -> [ClusterConfiguration] {
        try ports.indices.map { own in
            let nodes = try ports.indices.map { index in
                let port = index == own ? ports[index] : (reached ?? ports)[index]
                return try ClusterNode(
                    number: index + 1, name: "n\(index + 1)",
                    resp: ClusterAddress(host: "clients.example", port: index + 1),
                    peer: ClusterAddress(host: hosts?[index] ?? "127.0.0.1", port: port))
            }
            return try ClusterConfiguration(name: name, own: "n\(own + 1)", nodes: nodes)
        }
    }

    /// Nodes that are started, and stopped after `body`.
    static func run(
        _ count: Int, _ change: (inout PeerSettings) -> Void = { _ in }, _ body: ([LocalNode]) async throws -> Void
    ) async throws {
        try await run(clusters(LoopbackPorts.free(count)).map { try LocalNode($0, change) }, body)
    }

    /// The same of nodes that are made already.
    static func run(_ nodes: [LocalNode], _ body: ([LocalNode]) async throws -> Void) async throws {
        for node in nodes { try await node.service.start() }
        do {
            try await body(nodes)
        } catch {
            for node in nodes { await node.service.stop() }
            throw error
        }
        for node in nodes { await node.service.stop() }
    }
}

/// Waits until something holds, which it does long before ten seconds are over.
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ holds: () -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while !holds() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what, sourceLocation: sourceLocation)
            throw Late()
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}

struct Late: Error {}
