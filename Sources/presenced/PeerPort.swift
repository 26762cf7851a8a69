import Presence
import PresenceCluster
import PresenceLinks
import PresenceReplication
import PresenceServer

/// The links to other nodes as the RESP port asks for them.
struct PeerPort: ReplicationPort {
    let peers: PeerService

    var isReady: Bool { peers.isReady }

    func whenHeld(
        byAtLeast wanted: Int?, timeoutMilliseconds: Int?, _ done: @escaping @Sendable (Int) -> Void
    ) -> @Sendable () -> Void {
        let number = peers.whenHeld(byAtLeast: wanted, timeoutMilliseconds: timeoutMilliseconds, done)
        return { [peers] in peers.forget(number) }
    }

    func flushed(_ stamp: Stamp) { peers.flushed(stamp) }

    func drain(seconds: Int) { peers.drain(seconds: seconds) }

    func report() -> ReplicationSummary {
        guard let snapshot = peers.snapshot else { return ReplicationSummary() }
        return ReplicationSummary(snapshot)
    }
}

extension ReplicationSummary {
    /// What the links say, in the RESP port's words.
    init(_ snapshot: PeerSnapshot) {
        self.init()
        let report = snapshot.report
        incarnation = report.incarnation
        isReady = report.isReady
        position = report.position
        links = report.peers.map { peer in
            var link = LinkSummary(peer, at: snapshot.at)
            link.bytesWaiting = snapshot.bytesWaiting[peer.node.number] ?? 0
            link.bytesAllocated = link.bytesWaiting
            link.lastFailure = snapshot.failures[peer.node.number] ?? peer.lastRefusal ?? ""
            if link.isUp { link.position = report.position - min(report.position, link.changesBehind) }
            return link
        }
        imagesOversized = Int(clamping: report.oversizedImages)
        let counters = snapshot.counters
        refusals = [
            ("stranger", counters.refusedStrangers), ("handshake", counters.refusedHandshakes),
            ("certificate", counters.refusedCertificates), ("certificate_revoked", counters.revokedCertificates),
            ("handshake_late", counters.lateHandshakes),
            ("greeting", counters.refusedGreetings),
            ("stray_frame", report.strayFrameErrors), ("accept", counters.acceptErrors),
            ("waiter", counters.refusedWaiters),
        ].map { Refusal($0, count: Int(clamping: $1)) }
    }
}

extension LinkSummary {
    /// What the replicator says of a peer.
    init(_ peer: ReplicationReport.Peer, at now: Timestamp) {
        self.init(name: peer.node.name, number: peer.node.number)
        address = peer.node.peer?.description ?? ""
        isFollower = peer.node.isFollower
        state = peer.member.state
        isDraining = peer.member.isDraining
        cause = peer.member.cause.description
        sinceMilliseconds = max(0, now.milliseconds - peer.member.since)
        isUp = peer.linkOpenedAt != nil
        isDialed = peer.isDialed
        linkBegan = peer.linkOpenedAt?.timestamp.milliseconds ?? 0
        linkSinceMilliseconds = peer.linkOpenedAt.map { max(0, now.milliseconds(since: $0.timestamp)) } ?? 0
        protocolVersion = Int(peer.version)
        incarnation = peer.incarnation
        clockOffset = peer.clock?.offset
        clockError = peer.clock?.error ?? 0
        pingSent = peer.pingSent?.timestamp.milliseconds ?? 0
        pongReceived = peer.pongReceived?.timestamp.milliseconds ?? 0
        changesBehind = peer.behind
        copyIn = peer.copyIn.map { Progress(done: Int(clamping: $0.done), total: Int(clamping: $0.total)) }
        copyOut = peer.copyOut.map { Progress(done: Int(clamping: $0.done), total: Int(clamping: $0.total)) }
        hasCopy = peer.hasCopy
        take(peer.counters)
        // Nothing is measured while nothing is acknowledged.
        if let oldest = peer.oldestLacking { lag.last = max(lag.last, Double(oldest) / 1_000) }
    }

    private mutating func take(_ counters: PeerCounters) {
        reconnects = Int(clamping: counters.links) - (counters.links > 0 ? 1 : 0)
        bytesSent = Int(clamping: counters.bytesSent)
        bytesReceived = Int(clamping: counters.bytesReceived)
        framesSent = Int(clamping: counters.framesSent)
        framesReceived = Int(clamping: counters.framesReceived)
        imagesSent = Int(clamping: counters.imagesSent)
        imagesMerged = Int(clamping: counters.imagesMerged)
        imagesRefused = Int(clamping: counters.imagesRefused)
        copyImagesRefused = Int(clamping: counters.copiedInRefused)
        beatsSent = Int(clamping: counters.beatsSent)
        beatsReceived = Int(clamping: counters.beatsReceived)
        digestsCompared = Int(clamping: counters.rangesCompared)
        rangesMended = Int(clamping: counters.rangesMended)
        frameErrors = Int(clamping: counters.frameErrors)
        shardsResent = Int(clamping: counters.shardsResent)
        // Tenths of a millisecond.
        lag.p50 = Double(counters.lag.percentile(0.5)) / 10
        lag.p99 = Double(counters.lag.percentile(0.99)) / 10
        lag.last = Double(counters.lastLagMicroseconds) / 1_000
    }
}
