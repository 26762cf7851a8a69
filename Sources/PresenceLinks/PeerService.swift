import Logging
import NIOCore
import NIOPosix
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import PresenceTLS
import Synchronization

/// The links of one node to all others: a thread of its own that listens, dials, and carries what the store has for peers and what they have for it.
///
/// ```
///  ShardedStore --wake--> [ PeerLoop: Replicator, LinkHandler a connection ] <--TLS 1.3, both sides known--> other nodes
///                                   |
///                     snapshots, views of the cluster, answers to those who wait
/// ```
/// **Kept true.** Only nodes that have the cluster's secret, or where there are certificates a good one, get past the handshake. A peer that is slow, stuck or gone costs bounded memory and holds
/// up nobody: bytes are made when a socket takes them. However many changes come, one turn at a time waits for the thread.
///
/// All methods may be called from any thread.
public final class PeerService: Sendable {
    private let store: ShardedStore
    private let cluster: ClusterConfiguration
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let loop: PeerLoop
    private let shown = Shown()
    /// What is told of the secret among the settings.
    private let secretSetting: SharedSettings.Setting
    private let logger: Logger
    private let news = PeerNews()
    private let life = Mutex<Life>(Life())

    private struct Life {
        var listener: (any Channel)?
        var storeListener: ShardListener?
        var isStopping = false
    }

    /// Links that are not there yet.
    ///
    /// - Parameters:
    ///   - store: what is replicated: its `node` is the cluster's own, `replicaLogEntries` is not 0, and its `hashSecret` that of `secret`.
    ///   - cluster: all nodes; each has a `peer` address.
    ///   - incarnation: rises with every start.
    ///   - secret: the same on all nodes.
    ///   - certificates: by which nodes know each other; nil if the secret does that too.
    ///   - settings: bounds and paces.
    ///   - logger: one line an event; no user ids.
    ///   - time: the clock that the store goes by.
    /// - Throws: what is wrong with the certificates.
    public init(
        store: ShardedStore, cluster: ClusterConfiguration, incarnation: UInt64, secret: SharedSecret,
        certificates: PeerCertificates? = nil, settings: PeerSettings = PeerSettings(), logger: Logger,
        time: @escaping @Sendable () -> PeerTime
    ) throws(TLSError) {
        self.store = store
        self.cluster = cluster
        self.logger = logger
        let credentials =
            if let certificates {
                try PeerCredentials(cluster: cluster, certificates: certificates)
            } else {
                try PeerCredentials(cluster: cluster, secret: secret)
            }
        // Certificates say nothing of the secret: two that differ in it must not link.
        secretSetting = SharedSettings.Setting(SharedSettings.secretName, try secret.fingerprint())
        let replicator = Replicator(
            store: store, cluster: cluster, incarnation: incarnation, shared: settings.shared.with(secretSetting),
            settings: settings.replicator, at: time())
        loop = PeerLoop(
            eventLoop: group.next(), store: store, replicator: replicator, credentials: credentials, settings: settings,
            logger: logger, shown: shown, news: news, time: time)
    }

    /// Shows and takes these credentials on connections that begin from now on. Those that are there stay, but for nodes whose certificate was taken back, as a
    /// list in these credentials has it: their links are closed, and counted.
    public func use(_ credentials: PeerCredentials) {
        loop.use(credentials)
        guard !isStopping else { return }
        loop.eventLoop.execute { [loop] in loop.endRevoked() }
    }

    /// The settings in which all nodes should agree are these from now on: the others are told, and the log of each says where both differ.
    public func share(_ settings: SharedSettings) {
        guard !isStopping else { return }
        loop.eventLoop.execute { [self] in
            loop.replicator.share(settings.with(secretSetting), at: loop.now)
            loop.obey()
            loop.pullAll()
        }
    }

    /// Listens on this node's `peer` address, dials others, and begins to tell them what changes.
    ///
    /// - Throws: ``PeerPortFailed`` if the address cannot be listened on; then nothing has begun.
    public func start() async throws(PeerPortFailed) {
        guard let address = cluster.own.peer else { throw PeerPortFailed(address: nil, reason: "") }
        do {
            let channel = try await loop.listen(on: address).get()
            life.withLock { $0.listener = channel }
            listenAgain(on: address, after: channel)
        } catch {
            throw PeerPortFailed(address: address, reason: PeerDialer.reason(error))
        }
        // A follower has no news for anybody.
        if !cluster.own.isFollower {
            let listener = store.listenToReplicaLogs { [self] shard, isUrgent in wake(shard, isUrgent: isUrgent) }
            life.withLock { $0.storeListener = listener }
        }
        loop.eventLoop.execute { [loop] in loop.start() }
    }

    /// A shard has news: it is looked at in the next turn of the links' thread, of which one at most waits; heartbeats alone when it looks at the time.
    ///
    /// An event loop asks for the turn at the end of its round: then what came with one look at its sockets leaves together, and the answers to it are on
    /// their way.
    private func wake(_ shard: Int, isUrgent: Bool) {
        guard news.add(shard, isUrgent: isUrgent) else { return }
        PeerService.whenRoundEnds { [loop] in loop.eventLoop.execute { loop.look() } }
    }

    /// Calls `body` when the event loop whose thread this is has done what one look at its sockets brought; at once on any other thread.
    static func whenRoundEnds(_ body: @escaping @Sendable () -> Void) {
        if let running = MultiThreadedEventLoopGroup.currentEventLoop { running.execute(body) } else { body() }
    }

    /// Listens again when the socket was closed by an error: NIO closes it for errors that concern only one connection.
    private func listenAgain(on address: ClusterAddress, after channel: any Channel) {
        channel.closeFuture.whenComplete { [self] _ in
            guard !isStopping else { return }
            logger.error("the peer port \(address) was closed by an error: listening again")
            listenAgain(on: address)
        }
    }

