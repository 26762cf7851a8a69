import Presence
import PresenceCluster
import PresenceStore

/// What goes.
extension Replicator {
    /// Appends what a link is to send now. Called when the carrier can take more: after something came, after a shard woke, after a tick, after what was
    /// pulled has left.
    ///
    /// Greeting and answers go first, then changes, then copies: who is copied to hears the news of what he has already. A quarter of the room is left to
    /// copies if there are any, so that they end however much changes.
    ///
    /// - Parameters:
    ///   - id: the link.
    ///   - room: about how many bytes the carrier takes; a frame that was begun is finished.
    ///   - output: appended to; nothing if there is nothing to be said.
    ///   - instant: when.
    public func pull(_ id: LinkID, room: Int, into output: inout [UInt8], at instant: PeerTime) {
        advance(to: instant)
        guard let link = links[id] else { return }
        let start = output.count
        defer {
            if let number = link.peer { peer(number)?.counters.bytesSent += UInt64(output.count - start) }
        }
        if let greeting = link.greeting {
            link.greeting = nil
            write(greeting, link, &output)
            if case .welcome(let welcome) = greeting { link.writer.open(version: welcome.version) }
        }
        guard link.writer.stage.version != nil else { return }
        guard !link.isClosing else {
            if let goodbye = link.goodbye, !link.isGoodbyeSaid { write(.goodbye(goodbye), link, &output) }
            link.isGoodbyeSaid = true
            return
        }
        guard let number = link.peer, let peer = peer(number) else { return }
        answer(link, peer, &output)
        let limit = start + room
        sendChanges(link, peer, limit: peer.isCopiedTo ? limit - room / 4 : limit, &output)
        sendCopies(link, peer, limit: limit, &output)
        sendParts(link, peer, limit: limit, &output)
        sendRanges(link, peer, limit: limit, &output)
    }

    private func write(_ frame: Frame, _ link: LinkState, _ output: inout [UInt8]) {
        do throws(FrameError) {
            try link.writer.write(frame, to: &output)
            if let number = link.peer { peer(number)?.counters.framesSent += 1 }
        } catch {
            // A value that no reader would take is a fault of ours: the link ends, and the peer begins anew.
            guard !link.isClosing else { return }
            link.isClosing = true
            actions.append(.refused(node: link.peer ?? 0, reason: "a frame was not sent: \(error)"))
            actions.append(.close(link.id))
        }
    }

    // MARK: - Answers

    private func answer(_ link: LinkState, _ peer: PeerState, _ output: inout [UInt8]) {
        if let pong = link.pong {
            link.pong = nil
            write(
                .pong(Pong(sent: pong.sent, received: pong.received, answered: now.microseconds)), link, &output)
        }
        if link.nextPing <= now {
            link.nextPing = now.advanced(byMilliseconds: settings.pingInterval)
            link.pingSent = now
            write(.ping(Ping(sent: now.microseconds)), link, &output)
        }
        if link.tellsPositions {
            link.tellsPositions = false
            write(.positions(positions(toldTo: peer)), link, &output)
        }
        if let seconds = link.drain {
            link.drain = nil
            write(.drain(seconds: seconds), link, &output)
        }
        if let settings = link.settings {
            link.settings = nil
            write(.settings(settings), link, &output)
        }
        if peer.flush != .zero {
            write(.flush(peer.flush), link, &output)
            if settings.fails(.repeatedFlush) { write(.flush(peer.flush), link, &output) }
            peer.flush = .zero
        }
        if let due = acknowledgementDue(peer), due <= now {
            peer.acknowledgedAt = now
            let positions = peer.unacknowledged.sorted().map {
                ShardPosition(shard: $0, position: peer.held($0) ?? 0)
            }
            peer.unacknowledged = []
            write(.acknowledge(positions), link, &output)
        }
        if peer.catchingUp == .wanted, peer.unacknowledged.isEmpty, let copy = peer.copyIn {
            peer.catchingUp = .asked
            if link.version >= ProtocolVersions.hasPositions {
                write(.request(RecordRequest(token: copy.token, ranges: [Replicator.noPart])), link, &output)
            }
        }
        if peer.wantsCopy, let copy = peer.copyIn {
            peer.wantsCopy = false
            write(.request(RecordRequest(token: copy.token, ranges: [.everything])), link, &output)
        }
        ask(for: &peer.partsWanted, token: peer.copyIn?.token ?? 0, link, &output)
        ask(for: &peer.wanted, token: 0, link, &output)
        ask(for: &peer.mending, token: PeerState.mendingToken, link, &output)
        if !link.digests.isEmpty {
            write(.digest(link.digests), link, &output)
            link.digests = []
        }
    }

