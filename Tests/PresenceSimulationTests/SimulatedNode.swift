import Presence
import PresenceCluster
import PresenceReplication
import PresenceTesting
import Synchronization

@testable import PresenceStore

/// One node of a simulation: the store and the replicator of the service, and what runs them.
final class SimulatedNode {
    let index: Int
    let clock: SimulatedClock
    let cluster: ClusterConfiguration
    let settings: ReplicatorSettings
    private(set) var store: ShardedStore
    private(set) var replicator: Replicator
    private var reader: EventReader
    private var listener: ShardListener
    private let woken: Woken
    let stallHold: Int64
    /// Whether it takes part; one that crashed does not.
    var isUp = true
    /// It is stopped, and goes on where it was: what arrives waits.
    var isPaused = false {
        didSet {
            if isPaused, !oldValue { pausedAt = clock.worldMilliseconds }
            if !isPaused, oldValue { resumedAt = clock.worldMilliseconds }
        }
    }
    /// When it was stopped last, in milliseconds of simulated time.
    private(set) var pausedAt: Int64 = -1
    /// When it went on last.
    private(set) var resumedAt: Int64 = -100_000
    /// It ends in good order, and takes nothing more from clients.
    private(set) var isLeaving = false
    /// When it did so last: what it had taken by then the others know.
    private(set) var leftAt: Int64 = -1
    /// Whom it announced offline since somebody asked last.
    var toldOffline: [String] = []
    /// What it announced since somebody asked last.
    var announced: [StatusChange] = []
    /// What each user's last event said.
    var told: [String: StatusChange] = [:]
    /// The viewer's list: what its owner was told.
    var list: [String: Status] = [:]
    private var watch: Watch?
    var eventCount = 0
    /// When it began, in milliseconds of simulated time.
    private(set) var restartedAt: Int64 = -1

    private final class Woken: Sendable {
        let shards = Mutex<Set<Int>>([])
    }

    static let viewer = "watcher"
    static let shardCount = 4

    init(
        index: Int, cluster: ClusterConfiguration, settings: ReplicatorSettings, world: Int64, skew: Int64,
        stallHold: Int64
    ) {
        self.index = index
        self.cluster = cluster
        self.settings = settings
        clock = SimulatedClock(world: world, skew: skew)
        woken = Woken()
        self.stallHold = stallHold
        (store, replicator, reader, listener) = SimulatedNode.begin(cluster, settings, clock, woken, stallHold)
    }

    private static func begin(
        _ cluster: ClusterConfiguration, _ settings: ReplicatorSettings, _ clock: SimulatedClock, _ woken: Woken,
        _ stallHold: Int64
    ) -> (ShardedStore, Replicator, EventReader, ShardListener) {
        var configuration = ShardedStore.Configuration(clock: clock)
        configuration.shards = shardCount
        configuration.node = cluster.own.number
        configuration.hashSecret = (1, 2)
        configuration.replicaLogEntries = 256
        configuration.peerMargin = Simulation.margin
        configuration.stallHold = stallHold
        configuration.policy = Simulation.policy
        configuration.statusChangesPerMinute = 0
        configuration.storms.sharePercent = 0
        let store = ShardedStore(configuration)
        let replicator = Replicator(
            store: store, cluster: cluster, incarnation: UInt64(clock.now().milliseconds) * 1000, settings: settings,
            at: PeerTime(clock.now()))
        return (
            store, replicator, store.makeReader { _ in },
            store.listenToReplicaLogs { shard, _ in woken.shards.withLock { _ = $0.insert(shard) } }
        )
    }

    /// It begins anew, with nothing.
    func restart(at milliseconds: Int64) {
        restartedAt = milliseconds
        store.cancel(listener)
        reader.cancel()
        woken.shards.withLock { $0 = [] }
        (store, replicator, reader, listener) = SimulatedNode.begin(cluster, settings, clock, woken, stallHold)
        told = [:]
        toldOffline = []
        announced = []
        list = [:]
        watch = nil
        isUp = true
        isPaused = false
        isLeaving = false
    }

    /// Begins to end in good order.
    func leave() {
        isLeaving = true
        leftAt = clock.worldMilliseconds
        replicator.finishHandOver(at: now)
    }

    var now: PeerTime { PeerTime(clock.now()) }

    /// Time goes on here: timers, the replicator's tick, what shards have to say.
    func tick() {
        store.advance(to: clock.now())
        for shard in woken.shards.withLock({ shards in
            defer { shards = [] }
            return shards.sorted()
        }) { replicator.woke(shard: shard) }
        replicator.tick(at: now)
    }

    func wake() {
        for shard in woken.shards.withLock({ shards in
            defer { shards = [] }
            return shards.sorted()
        }) { replicator.woke(shard: shard) }
    }

    /// The sessions of a user that it knows, by their ids, and since which write.
    func incarnations(of user: String) -> [String: Stamp] {
        guard let image = store.image(of: user.utf8.span, at: clock.now()),
            let known = try? UserImage.facts(in: image.span)
        else { return [:] }
        return Dictionary(
            uniqueKeysWithValues: known.facts.sessions.map { (String(decoding: $0, as: UTF8.self), $1.incarnation) })
    }

    // MARK: - What its clients see

    /// A client of this node watches users from now on.
    func watch(_ users: [String]) throws {
        var bytes: [UInt8] = []
        var ranges: [KeyRange] = []
        for user in users {
            ranges.append(KeyRange(offset: bytes.count, length: user.utf8.count))
            bytes += Array(user.utf8)
        }
        let viewer = Array(SimulatedNode.viewer.utf8)
        let reply = try store.watch(
            viewer.span, since: Span(), bytes.span, ranges.span, at: clock.now(), wake: { _ in })
        watch = reply.watch
        for row in reply.rows { list[row.user] = row.status }
    }

    /// Takes what the watcher and the readers of events are told. Returns what is wrong with it.
    func listen() -> [String] {
        var wrong: [String] = []
        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { reader.read(shard: shard, limit: 100_000, into: &events) }
        for event in events {
            if case .missed(let count) = event { wrong.append("\(count) events were missed") }
            guard case .status(let change) = event else { continue }
            eventCount += 1
            let user = String(decoding: change.userID, as: UTF8.self)
            if let last = told[user] {
                if change.old != last.new { wrong.append("\(user): \(change) does not follow \(last)") }
                if change.version <= last.version { wrong.append("\(user): \(change) is no newer than \(last)") }
            }
            if change.new == change.old { wrong.append("\(user): \(change) changes nothing") }
            told[user] = change
            announced.append(change)
            if change.new == .offline { toldOffline.append(user) }
        }
        if let watch {
            for shard in 0..<store.shardCount { while store.pumpWatches(shard: shard) {} }
            while true {
                let (frame, hasMore) = store.takeFrame(of: watch, at: clock.now())
                for row in frame?.rows ?? [] { list[row.user] = row.status }
                if !hasMore { break }
            }
        }
        return wrong
    }
}
