import Logging
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import PresenceTLS
import Synchronization

/// A copy of a cluster's presences in this process, which follows every change: a service reads statuses in nanoseconds, and asks no server.
///
/// The cluster knows it by a line that has a `peer` address alone, in the `cluster.conf` of every node:
/// ```
/// node cache number 9 peer 10.0.0.9:7399
/// ```
/// Nodes link to that address, tell everything, and send no clients there. The same lines and the same secret make the follower:
/// ```swift
/// let nodes = try [
///     ClusterNode("a resp 10.0.0.1:6399 peer 10.0.0.1:7399", usualNumber: 1),
///     ClusterNode("cache number 9 peer 10.0.0.9:7399", usualNumber: 2),
/// ]
/// let follower = try Follower(cluster: "shop", nodes: nodes, own: "cache", secret: secretFileText)
/// try await follower.start()
/// while !follower.isReady { try await Task.sleep(for: .milliseconds(10)) }
/// for await event in follower.store.events() { ... }
/// ```
/// **Kept true.** It can only be read, so it has nothing of its own to tell. What a node told it alone before that node was lost, it gives back to the others.
/// A block that a node answered is held here, if the follower could be reached. While no node can be reached it shows what it knew, until sessions run out.
///
/// **Cost.** The memory of all users, about 100 bytes each; a thread for the links, and a task that ticks. Reading: a lock of one of the shards.
public final class Follower: Sendable {
    /// The copy. Statuses, views of others and events are in it as they are at a node.
    public var store: some PresenceReading { copy }
    private let copy: ShardedStore
    private let peers: PeerService
    private let ticker = Mutex<Ticker?>(nil)

    /// A follower that has not begun.
    ///
    /// - Parameters:
    ///   - cluster: the cluster's name.
    ///   - nodes: all nodes, as in every node's `cluster.conf`, this one among them.
    ///   - own: the name of this one.
    ///   - secret: what is in the cluster's secret file: 32 to 128 hexadecimal digits.
    ///   - certificates: by which nodes know each other, where they do; nil if the secret does that too.
    ///   - configuration: of the store. The policy must be that of the nodes; the log names settings that differ. The node's number, the hash secret and the
    ///     replica log are set here.
    ///   - settings: bounds and paces of the links. Without settings to be compared (`shared`), those of `configuration` are.
    ///   - logger: one line an event of the links; no user ids.
    /// - Throws: ``FollowerError``: what is wrong, and the remedy.
    public init(
        cluster: String, nodes: [ClusterNode], own: String, secret: String,
        certificates: PeerCertificates? = nil, configuration: ShardedStore.Configuration = ShardedStore.Configuration(),
        settings: PeerSettings = PeerSettings(), logger: Logger = Logger(label: "presenced.follower")
    ) throws(FollowerError) {
        let cluster = try Follower.cluster(cluster, nodes, own)
        guard let secret = SharedSecret(hexadecimal: secret) else { throw .secret }
        var (configuration, settings) = (configuration, settings)
        configuration.node = cluster.own.number
        // Nobody reads it; but only a store with a log keeps what merging needs.
        configuration.replicaLogEntries = 64
        configuration.maxClockOffset = settings.replicator.maxClockOffset
        if settings.shared.all.isEmpty { settings.shared = Follower.shared(configuration) }
        do throws(TLSError) {
            configuration.hashSecret = try secret.hashSecret()
            copy = ShardedStore(configuration)
            let clock = configuration.clock
            let time: @Sendable () -> PeerTime = {
                (clock as? SystemClock).map { PeerTime(microseconds: $0.microseconds()) } ?? PeerTime(clock.now())
            }
            peers = try PeerService(
                store: copy, cluster: cluster, incarnation: UInt64(clamping: time().microseconds), secret: secret,
                certificates: certificates, settings: settings, logger: logger, time: time)
        } catch {
            throw .links("\(error)")
        }
    }