    /// When a peer is to be told what was merged of its changes; nil if there is nothing to be told, or what it flushed is still being ended. While changes keep
    /// coming one word is for all of a moment: each is a wake-up at both ends.
    private func acknowledgementDue(_ peer: PeerState) -> PeerTime? {
        guard !peer.unacknowledged.isEmpty, !peer.isFlushing else { return nil }
        guard let last = peer.acknowledgedAt, peer.catchingUp != .wanted else { return now }
        return PeerTime(microseconds: last.microseconds + settings.acknowledgeInterval)
    }

    /// When a link is to be pulled from again though nothing comes and nothing wakes it; nil if ticks will do.
    public func nextPull(_ id: LinkID) -> PeerTime? {
        guard let number = links[id]?.peer, let peer = peer(number), openLink(to: peer)?.id == id else { return nil }
        return acknowledgementDue(peer)
    }

    private func ask(for ranges: inout [HashRange], token: UInt32, _ link: LinkState, _ output: inout [UInt8]) {
        guard !ranges.isEmpty else { return }
        let part = Array(ranges.prefix(FrameLimits.ranges))
        ranges.removeFirst(part.count)
        write(.request(RecordRequest(token: token, ranges: part)), link, &output)
    }

    // MARK: - Changes

    /// Shards take turns, a slice of the log each, and the next pull goes on behind the last: where more changes than the link takes, all fall behind alike.
    private func sendChanges(_ link: LinkState, _ peer: PeerState, limit: Int, _ output: inout [UInt8]) {
        var batch = NewsBatch()
        let resent = peer.counters.shardsResent
        var waiting = peer.dirty
        while output.count + batch.byteCount < limit, link.isOpen,
            let shard = waiting.first(from: peer.turn) ?? waiting.first(from: 0)
        {
            peer.turn = shard + 1
            guard peer.shards[shard].sending == .streaming else {
                waiting.remove(shard)
                continue
            }
            guard sendChanges(of: shard, link, peer, limit: limit, &batch, &output) else { continue }
            waiting.remove(shard)
            peer.dirty.remove(shard)
        }
        send(&batch, link, &output)
        if peer.counters.shardsResent > resent {
            actions.append(.fellBehind(node: peer.number, shards: Int(peer.counters.shardsResent - resent)))
        }
    }

    /// Changes of shards that leave in one frame, on links that have `news`.
    private struct NewsBatch {
        /// Of one shard, what surrounds its images.
        private static let headBytes = 24

        private(set) var all: [Changes] = []
        private(set) var byteCount = 0

        mutating func append(_ changes: Changes) {
            all.append(changes)
            byteCount += NewsBatch.bytes(of: changes)
        }

        func hasRoom(for changes: Changes, upTo limit: Int) -> Bool {
            all.isEmpty || all.count < FrameLimits.shards && byteCount + NewsBatch.bytes(of: changes) <= limit
        }

        private static func bytes(of changes: Changes) -> Int { headBytes + changes.images.byteCount }
    }

    private func send(_ batch: inout NewsBatch, _ link: LinkState, _ output: inout [UInt8]) {
        guard !batch.all.isEmpty else { return }
        write(.news(batch.all), link, &output)
        batch = NewsBatch()
    }

