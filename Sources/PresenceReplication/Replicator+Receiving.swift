import Presence
import PresenceCluster
import PresenceStore

/// What comes.
extension Replicator {
    /// Bytes that a connection brought, in any pieces.
    public func received(_ bytes: Span<UInt8>, on id: LinkID, at instant: PeerTime) {
        advance(to: instant)
        guard let link = links[id], !link.isClosing else { return }
        if let number = link.peer { peer(number)?.counters.bytesReceived += UInt64(bytes.count) }
        var position = 0
        do throws(FrameError) {
            while !link.isClosing, let frame = try link.reader.next(in: bytes, from: &position) {
                if link.openedAt != nil, let number = link.peer, let peer = peer(number) {
                    peer.counters.framesReceived += 1
                    act(on: frame, link, peer)
                } else {
                    greet(frame, link)
                }
            }
        } catch {
            fail(link, error)
        }
    }

    private func fail(_ link: LinkState, _ error: FrameError) {
        let reason = "the peer sent what is no frame: \(error)"
        if let number = link.peer {
            peer(number)?.counters.frameErrors += 1
        } else {
            strayFrameErrors += 1
            actions.append(.refused(node: link.dialed ?? 0, reason: reason))
        }
        close(link, Goodbye(.frameError, reason))
    }

    // MARK: - Greeting

    private func greet(_ frame: Frame, _ link: LinkState) {
        switch frame {
        case .hello(let hello) where link.dialed == nil: answer(hello, link)
        case .welcome(let welcome) where link.hello != nil: accept(welcome, link)
        case .refuse(let refusal):
            actions.append(.refused(node: link.dialed ?? 0, reason: refusal.text))
            leave(link)
        default:
            actions.append(.refused(node: link.dialed ?? 0, reason: "the greeting was answered with another one"))
            leave(link)
        }
    }

    /// Ends a link that has no version in which a goodbye could be said.
    private func leave(_ link: LinkState) {
        link.isClosing = true
        actions.append(.close(link.id))
    }

    private func answer(_ hello: Hello, _ link: LinkState) {
        do throws(Refusal) {
            let version = try hello.version(
                answeredBy: identity, speaking: settings.versions, maximumClockOffset: settings.maxClockOffset,
                delayMilliseconds: settings.greetingTimeout)
            try admit(hello.identity, link)
            link.greeting = .welcome(Welcome(version: version, identity: identity))
            open(link, hello.identity, version: version)
        } catch {
            link.greeting = .refuse(error)
            actions.append(.refused(node: hello.identity.node, reason: error.text))
            leave(link)
        }
    }

    private func accept(_ welcome: Welcome, _ link: LinkState) {
        guard let hello = link.hello else { return }
        // Whoever answered takes the link for open, and is told in his version why it is not.
        if hello.versions.contains(welcome.version) { link.writer.open(version: welcome.version) }
        do throws(Refusal) {
            let version = try welcome.version(
                answering: hello, at: now.timestamp, maximumClockOffset: settings.maxClockOffset,
                delayMilliseconds: settings.greetingTimeout)
            try admit(welcome.identity, link)
            guard welcome.identity.node == link.dialed else { throw .unknownNode(welcome.identity) }
            open(link, welcome.identity, version: version)
        } catch {
            actions.append(.refused(node: link.dialed ?? welcome.identity.node, reason: error.text))
            if link.writer.stage.version == nil { leave(link) } else { close(link, Goodbye(.refused, error.text)) }
        }
    }

    /// Throws if a node may not link: no line names it, its certificate is another's, it has another secret, or it was seen in a newer start.
    private func admit(_ identity: NodeIdentity, _ link: LinkState) throws(Refusal) {
        guard let peer = peer(identity.node), peer.node.name == identity.name else { throw .unknownNode(identity) }
        if let proof = link.proof, !proof.nodes.contains(identity.node) {
            throw .certificate(self.identity, other: identity, names: proof.names)
        }
        if let our = shared[SharedSettings.secretName], let their = identity.settings[SharedSettings.secretName],
            our != their
        {
            throw .secret(self.identity, other: identity)
        }
        guard identity.incarnation >= peer.incarnation else {
            throw .oldIncarnation(identity, seen: peer.incarnation)
        }
    }

