import Logging
import Presence
import PresenceStore
import Synchronization

/// Reads the store's change rings and turns their entries into messages; while nobody is subscribed it does not exist to the store.
///
/// Shard i belongs to event loop i % loops, and only that loop reads its ring: so the order of a ring is the order of its messages.
/// The store is read from the moment of the first subscription on; the reader is given back with the last one.
final class EventPublisher: Sendable {
    private struct State {
        var reader: EventReader?
        /// What the store was last told to record of keys.
        var keyspace: KeyspaceEvents = []
    }

    private let store: ShardedStore
    private let registry: SubscriptionRegistry
    private let keyPrefix: [UInt8]
    private let nodeName: [UInt8]
    private let logger: Logger
    /// Guards the reader's coming and going; taken alone but for the store's own locks below it, never per event.
    private let state = Mutex(State())

    init(store: ShardedStore, registry: SubscriptionRegistry, configuration: ServerConfiguration, logger: Logger) {
        self.store = store
        self.registry = registry
        self.logger = logger
        keyPrefix = Array(configuration.keyPrefix.utf8)
        nodeName = Array(configuration.nodeName.utf8)
    }

    /// Looks at who is subscribed now and starts or ends reading. To be called after every change of subscriptions, before its reply, and
    /// when `notify-keyspace-events` changed.
    func update(notifications: KeyspaceNotifications, wake: @escaping @Sendable (Int) -> Void) {
        state.withLock { state in
            // Asked inside the lock, so that of two changes at once the later one sees both.
            let keyspace = registry.wantsKeyspace ? notifications.interest : []
            let isNeeded = registry.wantsStatus || !keyspace.isEmpty
            if keyspace != state.keyspace {
                store.setKeyspaceInterest(keyspace)
                state.keyspace = keyspace
            }
            if isNeeded, state.reader == nil {
                state.reader = store.makeReader(wake: wake)
            } else if !isNeeded, let reader = state.reader {
                reader.cancel()
                state.reader = nil
            }
        }
    }

    /// The reader, if there is one.
    var reader: EventReader? { state.withLock { $0.reader } }

    /// Makes the messages of one entry. `send` gets each message once, with the loops that have receivers.
    ///
    /// Returns how many entries were missed: the ring had gone on before they were read.
    func publish(
        _ event: StoreEvent, notifications: KeyspaceNotifications, _ send: (Message, UInt64) -> Void
    ) -> Int {
        switch event {
        case .status(let change):
            publish(change, send)
        case .activity(let change):
            publish(change, send)
        case .storm(let report):
            let route = registry.route(StatusChannels.storm)
            if route.loops != 0 {
                send(Message(channel: StatusChannels.storm, payload: json(of: report)), route.loops)
            }
        case .keyspace(let kind, let key, let name):
            publish(kind, key, name, notifications, send)
        case .missed(let count):
            logger.warning("missed \(count) changes: change-ring-size is too small for the rate of changes")
            return count
        }
        return 0
    }

    private func publish(_ change: StatusChange, _ send: (Message, UInt64) -> Void) {
        publish(StatusChannels.all, StatusChannels.userPrefix, change.userID, send) { change.json(node: $0.span) }
    }

    private func publish(_ change: ActivityChange, _ send: (Message, UInt64) -> Void) {
        publish(StatusChannels.activity, StatusChannels.activityPrefix, change.userID, send) {
            change.json(node: $0.span)
        }
    }

    /// Sends what `encode` makes, once, to those who hear of everyone and to those who hear of this user.
    private func publish(
        _ channel: [UInt8], _ prefix: [UInt8], _ user: [UInt8], _ send: (Message, UInt64) -> Void,
        _ encode: ([UInt8]) -> [UInt8]
    ) {
        let all = registry.route(channel)
        let own = registry.wantsPerUser ? prefix + user : []
        let single = own.isEmpty ? (receivers: 0, loops: 0) : registry.route(own)
        guard all.loops | single.loops != 0 else { return }
        let payload = encode(nodeName)
        if all.loops != 0 { send(Message(channel: channel, payload: payload), all.loops) }
        if single.loops != 0 { send(Message(channel: own, payload: payload), single.loops) }
    }

    /// `{"event":"began","began":"...","heldUntil":"...","lost":1200,"sessions":5000,"node":"a"}`
    private func json(of report: StormReport) -> [UInt8] {
        func text(_ instant: Timestamp) -> String {
            String(decoding: [UInt8](room: 32) { out in instant.writeISO8601(into: &out) }, as: UTF8.self)
        }
        // A node's name has no character that JSON would escape.
        let node = String(decoding: nodeName, as: UTF8.self)
        return Array(
            """
            {"event":"\(report.isOver ? "over" : "began")","began":"\(text(report.began))",\
            "heldUntil":"\(text(report.heldUntil))","lost":\(report.lost),"sessions":\(report.sessions),"node":"\(node)"}
            """.utf8)
    }

    private func publish(
        _ event: KeyEvent, _ kind: KeyKind, _ name: [UInt8], _ notifications: KeyspaceNotifications,
        _ send: (Message, UInt64) -> Void
    ) {
        let key = kind == .presence ? keyPrefix + name : name
        let word = event.word.withUTF8Buffer { Array($0) }
        if notifications.contains(.keyspace) {
            let channel = StatusChannels.keyspacePrefix + key
            let route = registry.route(channel)
            if route.loops != 0 { send(Message(channel: channel, payload: word), route.loops) }
        }
        if notifications.contains(.keyevent) {
            let channel = StatusChannels.keyeventPrefix + word
            let route = registry.route(channel)
            if route.loops != 0 { send(Message(channel: channel, payload: key), route.loops) }
        }
    }
}
