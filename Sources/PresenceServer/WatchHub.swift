import Presence
import PresenceStore
import Synchronization

/// The lists of viewers as the server keeps them: which event loop tells each, and since when nobody has listened.
///
/// A list lives while somebody is subscribed to its channel, and `watch-linger` beyond. The lock is taken alone, but for the creation of the store's
/// listener, which takes locks of shards.
final class WatchHub: Sendable {
    private struct State {
        var places = WatchPlaces<Watch>()
        /// Lists that are being made: they will need the listener.
        var beginning = 0
        var listener: ShardListener?
    }

    /// What the channel of a list begins with; the viewer's id follows.
    static let channelPrefix = Array("presence.watch:".utf8)

    private let store: ShardedStore
    private let registry: SubscriptionRegistry
    private let state = Mutex(State())
    /// Whether there are lists: event loops look at it after everything that they do.
    let isActive = Atomic<Bool>(false)

    init(store: ShardedStore, registry: SubscriptionRegistry) {
        self.store = store
        self.registry = registry
    }

    /// The viewer whose list is told on a channel; nil of any other channel.
    static func viewer(of channel: [UInt8]) -> [UInt8]? {
        channel.starts(with: channelPrefix) ? Array(channel.dropFirst(channelPrefix.count)) : nil
    }

    /// Does what makes a list or adds to one, while changes of shards reach the event loops by `wake`, and remembers the list. One that is
    /// new is told on an event loop that has subscribers, on that of the call if there is none; and it lingers from now on if nobody is subscribed.
    func add<Failure: Error>(
        from loop: Int, at now: Timestamp, _ wake: @escaping @Sendable (Int) -> Void,
        _ body: () throws(Failure) -> WatchReply
    ) throws(Failure) -> WatchReply {
        state.withLock { state in
            state.beginning += 1
            guard state.listener == nil else { return }
            state.listener = store.listen(wake: wake)
            isActive.store(true, ordering: .releasing)
        }
        defer { state.withLock { $0.beginning -= 1 } }
        let reply = try body()
        note(reply.watch, from: loop, at: now)
        return reply
    }

    private func note(_ watch: Watch, from loop: Int, at now: Timestamp) {
        let viewer = watch.viewer
        let listening = registry.route(WatchHub.channelPrefix + viewer).loops
        let home = listening == 0 ? loop : listening.trailingZeroBitCount
        let isListened = hasSubscriber(viewer)
        let isIdle = state.withLock { state in
            guard let place = state.places[viewer], place.list === watch else {
                // One that was given up meanwhile takes no other one's place.
                if state.places[viewer] != nil, watch.hasEnded { return false }
                state.places.put(watch, of: viewer, home: home, at: now)
                // Before anybody else can take it for one that nobody hears.
                if isListened { state.places.setListened(viewer) }
                return true
            }
            guard place.idleSince != nil else { return false }
            state.places.setIdle(viewer, at: now)
            return true
        }
        // Only now: who subscribes later finds it. Who hears it by a pattern hears it while it lives, and keeps no list.
        guard isIdle, hasSubscriber(viewer) else { return }
        state.withLock { $0.places.setListened(viewer) }
    }

    private func hasSubscriber(_ viewer: [UInt8]) -> Bool {
        registry.subscribers(of: WatchHub.channelPrefix + viewer) > 0
    }

    /// Somebody on an event loop subscribed. Returns the list, if there is one.
    func subscribed(_ viewer: [UInt8], loop: Int) -> Watch? {
        state.withLock { state in
            guard let place = state.places[viewer] else { return nil }
            if place.idleSince != nil { state.places.move(viewer, to: loop) }
            state.places.setListened(viewer)
            return place.list
        }
    }

    /// The last subscriber left.
    func abandoned(_ viewer: [UInt8], at now: Timestamp) {
        state.withLock { $0.places.setIdle(viewer, at: now) }
    }

    /// The event loop that tells a list.
    func home(of watch: Watch) -> Int { state.withLock { $0.places[watch.viewer]?.home ?? 0 } }

    /// Another event loop tells a list.
    func move(_ watch: Watch, to home: Int) {
        state.withLock { if $0.places[watch.viewer]?.list === watch { $0.places.move(watch.viewer, to: home) } }
    }

    /// Gives up the list that nobody has listened to for longest, if that is `linger` milliseconds or more. False if there is none.
    func endFirstIdle(at now: Timestamp, linger: Int64) -> Bool {
        guard let viewer = state.withLock({ $0.places.firstIdle?.viewer }) else { return false }
        // Another event loop may have taken the last subscriber away just when this one came.
        if hasSubscriber(viewer) {
            state.withLock { $0.places.setListened(viewer) }
            return true
        }
        return endIfIdle(viewer, at: now, linger: linger)
    }

    /// Gives up lists that nobody has listened to for `linger` milliseconds, while `mayGoOn` says so.
    ///
    /// - Returns: whether there may be more of them.
    func endIdle(at now: Timestamp, linger: Int64, while mayGoOn: () -> Bool) -> Bool {
        while endFirstIdle(at: now, linger: linger) {
            guard mayGoOn() else { return true }
        }
        stopIfEmpty()
        return false
    }

    /// Gives up the list of one viewer if its time is over; whether it was.
    @discardableResult
    func endIfIdle(_ viewer: [UInt8], at now: Timestamp, linger: Int64) -> Bool {
        guard state.withLock({ $0.places[viewer]?.idleSince != nil }) else { return false }
        if hasSubscriber(viewer) {
            state.withLock { $0.places.setListened(viewer) }
            return false
        }
        let watch = state.withLock { state -> Watch? in
            guard let since = state.places[viewer]?.idleSince, now >= since.advanced(byMilliseconds: linger) else {
                return nil
            }
            return state.places.remove(viewer)
        }
        if let watch { store.endWatch(watch) }
        return watch != nil
    }

    /// Gives up the list of one viewer. Returns how many users were on it.
    func end(_ viewer: [UInt8]) -> Int {
        let watch = state.withLock { $0.places.remove(viewer) }
        return watch.map { store.endWatch($0) } ?? 0
    }

    private func stopIfEmpty() {
        state.withLock { state in
            guard state.places.count == 0, state.beginning == 0, let listener = state.listener else { return }
            state.listener = nil
            isActive.store(false, ordering: .releasing)
            store.cancel(listener)
        }
    }
}
