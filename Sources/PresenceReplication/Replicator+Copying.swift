import Presence
import PresenceCluster
import PresenceStore

/// How a node that lacks something copies it, on links of version 4.
///
/// ```
///  who copies (N)                                  each peer (P)
///      |  positions: how far P has everybody's changes  |
///      |<-----------------------------------------------|  when the link opens, and before each part
///      |  request of a part                             |
///      |----------------------------------------------->|  two at a time; another part of each peer
///      |  positions, records of the part                |
///      |<-----------------------------------------------|
///      |  acknowledge: a shard of P, up to a position   |
///      |----------------------------------------------->|  P's changes go on from there
/// ```
/// **What must have come** before N is done: for each peer Q with a link all that Q had when the link opened. Of each part either
/// - Q handed it over itself, or
/// - others did who had told positions of Q, in its present start, from which Q's changes go on (one that has overwritten them sends the shard again); and
///   they had told as much as Q had when the link opened of each node that N has no link to, N's own last start among them. Q is asked for the part if not.
///
/// What Q had of a node that N has a link to comes to N from that node: up to a position by parts, from there on by its changes. A peer that is lost before
/// all have come is such a node from then on, so the parts are looked at anew whenever links come or go.
extension Replicator {
    // MARK: - Who is asked

    /// What a node has of everybody's changes, told to a peer: of the peer itself, what was heard of its last start.
    func positions(toldTo requester: PeerState) -> [NodePositions] {
        var all = [
            NodePositions(node: cluster.own.number, incarnation: incarnation, positions: positions().map(\.position))
        ]
        for peer in peers where !peer.node.isFollower && peer.mergedIncarnation != 0 {
            if peer === requester {
                if let lost = peer.lost { all.append(lost) }
            } else {
                // Who has not copied what there was may have begun anew with less than was known of his last start.
                all.append(peer.wasReady && !settings.fails(.untoldPositions) ? peer.heard : peer.untold)
            }
        }
        return all
    }

    /// A part of a copy was asked for.
    func requestedPart(_ range: HashRange, token: UInt32, _ peer: PeerState) {
        if peer.partsOut.isEmpty, peer.handedOut?.token != token {
            peer.handedOut = (token, 0)
            for index in peer.shards.indices where peer.shards[index].sending == .unknown {
                peer.shards[index].acknowledged = 0
            }
        }
        PeerState.add(
            PeerState.RangeOut(token: token, range: range, from: range.start), to: &peer.partsOut,
            limit: FrameLimits.ranges, dropped: &peer.counters.rangesDropped)
    }

    // MARK: - Who asks

    /// A peer says how far it has everybody's changes.
    func told(_ all: [NodePositions], _ peer: PeerState, _ link: LinkState) {
        guard let own = all.first(where: { $0.node == peer.number }), own.incarnation == link.incarnation,
            own.positions.count.nonzeroBitCount == 1
        else {
            close(link, Goodbye(.frameError, "node \(peer.node.name) does not say how far its own changes are"))
            return
        }
        if let first = peer.toldFirst.first(where: { $0.node == peer.number }),
            first.positions.count != own.positions.count
        {
            close(link, Goodbye(.frameError, "node \(peer.node.name) has another number of shards than it said first"))
            return
        }
        if peer.toldFirst.isEmpty { peer.toldFirst = all }
        peer.told = all
        goOnCopying()
    }

    /// Records of a part came.
    func took(_ slice: RecordSlice, _ peer: PeerState) {
        guard let part = CopyPlan.part(slice.range), copyPlan?.parts[part].asked?.node == peer.number else { return }
        if copyPlan?.parts[part].asked?.asOf == nil { copyPlan?.parts[part].asked?.asOf = peer.told }
        guard slice.isLast else { return }
        copyPlan?.parts[part].finish()
        goOnCopying()
    }

    /// Looks at what has come, asks for what has not, and says so once everything has.
    func goOnCopying() {
        guard var plan = copyPlan else { return }
        let linked = peers.filter { !$0.node.isFollower && openLink(to: $0) != nil }
        let numbers = Set(linked.map(\.number))
        if plan.linked != numbers {
            plan.linked = numbers
            for peer in peers { peer.covered = 0 }
        }
        let lacking = linked.filter { $0.copyIn?.isDone == false }
        for peer in lacking where copiesInParts(from: peer) {
            for part in 0..<CopyPlan.count where !peer.covers(part) && isCovered(plan.parts[part], peer, numbers) {
                peer.covered |= 1 << UInt64(part)
            }
            goOn(behind: peer, plan)
            ask(peer, &plan)
        }
        // All at once: what one of them need not tell comes from another one, who may yet be lost.
        let isDone = !lacking.isEmpty && lacking.allSatisfy { copiesInParts(from: $0) && hasAll(of: $0) }
        copyPlan = isDone ? nil : plan
        guard isDone else { return }
        for peer in lacking {
            peer.copyIn?.isDone = true
            peer.isWhole = true
            if let copy = peer.copyIn { tellCopied(peer, copy) }
        }
        inherit(plan)
    }

