import Logging
import Presence
import PresenceCluster
import PresenceStore
import Synchronization

/// What all event loops of a server share. Everything here is constant or synchronised by itself.
final class ServerState: Sendable {
    let store: ShardedStore
    let clock: any PresenceClock
    /// The clock that tests move; nil when time runs by itself.
    let manualClock: ManualClock?
    let configurationPort: any ConfigurationPort
    let process: ProcessInformation
    let logger: Logger
    let registry: SubscriptionRegistry
    let watches: WatchHub
    let slowLog: SlowLog
    /// Whether the server is on its way out.
    let drain = Drain()
    /// Who keeps the other nodes told; nil if there are none.
    let replication: (any ReplicationPort)?
    /// The cluster as clients are shown it; nil where there is none.
    let cluster: Mutex<ClusterView?>
    let counters: [LoopCounters]
    let startedAt: Timestamp
    /// Forty hexadecimal digits that name this run of the server.
    let runID: String
    /// Ends the process in order: what `SHUTDOWN` calls.
    let shutdown: @Sendable () -> Void

    /// The settings in force. Each loop has a copy that it reads without this lock.
    let configuration: Mutex<ServerConfiguration>
    /// Event loops that look at the time seldom, since nothing waits for it.
    let restingLoops = Atomic<Int>(0)
    /// Connections open now.
    let clientCount = Atomic<Int>(0)
    /// Clients that wait for something to happen.
    let blockedClients = Atomic<Int>(0)
    /// Blocks that were answered before all reachable nodes held them.
    let blocksNotHeld = Atomic<Int>(0)
    /// How often a connection could not be accepted.
    let acceptErrors = Atomic<Int>(0)
    /// The port listened on, once it is known.
    let port = Atomic<Int>(0)
    /// The port with TLS that is listened on; 0 for none.
    let tlsPort = Atomic<Int>(0)
    private let lastClientID = Atomic<Int>(0)

    init(
        store: ShardedStore,
        clock: any PresenceClock,
        configuration: ServerConfiguration,
        configurationPort: any ConfigurationPort,
        process: ProcessInformation,
        logger: Logger,
        replication: (any ReplicationPort)? = nil,
        loopCount: Int,
        shutdown: @escaping @Sendable () -> Void
    ) {
        self.store = store
        self.clock = clock
        manualClock = clock as? ManualClock
        self.configurationPort = configurationPort
        self.process = process
        self.logger = logger
        self.replication = replication
        self.shutdown = shutdown
        self.configuration = Mutex(configuration)
        registry = SubscriptionRegistry(loopCount: loopCount)
        watches = WatchHub(store: store, registry: registry)
        slowLog = SlowLog(limit: configuration.slowLogLength)
        counters = (0..<loopCount).map { _ in LoopCounters() }
        let startedAt = clock.now()
        self.startedAt = startedAt
        cluster = Mutex(
            configuration.cluster.map { ClusterView($0, Membership($0, at: startedAt.milliseconds)) })
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef")
        runID = String((0..<40).map { _ in digits[Int.random(in: 0..<16, using: &generator)] })
    }

    /// Shows clients another state of the cluster, if there is one.
    func show(_ view: ClusterView) {
        cluster.withLock { if $0 != nil { $0 = view } }
    }

    /// A number for a new client.
    func nextClientID() -> Int {
        lastClientID.wrappingAdd(1, ordering: .relaxed).newValue
    }

    /// The sum of one counter over all loops.
    func sum(_ counter: (LoopCounters) -> Int) -> Int {
        counters.reduce(0) { $0 + counter($1) }
    }
}
