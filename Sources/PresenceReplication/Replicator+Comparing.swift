import Presence
import PresenceCluster
import PresenceStore

/// Finds what differs in silence: what was lost with a node, what could not be merged, what nobody can explain.
///
/// ```
///  lower number                                higher number
///      | digest of a range (a pass in digestInterval) |
///      |--------------------------------------------->|  equal: nothing. Different: it may be on its way
///      |          digest of the same range, later     |
///      |<---------------------------------------------|
///      |  still different: request, and its records   |
///      |--------------------------------------------->|
/// ```
/// A follower takes part as others do: what a node told it alone, before that node was gone, comes back from it.
///
/// Digests leave out what nodes need not agree in: heartbeats, activities, homes. Users of whom nothing is left but a version are left out where one of the two
/// may forget them.
extension Replicator {
    /// Records that a range should have: digests are small then, and what is exchanged for one difference too.
    private static let recordsInRange = 256
    /// For how long before a tick digests that were due are still made, in microseconds: a little longer than from one tick to the next.
    private static let digestsMissed: Int64 = 25_000

    /// Puts what is due onto the links: ranges of the pass, and ranges that are looked at again.
    func compareOnward(_ peer: PeerState, _ link: LinkState) {
        // While changes are long on their way, ranges differ in those: nothing is to be mended.
        guard !isBehind(peer) else { return }
        while let first = peer.suspects.first, first.at <= now, link.digests.count < FrameLimits.ranges {
            peer.suspects.removeFirst()
            if !settings.fails(.lostDifference) { link.digests.append(digest(of: first.range, link)) }
        }
        guard cluster.own.number < peer.number, peer.hasCopy || isFollower, peer.copyIn?.isDone == true else { return }
        // A bound for each tick, and of what came due before it: a node that was stopped does not make up for everything at once, and one that ticks
        // every 20 ms or so misses nothing.
        for _ in 0..<128 where peer.nextDigest <= now && link.digests.count < FrameLimits.ranges {
            if peer.digestPlace == 0 { beginPass(peer) }
            let range = HashRange(containing: peer.digestPlace, bits: peer.digestBits)
            link.digests.append(digest(of: range, link))
            peer.counters.rangesCompared += 1
            peer.digestPlace = range.end &+ 1
            if peer.digestPlace == 0 { (peer.isPassUrgent, peer.isNextPassUrgent) = (peer.isNextPassUrgent, false) }
            let interval = settings.digestInterval * 1000 / (peer.isPassUrgent ? 10 : 1)
            let pause = max(interval >> Int64(peer.digestBits), 1)
            peer.nextDigest = PeerTime(
                microseconds: max(peer.nextDigest.microseconds, now.microseconds - Replicator.digestsMissed) + pause)
        }
    }

    private func beginPass(_ peer: PeerState) {
        let ranges = max(store.recordCount() / Replicator.recordsInRange, 1)
        let bits = Int.bitWidth - (ranges - 1).leadingZeroBitCount
        peer.digestBits = UInt8(min(max(bits, 6, store.shardCount.trailingZeroBitCount), 24))
    }

    /// A pass begins at once and goes ten times as fast: somebody came or went, and may have taken with him what others miss. Behind one that goes fast
    /// already: it would never end where a node comes and goes for ever.
    func compareSoon() {
        for peer in peers {
            guard !peer.isPassUrgent || peer.digestPlace == 0 else {
                peer.isNextPassUrgent = true
                continue
            }
            peer.digestPlace = 0
            peer.nextDigest = now
            peer.isPassUrgent = true
        }
    }

    private func digest(of range: HashRange, _ link: LinkState) -> RangeDigest {
        let forgets = [shared, link.theirs].map { $0[SharedSettings.forgettingName] }
        let (digest, count) = store.digest(
            start: range.start, bits: range.bits, countsForgettable: forgets == ["no", "no"], at: now.timestamp)
        return RangeDigest(range, digest: digest, count: UInt32(clamping: count))
    }

    /// The other side's digests.
    func compare(_ digests: [RangeDigest], _ peer: PeerState, _ link: LinkState) {
        let isSecondLook = cluster.own.number < peer.number
        for theirs in digests {
            let ours = digest(of: theirs.range, link)
            if !isSecondLook { peer.counters.rangesCompared += 1 }
            guard ours.digest != theirs.digest || settings.fails(.falseDifference) else { continue }
            if isSecondLook {
                if !isBehind(peer) { mend(theirs.range, peer) }
            } else if !peer.suspects.contains(where: { $0.range == theirs.range }) {
                PeerState.add(
                    (theirs.range, now.advanced(byMilliseconds: settings.digestRecheck)), to: &peer.suspects,
                    limit: settings.maximumRanges, dropped: &peer.counters.rangesDropped)
            }
        }
    }

    private func isBehind(_ peer: PeerState) -> Bool {
        peer.isBehind(byMilliseconds: settings.digestRecheck / 2, at: now)
    }

    /// Both tell each other what they have of a range.
    private func mend(_ range: HashRange, _ peer: PeerState) {
        guard !peer.mending.contains(range), !peer.ranges.contains(where: { $0.range == range }) else { return }
        peer.counters.rangesMended += 1
        PeerState.add(range, to: &peer.mending, limit: settings.maximumRanges, dropped: &peer.counters.rangesDropped)
        PeerState.add(
            PeerState.RangeOut(token: PeerState.mendingToken, range: range, from: range.start), to: &peer.ranges,
            limit: settings.maximumRanges, dropped: &peer.counters.rangesDropped)
    }
}
