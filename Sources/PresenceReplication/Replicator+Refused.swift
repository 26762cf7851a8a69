import PresenceCluster
import PresenceStore

/// What a peer told and this node could not merge: `maxmemory` is reached, or a clock is ahead.
///
/// Of the peer's shard nothing is acknowledged from there on, so who waits at the peer for all to hold a write waits for this node too. The keys are asked for
/// again once a second; when they are here, the shard is acknowledged up to what was merged meanwhile. Where there are too many keys to be kept, or the link
/// ends before, the changes go on from the position before them.
///
/// Of a copy that a node makes this is not known: its positions are those of who hands it over, and a node without memory would never be ready. There it is
/// found by comparing. That it is ready without is counted (`copiedInRefused`), and said before it says so (`notKept`).
extension Replicator {
    /// Keys that are asked for again, a peer.
    static let maximumRefused = FrameLimits.ranges
    /// After how many milliseconds.
    static let refusedPause: Int64 = 1_000
    /// What is not acknowledged for longer, in milliseconds, is not on its way: it cannot be merged there.
    static let stuckAfter: Int64 = 30_000

    /// The shard of a peer, all of whose records it sends unasked; nil if a slice is of something else.
    func wholeShard(_ slice: RecordSlice) -> UInt16? {
        guard slice.token == 0, slice.range.bits < 64 else { return nil }
        return slice.range.bits == 0 ? 0 : UInt16(exactly: slice.range.start >> (64 - UInt64(slice.range.bits)))
    }

    /// An image of a peer's shard could not be merged.
    func refused(_ image: Span<UInt8>, of shard: UInt16, _ peer: PeerState) {
        guard let hash = store.keyHash(in: image) else { return }
        let count = peer.refused.values.reduce(0) { $0 + $1.hashes.count }
        var refused = peer.refused[shard] ?? PeerState.Refused(from: peer.merged[shard] ?? 0)
        if count < Replicator.maximumRefused { refused.hashes.insert(hash) } else { refused.isMore = true }
        peer.refused[shard] = refused
        if peer.refusedAskedAt == nil { peer.refusedAskedAt = now }
    }

    /// Says that something of a peer could not be kept, if that is news.
    func tellNotKept(_ peer: PeerState) {
        guard peer.counters.imagesRefused > peer.refusalsTold, let reason = peer.lastRefusal else { return }
        peer.refusalsTold = peer.counters.imagesRefused
        actions.append(.notKept(from: peer.number, images: peer.counters.imagesRefused, reason: reason.message))
    }

    /// What a peer has of a key is here.
    func took(_ hash: UInt64, _ peer: PeerState) {
        for (shard, refused) in peer.refused where refused.hashes.contains(hash) {
            var refused = refused
            refused.hashes.remove(hash)
            let isHere = refused.hashes.isEmpty && !refused.isMore
            peer.refused[shard] = isHere ? nil : refused
            if isHere { peer.unacknowledged.insert(shard) }
        }
    }

    /// Asks for what could not be merged, once in a while.
    func askForRefused(_ peer: PeerState, _ link: LinkState) {
        guard !peer.refused.isEmpty, let last = peer.refusedAskedAt,
            now.milliseconds(since: last) >= Replicator.refusedPause
        else { return }
        peer.refusedAskedAt = now
        let hashes = peer.refused.values.flatMap(\.hashes)
        guard !hashes.isEmpty else {
            // There is room again, and nobody knows for whom it was missing.
            let text = "node \(cluster.own.name) could not keep all that was told, and can now: it is to be told again"
            close(link, Goodbye(.refusedChanges, text))
            return
        }
        for hash in hashes {
            let range = HashRange(containing: hash, bits: 64)
            guard !peer.wanted.contains(range) else { continue }
            PeerState.add(range, to: &peer.wanted, limit: FrameLimits.ranges, dropped: &peer.counters.rangesDropped)
        }
    }

    /// A link is gone: the next one goes on from before what could not be merged.
    func forgetRefused(_ peer: PeerState) {
        for shard in peer.refused.keys { peer.merged[shard] = peer.held(shard) }
        peer.refused = [:]
        peer.refusedAskedAt = nil
    }
}
