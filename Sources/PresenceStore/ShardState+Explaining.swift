import Presence

extension ShardState {
    mutating func explain(_ user: BytesKey, _ userHash: UInt64, into explanation: inout Explanation) {
        let now = explanation.now
        explanation.policy = settings.policy
        let number = find(user, userHash)
        guard number != 0 else { return }
        let evidence = settle(number, at: now)
        let record = record(number)
        let policy = settings.policy
        explanation.isKnown = true
        explanation.verdict = evidence.verdict(at: now)
        explanation.rules = evidence.consideredRules(at: now)
        explanation.version = record.version
        let id = ChangeRing.Piece(bytes: record.id, isPacked: record.isPacked)
        let change = ring.newestChange(of: id, at: record.header.changePlace)
        if change?.version == record.version { explanation.lastChange = change }
        explanation.lastSeen = record.lastSeen(near: now)
        explanation.manual = record.manual(near: now)
        if let text = record.text(at: now) {
            explanation.text = ([UInt8](text), record.textStamp, record.untoldEndOfText(near: now))
        }
        let pacing = policy.storm == nil ? 0 : pacing(of: record)
        record.forEachSession { session in
            let facts = self.facts(of: session, near: now)
            // Of one who is offline to others a storm holds nothing.
            let heldUntil =
                record.announced == .offline
                ? facts.graceEnd(policy) : facts.heldUntil(at: now, pacing: pacing, policy)
            explanation.sessions.append(
                Explanation.SessionFacts(
                    id: BytesText.expand(session.id, isPacked: session.isPacked), facts: facts,
                    device: devices.bytes(session.device), platform: platforms.bytes(session.platform),
                    server: servers.bytes(session.server), deadline: facts.deadline(policy),
                    graceEnd: heldUntil, status: facts.status(at: now, policy)))
        }
        if let relations = record.relations {
            explanation.privacy = relations.privacy(near: now)
            explanation.relationCount = relations.edgeCounts.holding
        }
        explanation.watcherCount = watchers.length(of: record.firstWatcher)
        // Of one who is offline to others already nothing is held back.
        if explanation.verdict.rule == .grace, explanation.verdict.publicStatus != .offline {
            explanation.held = (evidence.heldUntil, evidence.isHeldByStorm)
        }
        let next = evidence.nextTransition(after: now)
        if next < .distantFuture {
            explanation.next = (next, evidenceToCome(of: record, at: next, near: now).verdict(at: next))
        }
    }

    /// What the record will say at an instant if nothing comes until then: leases that end by it have ended, and leave their graces.
    private func evidenceToCome(of record: UserRecord, at instant: Timestamp, near now: Timestamp) -> Evidence {
        let manual = record.manual(near: now)
        var evidence = Evidence(
            at: instant, policy: settings.policy, announced: record.announced, manual: manual.value,
            manualUntil: manual.until, pacing: settings.policy.storm == nil ? 0 : pacing(of: record))
        record.forEachSession { session in
            let facts = facts(of: session, near: now)
            let hasLostLease = facts.leasedUntil.map { $0 <= instant } == true && !settings.hasUnheardPeer
            evidence.add(hasLostLease ? facts.endedWithLease(settings.policy) ?? facts : facts, settings.policy)
        }
        return evidence
    }
}

extension ShardedStore {
    /// Why a user is shown as he is, and what one viewer sees of him.
    ///
    /// - Parameters:
    ///   - user: the id.
    ///   - viewer: the id of a viewer, or nil.
    ///   - now: the instant of the look.
    /// - Complexity: O(sessions), and O(edges) for their number.
    public func explain(_ user: Span<UInt8>, for viewer: Span<UInt8>?, at now: Timestamp) -> Explanation {
        var explanation = Explanation(id: user.withUnsafeBytes { [UInt8]($0) }, now: now, policy: Policy())
        withUser(user, at: now) { state, key, hash, now in
            explanation.now = now
            state.explain(key, hash, into: &explanation)
        }
        if let viewer { explanation.viewer = explain(user, to: viewer, at: now) }
        return explanation
    }

    private func explain(
        _ user: Span<UInt8>, to viewer: Span<UInt8>, at now: Timestamp
    ) -> Explanation.ViewerFacts {
        let viewerHash = userHash(viewer)
        let side = viewerSide(of: user, for: viewer, at: now)
        var rule = userHash(user) == viewerHash ? ViewRule.own : ViewRule.everyone
        var relation: Relation?
        withUser(user, at: now) { state, key, hash, now in
            let number = state.find(key, hash)
            guard number != 0 else { return }
            rule = state.view(number, for: viewerHash, isSelf: hash == viewerHash, side, at: now).rule
            relation = state.relation(number, to: viewerHash, at: now)
        }
        let hash = userHash(user)
        var own: Relation?
        // Where nothing but the target's word counts, a transaction need not have the viewer.
        if !isHeld || blockHidesBoth {
            withUser(viewer, at: now) { state, key, viewerHash, now in
                own = state.relation(state.find(key, viewerHash), to: hash, at: now)
            }
        }
        var isWatching: Bool?
        if !isHeld {
            isWatching = watches.watch(ofViewer: viewerHash)?.state.withLock { $0.row(of: hash) != nil } ?? false
        }
        // The instant of an edge may be a little later than that of its write.
        func since(_ holds: Bool?, _ stamp: EdgeStamp?) -> Timestamp? {
            holds == true ? stamp.map { min($0.at, now) } : nil
        }
        return Explanation.ViewerFacts(
            id: viewer.withUnsafeBytes { [UInt8]($0) }, view: view(of: user, for: viewer, at: now), rule: rule,
            friendSince: since(relation?.isFriend, relation?.friendStamp),
            blockedSince: since(relation?.isBlocked, relation?.blockStamp),
            hasBlockedSince: since(own?.isBlocked, own?.blockStamp), isWatching: isWatching)
    }

    /// The same in texts, and now.
    public func explain(_ user: String, for viewer: String? = nil) -> Explanation {
        let now = clock.now()
        guard let viewer else { return explain(user.utf8.span, for: nil, at: now) }
        return explain(user.utf8.span, for: viewer.utf8.span, at: now)
    }
}
