import Presence

/// What happens in a store, as an asynchronous sequence.
///
///     for await event in store.events() {
///         if case .status(let change) = event { print(change.userID, change.old, change.new) }
///     }
///
/// Events of one user come in their order. Nothing is buffered for a consumer: he pulls from the store's rings at his own pace, and one who falls
/// more than a ring behind gets `missed` with the number of events that he lost, then goes on.
public struct Events: AsyncSequence, Sendable {
    /// An entry of a change ring.
    public typealias Element = StoreEvent
    /// The sequence only ends, it never fails.
    public typealias Failure = Never

    let store: ShardedStore

    /// Begins with what is announced from now on.
    public func makeAsyncIterator() -> Iterator { Iterator(store) }

    /// The consumer's place. It ends when its task is cancelled.
    public struct Iterator: AsyncIteratorProtocol {
        private let source: EventSource
        private var events: [StoreEvent] = []
        private var next = 0

        init(_ store: ShardedStore) { source = EventSource(store) }

        /// The next event; nil once the task is cancelled.
        public mutating func next() async -> StoreEvent? {
            while next == events.count {
                events.removeAll(keepingCapacity: true)
                next = 0
                guard await source.fill(&events) else { return nil }
            }
            defer { next += 1 }
            return events[next]
        }
    }
}

/// Joins a reader that is woken on any thread with a task that waits.
private final class EventSource: Sendable {
    private struct State {
        var pending: Set<Int>
        var waiter: CheckedContinuation<Void, Never>?
        var isCancelled = false
    }

    private let reader: EventReader
    private let state: StateBox

    /// A class of its own, since the reader's closure must not keep the source alive.
    private final class StateBox: Sendable {
        let value: Lock<State>
        init(_ state: State) { value = Lock(state) }

        func wake(_ shard: Int) {
            let waiter = value.withLock { state -> CheckedContinuation<Void, Never>? in
                state.pending.insert(shard)
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }

        func cancel() {
            let waiter = value.withLock { state -> CheckedContinuation<Void, Never>? in
                state.isCancelled = true
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }

    init(_ store: ShardedStore) {
        let box = StateBox(State(pending: Set(0..<store.shardCount)))
        state = box
        reader = store.makeReader { [weak box] shard in box?.wake(shard) }
    }

    deinit { reader.cancel() }

    /// Waits until there are events and appends them; false once the task is cancelled.
    func fill(_ events: inout [StoreEvent]) async -> Bool {
        while events.isEmpty {
            guard !Task.isCancelled else { return false }
            let shards = state.value.withLock { state in
                defer { state.pending = [] }
                return state.pending
            }
            for shard in shards.sorted() {
                if !reader.read(shard: shard, into: &events) {
                    state.value.withLock { _ = $0.pending.insert(shard) }
                }
            }
            if events.isEmpty { await wait() }
        }
        return true
    }

    private func wait() async {
        let box = state
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = box.value.withLock { state in
                    if state.isCancelled || !state.pending.isEmpty { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            box.cancel()
        }
    }
}

extension ShardedStore {
    /// What is announced from now on. Every call begins a sequence of its own.
    public func events() -> Events { Events(store: self) }
}
