import Presence

/// How one viewer sees his list of users, now and from now on, as an asynchronous sequence of frames.
///
///     for await frame in try store.frames(for: "alice", of: ["bob", "carol"]) {
///         for row in frame.rows { print(row.user, row.status) }
///     }
///
/// The first frame tells of all who are on the list, each later one of those who look different to the viewer than they did in what he was told last:
/// each once, as they are now. Nothing waits for a slow consumer but one mark a user, so he misses states in between and never the last one. The list
/// ends with the sequence, or when the task that iterates is cancelled.
///
/// Somebody must carry changes to lists: a ``Ticker`` does, as does ``ShardedStore/pumpWatches(limit:)``.
public struct WatchFrames: AsyncSequence, Sendable {
    /// What changed since the frame before.
    public typealias Element = WatchFrame
    /// The sequence only ends, it never fails.
    public typealias Failure = Never

    private let source: WatchFrameSource

    init(_ source: WatchFrameSource) { self.source = source }

    /// Adds users to the list: the next frame tells of them, as of all who are added.
    ///
    /// - Throws: what ``ShardedStore/frames(for:of:every:)`` throws.
    public func add(_ users: [String]) throws(StoreError) { try source.add(users) }

    /// Takes users off the list; no frame tells of them any more.
    ///
    /// - Returns: how many were on it.
    @discardableResult
    public func remove(_ users: [String]) -> Int { source.remove(users) }

    /// Goes on with the frames: for one task at a time.
    public func makeAsyncIterator() -> Iterator { Iterator(source) }

    /// The consumer's place. It ends when its task is cancelled.
    public struct Iterator: AsyncIteratorProtocol {
        private let source: WatchFrameSource

        init(_ source: WatchFrameSource) { self.source = source }

        /// The next frame; nil once the task is cancelled.
        public func next() async -> WatchFrame? { await source.next() }
    }
}

/// A list, the bell that its changes ring, and a frame that is made already.
final class WatchFrameSource: Sendable {
    private let store: ShardedStore
    private let watch: Watch
    private let window: Duration
    private let bell: Doorbell
    /// The first frame, and one for users who were added. Held while frames are made, so that an older sight of a user never comes after a newer one.
    private let made: Lock<WatchFrame?>

    init(_ store: ShardedStore, _ viewer: String, _ users: [String], every window: Duration) throws(StoreError) {
        let bell = Doorbell()
        let ids = IDList(users)
        let reply = try store.watch(
            viewer.utf8.span, since: Span(), ids.bytes.span, ids.ranges.span, at: store.clock.now(), isNewList: true
        ) { _ in bell.ring() }
        self.store = store
        self.window = window
        self.bell = bell
        watch = reply.watch
        made = Lock(WatchFrame(cursor: reply.cursor, rows: reply.rows))
    }

    deinit { store.endWatch(watch) }

    func add(_ users: [String]) throws(StoreError) {
        let ids = IDList(users)
        let viewer = watch.viewer
        try made.withLock { frame throws(StoreError) in
            // The sequence is over: there is nobody to tell.
            guard !watch.hasEnded else { return }
            let reply = try store.watch(
                viewer.span, since: Span(), ids.bytes.span, ids.ranges.span, at: store.clock.now()
            ) { _ in }
            // Who listens has heard that: it is for nobody else.
            watch.state.withLock { rows in
                for row in reply.rows { rows.settleDebt(ofUser: store.userHash(row.id.span)) }
            }
            let told = Set(reply.rows.map(\.id))
            let rows = (frame?.rows ?? []).filter { !told.contains($0.id) } + reply.rows
            frame = WatchFrame(cursor: reply.cursor, rows: rows)
        }
        bell.ring()
    }

    func remove(_ users: [String]) -> Int {
        let ids = IDList(users)
        let viewer = watch.viewer
        return made.withLock { frame in
            guard !watch.hasEnded else { return 0 }
            let gone = Set(users.map { Array($0.utf8) })
            frame?.rows.removeAll { gone.contains($0.id) }
            return store.unwatch(viewer.span, ids.bytes.span, ids.ranges.span)
        }
    }

    func next() async -> WatchFrame? {
        while !Task.isCancelled {
            if let frame = take() { return frame }
            guard await bell.wait() else { break }
            // What else changes within the window is part of the frame.
            if window > .zero { try? await Task.sleep(for: window) }
        }
        made.withLock { _ in _ = store.endWatch(watch) }
        return nil
    }

    private func take() -> WatchFrame? {
        made.withLock { frame in
            if let made = frame {
                frame = nil
                // Marks may have come with it.
                bell.ring()
                return made.rows.isEmpty ? nil : made
            }
            let (changes, hasMore) = store.takeFrame(of: watch, at: store.clock.now())
            if hasMore { bell.ring() }
            return changes
        }
    }
}

/// Ids behind each other, each once, and where each is.
private struct IDList {
    var bytes: [UInt8] = []
    var ranges: [KeyRange] = []

    init(_ ids: [String]) {
        var known: Set<[UInt8]> = []
        for id in ids where known.insert(Array(id.utf8)).inserted {
            let start = bytes.count
            bytes.append(contentsOf: id.utf8)
            ranges.append(KeyRange(offset: start, length: id.utf8.count))
        }
    }
}

extension ShardedStore {
    /// Watches users for a viewer: how he sees them now, and whenever that changes.
    ///
    /// - Parameters:
    ///   - viewer: whose list it is. He has one at a time; ``WatchFrames/add(_:)`` lengthens it.
    ///   - users: whom he watches, himself among them if he likes.
    ///   - window: changes of so long a time are one frame.
    /// - Throws: `watchesAlready`, `tooManyWatched`, `tooManyWatchLists`, `tooManyWatchers`, `idTooLong`, `idEmpty`, `outOfMemory`; there is no list then.
    /// - Complexity: O(users). A user on one list takes at most 64 bytes.
    public func frames(
        for viewer: String, of users: [String], every window: Duration = .milliseconds(50)
    ) throws(StoreError) -> WatchFrames {
        WatchFrames(try WatchFrameSource(self, viewer, users, every: window))
    }

    /// Marks the watches of all who changed: for who has neither a ``Ticker`` nor loops of his own, as a test has.
    ///
    /// - Parameter limit: how many marks to take under one hold of a shard's lock.
    public func pumpWatches(limit: Int = 256) {
        for shard in 0..<shardCount {
            while pumpWatches(shard: shard, limit: limit) {}
        }
    }
}
