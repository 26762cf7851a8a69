import Presence
import PresenceStore

/// Telling viewers what changed of those on their lists: changes of shards become marks, marks become frames, one a `push-window` for each list.
extension ServerLoop {
    /// Marks a turn hands on at most, a shard: who is watched by many is told in slices.
    private static let marksPerSlice = 256
    private static let slicesPerTurn = 8
    /// For how long lists may be given up before reads have their turn, in microseconds.
    private static let flushMicroseconds: Int64 = 1_000

    /// Hands the changes of a shard of this loop on to the lists that have them.
    func pumpWatches(_ shard: Int) {
        guard server.watches.isActive.load(ordering: .acquiring) else { return }
        isPumping = true
        var slices = 0
        // Of time that stands still nothing is left for later: who moved it on, and was answered, finds all told.
        let most = server.manualClock == nil ? ServerLoop.slicesPerTurn : .max
        while slices < most, store.pumpWatches(shard: shard, limit: ServerLoop.marksPerSlice) { slices += 1 }
        wakeOthers()
        // The one that waits goes on with all that comes meanwhile.
        guard slices == most, waitingPumps.insert(shard).inserted else { return }
        afterOthers { [self] in
            waitingPumps.remove(shard)
            beginTurn(isTimed: true)
            pumpWatches(shard)
            endTurn()
        }
    }

    /// Each event loop that has lists among those with changes is woken once: to wake one costs more than to mark a list.
    private func wakeOthers() {
        isPumping = false
        for place in watchesOfOthers.indices where !watchesOfOthers[place].isEmpty {
            let home = peers[place]
            let watches = watchesOfOthers[place]
            watchesOfOthers[place] = []
            home.eventLoop.execute { for watch in watches { home.willTell(watch) } }
        }
    }

    private func noteForOther(_ watch: Watch, _ place: Int) {
        if watchesOfOthers.isEmpty { watchesOfOthers = Array(repeating: [], count: peers.count) }
        watchesOfOthers[place].append(watch)
    }

    /// Called by the store on any thread: a list has something to look at.
    static func wake(_ watch: Watch, _ peers: [ServerLoop], _ server: ServerState) {
        let place = server.watches.home(of: watch)
        let home = peers[place]
        if home.eventLoop.inEventLoop {
            home.willTell(watch)
        } else if let own = peers.first(where: { $0.eventLoop.inEventLoop }), own.isPumping {
            own.noteForOther(watch, place)
        } else {
            home.eventLoop.execute { home.willTell(watch) }
        }
    }

    /// The list gets a frame within a window: when its slot ends.
    func willTell(_ watch: Watch) {
        guard server.manualClock == nil else {
            // All of them when the window is over that time is in: a test knows when that is. Windows follow each other from when the server began, whatever happens
            // in them: that there was news is not to be seen by who does not get it.
            watchesToTell.append(watch)
            if watchesToTell.count == 1 { windowEnd = endOfWindow(at: server.clock.now()) }
            return
        }
        let now = Stopwatch.microseconds()
        let window = Int64(configuration.pushWindowMilliseconds) * 1_000
        watchesThatWait.add(watch, number: watch.number, window: window, at: now)
        planTelling(at: now)
    }

    /// Sees to it that the loop looks when the next slot ends.
    private func planTelling(at now: Int64) {
        guard let next = watchesThatWait.next, nextTelling.map({ next < $0 }) ?? true else { return }
        nextTelling = next
        eventLoop.assumeIsolated().scheduleTask(in: .microseconds(max(0, next - now))) { [self] in
            // Another look was planned before this one meanwhile, and plans what comes after it.
            guard nextTelling == next else { return }
            nextTelling = nil
            tellWatches()
            planTelling(at: Stopwatch.microseconds())
        }
    }

    /// Whether a clock that tests hold has gone past the end of the window.
    var isWindowOver: Bool {
        guard !watchesToTell.isEmpty, server.manualClock != nil else { return false }
        return server.clock.now() >= windowEnd
    }

    /// Where a clock is held by tests: the first instant behind the window that `now` lies in.
    private func endOfWindow(at now: Timestamp) -> Timestamp {
        let window = Int64(configuration.pushWindowMilliseconds)
        guard window > 0 else { return now }
        let passed = now.milliseconds(since: firstWindowBegan) % window
        return now.advanced(byMilliseconds: window - passed)
    }

    /// Makes the frames of all lists whose slots have ended, and sends them.
    private func tellWatches() {
        beginTurn(isTimed: true)
        readTime()
        watchesThatWait.take(endedAt: Stopwatch.microseconds(), into: &watchesToTell)
        makeFrames()
        deliverMessages(current: nil, &reply)
        finishBatch()
        endTurn()
    }