    private func open(_ link: LinkState, _ identity: NodeIdentity, version: UInt16) {
        guard let peer = peer(identity.node) else { return }
        link.reader.open(version: version)
        link.peer = identity.node
        link.version = version
        link.incarnation = identity.incarnation
        link.openedAt = now
        if let old = peer.link, let other = links[old], old != link.id {
            // The peer has come anew: the old link leads nowhere.
            close(other, Goodbye(.duplicate, "node \(peer.node.name) has come by a newer link"))
            forgetSent(peer)
        }
        peer.link = link.id
        peer.acknowledgedAt = nil
        peer.isDialing = false
        peer.failures = 0
        peer.incarnation = identity.incarnation
        peer.counters.links += 1
        peer.dirty = ShardSet(first: store.shardCount)
        peer.flush = store.flushStamp
        peer.nextDigest = now
        resume(peer, version)
        link.tellsPositions = version >= ProtocolVersions.hasPositions
        link.drain = drainSeconds
        // Who dialed may refuse the welcome: he is heard with what he says next.
        if link.dialed != nil { hear(link, peer) }
        link.theirs = identity.settings
        // Set while the greeting was on its way.
        if let hello = link.hello, hello.identity.settings != shared { link.settings = shared }
        actions.append(
            .opened(
                link.id, node: peer.number, version: version,
                differences: differences(from: identity.settings, of: peer)))
        if settings.fails(.cutAfterGreeting) { leave(link) }
    }

    /// Something came from a peer by a link on which both have agreed.
    private func hear(_ link: LinkState, _ peer: PeerState) {
        note(membership.heard(from: peer.number, at: now.milliseconds))
        guard !link.isHeard else { return }
        link.isHeard = true
        if !peer.node.isFollower { compareSoon() }
    }

    /// The settings of one of both ends are others now.
    func tellDifferences(_ link: LinkState) {
        guard let number = link.peer, let peer = peer(number) else { return }
        actions.append(.settings(node: number, differences: differences(from: link.theirs, of: peer)))
    }

    /// In which settings the peer differs. A follower has few of them, so beside one only what both tell counts. Facts are no settings: nodes that differ
    /// in the secret do not link, and each may forget users by itself.
    private func differences(from others: SharedSettings, of peer: PeerState) -> [SharedSettings.Difference] {
        let all = shared.differences(from: others).filter { !SharedSettings.facts.contains($0.name) }
        guard isFollower || peer.node.isFollower else { return all }
        return all.filter { $0.ours != nil && $0.theirs != nil }
    }

    /// Says how far we have the peer's shards, or asks for everything: at once, or in parts when it has told what it has.
    private func resume(_ peer: PeerState, _ version: UInt16) {
        guard !peer.node.isFollower else {
            // It has nothing of its own. What it knows and others do not is found by comparing.
            peer.copyIn = PeerState.CopyIn(token: 0, began: now, isDone: true)
            return
        }
        if peer.mergedIncarnation == peer.incarnation, peer.copyIn?.isDone == true, !peer.merged.isEmpty {
            peer.unacknowledged = Set(peer.merged.keys)
            return
        }
        let isInParts = version >= ProtocolVersions.hasPositions
        if peer.mergedIncarnation != peer.incarnation { peer.beginAnew() }
        if !isInParts { peer.merged = [:] }
        peer.unacknowledged = Set(peer.merged.keys)
        lastToken = (lastToken + 1) & ~PeerState.mendingToken
        peer.copyIn = PeerState.CopyIn(token: lastToken, began: now)
        peer.wantsCopy = !isInParts
        if isInParts, copyPlan == nil { copyPlan = CopyPlan() }
    }

    // MARK: - Frames

