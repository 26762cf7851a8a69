import Presence
import Synchronization

/// What one shard owns: the records of its users and strings, and everything that finds, times, counts and reports them.
///
/// A value behind its shard's lock; nothing in it waits, calls out or does I/O. Its extensions hold one topic each: sessions, users, strings, keys,
/// time, memory.
///
/// **Kept true.** After every write and every look, a record's announced status and presence are the verdict of its facts at that instant, its timer
/// is armed no later than its next transition, and the counters agree with the records.
///
/// Unchecked: its pointers are its own, and its lock hands it to one thread at a time.
struct ShardState: ~Copyable, @unchecked Sendable {
    // What every operation needs lies first, on the line of the lock and on the next: lines that two processors write go from one to the other.
    var index: SegmentedIndex
    /// Who has read all that there was and waits to be woken.
    var idleReaders: IdleReaders = []
    /// Whether there are leases of gateways.
    var hasLeases = false
    var slabs: Slabs
    let hash: BytesHash
    var stamps: StampClock
    /// For how long its lock was held.
    var holds = HoldTimes()
    var counters = ShardCounters()
    var settings: ShardSettings
    var wheel: TimerWheel
    var ring: ChangeRing
    /// What other nodes are to be told.
    var replicaLog: ReplicaLog
    var devices = WordTable()
    var platforms = WordTable()
    var servers = WordTable()
    /// How often users changed what they set by hand.
    var changeRate = ChangeRate()
    /// Leases of gateways.
    var leases = LeaseTable()
    /// What ended with leases of before, and others may not have heard of.
    var unwrittenEnds = UnwrittenEnds()
    /// The last time that nobody looked at the time, and when time went on here last.
    var stall = Stall()
    var lastAdvance: Timestamp
    /// The latest instant up to which time was said to have gone on, or at which anything was announced: nothing happens before it any more.
    var toldUntil: Timestamp
    /// Who watches whom.
    var watchers = ShardWatchers()
    let budget: MemoryBudget
    /// What is left of strings that are gone, and the newest flush: what is older is not taken from other nodes.
    var tombstones = TombstoneList()
    var flushStamp = Stamp.zero
    /// Bytes of strings outside the slabs.
    var blockBytes = 0
    /// What of `capacityBytes` the budget has been told.
    private var accountedBytes = 0
    /// Grows with everything that readers and watchers are to be told.
    @inline(__always)
    var newsCount: UInt64 { ring.nextNumber &+ watchers.markCount &+ replicaLog.end }
    /// Where the log of changes ended when somebody had read all of it.
    var idleLogEnd: UInt64 = 0
    /// The chunk that was looked at last after a change of the rules; nil if all have been.
    var policySweepHand: (sizeClass: Int, chunk: Int)?
    /// Where the clock of eviction stands: a size class, a chunk.
    var evictionHand = (sizeClass: 0, chunk: -1)
    /// Pins the state to its place: a type that holds an atomic is passed by its address alone. Without it the compiler passes `self` to what does not
    /// change it by copying all of its 3 KB to the stack, several times a command: decision 0016.
    private let pin = Atomic(false)

    init(
        _ configuration: ShardedStore.Configuration, shard: Int, pages: SlabPages, budget: MemoryBudget,
        at now: Timestamp
    ) {
        let bits = configuration.shards.trailingZeroBitCount
        index = SegmentedIndex(skippedBits: bits, pages)
        slabs = Slabs(pages)
        wheel = TimerWheel(
            at: now, phase: shard * 64 / configuration.shards,
            ticks: configuration.wheelTick ?? (configuration.clock.isHeld ? .millisecond : .tenMilliseconds))
        ring = ChangeRing(capacity: configuration.changeRingBytes)
        replicaLog = ReplicaLog(capacity: configuration.replicaLogEntries)
        hash = BytesHash(secret: configuration.hashSecret)
        stamps = StampClock(node: configuration.node)
        lastAdvance = now
        toldUntil = .distantPast
        settings = ShardSettings(configuration)
        self.budget = budget
        account()
    }

