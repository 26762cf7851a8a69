import Presence
import Synchronization

/// Who is here, right now: users with sessions that beat and run out, and plain strings with an end, in one process and without a server.
///
///     let store = ShardedStore()
///     let ticker = Ticker(store)
///     try store.connect("alice", session: "phone", device: "mobile")
///     store.beat("alice", session: "phone")
///     print(store.status(of: "alice"))            // online
///     for await event in store.events() { ... }   // offline, 120 s after the last beat
///
/// Every operation comes in two spellings: with `String`s and the store's clock, for services; with spans of bytes and `at now`, for those who have
/// bytes at hand and read the clock once for many operations. The second allocates nothing for heartbeats and status reads.
///
/// **Promises.** Operations are atomic a user and may be called from any thread. What a read says and what was announced never differ. Nobody is shown
/// live past the policy's hard limit. No operation waits for I/O, for a whole table to grow, or for a reader of events.
///
/// **Cost.** One lock of a shard an operation, held for well under a microsecond; about 110 bytes a user with one session. Use a dictionary
/// instead where nothing ends by itself.
public final class ShardedStore: Sendable {
    /// How a store is made. What may change later has a setter of its own.
    public struct Configuration: Sendable {
        /// Lock-striped parts, a power of two from 1 to 1024.
        public var shards = 32
        /// The rules' limits.
        public var policy = Policy()
        /// The TTL of sessions that choose none, in milliseconds.
        public var sessionTTLMilliseconds: Int64 = 120_000
        /// Live sessions that a user may have, 1 to 50.
        public var maxSessionsPerUser = 32
        /// Bytes of an activity text, 0 to 255.
        public var maxActivityLength = 128
        /// Bytes that all records and tables may take; 0 is no limit.
        public var maxMemoryBytes = 0
        /// Whether the system is asked for huge pages for records and their index, beyond the first 2 MiB: look-ups among millions cost a tenth to a
        /// third less with them. Linux has them if `/sys/kernel/mm/transparent_hugepage/enabled` is `madvise` or `always`.
        public var usesHugePages = true
        /// Bytes of the change ring of each shard, rounded up to a power of two, 16 KiB at least.
        public var changeRingBytes = 131_072
        /// Changes that each shard keeps for other nodes, rounded up to a power of two; 0, without other nodes, keeps none. 9 bytes each.
        public var replicaLogEntries = 0
        /// How long past a deadline the word of the node that a session was last beaten at is waited for, in milliseconds, if there are other nodes.
        public var peerMargin: Int64 = 2_000
        /// For how long sessions that ran out or turned idle while the process stood still are held as they were when it goes on, in milliseconds, if there are
        /// other nodes: so long these have to tell of whoever beat there meanwhile. 0 holds nobody. Whoever has other nodes advances the store several times a second, since
        /// two seconds in which nobody does are a stall.
        public var stallHold: Int64 = 5_000
        /// For how long a string that was deleted or ran out leaves a tombstone, in milliseconds: an older write that comes from another node within
        /// that time does not bring it back. Without other nodes there are none.
        public var stringTombstoneMilliseconds: Int64 = 600_000
        /// Tombstones of strings that each shard keeps; beyond, the oldest go early.
        public var maxStringTombstones = 65_536
        /// Bytes of key and value together that a string may have, since other nodes are told of it whole; 0 is no bound.
        public var maxReplicatedString = 0
        /// Different devices, platforms and servers that a shard keeps, 1 to 65 535 each.
        public var maxWords = 16_384
        /// Friends and blocked users that a user may have, 0 to 1 000 000; with those that he took back, and that must be remembered, twice as many.
        public var maxRelations = 5_000
        /// How often a user may change within a minute what he sets by hand: status, text, and who may see what of him. 0 is no limit. Sessions, beats,
        /// friends and blocks are not counted.
        public var statusChangesPerMinute = 60
        /// Whether a user may be invisible.
        public var allowsInvisible = true
        /// When many losses at once are held back.
        public var storms = StormSettings()
        /// Users that one viewer may watch. With more than sixteen times the limit of a frame (``ShardedStore/takeFrame(of:at:limit:)``), hidden users who change could
        /// delay what he is told of others.
        public var maxWatch = 5_000
        /// Viewers that one user may have.
        public var maxWatchersPerUser = 100_000
        /// Viewers that may watch at all.
        public var maxWatchLists = 1_000_000
        /// Whether a user who blocks another does not see him either; else only the blocked one is kept out.
        public var blockHidesBoth = false
        /// A rule of the embedder's own that hides users from viewers: see ``ViewFilter``. Nil hides nobody.
        public var viewFilter: ViewFilter?
        /// This node in the stamps of writes, 1 to 255.
        public var node: UInt8 = 1
        /// The secret of the hash: the same on all nodes of a cluster, else random.
        public var hashSecret = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))
        /// How far ahead of this store's clock, in milliseconds, what another store knows may have happened (`max-clock-offset`).
        public var maxClockOffset: Int64 = 1_000
        /// Where the operations without `at now` take the time from.
        public var clock: any PresenceClock = SystemClock()
        /// The wheel's tick; nil leaves it to the clock.
        package var wheelTick: WheelTick?

        /// The defaults.
        public init() {}

        /// The defaults, with another clock: a test's, as a rule.
        public init(clock: any PresenceClock) { self.clock = clock }
    }

    /// The locks of the shards and the shards behind them, each on cache lines of its own; of a store that `atomically` hands out the locks alone.
    private nonisolated(unsafe) let shards: UnsafeMutableRawPointer
    private let shardStride: Int
    let shardShift: UInt64
    /// The number of shards.
    public let shardCount: Int
    /// Where the operations without `at now` take the time from.
    public let clock: any PresenceClock
    let hash: BytesHash
    let budget: MemoryBudget
    let pages: SlabPages
    let readers: ListenerList
    let watches: WatchTable
    let changeCursors: ChangeCursors
    let storms: StormWatch
    let blockHidesBoth: Bool
    let maxClockOffset: Int64
    let viewFilter: ViewFilter?
    /// Of a store that `atomically` hands out: whose shards it works on.
    private let hold: Hold?

    /// What a shard's lock guards: where the shard is, nil in a store that does not hold it.
    ///
    /// One thing is looked up the same way in a store and in what `atomically` hands out, so that ordinary operations do not ask which it is. The lock
    /// is taken alone but for there; `docs/LOCKS.md` tells what may happen under it.
    struct ShardPlace: @unchecked Sendable {
        var state: UnsafeMutablePointer<ShardState>?
    }

    /// What a store that `atomically` hands out has besides.
    private final class Hold: Sendable {
        let owner: ShardedStore
        /// Shards with news for readers, in the order of the news; told once the locks are given back.
        let woken = Lock<[(shard: Int, idle: IdleReaders)]>([])
        /// Edges that changed: lists of viewers are told once the locks are given back, since their locks come before those of shards.
        let related = Lock<[(user: UInt64, other: UInt64)]>([])
        init(_ owner: ShardedStore) { self.owner = owner }
    }

    /// A store without records.
    ///
    /// - Precondition: the configuration is within the bounds that its properties name.
    public init(_ configuration: Configuration = Configuration()) {
        precondition(
            (1...1024).contains(configuration.shards) && configuration.shards.nonzeroBitCount == 1,
            "shards must be a power of two from 1 to 1024")
        precondition((1...50).contains(configuration.maxSessionsPerUser), "maxSessionsPerUser must be 1 to 50")
        precondition((0...255).contains(configuration.maxActivityLength), "maxActivityLength must be 0 to 255")
        precondition((1...65_535).contains(configuration.maxWords), "maxWords must be 1 to 65535")
        precondition((0...1_000_000).contains(configuration.maxRelations), "maxRelations must be 0 to 1000000")
        precondition(configuration.node > 0, "node must be 1 to 255")
        clock = configuration.clock
        hash = BytesHash(secret: configuration.hashSecret)
        budget = MemoryBudget(limit: configuration.maxMemoryBytes)
        pages = SlabPages(usesHugePages: configuration.usesHugePages)
        shardCount = configuration.shards
        shardShift = UInt64(64 - configuration.shards.trailingZeroBitCount)
        readers = ListenerList()
        watches = WatchTable()
        changeCursors = ChangeCursors(hash)
        storms = StormWatch(configuration.storms)
        blockHidesBoth = configuration.blockHidesBoth
        maxClockOffset = configuration.maxClockOffset
        viewFilter = configuration.viewFilter
        hold = nil
        let offset = ShardedStore.stateOffset
        // An odd number of 128 bytes: of an even one, the same part of each shard would lie in few sets of a cache.
        shardStride = (offset + MemoryLayout<ShardState>.stride + 127) & ~127 | 128
        shards = .allocate(byteCount: shardStride * shardCount, alignment: 128)
        let now = configuration.clock.now()
        for index in 0..<shardCount {
            let state = (shards + index * shardStride + offset).bindMemory(to: ShardState.self, capacity: 1)
            state.initialize(to: ShardState(configuration, shard: index, pages: pages, budget: budget, at: now))
            bindLock(index).initialize(to: Lock(ShardPlace(state: state)))
        }
    }

    /// A store over the same shards that holds none of them yet: see `atomically`.
    init(holdingFrom owner: ShardedStore) {
        clock = owner.clock
        hash = owner.hash
        budget = owner.budget
        pages = owner.pages
        shardCount = owner.shardCount
        shardShift = owner.shardShift
        readers = owner.readers
        watches = owner.watches
        changeCursors = owner.changeCursors
        storms = owner.storms
        blockHidesBoth = owner.blockHidesBoth
        maxClockOffset = owner.maxClockOffset
        viewFilter = owner.viewFilter
        hold = Hold(owner)
        shardStride = MemoryLayout<Lock<ShardPlace>>.stride
        shards = .allocate(byteCount: shardStride * shardCount, alignment: 16)
        for index in 0..<shardCount { bindLock(index).initialize(to: Lock(ShardPlace())) }
    }

    deinit {
        for index in 0..<shardCount {
            if hold == nil { withPlace(index) { _ = $0.state?.deinitialize(count: 1) } }
            lock(index).deinitialize(count: 1)
        }
        shards.deallocate()
    }

    /// How far behind its lock a shard lies: on the same line.
    private static let stateOffset = 16

    private func bindLock(_ index: Int) -> UnsafeMutablePointer<Lock<ShardPlace>> {
        (shards + index * shardStride).bindMemory(to: Lock<ShardPlace>.self, capacity: 1)
    }

    @inline(__always)
    private func lock(_ index: Int) -> UnsafeMutablePointer<Lock<ShardPlace>> {
        (shards + index &* shardStride).assumingMemoryBound(to: Lock<ShardPlace>.self)
    }

    @inline(__always)
    package func shardIndex(_ hash: UInt64) -> Int { Int(hash >> shardShift) }

    /// Whether it was handed out by `atomically`.
    var isHeld: Bool { hold != nil }

    /// Stops the process in a store that `atomically` hands out: for what takes a lock that comes before those of shards, and could wait for ever there.
    func refuseIfHeld() {
        precondition(!isHeld, "no lists of viewers and no settings of storms within atomically: their locks come first")
    }

    /// Runs `body` under the lock of a shard.
    @inline(__always)
    func withPlace<Result, Failure: Error>(
        _ index: Int, _ body: (inout ShardPlace) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try lock(index).pointee.withLock { place throws(Failure) in try body(&place) }
    }

    /// Runs `body` under the lock of a shard, and wakes the readers of its ring afterwards if it wrote for them.
    ///
    /// - Parameter isLong: whether it works through many records: then its time is always taken.
    @inline(__always)
    func withShard<Result, Failure: Error>(
        _ index: Int, isLong: Bool = false, _ body: (inout ShardState) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var woken: IdleReaders = []
        defer { if !woken.isEmpty { wake(woken, of: index) } }
        return try withPlace(index) { place throws(Failure) in
            guard let state = place.state else { ShardedStore.isNotHeld(index) }
            let before = state.pointee.newsCount
            let start = state.pointee.holds.begin(isLong: isLong)
            defer {
                if let start { state.pointee.holds.end(start) }
                if !state.pointee.idleReaders.isEmpty && state.pointee.newsCount != before {
                    woken = state.pointee.takeIdleReaders()
                }
            }
            return try body(&state.pointee)
        }
    }

    /// As `withShard`, for what happens at an instant: `body` is given `now`, or the shard's own time if that is later.
    ///
    /// Threads read the clock before they wait for the lock, once for many operations: who comes with an older time would take back what others were told meanwhile.
    @inline(__always)
    func withShard<Result, Failure: Error>(
        _ index: Int, isLong: Bool = false, at now: Timestamp,
        _ body: (inout ShardState, Timestamp) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withShard(index, isLong: isLong) { state throws(Failure) in
            try body(&state, max(now, state.toldUntil))
        }
    }

    @inline(never)
    private static func isNotHeld(_ shard: Int) -> Never {
        fatalError("shard \(shard) is none of those that were given to atomically, or its body has ended")
    }

    private func wake(_ idle: IdleReaders, of shard: Int) {
        if let hold {
            hold.woken.withLock { $0.append((shard, idle)) }
        } else {
            let list = readers.withLock { $0 }
            for listener in list where !idle.isDisjoint(with: listener.kind) { listener.wake(shard, idle) }
        }
    }

    /// Wakes the readers for whom something was written while the shards were held.
    func wakeWhoWaits() {
        guard let hold else { return }
        for (shard, idle) in hold.woken.withLock({ $0 }) { hold.owner.wake(idle, of: shard) }
        for (user, other) in hold.related.withLock({ $0 }) { hold.owner.relationChanged(user, other) }
    }

    /// Keeps for later that an edge changed, if shards are held; false if none are.
    func keepRelation(_ user: UInt64, _ other: UInt64) -> Bool {
        guard let hold else { return false }
        hold.related.withLock { $0.append((user, other)) }
        return true
    }

    // MARK: Live settings

    /// Changes a setting of all shards; operations under way may still see the old one.
    func updateSettings(_ change: (inout ShardSettings) -> Void) {
        for index in 0..<shardCount { withShard(index) { change(&$0.settings) } }
    }

    /// Other limits for the rules, from now on for all users. Reads go by them at once; what they bring about by themselves is announced as `advance` comes
    /// to each user, a slice at a time, at the instant of that look. Who has ended by then stays ended, whatever the next change allows; who has ended
    /// by `now` is not given a grace that is made longer.
    ///
    /// Cost: every shard is locked once; later, one look at every user. If the hard limit is raised before the last change was carried through, that is done
    /// first, a slice at a time: whom the lower one ended, and whoever read that, stays ended.
    public func update(policy: Policy, at now: Timestamp) {
        for index in 0..<shardCount {
            while withShard(index, at: now, { $0.finishSweep(before: policy, at: $1) }) {}
            withShard(index, at: now) { $0.update(policy, at: $1) }
        }
    }

    /// The same now.
    public func update(policy: Policy) { update(policy: policy, at: clock.now()) }

    /// Another TTL for sessions that choose none, in milliseconds, within the hard limit.
    public func setSessionTTL(milliseconds: Int64) { updateSettings { $0.sessionTTLMilliseconds = milliseconds } }

    /// Another bound of live sessions a user, 1 to 50.
    public func setMaxSessionsPerUser(_ limit: Int) {
        updateSettings { $0.maxSessionsPerUser = min(max(limit, 1), 50) }
    }

    /// Another bound of activity texts, 0 to 255 bytes.
    public func setMaxActivityLength(_ limit: Int) {
        updateSettings { $0.maxActivityLength = min(max(limit, 0), 255) }
    }

    /// Another bound of devices, platforms and servers a shard.
    public func setMaxWords(_ limit: Int) { updateSettings { $0.maxWords = min(max(limit, 1), 65_535) } }

    /// Another bound of changes by hand, a user and minute; 0 is no limit.
    public func setStatusChangesPerMinute(_ limit: Int) {
        updateSettings { $0.statusChangesPerMinute = max(limit, 0) }
    }

    /// Whether a user may set himself invisible from now on. Who is invisible stays so until his next change.
    public func setAllowsInvisible(_ isAllowed: Bool) { updateSettings { $0.allowsInvisible = isAllowed } }

    /// Another bound of friends and blocked users a user, 0 to 1 000 000.
    public func setMaxRelations(_ limit: Int) {
        updateSettings { $0.maxRelations = min(max(limit, 0), 1_000_000) }
    }

    /// For how long strings that are gone leave tombstones from now on, and those that are there.
    public func setStringTombstones(milliseconds: Int64) {
        updateSettings { $0.stringTombstoneMilliseconds = max(milliseconds, 0) }
    }

    /// Another bound of tombstones a shard. Those beyond it go as new ones come.
    public func setMaxStringTombstones(_ limit: Int) { updateSettings { $0.maxStringTombstones = max(limit, 0) } }

    /// Another memory limit in bytes, 0 for none. Below what is used already it refuses what would grow.
    public func setMaxMemory(_ bytes: Int) { budget.setLimit(bytes) }

    /// Which events of keys go into the rings; none unless someone listens.
    public func setKeyspaceInterest(_ events: KeyspaceEvents) { updateSettings { $0.keyspaceInterest = events } }

    // MARK: Keys

    /// Runs `body` with the key of a user made ready, its hash, under the lock of his shard, and with the time there.
    @inline(__always)
    func withUser<Result, Failure: Error>(
        _ user: Span<UInt8>, at now: Timestamp,
        _ body: (inout ShardState, BytesKey, UInt64, Timestamp) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try user.withUnsafeBytes { bytes throws(Failure) in
            let key = BytesKey(bytes)
            let hash = hash(key, .user)
            return try withShard(shardIndex(hash), at: now) { state, now throws(Failure) in
                try body(&state, key, hash, now)
            }
        }
    }

    /// As `withUser`, for a key of either kind.
    @inline(__always)
    func withKey<Result, Failure: Error>(
        _ kind: KeyKind, _ key: Span<UInt8>, at now: Timestamp,
        _ body: (inout ShardState, BytesKey, UInt64, Timestamp) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if kind == .presence { return try withUser(key, at: now, body) }
        return try key.withUnsafeBytes { bytes throws(Failure) in
            let key = BytesKey(verbatim: bytes)
            let hash = hash(key, .string)
            return try withShard(shardIndex(hash), at: now) { state, now throws(Failure) in
                try body(&state, key, hash, now)
            }
        }
    }
}