    private func listenAgain(on address: ClusterAddress) {
        loop.listen(on: address).whenComplete { [self] result in
            switch result {
            case .success(let channel):
                let isWanted = life.withLock { life in
                    if !life.isStopping { life.listener = channel }
                    return !life.isStopping
                }
                if isWanted { listenAgain(on: address, after: channel) } else { channel.close(promise: nil) }
            case .failure where isStopping: return
            case .failure(let error):
                logger.error("cannot listen on peer port \(address); trying again: \(PeerDialer.reason(error))")
                loop.eventLoop.scheduleTask(in: .seconds(1)) { self.listenAgain(on: address) }
            }
        }
    }

    private var isStopping: Bool { life.withLock { $0.isStopping } }

    /// Hands the last heartbeats over, waits until the nodes that can be reached hold them and what was written last, says goodbye to all, answers everybody who
    /// waits, and ends the thread. Takes three seconds at most. Not to be started again; a second call does nothing.
    public func stop() async {
        if life.withLock({ $0.listener != nil }) {
            await handOver()
            await withCheckedContinuation { told in
                whenHeld(byAtLeast: nil, timeoutMilliseconds: 1_000) { _ in told.resume() }
            }
        }
        let (isFirst, listener, storeListener) = life.withLock { life in
            defer { life = Life(isStopping: true) }
            return (!life.isStopping, life.listener, life.storeListener)
        }
        guard isFirst else { return }
        if let storeListener { store.cancel(storeListener) }
        news.end()
        try? await listener?.close()
        try? await loop.eventLoop.submit { [loop] in loop.stop() }.get()
        for _ in 0..<100 {
            let open = try? await loop.eventLoop.scheduleTask(in: .milliseconds(10)) { [loop] in loop.openConnections }
                .futureResult.get()
            if open ?? 0 == 0 { break }
        }
        try? await loop.eventLoop.submit { [loop] in loop.closeAll() }.get()
        try? await group.shutdownGracefully()
    }

    /// Of more users than a second is enough for some go without their last heartbeat: `SHUTDOWN DRAIN` begins earlier.
    private func handOver() async {
        try? await loop.eventLoop.submit { [loop] in loop.replicator.finishHandOver(at: loop.now) }.get()
        for _ in 0..<100 {
            let isUnderWay = try? await loop.eventLoop.scheduleTask(in: .milliseconds(10)) { [loop] in
                loop.replicator.isHandingOver
            }.futureResult.get()
            if isUnderWay != true { return }
        }
        logger.warning(
            "leaves with the last heartbeats of some users untold, since a second was not enough: SHUTDOWN DRAIN gives more"
        )
    }

    // MARK: - What others ask of it

    /// What the links are like, at most 100 ms ago; nil before ``start()``.
    public var snapshot: PeerSnapshot? { shown.newest }

    /// Whether this node has copied from all nodes that are there, or has waited for them in vain: false before ``start()``, and once true it stays. A load, for
    /// every client that comes.
    public var isReady: Bool { shown.isReady }

    /// Has `listener` told of every change of who is there, on the links' thread; it must not wait. It takes the place of an earlier one.
    public func onMembership(_ listener: @escaping @Sendable (ClusterView) -> Void) { shown.listen(listener) }

    /// Calls `done` with the number of nodes that have everything written here before the call: once it is enough, at the deadline, or at the end.
    ///
    /// - Parameters:
    ///   - wanted: how many are enough; nil for all that can be reached.
    ///   - timeoutMilliseconds: when to answer in any case; nil for no bound.
    ///   - done: is called once, on the links' thread; it must not wait.
    /// - Returns: by which who asked can be forgotten.
    @discardableResult
    public func whenHeld(
        byAtLeast wanted: Int?, timeoutMilliseconds: Int?, _ done: @escaping @Sendable (Int) -> Void
    ) -> WaitNumber {
        let number = WaitNumber.next()
        guard !isStopping else {
            done(0)
            return number
        }
        // More nodes than there can be are as good as all numbers beyond.
        let wanted = wanted.map { Waiters.Wanted.atLeast(min($0, ClusterConfiguration.maximumNodes)) } ?? .all
        let timeout = timeoutMilliseconds.map { Int64(clamping: $0) }
        loop.eventLoop.execute { [loop] in loop.add(wanted, timeout: timeout, number: number, done) }
        return number
    }

    /// Who asked for it does not want to know any more: `done` is not called, unless that is under way.
    public func forget(_ number: WaitNumber) {
        guard !isStopping else { return }
        loop.eventLoop.execute { [loop] in loop.waiters.forget(number) }
    }

    /// All keys were ended here by a flush of this stamp: so they are everywhere.
    public func flushed(_ stamp: Stamp) {
        guard !isStopping else { return }
        loop.eventLoop.execute { [loop] in
            loop.replicator.flushed(stamp)
            loop.obey()
            loop.pullAll()
        }
    }

    /// This node leaves within so many seconds; 0 takes that back.
    public func drain(seconds: Int) {
        guard !isStopping else { return }
        loop.eventLoop.execute { [loop] in
            loop.replicator.drain(seconds: seconds, at: loop.now)
            loop.obey()
            loop.pullAll()
        }
    }
}

/// The address for other nodes cannot be listened on.
public struct PeerPortFailed: Error, CustomStringConvertible {
    /// The address; nil if this node has none.
    public let address: ClusterAddress?
    /// The operating system's reason.
    public let reason: String

    /// One line.
    public var description: String {
        guard let address else { return "this node's line has no address for others: add 'peer HOST:PORT' to it" }
        return "peer \(address) cannot be listened on: \(reason)"
    }
}
