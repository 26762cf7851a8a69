import Presence
import PresenceCluster
import PresenceStore

/// One node's side of replication: what it tells each other node and what it does with what it is told. A state machine without I/O, a clock or threads.
///
/// Every node holds everyone and takes any write. A write leaves its key in the log of its shard; for each peer there is a position in each log, and what
/// lies behind it is told as *images*, which the other side merges in any order. So there is nothing to elect, to vote on or to repeat: losing a node loses
/// nothing that it had told, and a peer that falls out of a log gets a copy.
/// ```
///             dialed / answered                     takeActions() -> close, news for the log
///  carrier -> received(bytes)      [ Replicator ] -> pull(link, room) -> bytes, only when the carrier can take them
///             tick, woke(shard)          |
///                                 ShardedStore: logs, images, merge
/// ```
/// **Kept true.** What is told of a shard up to a position is acknowledged only once it is merged. A peer that has acknowledged a position has every change
/// before it, by the log or by a copy. Nothing waits for a peer: what it has not got lies in the store, in its log or in its records.
///
/// **A follower** (`ClusterNode.isFollower`) is told all this and has nothing of its own to tell: nobody writes there, so nobody asks it for a copy or waits
/// for it to be ready. It hands on what it heard as others do: a flush, and where comparing finds a difference, its records. Followers do not link to each
/// other.
///
/// **Cost.** An image is made once for all peers that are equally far. Memory: the codec's buffers, 48 bytes a shard and peer.
///
/// Not safe for concurrent use: one thread runs it; the store may be used by others meanwhile.
public final class Replicator {
    let store: ShardedStore
    /// The cluster, and which of its nodes this is.
    public let cluster: ClusterConfiguration
    /// This start of the node.
    public let incarnation: UInt64
    /// The settings in which nodes should agree, as they are now.
    private(set) var shared: SharedSettings
    let settings: ReplicatorSettings
    /// Whether this node only listens.
    let isFollower: Bool
    /// Who is there.
    public internal(set) var membership: Membership
    /// Whether this node has copied from all who are there, or has waited for them in vain; a follower waits until it has copied from one. Once true it stays.
    public internal(set) var isReady = false
    /// By rising numbers.
    let peers: [PeerState]
    var links: [LinkID: LinkState] = [:]
    var actions: [ReplicatorAction] = []
    var now: PeerTime
    /// Until when a peer to whom there is no link is waited for before this node is ready, and how often that was put off.
    var joinsUntil: PeerTime
    var joinWaits = 0
    private var lastLink: UInt32 = 0
    var lastToken: UInt32 = 0
    /// When it was last looked at how far the logs are.
    var markedAt: PeerTime
    /// Whether the store was told that another node cannot be heard of.
    var hasUnheardPeer = false
    /// Until when this node says that it leaves; nil if it stays.
    var drainsUntil: PeerTime?
    /// Heartbeats that are handed over, since this node leaves; nil if it stays.
    var handOver: HandOver?
    /// What is here of a copy that is made in parts; nil if there is none.
    var copyPlan: CopyPlan?
    /// How far the changes of this node's last start are here, as peers had heard them; nil if nobody had.
    var ownLast: NodePositions?
    /// A flush under way.
    var flushing: (stamp: Stamp, cursor: UInt64)?
    /// What was read last of each shard's log: for the next peer that is equally far. Forgotten when the log goes on, and with every tick.
    var lastRead: [LogSlice?]

    /// What came from who had not said who he is, and was no frame.
    public internal(set) var strayFrameErrors: UInt64 = 0

    /// Images that fit into no frame.
    var oversizedImages: UInt64 = 0

    /// A part of a log as it is told.
    struct LogSlice {
        var form: ImageForm
        var from: UInt64
        var upTo: UInt64
        /// Whether the log had nothing more.
        var isEnd: Bool
        var images: Images
        var beats: [ReplicaBeat]
    }