    /// Sends a slice of a shard's log, or adds it to what leaves with the next frame; true if nothing of it is left to be told now.
    private func sendChanges(
        of shard: Int, _ link: LinkState, _ peer: PeerState, limit: Int, _ batch: inout NewsBatch,
        _ output: inout [UInt8]
    ) -> Bool {
        let from = peer.shards[shard].sent
        let room = limit - output.count - batch.byteCount
        guard let slice = read(shard, from: from, room: room, form: form(of: link)) else {
            peer.resend(shard, at: now)
            return true
        }
        guard slice.upTo > from else { return slice.isEnd }
        var beats = slice.beats
        if settings.fails(.lostBeat) { beats = [] }
        for start in stride(from: 0, to: beats.count, by: FrameLimits.beats) {
            let part = beats[start..<min(start + FrameLimits.beats, beats.count)]
            write(.beats(Beats(asOf: now.timestamp, part.map(spell))), link, &output)
        }
        peer.counters.beatsSent += UInt64(beats.count)
        // Behind the beats: who acknowledges it has those too.
        let changes = Changes(shard: UInt16(shard), before: from, after: slice.upTo, images: slice.images)
        if link.version >= ProtocolVersions.hasNews {
            if !batch.hasRoom(for: changes, upTo: settings.frameBytes) { send(&batch, link, &output) }
            batch.append(changes)
        } else {
            write(.changes(changes), link, &output)
        }
        peer.counters.imagesSent += UInt64(slice.images.count)
        peer.shards[shard].sent = slice.upTo
        if peer.marker == nil { peer.marker = (shard, slice.upTo, now) }
        return slice.isEnd
    }

    /// The form of images that a link's version has.
    private func form(of link: LinkState) -> ImageForm {
        link.version >= ProtocolVersions.hasNews ? .three : .one
    }

    private func spell(_ beat: ReplicaBeat) -> Beat {
        func age(_ instant: Timestamp) -> UInt32 { UInt32(clamping: now.timestamp.milliseconds(since: instant)) }
        return Beat(
            user: beat.user, session: beat.session, heartbeatAge: age(beat.heartbeat),
            activityAge: beat.activity.map(age))
    }

    /// A slice of a log, made for whoever is the first to need it; nil if it was overwritten.
    private func read(_ shard: Int, from: UInt64, room: Int, form: ImageForm) -> LogSlice? {
        if settings.fails(.logOverwritten) { return nil }
        if let last = lastRead[shard], last.from == from, last.form == form { return last }
        var slice = LogSlice(form: form, from: from, upTo: from, isEnd: false, images: Images(), beats: [])
        let room = min(max(room, 4096), settings.frameBytes)
        let outcome = store.readReplicaLog(
            shard: shard, from: from, limit: settings.changesAtOnce, form: form, at: now.timestamp,
            image: { add($0, to: &slice.images, room: room) }, beat: { slice.beats.append($0) })
        guard case .upTo(let position, let isEnd) = outcome else { return nil }
        slice.upTo = position
        slice.isEnd = isEnd
        // What is empty now may not be in a moment.
        if peers.count > 1, position > from { lastRead[shard] = slice }
        return slice
    }

    /// Adds an image if there is room; one that fits into no frame is counted and left out.
    private func add(_ image: Span<UInt8>, to images: inout Images, room: Int) -> Bool {
        guard images.isEmpty || images.byteCount + image.count <= room else { return false }
        switch images.append(image, limits: settings.limits) {
        case .added: return true
        case .full: return false
        case .outOfBounds:
            oversizedImages += 1
            return true
        }
    }

    // MARK: - Copies

    private func sendCopies(_ link: LinkState, _ peer: PeerState, limit: Int, _ output: inout [UInt8]) {
        while output.count < limit, link.isOpen {
            if let shard = peer.shards.firstIndex(where: { if case .copying = $0.sending { true } else { false } }) {
                sendCopy(of: shard, link, peer, room: limit - output.count, &output)
            } else if let shard = peer.shards.firstIndex(where: { $0.sending == .waiting }) {
                peer.shards[shard].sending = .copying(
                    from: range(of: shard).start, upTo: store.closeReplicaLog(shard: shard))
            } else {
                return
            }
        }
    }

