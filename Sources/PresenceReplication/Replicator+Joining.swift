import Presence
import PresenceCluster
import PresenceStore

/// When a node that begins is ready: it may show people to clients.
///
/// ```
///  who begins (N)                                  each peer (P)
///      |  acknowledge: all shards of P                  |
///      |----------------------------------------------->|  from here on who waits at P for all that show people waits for N too
///      |  request of one hash, by the copy's token      |
///      |----------------------------------------------->|
///      |  positions, records: none                      |
///      |<-----------------------------------------------|  what was written before: N is ready once it has that
/// ```
/// Without the second question what was written at P while N copied the last parts would still be on its way when N is ready, and P, to whom N was one that
/// shows nobody, would have waited for nobody to have it.
extension Replicator {
    /// What is asked for so that a peer tells its positions, as it does before each part: on links of version 4.
    static let noPart = HashRange(containing: 0, bits: 64)

    /// A link is lost from which was copied: what came so far is a part of what there is, and whoever served it would show the others offline.
    func waitToJoin() {
        guard !isReady, joinWaits < settings.maximumJoinWaits else { return }
        joinWaits += 1
        joinsUntil = max(joinsUntil, now.advanced(byMilliseconds: settings.joinTimeout))
    }

    /// Whether all is here that a peer had when it heard that it was copied.
    func isCaughtUp(with peer: PeerState, version: UInt16) -> Bool {
        guard peer.copyIn?.isDone == true else { return false }
        guard version >= ProtocolVersions.hasPositions else { return true }
        guard case .upTo(let ends) = peer.catchingUp else { return false }
        return ends.indices.allSatisfy { peer.merged[UInt16($0)] ?? 0 >= ends[$0] }
    }

    /// The records of a copy came; if they are those of no part, the positions before them are what a peer has, now that it knows that it was copied.
    func lookHowFar(_ slice: RecordSlice, _ peer: PeerState) {
        guard peer.catchingUp == .asked, slice.range == Replicator.noPart, slice.token == peer.copyIn?.token,
            let own = peer.told.first(where: { $0.node == peer.number })
        else { return }
        peer.catchingUp = .upTo(own.positions)
    }

    func lookWhetherReady() {
        guard !isReady else { return }
        let mayStillCome = now < joinsUntil
        var mustWait = false
        var missing: [UInt8] = []
        for peer in peers where !peer.node.isFollower {
            if let link = openLink(to: peer) {
                if peer.copyIn?.isDone == true, peer.catchingUp == .notAsked { peer.catchingUp = .wanted }
                if !isCaughtUp(with: peer, version: link.version) { mustWait = true }
            } else if mayStillCome || peer.link != nil {
                // A link that is to be closed, as one whose peer is silent, is looked at once it is: what came by it may be a part.
                mustWait = true
            } else {
                missing.append(peer.number)
            }
        }
        guard !mustWait else { return }
        // A follower that has heard nobody would show everybody offline.
        guard !isFollower || peers.contains(where: { $0.copyIn?.isDone == true }) else { return }
        isReady = true
        actions.append(.ready(missing: missing))
        if drainsUntil == nil { note(membership.setDraining(cluster.own.number, false, at: now.milliseconds)) }
        for link in links.values where link.isOpen { link.drain = drainSeconds }
    }
}
