import Presence
import PresenceCluster
import PresenceStore

/// Heartbeats that a node hands over before it leaves.
///
/// The others know of one heartbeat a TTL (`ShardState.tellBeats`), so of most sessions this node alone knows the last one. Without it they would take for over who
/// beats at one of them in time. So each is told once when the leaving begins, and those that came since once more, until the end.
struct HandOver {
    /// Where in hash order the pass goes on; nil if it is over.
    var place: UInt64? = 0
    /// Heartbeats of that instant and later are told.
    var since = Timestamp.distantPast
    /// When the pass began.
    var began: PeerTime
    /// When the next one begins.
    var nextPass = PeerTime(microseconds: .max)

    init(at now: PeerTime) { began = now }

    /// The pass is over. Going through all users costs what it costs: the next one comes after several times as long.
    mutating func finish(at now: PeerTime) {
        place = nil
        nextPass = now.advanced(byMilliseconds: max(500, 8 * now.milliseconds(since: began)))
    }

    /// Goes through all again, for what came since this pass began, or as far as it did not come.
    mutating func beginAgain(at now: PeerTime) {
        if place == nil { since = began.timestamp }
        began = now
        place = 0
        nextPass = PeerTime(microseconds: .max)
    }
}

/// How a node goes.
extension Replicator {
    /// This node leaves within so many seconds, 0 takes that back: it owns nothing more, here and at the peers.
    public func drain(seconds: Int, at instant: PeerTime) {
        advance(to: instant)
        drainsUntil = seconds > 0 ? now.advanced(byMilliseconds: Int64(seconds) * 1000) : nil
        note(membership.setDraining(cluster.own.number, drainsUntil != nil || !isReady, at: now.milliseconds))
        for link in links.values where link.isOpen { link.drain = drainSeconds }
        guard !isFollower else { return }
        if seconds == 0 { handOver = nil } else if handOver == nil { handOver = HandOver(at: now) }
    }

    /// What peers are told: how soon this node leaves, or that it does not know everybody yet; 0 if it is here to stay.
    var drainSeconds: UInt32 {
        if let drainsUntil {
            return UInt32(min(max(drainsUntil.milliseconds(since: now) / 1000, 1), Int64(FrameLimits.drainSeconds)))
        }
        return isReady ? 0 : FrameLimits.drainSeconds
    }

    /// The last pass: heartbeats that have not been told are, however few clients are left to bring others. For who ends without having said that he leaves it is
    /// the first.
    public func finishHandOver(at instant: PeerTime) {
        advance(to: instant)
        guard !isFollower else { return }
        if handOver == nil { handOver = HandOver(at: now) } else { handOver?.beginAgain(at: now) }
    }

    /// Whether heartbeats are still to be noted.
    public var isHandingOver: Bool { handOver?.place != nil }

    /// Segments in one tick: of a million users the last is told within a second.
    private static let handedOverAtOnce = 128

    /// Notes heartbeats, as many as the logs have room for.
    func goOnHandingOver() {
        guard handOver != nil else { return }
        if drainsUntil != nil, handOver?.place == nil, handOver?.nextPass ?? now < now { handOver?.beginAgain(at: now) }
        let room = UInt64(store.replicaLogCapacity / 2)
        for _ in 0..<Replicator.handedOverAtOnce {
            guard let handOver, let place = handOver.place, isRead(store.shardIndex(place), but: room) else { return }
            let next = store.noteBeats(from: place, since: handOver.since, at: now.timestamp)
            self.handOver?.place = next
            if next == nil { self.handOver?.finish(at: now) }
        }
    }

    /// Whether all peers to which a shard's changes are told have read its log but for so many entries. Who is stuck is down soon.
    private func isRead(_ shard: Int, but room: UInt64) -> Bool {
        let end = store.replicaLogEnd(shard: shard)
        return peers.allSatisfy { peer in
            let state = peer.shards[shard]
            return openLink(to: peer) == nil || state.sending != .streaming || end - state.sent < room
        }
    }

    /// Says goodbye on all links, and refuses whoever has come and not been answered yet. They are closed once that is pulled.
    public func stop(at instant: PeerTime) {
        advance(to: instant)
        for link in orderedLinks {
            if link.openedAt == nil, link.dialed == nil { link.greeting = .refuse(.unavailable(identity)) }
            close(link, Goodbye(.shutdown, "node \(cluster.own.name) stops"))
        }
    }
}