    /// Puts frames on their way, for as long as a turn is; what is left goes on a little later. Where time stands still, all of them.
    func makeFrames() {
        let end = server.manualClock == nil ? Stopwatch.microseconds() + turnLimit : .max
        watchesBeingTold.append(contentsOf: watchesToTell)
        watchesToTell.removeAll(keepingCapacity: true)
        while toldWatches < watchesBeingTold.count, Stopwatch.microseconds() < end {
            toldWatches += 1
            tell(watchesBeingTold[toldWatches - 1])
        }
        // Moved only when no more are left than were told: each once or twice, however many wait.
        if 2 * toldWatches >= watchesBeingTold.count {
            watchesBeingTold.removeFirst(toldWatches)
            toldWatches = 0
        }
        guard !watchesBeingTold.isEmpty else { return }
        guard !isTellingOn else { return }
        isTellingOn = true
        afterOthers { [self] in
            isTellingOn = false
            tellWatches()
        }
    }

    private func tell(_ watch: Watch) {
        guard !watch.hasEnded else { return }
        let channel = WatchHub.channelPrefix + watch.viewer
        var route = server.registry.route(channel)
        if route.receivers == 0 {
            // Its marks stay: whoever subscribes next, or goes on by a cursor, gets what they say. The next change wakes it for one who hears a pattern.
            watch.rest()
            route = server.registry.route(channel)
        }
        guard route.receivers > 0 else { return }
        guard server.watches.home(of: watch) == index else {
            ServerLoop.wake(watch, peers, server)
            return
        }
        guard subscriptions.canTake(channel) else {
            leave(watch, to: route.loops)
            return
        }
        let (frame, hasMore) = store.takeFrame(of: watch, at: now)
        if let frame { send(Message(channel: channel, payload: frame.json(at: now)), to: route.loops) }
        if hasMore { willTell(watch) }
    }

    /// All who listen here are slow, or there is nobody: the next loop that has subscribers tells the list. If all are slow everywhere it goes round, a
    /// window for each, and what changes meanwhile is told as one.
    private func leave(_ watch: Watch, to loops: UInt64) {
        let others = loops & ~(1 << UInt64(index))
        guard others != 0 else {
            willTell(watch)
            return
        }
        let later = others & ~(1 << UInt64(index) &- 1)
        let next = (later != 0 ? later : others).trailingZeroBitCount
        server.watches.move(watch, to: next)
        let peer = peers[next]
        peer.eventLoop.execute { peer.willTell(watch) }
    }

    // MARK: Lists whose time is over

    private var linger: Int64 { Int64(configuration.watchLingerMilliseconds) }

    /// Gives up the list of one viewer if its time is over: nobody is to see it any more.
    func endIfIdle(_ viewer: [UInt8]) { server.watches.endIfIdle(viewer, at: now, linger: linger) }

    /// Gives one list up whose time is over; false if there is none.
    func endFirstIdle() -> Bool { server.watches.endFirstIdle(at: now, linger: linger) }

    /// Gives up the lists whose time is over, for a millisecond; what is left goes on a little later.
    func endIdleWatches() {
        guard !isEndingWatches else { return }
        let end = Stopwatch.microseconds() + ServerLoop.flushMicroseconds
        guard server.watches.endIdle(at: now, linger: linger, while: { Stopwatch.microseconds() < end }) else { return }
        isEndingWatches = true
        afterOthers { [self] in
            isEndingWatches = false
            beginTurn(isTimed: true)
            readTime()
            endIdleWatches()
            endTurn()
        }
    }

    // MARK: Subscribers

    /// Somebody subscribed to a channel, or left it: if that is one of a list, it is told here from now on, or lingers.
    func changeTelling(_ channel: [UInt8], begins: Bool) {
        guard channel.starts(with: WatchHub.channelPrefix) else { return }
        if isExecuting {
            tellingToChange.append((channel, begins))
        } else if begins {
            beginTelling(channel)
        } else {
            endTelling(channel)
        }
    }

    /// Somebody subscribed to a channel: if it is that of a list, the list is told here from now on.
    private func beginTelling(_ channel: [UInt8]) {
        guard let viewer = WatchHub.viewer(of: channel) else { return }
        endIfIdle(viewer)
        if let watch = server.watches.subscribed(viewer, loop: index) { willTell(watch) }
    }

    /// Somebody left a channel: if it is that of a list and he was the last, the list lingers.
    private func endTelling(_ channel: [UInt8]) {
        guard let viewer = WatchHub.viewer(of: channel), server.registry.subscribers(of: channel) == 0 else { return }
        server.watches.abandoned(viewer, at: server.clock.now())
    }
}

extension WatchFrame {
    /// `{"cursor":"...","rows":[["alice","online","2025-01-19T10:35:22.123Z",null]]}`
    func json(at now: Timestamp) -> [UInt8] {
        let rows = rows
        let maximum = rows.reduce(cursor.utf8.count + 32) { $0 + $1.maximumJSONByteCount + 1 }
        return [UInt8](room: maximum) { out in
            out.append(contentsOf: "{\"cursor\":\"")
            out.append(contentsOf: cursor)
            out.append(contentsOf: "\",\"rows\":[")
            for index in rows.indices {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                rows[index].writeJSON(at: now, into: &out)
            }
            out.append(contentsOf: "]}")
        }
    }
}

extension OutputSpan where Element == UInt8 {
    fileprivate mutating func append(contentsOf text: String) {
        for byte in text.utf8 { append(byte) }
    }
}