    private static func cluster(
        _ name: String, _ nodes: [ClusterNode], _ own: String
    ) throws(FollowerError) -> ClusterConfiguration {
        let cluster: ClusterConfiguration
        do throws(ClusterError) {
            cluster = try ClusterConfiguration(name: name, own: own, origin: "own", nodes: nodes)
        } catch {
            throw .cluster(error)
        }
        guard cluster.own.isFollower else { throw .servesClients(own) }
        guard !cluster.servers.isEmpty else { throw .nobodyToFollow }
        for node in cluster.servers where node.peer == nil { throw .noPeerAddress(node.name) }
        return cluster
    }

    /// What decides how users are shown, as nodes spell it: a join compares it.
    static func shared(_ configuration: ShardedStore.Configuration) -> SharedSettings {
        let policy = configuration.policy
        let storms = configuration.storms
        let durations = [
            ("away-after", policy.awayAfter), ("disconnect-grace", policy.disconnectGrace),
            ("heartbeat-hard-limit", policy.heartbeatHardLimit), ("idle-after", policy.idleAfter),
            ("lost-grace", policy.lostGrace), ("max-clock-offset", configuration.maxClockOffset),
            ("peer-margin", configuration.peerMargin), ("storm-hold", storms.holdMilliseconds),
            ("storm-window", storms.windowMilliseconds), ("tombstone-ttl", configuration.stringTombstoneMilliseconds),
        ]
        let numbers = [
            ("storm-minimum", storms.minimum), ("storm-pace", storms.pace), ("storm-share", storms.sharePercent),
        ]
        return SharedSettings(
            durations.map { SharedSettings.Setting($0, SharedSettings.spell(milliseconds: $1)) }
                + numbers.map { SharedSettings.Setting($0, "\($1)") }
                + [SharedSettings.Setting("block-hides", configuration.blockHidesBoth ? "both" : "target")])
    }

    /// Listens on its address, so that nodes link to it, dials those with higher numbers, and lets the store's time go on.
    ///
    /// - Throws: ``PeerPortFailed`` if the address cannot be listened on; then nothing has begun.
    public func start() async throws(PeerPortFailed) {
        try await peers.start()
        ticker.withLock { $0 = Ticker(copy) }
    }

    /// Says goodbye, and ends the thread and the ticking: the store stays as it is. Not to be started again.
    public func stop() async {
        await peers.stop()
        ticker.withLock { ticker in
            ticker?.stop()
            ticker = nil
        }
    }

    /// Whether it has copied from all nodes that are there, from one at least: before that, users that it does not know yet look offline. Once true it stays.
    public var isReady: Bool { peers.isReady }

    /// What its links are like, at most 100 ms ago; nil before ``start()``.
    public var links: PeerSnapshot? { peers.snapshot }
}

/// Why a ``Follower`` cannot be made.
public enum FollowerError: Error, CustomStringConvertible {
    /// The nodes are none of a cluster.
    case cluster(ClusterError)
    /// Its line has an address for clients.
    case servesClients(String)
    /// All nodes are followers.
    case nobodyToFollow
    /// A node cannot be linked to.
    case noPeerAddress(String)
    /// What is no secret.
    case secret
    /// TLS cannot be set up; the reason.
    case links(String)

    /// One line: what is wrong, what to do.
    public var description: String {
        switch self {
        case .cluster(let error): "\(error)"
        case .servesClients(let name):
            "node \(name) is no follower: its line has a peer address and no resp or tls, on every node: "
                + ClusterNode.followerShape
        case .nobodyToFollow: "all nodes are followers: add the lines of the nodes that serve clients"
        case .noPeerAddress(let name): "node \(name) has no address for others: add 'peer HOST:PORT' to its line"
        case .secret: "the secret is not 32 to 128 hexadecimal digits: it is the line in the nodes' secret-file"
        case .links(let reason): "the links cannot be secured: \(reason)"
        }
    }
}