    /// Sends some records of a shard; behind the last of them, that the peer has everything up to a position.
    private func sendCopy(
        of shard: Int, _ link: LinkState, _ peer: PeerState, room: Int, _ output: inout [UInt8]
    ) {
        guard case .copying(let place, let upTo) = peer.shards[shard].sending else { return }
        var images = Images()
        let room = min(max(room, 4096), settings.frameBytes)
        let next = store.readImages(
            from: place, through: range(of: shard).end, room: room, form: form(of: link), at: now.timestamp
        ) {
            _ = add($0, to: &images, room: .max)
        }
        peer.resending?.records += UInt64(images.count)
        peer.copyOut?.done += UInt64(images.count)
        let token = peer.copyOut?.token ?? 0
        let range = peer.copyOut?.range ?? range(of: shard)
        var (done, total) = sent(to: peer) ?? (UInt64(images.count), 0)
        if let next {
            peer.shards[shard].sending = .copying(from: next, upTo: upTo)
        } else {
            peer.shards[shard].sending = .streaming
            peer.shards[shard].sent = upTo
            peer.dirty.insert(shard)
        }
        let isLast = peer.copyOut == nil ? next == nil : peer.shards.allSatisfy { $0.sending == .streaming }
        if isLast, peer.copyOut != nil { total = done }
        total = max(done, total)
        write(
            .records(
                RecordSlice(
                    token: token, range: range, isLast: isLast, done: done, total: total, images: images)
            ), link, &output)
        peer.counters.copiedOut += UInt64(images.count)
        if isLast { peer.copyOut = nil }
        if next == nil {
            write(.changes(Changes(shard: UInt16(shard), before: upTo, after: upTo)), link, &output)
            tellResent(peer)
        } else if settings.fails(.cutWithinCopy) {
            close(link, Goodbye(.silence, "cut on purpose"))
        }
    }

    /// Records that were sent to a peer of a copy of everything, or of shards that it did not ask for, and how many there are; nil if it is sent neither.
    func sent(to peer: PeerState) -> (done: UInt64, total: UInt64)? {
        if let copy = peer.copyOut { return (copy.done, max(copy.done, UInt64(store.recordCount()))) }
        guard let resending = peer.resending else { return nil }
        let total = store.recordCount() * resending.shards / store.shardCount
        return (resending.records, max(resending.records, UInt64(total)))
    }

    /// Says so once the last of the shards that a peer did not ask for was sent.
    private func tellResent(_ peer: PeerState) {
        guard let resending = peer.resending, !peer.shards.contains(where: { $0.sending.isWhole }) else { return }
        peer.resending = nil
        actions.append(
            .resent(
                to: peer.number, shards: resending.shards, records: resending.records,
                milliseconds: now.milliseconds(since: resending.began)))
    }

    /// The hashes of a shard.
    private func range(of shard: Int) -> HashRange {
        let bits = UInt8(store.shardCount.trailingZeroBitCount)
        return HashRange(containing: bits == 0 ? 0 : UInt64(shard) << UInt64(64 - bits), bits: bits)
    }

    /// Sends parts of a copy that the peer makes; before each, how far everybody's changes are here.
    private func sendParts(_ link: LinkState, _ peer: PeerState, limit: Int, _ output: inout [UInt8]) {
        while output.count < limit, link.isOpen, var out = peer.partsOut.first {
            if !out.isBegun {
                out.isBegun = true
                write(.positions(positions(toldTo: peer)), link, &output)
            }
            out.done = peer.handedOut?.done ?? 0
            let isDone = sendRecords(&out, total: UInt64(store.recordCount()), link, peer, limit: limit, &output)
            peer.handedOut?.done = out.done
            if isDone { peer.partsOut.removeFirst() } else { peer.partsOut[0] = out }
            if !isDone, settings.fails(.cutWithinCopy) { close(link, Goodbye(.silence, "cut on purpose")) }
        }
    }

    private func sendRanges(_ link: LinkState, _ peer: PeerState, limit: Int, _ output: inout [UInt8]) {
        while output.count < limit, link.isOpen, var out = peer.ranges.first {
            let isDone = sendRecords(&out, total: 0, link, peer, limit: limit, &output)
            if isDone { peer.ranges.removeFirst() } else { peer.ranges[0] = out }
        }
    }

    /// Sends some records of a range; true if none is left.
    private func sendRecords(
        _ out: inout PeerState.RangeOut, total: UInt64, _ link: LinkState, _ peer: PeerState, limit: Int,
        _ output: inout [UInt8]
    ) -> Bool {
        var images = Images()
        let room = min(max(limit - output.count, 4096), settings.frameBytes)
        let next = store.readImages(
            from: out.from, through: out.range.end, room: room, form: form(of: link), at: now.timestamp
        ) {
            _ = add($0, to: &images, room: .max)
        }
        out.done += UInt64(images.count)
        write(
            .records(
                RecordSlice(
                    token: out.token, range: out.range, isLast: next == nil, done: out.done,
                    total: max(out.done, total), images: images)), link, &output)
        peer.counters.copiedOut += UInt64(images.count)
        if let next { out.from = next }
        return next == nil
    }
}