    func tellCopied(_ peer: PeerState, _ copy: PeerState.CopyIn) {
        tellNotKept(peer)
        actions.append(
            .copied(from: peer.number, records: copy.done, milliseconds: now.milliseconds(since: copy.began)))
    }

    func copiesInParts(from peer: PeerState) -> Bool {
        openLink(to: peer).map { $0.version >= ProtocolVersions.hasPositions } ?? false
    }

    /// Whether nothing of what a peer had of a part when its link opened can be missing here.
    private func isCovered(_ part: CopyPlan.Part, _ peer: PeerState, _ linked: Set<UInt8>) -> Bool {
        if part.givers.contains(peer.number) { return true }
        guard let own = peer.toldFirst.first(where: { $0.node == peer.number }),
            let reached = reached(peer.number, part), reached.isOfSameStart(as: own)
        else { return false }
        return peer.toldFirst.allSatisfy { entry in
            linked.contains(entry.node) || self.reached(entry.node, part)?.reaches(entry) == true
        }
    }

    /// How far a node's changes are here in a part: by what handed it over, or since they were heard from the node itself.
    private func reached(_ node: UInt8, _ part: CopyPlan.Part) -> NodePositions? {
        let known = node == cluster.own.number ? ownLast : peer(node).flatMap { $0.isWhole ? $0.heard : nil }
        guard let known else { return part.reached[node] }
        return part.reached[node]?.joined(known) ?? known
    }

    /// Tells a peer from where its changes go on, of the shards of which all parts are here.
    private func goOn(behind peer: PeerState, _ plan: CopyPlan) {
        guard let own = peer.toldFirst.first(where: { $0.node == peer.number }) else { return }
        let shards = own.positions.count
        for shard in 0..<shards where peer.merged[UInt16(shard)] == nil {
            let parts = CopyPlan.parts(ofShard: shard, of: shards)
            guard parts.allSatisfy({ peer.covers($0) }) else { continue }
            // Of another start of it, or with other shards, nothing is said of this one's.
            let reached = parts.compactMap { self.reached(peer.number, plan.parts[$0]) }.filter {
                $0.isOfSameStart(as: own)
            }
            guard let position = reached.map({ $0.positions[shard] }).min() else { continue }
            peer.merged[UInt16(shard)] = position
            peer.unacknowledged.insert(UInt16(shard))
        }
    }

    private func ask(_ peer: PeerState, _ plan: inout CopyPlan) {
        guard !peer.toldFirst.isEmpty else { return }
        // Who is ready lacks what a peer brings that has begun anew. That one is asked for all while it has little: soon it has what it copies from here.
        var room = (isReady ? CopyPlan.count : CopyPlan.partsAtOnce) - plan.asked(of: peer.number)
        for part in 0..<CopyPlan.count where room > 0 && plan.parts[part].asked == nil && !peer.covers(part) {
            plan.parts[part].asked = (peer.number, nil)
            peer.partsWanted.append(CopyPlan.range(of: part))
            room -= 1
        }
    }

    /// Whether all has come that a peer had when its link opened: parts, and its own changes up to there.
    private func hasAll(of peer: PeerState) -> Bool {
        guard peer.covered == .max, let own = peer.toldFirst.first(where: { $0.node == peer.number }) else {
            return false
        }
        return own.positions.indices.allSatisfy { peer.merged[UInt16($0)] ?? 0 >= own.positions[$0] }
    }

    /// What was told of nodes to which there is no link, and has come from others, is known as if they had told it.
    private func inherit(_ plan: CopyPlan) {
        ownLast = plan.reached(cluster.own.number) ?? ownLast
        for peer in peers where !peer.node.isFollower && !peer.isWhole && !plan.linked.contains(peer.number) {
            guard let reached = plan.reached(peer.number), reached.incarnation >= peer.mergedIncarnation else {
                continue
            }
            peer.mergedIncarnation = reached.incarnation
            peer.merged = [:]
            for (shard, position) in reached.positions.enumerated() { peer.merged[UInt16(shard)] = position }
            peer.isWhole = true
            peer.wasReady = true
        }
    }
}
