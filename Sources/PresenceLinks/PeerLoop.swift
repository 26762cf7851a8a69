import Logging
import NIOCore
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import PresenceTLS
import Synchronization

/// Everything that the links' event loop owns: the replicator, the connections, and who waits for what they bring.
///
/// Confined to its event loop: every method runs there but ``use(_:)``, so nothing else here is locked. That is why the class may be `@unchecked Sendable`:
/// other threads only hand closures to ``eventLoop``.
final class PeerLoop: @unchecked Sendable {
    let eventLoop: any EventLoop
    let cluster: ClusterConfiguration
    let settings: PeerSettings
    let replicator: Replicator
    let log: LinkLog
    var counters = LinkCounters()
    var waiters: Waiters
    let names: PeerNames
    private let store: ShardedStore
    /// For connections that begin. The one thing here that others change.
    private let credentialsInForce: Mutex<PeerCredentials>
    private let tlsBuffers = TLSBuffers()
    private let time: @Sendable () -> PeerTime
    private let shown: Shown
    private let news: PeerNews
    private var strangers: StrangerLimit
    /// Connections whose handshake is over, by their links.
    private var links: [LinkID: LinkHandler] = [:]
    /// All connections.
    private var handlers: [ObjectIdentifier: LinkHandler] = [:]
    /// Those that have more to say, once others had their turn.
    private var waitingToPull: [LinkHandler] = []
    private var isPullDue = false
    /// Whether links are pulled from again at an instant that the replicator named.
    private var isPullTimed = false
    /// What the replicator said last, and what carries it to the socket: their memory is used again.
    private var output: [UInt8] = []
    private var buffer = ByteBuffer()
    private var ticks: RepeatedTask?
    private var nextReport: Int64 = 0
    private(set) var isStopping = false

    init(
        eventLoop: any EventLoop, store: ShardedStore, replicator: Replicator, credentials: PeerCredentials,
        settings: PeerSettings, logger: Logger, shown: Shown, news: PeerNews,
        time: @escaping @Sendable () -> PeerTime
    ) {
        self.eventLoop = eventLoop
        self.store = store
        self.replicator = replicator
        cluster = replicator.cluster
        credentialsInForce = Mutex(credentials)
        self.settings = settings
        self.shown = shown
        self.news = news
        self.time = time
        log = LinkLog(replicator.cluster, logger)
        let named = replicator.cluster.others.compactMap(\.peer).filter { PeerDialer.literal($0) == nil }
        names = PeerNames(Set(named).count, eventLoop: eventLoop, lookup: settings.lookup)
        waiters = Waiters(maximum: settings.maximumWaiters)
        let known = replicator.cluster.others.compactMap { $0.peer.flatMap(PeerDialer.literal)?.ipAddress }
        strangers = StrangerLimit(
            maximum: settings.maximumStrangers, ofAddress: settings.maximumStrangersOfAddress, nodes: Set(known),
            maximumNodes: 4 * replicator.cluster.others.count)
    }

    /// Has connections that begin from now on use these. Any thread.
    func use(_ credentials: PeerCredentials) { credentialsInForce.withLock { $0 = credentials } }

    /// Closes connections with nodes whose certificate was taken back, by the credentials in force. O(connections): as many as there are other nodes, and
    /// strangers.
    func endRevoked() {
        for handler in Array(handlers.values) where isRevoked(handler) {
            handler.close(why: log.revoked(handler.node ?? handler.dialed, handler.address))
        }
    }

    private func isRevoked(_ handler: LinkHandler) -> Bool {
        guard handler.isRevoked(by: credentialsInForce.withLock({ $0 })) else { return false }
        counters.revokedCertificates += 1
        return true
    }

    var now: PeerTime { time() }
    private var milliseconds: Int64 { now.timestamp.milliseconds }

    // MARK: - Life

    /// Listens on this node's address, and begins to dial. The listening channel belongs to who called.
    func listen(on address: ClusterAddress) -> EventLoopFuture<any Channel> {
        PeerListener.bind(self, address)
    }

    func start() {
        ticks = eventLoop.scheduleRepeatedTask(
            initialDelay: .zero, delay: .milliseconds(settings.tickInterval)
        ) { [weak self] _ in self?.tick() }
        publish()
    }

    /// Says goodbye to everybody. What was said last may take a moment to leave.
    func stop() {
        guard !isStopping else { return }
        isStopping = true
        ticks?.cancel()
        names.stop()
        replicator.stop(at: now)
        obey()
        waiters.end(replicator.holders)
        for handler in handlers.values where handler.stage == .handshaking { handler.close() }
        publish()
    }

    /// Connections that are not closed yet.
    var openConnections: Int { handlers.count }

    /// Closes what did not close by itself.
    func closeAll() {
        for handler in Array(handlers.values) { handler.close() }
    }

