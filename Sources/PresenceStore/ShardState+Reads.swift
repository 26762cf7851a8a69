import Presence

/// What those go on reading from whom a write that another node made hides a user.
///
/// That node kept what it knew. Activity crosses once a TTL, so where the user is at home, viewers may have read a later one; and who is offline is never last
/// seen earlier than before, so they would know that he hides. Each node keeps no less than it showed, up to the instant of the write, and tells the others.
extension ShardState {
    /// Raises what was kept by writes that are new here to what could be read here. Returns whether anything was.
    func raiseReads(_ merged: inout ReplicaFacts, over local: ReplicaFacts) -> Bool {
        guard let privacy = merged.privacy, let seen = local.facts.lastSeen else { return false }
        let reads = ReadsHere(seen: seen, privacy: local.privacy, setting: privacy.lastSeenStamp)
        var raised = privacy
        if privacy.visibilityStamp > local.privacy?.visibilityStamp ?? .zero {
            let write = privacy.visibilityStamp.timestamp
            let isSet = reads.setting.map { $0 <= privacy.visibilityStamp } ?? false
            raised.value.strangersRead = reads.raise(
                privacy.value.strangersRead, hidden: Standing(), by: privacy.value, before: Standing(), write: write,
                isSet: isSet)
            var friend = Standing()
            friend.isFriend = true
            raised.value.friendsRead = reads.raise(
                privacy.value.friendsRead, hidden: friend, by: privacy.value, before: friend, write: write, isSet: isSet
            )
        }
        var isRaised = raised != privacy
        merged.privacy = raised
        // Where blocks hide both ways, somebody may read less than his standing says: what is kept in the other's record alone.
        guard !settings.blockHidesBoth else { return isRaised }
        for (other, relation) in merged.edges {
            let before = local.edges[other] ?? Relation()
            let stamp = relation.isBlocked ? relation.blockStamp : relation.friendStamp
            guard stamp > (relation.isBlocked ? before.blockStamp : before.friendStamp) else { continue }
            // Where nothing was kept for him alone he reads what all of his standing do.
            let standing = Standing(relation)
            let read = raised.value.lastSeen(nil, standing)
            let isSet = reads.setting.map { EdgeStamp(at: $0.timestamp, node: $0.node) <= stamp } ?? false
            let kept = reads.raise(
                read, hidden: standing, by: privacy.value, before: Standing(before), write: stamp.at, isSet: isSet)
            guard kept != read else { continue }
            merged.edges[other]?.read = kept
            isRaised = true
        }
        return isRaised
    }
}

/// What viewers could read at this node before a merge.
private struct ReadsHere {
    let seen: Timestamp
    let privacy: Privacy
    /// When it was said who may see when he was last seen, if that is the same before and after: else what is kept may say nothing on purpose.
    let setting: Stamp?

    init(seen: Timestamp, privacy: ReplicaFacts.PrivacyRegisters?, setting stamp: Stamp) {
        self.seen = seen
        self.privacy = privacy?.value ?? Privacy()
        setting = stamp == privacy?.lastSeenStamp ?? .zero ? stamp : nil
    }

    /// What one of a standing goes on reading: no less than before, in the form that was kept, and nothing from after the write.
    ///
    /// - Parameter isSet: whether ``setting`` was said before he hid. What he lets be seen afterwards shows nobody what he withheld then.
    func raise(
        _ kept: LastSeen, hidden standing: Standing, by hiding: Privacy, before: Standing, write: Timestamp, isSet: Bool
    ) -> LastSeen {
        guard hiding.rule(standing).hides else { return kept }
        let here = privacy.lastSeen(seen, before)
        guard let instant = here.instant.map({ min($0, write) }) else { return kept }
        switch (kept, here) {
        case (.exact(let own), .exact): return .exact(max(own, instant))
        case (.coarse(let own), .coarse): return .coarse(max(own, instant))
        case (.unknown, .exact) where isSet: return .exact(instant)
        case (.unknown, .coarse) where isSet: return .coarse(instant)
        default: return kept
        }
    }
}
