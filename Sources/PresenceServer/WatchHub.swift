import Presence
import PresenceStore
import Synchronization

/// The lists of viewers as the server keeps them: which event loop tells each, and since when nobody has listened.
///
/// A list lives while somebody is subscribed to its channel, and `watch-linger` beyond. The lock is taken alone, but for the creation of the store's
/// listener, which takes locks of shards.
final class WatchHub: Sendable {
    private struct Place {
        let watch: Watch
        /// The event loop that tells it: that of a subscriber, if there is one.
        var home: Int
        /// Since when nobody is subscribed; nil while somebody is.
        var idleSince: Timestamp?
    }

    private struct State {
        var places: [[UInt8]: Place] = [:]
        /// Lists to which nobody is subscribed, in the order of time; some have a subscriber again meanwhile.
        var idle: [(viewer: [UInt8], since: Timestamp)] = []
        var listener: ShardListener?
    }

    /// What the channel of a list begins with; the viewer's id follows.
    static let channelPrefix = Array("presence.watch:".utf8)

    private let store: ShardedStore
    private let state = Mutex(State())
    /// Whether there are lists: event loops look at it after everything that they do.
    let isActive = Atomic<Bool>(false)

    init(store: ShardedStore) { self.store = store }

    /// The viewer whose list is told on a channel; nil of any other channel.
    static func viewer(of channel: [UInt8]) -> [UInt8]? {
        channel.starts(with: channelPrefix) ? Array(channel.dropFirst(channelPrefix.count)) : nil
    }

    /// Sees to it that changes of shards reach the event loops, before the first list is made.
    func listen(_ wake: @escaping @Sendable (Int) -> Void) {
        guard !isActive.load(ordering: .acquiring) else { return }
        state.withLock { state in
            guard state.listener == nil else { return }
            state.listener = store.listen(wake: wake)
            isActive.store(true, ordering: .releasing)
        }
    }

    /// Remembers a list that was made or added to on an event loop, or, if somebody is subscribed, where he is.
    func note(_ watch: Watch, home: Int, hasSubscriber: Bool, at now: Timestamp) {
        state.withLock { state in
            let isKnown = state.places[watch.viewer]?.watch === watch
            if !isKnown || hasSubscriber || state.places[watch.viewer]?.idleSince != nil {
                let idle = hasSubscriber ? nil : now
                let kept = isKnown ? state.places[watch.viewer]?.home ?? home : home
                state.places[watch.viewer] = Place(watch: watch, home: kept, idleSince: idle)
                if let idle { state.idle.append((watch.viewer, idle)) }
            }
        }
    }

    /// Somebody on an event loop subscribed. Returns the list, if there is one.
    func subscribed(_ viewer: [UInt8], loop: Int) -> Watch? {
        state.withLock { state in
            guard var place = state.places[viewer] else { return nil }
            if place.idleSince != nil { place.home = loop }
            place.idleSince = nil
            state.places[viewer] = place
            return place.watch
        }
    }

    /// The last subscriber left.
    func abandoned(_ viewer: [UInt8], at now: Timestamp) {
        state.withLock { state in
            guard state.places[viewer] != nil else { return }
            state.places[viewer]?.idleSince = now
            state.idle.append((viewer, now))
        }
    }

    /// The event loop that tells a list.
    func home(of watch: Watch) -> Int { state.withLock { $0.places[watch.viewer]?.home ?? 0 } }

    /// Gives up lists that nobody has listened to for `linger` milliseconds; at most `limit` of them.
    func endIdle(at now: Timestamp, linger: Int64, limit: Int = 64) {
        for _ in 0..<limit {
            let watch = state.withLock { state -> Watch?? in
                guard let first = state.idle.first, now >= first.since.advanced(byMilliseconds: linger) else {
                    return nil
                }
                state.idle.removeFirst()
                guard let place = state.places[first.viewer], place.idleSince == first.since else { return .some(nil) }
                state.places[first.viewer] = nil
                return place.watch
            }
            guard let found = watch else { return }
            if let found { store.endWatch(found) }
        }
        stopIfEmpty()
    }

    /// Gives up the list of one viewer if its time is over.
    func endIfIdle(_ viewer: [UInt8], at now: Timestamp, linger: Int64) {
        let watch = state.withLock { state -> Watch? in
            guard let place = state.places[viewer], let since = place.idleSince,
                now >= since.advanced(byMilliseconds: linger)
            else { return nil }
            state.places[viewer] = nil
            return place.watch
        }
        if let watch { store.endWatch(watch) }
    }

    /// Gives up the list of one viewer. Returns how many users were on it.
    func end(_ viewer: [UInt8]) -> Int {
        let watch = state.withLock { $0.places.removeValue(forKey: viewer)?.watch }
        return watch.map { store.endWatch($0) } ?? 0
    }

    private func stopIfEmpty() {
        state.withLock { state in
            guard state.places.isEmpty, let listener = state.listener else { return }
            state.listener = nil
            isActive.store(false, ordering: .releasing)
            store.cancel(listener)
        }
    }
}
