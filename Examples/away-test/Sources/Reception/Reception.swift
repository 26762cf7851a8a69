import PresenceStore

/// Puts calls through to whoever is at his desk.
public struct Reception: Sendable {
    private let store: ShardedStore

    /// A reception that asks this store.
    public init(_ store: ShardedStore) { self.store = store }

    /// Where a call for a person goes.
    public enum Destination: Sendable {
        case desk
        case voicemail
    }

    /// Away and not to be disturbed is voicemail; idle still is at the desk.
    public func destination(ofCallFor person: String) -> Destination {
        switch store.status(of: person) {
        case .online, .idle: .desk
        case .away, .dnd, .offline: .voicemail
        }
    }
}
