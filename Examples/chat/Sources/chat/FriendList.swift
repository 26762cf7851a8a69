import PresenceStore

/// A person's friends as he may see them: all of them first, then what changes.
struct FriendList {
    /// The friends when the list was made.
    let friends: [ViewRow]
    private let store: ShardedStore
    private let watch: Watch
    private let signal: AsyncStream<Void>.Continuation
    private var signals: AsyncStream<Void>.Iterator

    init(of viewer: String, _ names: [String], in store: ShardedStore) throws {
        // All ids in one piece of memory, and where each of them lies.
        var bytes: [UInt8] = []
        var ranges: [KeyRange] = []
        for name in names {
            ranges.append(KeyRange(offset: bytes.count, length: name.utf8.count))
            bytes += name.utf8
        }
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let reply = try store.watch(
            viewer.utf8.span, since: Span(), bytes.span, ranges.span, at: store.clock.now()
        ) { _ in signal.yield() }
        self.store = store
        self.signal = signal
        self.signals = signals.makeAsyncIterator()
        watch = reply.watch
        friends = reply.rows
    }

    /// Waits until something differs from what was told last; nil once the task is cancelled.
    mutating func next() async -> [ViewRow]? {
        while await signals.next() != nil {
            let (frame, hasMore) = store.takeFrame(of: watch, at: store.clock.now())
            if hasMore { signal.yield() }
            if let frame { return frame.rows }
        }
        return nil
    }

    /// Gives the list up.
    func end() { store.endWatch(watch) }
}