    deinit {
        // Blocks outside the slabs are known to their records alone.
        let records = slabs.reader
        var position: UInt64? = 0
        while let start = position {
            position = index.numbers(around: start) { number in
                let address = records.address(number)
                switch RecordHeader(address).kind {
                case .string: StringRecord(address).destroy()
                case .user: UserRecord(address).relations?.destroy()
                case .free, .tombstone: break
                }
            }
        }
    }

    // MARK: Memory

    var capacityBytes: Int {
        slabs.capacityBytes + index.capacityBytes + wheel.capacityBytes + ring.capacity + replicaLog.capacityBytes
            + blockBytes + watchers.capacityBytes + devices.capacityBytes + platforms.capacityBytes
            + servers.capacityBytes
    }

    /// Tells the budget what came or went since the last time.
    mutating func account() {
        let bytes = capacityBytes
        if bytes != accountedBytes {
            budget.add(bytes - accountedBytes)
            accountedBytes = bytes
        }
    }

    // MARK: Records

    @inline(__always)
    func record(_ number: UInt32) -> UserRecord { UserRecord(slabs.address(number)) }

    @inline(__always)
    func find(_ user: BytesKey, _ hash: UInt64) -> UInt32 {
        index.find(hash) { number in
            let address = slabs.address(number)
            return RecordHeader(address).kind == .user && UserRecord(address).isNamed(user)
        }
    }

    /// As `find`, if his record is known to be likely `number`.
    @inline(__always)
    func find(_ user: BytesKey, _ hash: UInt64, likely number: UInt32) -> UInt32 {
        if number != 0 {
            let address = slabs.address(number)
            if RecordHeader(address).kind == .user, UserRecord(address).isNamed(user) { return number }
        }
        return find(user, hash)
    }

    func hash(of number: UInt32) -> UInt64 { ShardState.hash(of: slabs.address(number), hash) }

    private static func hash(of address: UnsafeMutableRawPointer, _ hash: BytesHash) -> UInt64 {
        switch RecordHeader(address).kind {
        case .user: UserRecord(address).hash(hash)
        case .tombstone: TombstoneRecord(address).hash
        case .string, .free: StringRecord(address).hash(hash)
        }
    }

    /// Enters a new record into the index.
    mutating func enter(_ nameHash: UInt64, _ number: UInt32) {
        let records = slabs.reader
        let hash = hash
        index.insert(nameHash, number, prefetch: { records.prefetch($0) }) { other in
            ShardState.hash(of: records.address(other), hash)
        }
    }

    /// A slot of `size` bytes, if the budget allows for it or eviction makes room, which leaves the record `spared` where it is.
    mutating func allocate(
        _ size: Int, blockBytes: Int = 0, sparing spared: UInt32 = 0, at now: Timestamp
    ) throws(StoreError) -> UInt32 {
        while true {
            let growth = slabs.growth(forSize: size) + blockBytes
            if growth == 0 || budget.hasRoom(for: growth) { break }
            guard evictChunk(sparing: spared, at: now) else {
                counters.refusedForMemory += 1
                throw .outOfMemory
            }
        }
        let number = slabs.allocate(size)
        account()
        return number
    }

    /// Moves a record of `byteCount` bytes into another slot and gives the old one back.
    mutating func move(_ number: UInt32, to other: UInt32, byteCount: Int) {
        let old = slabs.address(number)
        let new = slabs.address(other)
        let header = RecordHeader(new)
        let armedTick = header.armedTick
        new.copyMemory(from: old, byteCount: byteCount)
        header.armedTick = armedTick
        let hash = hash(of: number)
        index.replace(hash, number, with: other)
        // Its timer stays behind, and with it the deadline that others know.
        if replicaLog.isKept, header.kind == .user, hasSessionAtHome(UserRecord(new)) { replicaLog.note(hash, .beat) }
        slabs.free(number)
        account()
    }

    /// The number of the record once it has room for `size` bytes.
    mutating func resize(_ number: UInt32, to size: Int, at now: Timestamp) throws(StoreError) -> UInt32 {
        guard size > slabs.slotSize(of: number) else { return number }
        let other = try allocate(size, sparing: number, at: now)
        move(number, to: other, byteCount: record(number).byteCount)
        return other
    }
}
