import Synchronization

/// What the subscriber's thread tells the copying task: which keys changed, and that its connection ended.
final class ChangeInbox: Sendable {
    private struct State {
        var keys: ChangedKeys
        var subscription = 0
        var isLost = false
    }

    /// Rung when there is something new.
    let bell = Doorbell()
    /// Guards the keys; taken alone, for a dictionary's operation.
    private let state: Mutex<State>

    init(limit: Int = 1_000_000) {
        state = Mutex(State(keys: ChangedKeys(limit: limit)))
    }

    /// How many keys wait.
    var count: Int { state.withLock { $0.keys.count } }
    /// How many changes were heard of.
    var heard: Int { state.withLock { $0.keys.heard } }
    /// Whether more keys changed than can wait.
    var hasOverflowed: Bool { state.withLock { $0.keys.hasOverflowed } }
    /// Whether the subscription ended: changes are missed since.
    var isLost: Bool { state.withLock { $0.isLost } }

    /// Notes a change.
    func add(_ key: [UInt8], _ change: KeyChange) {
        state.withLock { $0.keys.add(key, change) }
        bell.ring()
    }

    /// Takes the oldest keys, at most `count`.
    func take(_ count: Int) -> [ChangedKeys.Entry] {
        state.withLock { $0.keys.take(count) }
    }

    /// Begins a new subscription. Returns its number.
    func begin() -> Int {
        state.withLock { state in
            state.subscription += 1
            state.isLost = false
            return state.subscription
        }
    }

    /// A subscription ended. That of an earlier one is no news.
    func lose(_ subscription: Int) {
        state.withLock { state in
            if state.subscription == subscription { state.isLost = true }
        }
        bell.ring()
    }

    /// Everything is about to be read: what waits need not be.
    func forget() {
        state.withLock { $0.keys.reset() }
    }
}