    /// A node that begins: it knows nobody yet.
    ///
    /// - Parameters:
    ///   - store: what is replicated; its `node` is that of the configuration, and its `replicaLogEntries` are not 0.
    ///   - cluster: all nodes.
    ///   - incarnation: higher than at every start before; microseconds since 1970 will do.
    ///   - shared: the settings in which nodes should agree.
    ///   - settings: bounds and paces.
    ///   - now: when.
    public init(
        store: ShardedStore, cluster: ClusterConfiguration, incarnation: UInt64, shared: SharedSettings = .init(),
        settings: ReplicatorSettings = .init(), at now: PeerTime
    ) {
        self.store = store
        self.cluster = cluster
        self.incarnation = incarnation
        self.shared = Replicator.withFacts(shared, of: store)
        self.settings = settings
        isFollower = cluster.own.isFollower
        self.now = now
        joinsUntil = now.advanced(byMilliseconds: settings.joinTimeout)
        markedAt = now
        lastRead = Array(repeating: nil, count: store.shardCount)
        membership = Membership(cluster, limits: settings.silence, at: now.milliseconds)
        peers = cluster.others.filter { !(cluster.own.isFollower && $0.isFollower) }
            .map { PeerState($0, shardCount: store.shardCount, at: now) }
        if peers.isEmpty {
            isReady = true
        } else {
            _ = membership.setDraining(cluster.own.number, true, at: now.milliseconds)
        }
    }

    func peer(_ number: UInt8) -> PeerState? { peers.first { $0.number == number } }

    /// The link to a peer, if it is open.
    func openLink(to peer: PeerState) -> LinkState? {
        guard let id = peer.link, let link = links[id], link.isOpen else { return nil }
        return link
    }

    /// Links in the order in which they came.
    var orderedLinks: [LinkState] { links.values.sorted { $0.id.rawValue < $1.id.rawValue } }

    /// Who this node is, as greetings say it.
    var identity: NodeIdentity {
        NodeIdentity(
            cluster: cluster.name, node: cluster.own.number, name: cluster.own.name, incarnation: incarnation,
            clock: now.timestamp, settings: shared)
    }

    private static func withFacts(_ settings: SharedSettings, of store: ShardedStore) -> SharedSettings {
        settings.with(SharedSettings.Setting(SharedSettings.forgettingName, store.mayForget ? "yes" : "no"))
    }

    func advance(to instant: PeerTime) {
        // Before anything is merged, or told.
        let (last, next) = (now.timestamp, instant.timestamp)
        if next.milliseconds(since: last) > ShardedStore.shortestStall { store.noteStall(since: last, at: next) }
        now = max(now, instant)
    }

    // MARK: - Connections

    /// Peers that should be dialed now: of two nodes the one with the lower number dials, so that there is one link. Each is to be answered with
    /// ``dialed(_:proof:at:)`` or ``dialFailed(_:at:)``.
    public func peersToDial(at instant: PeerTime) -> [ClusterNode] {
        advance(to: instant)
        var wanted: [ClusterNode] = []
        for peer in peers where cluster.own.number < peer.number {
            guard peer.node.peer != nil, peer.link == nil, !peer.isDialing, peer.nextDial <= now else { continue }
            peer.isDialing = true
            wanted.append(peer.node)
        }
        return wanted
    }

    /// A connection to a peer is there: the greeting begins.
    public func dialed(_ node: UInt8, proof: PeerProof? = nil, at instant: PeerTime) -> LinkID {
        advance(to: instant)
        let link = makeLink(dialed: node, proof)
        let hello = Hello(versions: settings.versions, identity: identity)
        link.hello = hello
        link.greeting = .hello(hello)
        return link.id
    }

    /// A peer could not be reached: it is dialed again after a while, which doubles each time.
    public func dialFailed(_ node: UInt8, at instant: PeerTime) {
        advance(to: instant)
        guard let peer = peer(node) else { return }
        peer.isDialing = false
        delayDialing(peer)
    }

    /// Somebody has connected to this node's peer port. Nil if too many have without saying who they are: close it.
    public func answered(proof: PeerProof? = nil, at instant: PeerTime) -> LinkID? {
        advance(to: instant)
        guard links.values.count(where: { $0.openedAt == nil }) < settings.maximumGreeting else { return nil }
        return makeLink(dialed: nil, proof).id
    }

    private func makeLink(dialed: UInt8?, _ proof: PeerProof?) -> LinkState {
        lastLink += 1
        let link = LinkState(LinkID(rawValue: lastLink), dialed: dialed, proof: proof, settings: settings, at: now)
        links[link.id] = link
        return link
    }

    func delayDialing(_ peer: PeerState) {
        peer.failures = min(peer.failures + 1, 16)
        let wait = min(settings.redial.lowerBound << Int64(peer.failures - 1), settings.redial.upperBound)
        peer.nextDial = now.advanced(byMilliseconds: wait)
    }

