import Presence
import PresenceCluster
import PresenceStore

/// What time brings.
extension Replicator {
    /// Time has gone on: judges silences, pings, compares, carries a flush on. To be called every 20 ms or so; then pull from all links.
    public func tick(at instant: PeerTime) {
        advance(to: instant)
        for shard in lastRead.indices { lastRead[shard] = nil }
        for change in membership.tick(at: now.milliseconds) {
            note(change)
            if change.node.state == .down { wentDown(change.node) }
        }
        for link in orderedLinks where !link.isClosing {
            if link.openedAt == nil, now.milliseconds(since: link.began) >= settings.greetingTimeout {
                actions.append(
                    .refused(node: link.dialed ?? 0, reason: "no greeting within \(settings.greetingTimeout) ms"))
                link.isClosing = true
                actions.append(.close(link.id))
            } else if !link.isHeard, let openedAt = link.openedAt,
                now.milliseconds(since: openedAt) >= settings.silence.downAfter
            {
                close(link, Goodbye(.silence, "nothing came behind the greeting"))
            }
        }
        for peer in peers {
            tellNotKept(peer)
            peer.unacknowledged.formUnion(peer.acknowledgeLater)
            peer.acknowledgeLater = []
            if let link = openLink(to: peer) {
                compareOnward(peer, link)
                askForRefused(peer, link)
            }
        }
        markLogs()
        beginFlushesToCome()
        goOnFlushing()
        goOnCopying()
        goOnHandingOver()
        lookWhetherReady()
        lookWhetherAllAreHeard()
    }

    /// Tells the store whether another node cannot be heard of, which it must know before it takes silence for an end.
    private func lookWhetherAllAreHeard() {
        let hasUnheardPeer = peers.contains { !$0.node.isFollower && openLink(to: $0) == nil }
        guard hasUnheardPeer != self.hasUnheardPeer else { return }
        self.hasUnheardPeer = hasUnheardPeer
        store.setHasUnheardPeer(hasUnheardPeer)
    }

    private func wentDown(_ node: Membership.Node) {
        guard let peer = peer(node.number) else { return }
        if let id = peer.link, let link = links[id] {
            close(link, Goodbye(.silence, "node \(peer.node.name) is down: \(node.cause)"))
        }
        // What a follower knew, it had from others.
        if !node.isFollower { compareSoon() }
    }

    /// A flush that a peer told goes on in slices.
    private func goOnFlushing() {
        guard var flush = flushing else { return }
        for _ in 0..<128 {
            flush.cursor = store.removeAll(from: flush.cursor, upTo: flush.stamp, at: now.timestamp)
            if flush.cursor == 0 {
                flushing = nil
                for peer in peers { peer.isFlushing = peer.flushToCome != .zero }
                return
            }
        }
        flushing = flush
    }
}