    private func tick() {
        let now = now
        replicator.tick(at: now)
        for node in replicator.peersToDial(at: now) {
            guard let address = node.peer else { continue }
            PeerDialer.dial(self, node, address)
        }
        obey()
        look()
        answerWaiters()
        waiters.tick(at: now.timestamp.milliseconds, replicator.holders)
        if now.timestamp.milliseconds >= nextReport { publish() }
    }

    // MARK: - Coming and going

    /// Whether a connection from an address may come in; it counts as a stranger then.
    func accept(_ address: String) -> Bool {
        counters.accepted += 1
        guard !isStopping, strangers.enter(address) else {
            counters.refusedStrangers += 1
            log.tooManyStrangers(address, strangers.count, at: milliseconds)
            return false
        }
        return true
    }

    /// Makes a connection speak TLS and then the peers' protocol.
    func prepare(_ channel: any Channel, _ handler: LinkHandler) throws {
        let credentials = credentialsInForce.withLock { $0 }
        handler.credentials = credentials
        var options = TLSHandler.Options()
        options.handshakeTimeoutMilliseconds = settings.handshakeTimeout
        let stranger = handler.dialed == nil ? handler.address : nil
        options.report = { [weak self] error, _ in self?.count(error, of: stranger, credentials) }
        let context = handler.dialed == nil ? credentials.server : credentials.client
        let secure = try TLSHandler(context: context, buffers: tlsBuffers, options: options)
        handler.secure = secure
        handlers[ObjectIdentifier(handler)] = handler
        do {
            try channel.pipeline.syncOperations.addHandlers([secure, handler])
        } catch {
            handlers[ObjectIdentifier(handler)] = nil
            throw error
        }
    }

    /// TLS is agreed: a link begins. Nil if it must not.
    ///
    /// - Parameter names: those in the certificate of who is at the other end.
    func begin(_ handler: LinkHandler, _ names: TLSCertificateNames) -> LinkID? {
        guard !isStopping else { return nil }
        // The handshake went by what was in force when it began.
        guard !isRevoked(handler) else {
            let why = log.revoked(handler.dialed, handler.address)
            if let node = handler.dialed { dialFailed(node, why, isThere: true) }
            return nil
        }
        let proof = handler.credentials?.proof(names)
        let id: LinkID
        if let node = handler.dialed {
            if let proof, !proof.nodes.contains(node) {
                counters.refusedCertificates += 1
                dialFailed(node, log.strangeCertificate(proof.names, of: node), isThere: true)
                return nil
            }
            id = replicator.dialed(node, proof: proof, at: now)
        } else {
            guard let answered = replicator.answered(proof: proof, at: now) else {
                counters.refusedStrangers += 1
                log.tooManyStrangers(handler.address, strangers.count, at: milliseconds)
                return nil
            }
            id = answered
        }
        links[id] = handler
        return id
    }

    /// A connection is gone: a link, if it had come so far, or one that was being dialed.
    func ended(_ handler: LinkHandler, _ id: LinkID?, _ reason: String) {
        guard handlers.removeValue(forKey: ObjectIdentifier(handler)) != nil else { return }
        forgetStranger(handler)
        if let id {
            links[id] = nil
            replicator.closed(id, reason: reason, at: now)
            // The greeting was not answered.
            if let node = handler.dialed, handler.node == nil {
                tellFailure(node, log.unanswered(reason, handler), isThere: true)
            }
            obey()
            answerWaiters()
        } else if handler.stage == .handshaking, let node = handler.dialed {
            dialFailed(node, log.unshaken(reason, handler), isThere: true)
        }
    }

    /// A link whose last words are on their way.
    func left(_ id: LinkID) {
        links[id] = nil
        replicator.closed(id, at: now)
        obey()
    }

    /// A connection said who it is, or is gone.
    func forgetStranger(_ handler: LinkHandler) {
        guard handler.isStranger else { return }
        handler.isStranger = false
        strangers.leave(handler.address)
    }

    /// A node that was dialed did not come to a link. `isThere` says whether somebody took the connection.
    func dialFailed(_ node: UInt8, _ reason: String, isThere: Bool = false) {
        replicator.dialFailed(node, at: now)
        tellFailure(node, reason, isThere: isThere)
    }

    private func tellFailure(_ node: UInt8, _ reason: String, isThere: Bool) {
        counters.failedDials += 1
        guard !isStopping else { return }
        log.dialFailed(node, reason, isThere: isThere, at: milliseconds)
    }

    func acceptFailed(_ error: any Error) {
        counters.acceptErrors += 1
        log.acceptFailed(error, at: milliseconds)
    }