    /// The connection is gone, whoever closed it.
    public func closed(_ id: LinkID, reason: String = "the connection ended", at instant: PeerTime) {
        advance(to: instant)
        guard let link = links.removeValue(forKey: id) else { return }
        if let dialed = link.dialed, let peer = peer(dialed) {
            peer.isDialing = false
            if peer.link == nil || peer.link == id { delayDialing(peer) }
        }
        guard let number = link.peer, let peer = peer(number), peer.link == id else { return }
        peer.link = nil
        // Who refused the link will do so again.
        let isRefused = link.goodbye?.reason == .refused
        if !isRefused, !peer.node.isFollower, !isCaughtUp(with: peer, version: link.version) { waitToJoin() }
        forgetSent(peer)
        actions.append(.lost(id, node: number, reason: link.goodbye?.text ?? reason))
    }

    /// What was on its way may be lost: the peer says how far it is when it is there again.
    func forgetSent(_ peer: PeerState) {
        for index in peer.shards.indices { peer.shards[index].sending = .unknown }
        peer.copyOut = nil
        peer.resending = nil
        peer.partsOut = []
        peer.handedOut = nil
        peer.partsWanted = []
        peer.toldFirst = []
        peer.told = []
        // A newer link may be to another start of the peer, or to one that has heard more: it is not known yet what that must have told.
        peer.covered = 0
        peer.catchingUp = .notAsked
        peer.hadCopy = false
        copyPlan?.forget(peer.number)
        forgetRefused(peer)
        peer.ranges = []
        peer.suspects = []
        peer.mending = []
        peer.marker = nil
    }

    /// What happened since the last call, in order.
    public func takeActions() -> [ReplicatorAction] {
        defer { actions = [] }
        return actions
    }

    // MARK: - What is asked of it

    /// A shard's log has something new (`ShardedStore.listenToReplicaLogs(wake:)`).
    public func woke(shard: Int) {
        guard !isFollower else { return }
        lastRead[shard] = nil
        for peer in peers { peer.dirty.insert(shard) }
    }

    /// How far the logs of all shards are now.
    public func positions() -> [ShardPosition] {
        (0..<store.shardCount).map {
            ShardPosition(shard: UInt16($0), position: store.closeReplicaLog(shard: $0))
        }
    }

    /// How many peers with a link have all that was written here before some positions, followers aside; and how many show people to clients and have not got
    /// it yet, followers among them. A peer counts for these until its silence is its end: also while it is suspect, between two links, or so far behind that
    /// it is copied to. One that is new, copies and shows nobody counts for neither.
    ///
    /// - Complexity: O(peers * positions).
    public func holders(of positions: [ShardPosition]) -> (holding: Int, lacking: Int) {
        var (holding, lacking) = (0, 0)
        for peer in peers {
            guard let member = membership.node(peer.number), member.state != .down else { continue }
            let isLinked = openLink(to: peer) != nil
            let hasAll = positions.allSatisfy { peer.shards[Int($0.shard)].acknowledged >= $0.position }
            // Between two links it says nothing, and has what it had said.
            if hasAll, peer.hasCopy || !isLinked {
                if isLinked, !peer.node.isFollower { holding += 1 }
            } else if peer.hasCopy || peer.hadCopy || !member.isDraining || !isLinked && peer.wasReady {
                lacking += 1
            }
        }
        return (holding, lacking)
    }

    /// All keys that exist were ended here: so they are there. The flush goes before what the logs have from now on, so whoever acknowledges a later position
    /// has it.
    ///
    /// - Parameter stamp: what `beginRemoveAll` returned.
    public func flushed(_ stamp: Stamp) {
        guard !isFollower else { return }
        for peer in peers { peer.flush = max(peer.flush, stamp) }
        store.noteFlush()
        woke(shard: 0)
    }

    /// The settings in which nodes should agree are these from now on: peers are told, and where both differ is told anew.
    public func share(_ settings: SharedSettings, at instant: PeerTime) {
        advance(to: instant)
        let settings = Replicator.withFacts(settings, of: store)
        guard settings != shared else { return }
        shared = settings
        for link in orderedLinks where link.isOpen {
            link.settings = shared
            tellDifferences(link)
        }
    }

    /// Ends a link from this side.
    func close(_ link: LinkState, _ goodbye: Goodbye) {
        guard !link.isClosing else { return }
        link.isClosing = true
        link.goodbye = goodbye
        actions.append(.close(link.id))
    }

    func note(_ change: Membership.Change?) {
        if let change { actions.append(.membership(change)) }
    }
}