    private func act(on frame: Frame, _ link: LinkState, _ peer: PeerState) {
        if case .goodbye = frame, !link.isHeard {} else { hear(link, peer) }
        switch frame {
        case .ping(let ping): link.pong = (ping.sent, now.microseconds)
        case .pong(let pong):
            link.pongReceived = now
            _ = link.clock.add(pong, receivedAt: now.microseconds)
            if let goodbye = link.clock.goodbye(at: now.microseconds) {
                actions.append(.refused(node: peer.number, reason: goodbye.text))
                close(link, goodbye)
            }
        case .changes(let changes): merge(changes, peer)
        case .news(let news): for changes in news { merge(changes, peer) }
        case .acknowledge(let positions): acknowledged(positions, peer, link)
        case .beats(let beats): merge(beats, peer)
        case .digest(let digests): compare(digests, peer, link)
        case .request(let request): requested(request, peer, link)
        case .records(let slice): merge(slice, peer)
        case .flush(let stamp): flush(stamp, peer)
        case .positions(let all): told(all, peer, link)
        case .drain(let seconds):
            if seconds == 0 { peer.wasReady = true }
            note(membership.setDraining(peer.number, seconds > 0, at: now.milliseconds))
        case .settings(let settings):
            link.theirs = settings
            tellDifferences(link)
        case .goodbye(let goodbye):
            if goodbye.reason == .shutdown { note(membership.left(peer.number, at: now.milliseconds)) }
            link.goodbye = goodbye
            link.isGoodbyeSaid = true
            leave(link)
        case .hello, .welcome, .refuse: break  // The reader lets no greeting through on an open link.
        }
    }

    private func merge(_ changes: Changes, _ peer: PeerState) {
        _ = merge(changes.images, peer, of: changes.shard)
        peer.merged[changes.shard] = max(peer.merged[changes.shard] ?? 0, changes.after)
        if settings.fails(.lateAcknowledge) {
            peer.acknowledgeLater.insert(changes.shard)
        } else {
            peer.unacknowledged.insert(changes.shard)
        }
    }

    /// Merges images. Returns how many were news, of those that were last written before an instant.
    ///
    /// - Parameter shard: the peer's shard whose changes, or all of whose records, they are; nil if they are others. What of them cannot be merged is not
    ///   acknowledged.
    private func merge(
        _ images: Images, _ peer: PeerState, writtenBefore limit: Timestamp? = nil, of shard: UInt16? = nil
    ) -> Int {
        var news = 0
        var late = 0
        images.forEach { image in
            peer.counters.imagesReceived += 1
            do throws(MergeError) {
                if settings.fails(.refusedImage) { throw .outOfMemory }
                let isNews = try store.merge(image, from: peer.number, at: now.timestamp)
                if !peer.refused.isEmpty, let hash = store.keyHash(in: image) { took(hash, peer) }
                guard isNews else { return }
                news += 1
                if let limit, let written = ShardedStore.lastWrite(in: image), written >= limit { late += 1 }
            } catch {
                peer.counters.imagesRefused += 1
                peer.lastRefusal = error
                // Others are found by the next comparison, when there is memory again or clocks agree.
                if let shard, error.mayPass { refused(image, of: shard, peer) }
            }
        }
        peer.counters.imagesMerged += UInt64(news)
        return news - late
    }

    private func merge(_ beats: Beats, _ peer: PeerState) {
        let users = beats.all.map(\.user)
        for (index, beat) in beats.all.enumerated() {
            let group = ShardedStore.prefetchLimit
            if index % group == 0 {
                store.prefetch(userHashes: users.span.extracting(index..<min(index + group, users.count)))
            }
            peer.counters.beatsReceived += 1
            let heartbeat = beats.asOf.advanced(byMilliseconds: -Int64(beat.heartbeatAge))
            let activity = beat.activityAge.map { beats.asOf.advanced(byMilliseconds: -Int64($0)) }
            let told = ReplicaBeat(user: beat.user, session: beat.session, heartbeat: heartbeat, activity: activity)
            let outcome = store.merge(told, from: peer.number, at: now.timestamp)
            if outcome == .unknown || settings.fails(.unknownBeat) {
                PeerState.add(
                    HashRange(containing: beat.user, bits: 64), to: &peer.wanted, limit: FrameLimits.ranges,
                    dropped: &peer.counters.rangesDropped)
            }
        }
    }

