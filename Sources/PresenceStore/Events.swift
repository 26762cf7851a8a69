import Presence

/// What happens in a store, as an asynchronous sequence.
///
///     for await event in store.events() {
///         if case .status(let change) = event { print(change.userID, change.old, change.new) }
///     }
///
/// Events of one user come in their order. Nothing is buffered for a consumer: he pulls from the store's rings at his own pace, and one who falls
/// more than a ring behind gets `missed` with the number of events that he lost, then goes on. It begins with the call that makes it, not with the first
/// `next()`: what happens before a task gets to its loop is not missed.
public struct Events: AsyncSequence, Sendable {
    /// An entry of a change ring.
    public typealias Element = StoreEvent
    /// The sequence only ends, it never fails.
    public typealias Failure = Never

    private let source: EventSource

    init(_ store: ShardedStore) { source = EventSource(store) }

    /// Goes on with the events: for one task at a time.
    public func makeAsyncIterator() -> Iterator { Iterator(source) }

    /// The consumer's place. It ends when its task is cancelled.
    public struct Iterator: AsyncIteratorProtocol {
        private let source: EventSource
        private var events: [StoreEvent] = []
        private var next = 0

        fileprivate init(_ source: EventSource) { self.source = source }

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
    private let reader: EventReader
    private let news: News

    /// Shards that have news. A class of its own, since the reader's closure must not keep the source alive.
    private final class News: Sendable {
        let bell = Doorbell()
        private let shards: Lock<Set<Int>>

        init(_ shards: Set<Int>) { self.shards = Lock(shards) }

        func add(_ shard: Int) {
            shards.withLock { _ = $0.insert(shard) }
            bell.ring()
        }

        func take() -> Set<Int> {
            shards.withLock { shards in
                defer { shards = [] }
                return shards
            }
        }
    }

    init(_ store: ShardedStore) {
        let news = News(Set(0..<store.shardCount))
        self.news = news
        reader = store.makeReader { [weak news] shard in news?.add(shard) }
    }

    deinit { reader.cancel() }

    /// Waits until there are events and appends them; false once the task is cancelled.
    func fill(_ events: inout [StoreEvent]) async -> Bool {
        while !Task.isCancelled {
            for shard in news.take().sorted() where !reader.read(shard: shard, into: &events) { news.add(shard) }
            guard events.isEmpty else { return true }
            guard await news.bell.wait() else { return false }
        }
        return false
    }
}

extension ShardedStore {
    /// What is announced from now on. Every call begins a sequence of its own.
    public func events() -> Events { Events(self) }
}
