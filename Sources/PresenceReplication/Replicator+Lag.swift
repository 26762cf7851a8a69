import Presence
import PresenceStore

/// How far a peer is behind, in time.
///
/// Two looks, since neither sees all. One change at a time is timed from where it leaves to the word that it is merged: that is exact, and says nothing while no
/// such word comes. And ten times a second it is noted how far the logs are: until a peer has acknowledged all of that, something that it has not got is at least
/// as old, whatever holds it up: a socket that takes nothing, a copy under way, a link that is gone.
extension Replicator {
    /// Between two looks at how far the logs are, in milliseconds.
    private static let markInterval: Int64 = 100

    /// Notes how far the logs are, for peers that lack something and of whom nothing older is known to be missing.
    func markLogs() {
        guard !isFollower, now.milliseconds(since: markedAt) >= Self.markInterval else { return }
        markedAt = now
        guard peers.contains(where: { $0.mark == nil }) else { return }
        let ends = positions().map(\.position)
        for peer in peers where peer.mark == nil && !peer.holds(ends) { peer.mark = (ends, now) }
    }

    /// A peer has said how far it has merged our changes.
    func timeLag(_ peer: PeerState) {
        if let mark = peer.mark, peer.holds(mark.ends) { peer.mark = nil }
        guard let marker = peer.marker, peer.shards[marker.shard].acknowledged >= marker.position else { return }
        peer.marker = nil
        peer.counters.lastLagMicroseconds = now.microseconds - marker.at.microseconds
        peer.lagMeasuredAt = now
        peer.counters.lag.record(peer.counters.lastLagMicroseconds / 100)
    }
}