    private func acknowledged(_ positions: [ShardPosition], _ peer: PeerState, _ link: LinkState) {
        guard !isFollower else { return }
        for position in positions where Int(position.shard) < peer.shards.count {
            let index = Int(position.shard)
            var shard = peer.shards[index]
            if shard.sending == .unknown {
                // Nobody has what was not written yet: whoever says so is sent all, and held to hold nothing.
                let isWritten = position.position <= store.replicaLogEnd(shard: index)
                if !isWritten { peer.resend(index, at: now) }
                shard.sending = isWritten ? .streaming : .waiting
                shard.sent = isWritten ? position.position : 0
                shard.acknowledged = shard.sent
            } else if shard.sending == .streaming {
                shard.acknowledged = max(shard.acknowledged, min(position.position, shard.sent))
            }
            peer.shards[index] = shard
        }
        // Whoever copies in parts says of one shard after the other how far he is; others of all that they have.
        let isInParts = link.version >= ProtocolVersions.hasPositions
        for index in peer.shards.indices where !isInParts && peer.shards[index].sending == .unknown {
            peer.resend(index, at: now)
        }
        if peer.hasCopy { peer.hadCopy = true }
        timeLag(peer)
    }

    private func requested(_ request: RecordRequest, _ peer: PeerState, _ link: LinkState) {
        let isOfCopy = request.token != 0 && request.token & PeerState.mendingToken == 0
        let isInParts = isOfCopy && link.version >= ProtocolVersions.hasPositions
        for range in request.ranges {
            if isInParts {
                requestedPart(range, token: request.token, peer)
            } else if range == .everything, !isFollower {
                for index in peer.shards.indices { peer.shards[index].sending = .waiting }
                peer.resending = nil
                peer.copyOut = PeerState.RangeOut(token: request.token, range: range, from: 0)
            } else {
                PeerState.add(
                    PeerState.RangeOut(token: request.token, range: range, from: range.start), to: &peer.ranges,
                    limit: settings.maximumRanges, dropped: &peer.counters.rangesDropped)
            }
        }
    }

    private func merge(_ slice: RecordSlice, _ peer: PeerState) {
        // Both saw a difference twice, that long apart. What was written since may make a busy range differ each time, and is on its way.
        let isMending = slice.token & PeerState.mendingToken != 0
        let limit = isMending ? now.timestamp.advanced(byMilliseconds: -settings.digestRecheck) : nil
        let refused = peer.counters.imagesRefused
        let news = merge(slice.images, peer, writtenBefore: limit, of: wholeShard(slice))
        // The key of a hash that was asked for is as it is at the peer, or gone there.
        if slice.range.bits == 64, slice.isLast, peer.counters.imagesRefused == refused {
            took(slice.range.start, peer)
        }
        peer.counters.copiedIn += UInt64(slice.images.count)
        if slice.token != 0, slice.token == peer.copyIn?.token {
            peer.counters.copiedInRefused += peer.counters.imagesRefused - refused
        }
        if isMending {
            peer.counters.recordsMended += UInt64(news)
            if news > 0 { actions.append(.mended(from: peer.number, records: news)) }
        }
        lookHowFar(slice, peer)
        guard var copy = peer.copyIn, copy.token == slice.token, !copy.isDone else { return }
        copy.done = slice.done
        copy.total = slice.total
        copy.isDone = slice.isLast && !copiesInParts(from: peer)
        peer.copyIn = copy
        if copy.isDone { tellCopied(peer, copy) }
        took(slice, peer)
    }

    private func flush(_ stamp: Stamp, _ peer: PeerState) {
        let ahead = stamp.timestamp.milliseconds(since: now.timestamp)
        guard ahead <= settings.maxClockOffset else {
            peer.counters.imagesRefused += 1
            peer.lastRefusal = .fromTheFuture(milliseconds: ahead)
            // A peer's stamps are as far ahead of its clock as those of its other peers may be. What is farther is no clock that is right.
            guard ahead <= 2 * settings.maxClockOffset else { return }
            peer.flushToCome = max(peer.flushToCome, stamp)
            peer.isFlushing = true
            return
        }
        if store.beginFlush(upTo: stamp, at: now.timestamp) {
            flushing = (stamp, 0)
            // Whoever flushed may be gone before he told all: this alone is passed on.
            for other in peers where other.number != peer.number { other.flush = max(other.flush, stamp) }
        }
        if let flushing, flushing.stamp >= stamp { peer.isFlushing = true }
    }

    /// Flushes that were too far ahead when they came.
    func beginFlushesToCome() {
        for peer in peers where peer.flushToCome != .zero {
            let stamp = peer.flushToCome
            guard stamp.timestamp.milliseconds(since: now.timestamp) <= settings.maxClockOffset else { continue }
            peer.flushToCome = .zero
            peer.isFlushing = false
            flush(stamp, peer)
        }
    }
}