    /// Counts a handshake that failed, on either side's word. If this node dialed, ``dialFailed(_:_:)`` tells the rest.
    private func count(_ error: TLSError, of stranger: String?, _ credentials: PeerCredentials) {
        switch error {
        case .handshakeTimedOut: counters.lateHandshakes += 1
        case .record where error.concernsCertificate: break
        case .handshake, .handshakeCut, .handshakeTooLong, .plainText, .tooMuchBeforeHandshake:
            counters.refusedHandshakes += 1
        case .setting, .record, .truncated, .closed, .noMemory: return
        }
        if error.concernsCertificate { counters.refusedCertificates += 1 }
        if let stranger { log.handshakeFailed(stranger, error, credentials, at: milliseconds) }
    }

    // MARK: - Bytes

    func received(_ bytes: ByteBuffer, on id: LinkID) {
        replicator.received(bytes.readableBytesUInt8Span, on: id, at: now)
        obey()
        answerWaiters()
    }

    /// What a link is to be sent now; nil if it is nothing.
    func pull(_ id: LinkID) -> ByteBuffer? {
        output.removeAll(keepingCapacity: output.capacity <= PeerSettings.keptBytes)
        replicator.pull(id, room: PeerSettings.pullBytes, into: &output, at: now)
        guard !output.isEmpty else { return nil }
        // If the last one is still in use this makes another.
        if buffer.capacity > PeerSettings.keptBytes { buffer = ByteBuffer() }
        buffer.clear(minimumCapacity: output.count)
        buffer.writeBytes(output)
        return buffer
    }

    /// Sends what shards have for peers, and whatever else there is to be said.
    func look() {
        let shards = news.take()
        var next = shards.first(from: 0)
        while let shard = next {
            replicator.woke(shard: shard)
            next = shards.first(from: shard + 1)
        }
        pullAll()
    }

    func pullAll() {
        for handler in Array(links.values) { handler.pull() }
    }

    /// A link has more to say, after everybody else.
    func pullLater(_ handler: LinkHandler) {
        waitingToPull.append(handler)
        guard !isPullDue else { return }
        isPullDue = true
        eventLoop.assumeIsolated().execute { [self] in
            isPullDue = false
            let waiting = waitingToPull
            waitingToPull = []
            for handler in waiting { handler.pull() }
        }
    }

    /// A link has something to say a little later.
    func pullWhenDue(_ id: LinkID) {
        guard !isPullTimed, !isStopping, let due = replicator.nextPull(id) else { return }
        isPullTimed = true
        let wait = TimeAmount.microseconds(max(due.microseconds - now.microseconds, 0))
        eventLoop.assumeIsolated().scheduleTask(in: wait) { [self] in
            isPullTimed = false
            pullAll()
        }
    }

    // MARK: - What the replicator wants

    /// Does what the replicator wants, until it wants nothing more.
    func obey() {
        while true {
            let actions = replicator.takeActions()
            guard !actions.isEmpty else { return }
            for action in actions { obey(action) }
        }
    }

    private func obey(_ action: ReplicatorAction) {
        log.tell(action, at: milliseconds)
        switch action {
        case .close(let id): links[id]?.finish()
        case .opened(let id, let node, _, _):
            if let handler = links[id] {
                handler.node = node
                forgetStranger(handler)
                if handler.dialed == nil { strangers.know(handler.address) }
            }
            publish()
        case .refused: counters.refusedGreetings += 1
        case .membership:
            publish()
            shown.show(ClusterView(cluster, replicator.membership))
        case .lost, .ready: publish()
        case .copied, .notKept, .fellBehind, .resent, .mended, .settings: break
        }
    }

    // MARK: - Who waits, and who asks

    /// Calls `answer` when enough nodes have all that was written here before now, or at the deadline.
    func add(
        _ wanted: Waiters.Wanted, timeout: Int64?, number: WaitNumber, _ answer: @escaping Waiters.Answer
    ) {
        let positions = replicator.positions()
        let (holding, lacking) = replicator.holders(of: positions)
        guard !isStopping, !Waiters.isEnough(holding, lacking, wanted) else {
            answer(holding)
            return
        }
        let deadline = timeout.map { milliseconds + max($0, 0) }
        guard waiters.add(wanted, positions, deadline: deadline, number: number, answer) else {
            counters.refusedWaiters += 1
            answer(holding)
            return
        }
        look()
    }

    private func answerWaiters() {
        if waiters.count > 0 { waiters.answer(replicator.holders) }
    }

    private func publish() {
        let now = now
        nextReport = now.timestamp.milliseconds + settings.reportInterval
        let report = replicator.report(at: now)
        log.progress(report, at: now.timestamp.milliseconds)
        var bytesWaiting: [UInt8: Int] = [:]
        for handler in links.values {
            if let node = handler.node { bytesWaiting[node, default: 0] += handler.bytesWaiting }
        }
        shown.publish(
            PeerSnapshot(
                report: report, counters: counters, bytesWaiting: bytesWaiting, waiting: waiters.count,
                failures: log.failures, at: now.timestamp))
    }
}
