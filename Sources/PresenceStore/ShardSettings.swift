import Presence

/// The live settings as a shard has them: a copy each, so that no operation reads a cache line that all shards share.
struct ShardSettings: Sendable {
    /// The shortest TTL that a client may choose for a session, in milliseconds.
    static let minimumSessionTTL: Int64 = 5_000

    var policy: Policy
    var sessionTTLMilliseconds: Int64
    var maxSessionsPerUser: Int
    var maxActivityLength: Int
    var maxWords: Int
    var maxRelations: Int
    var statusChangesPerMinute: Int
    var allowsInvisible: Bool
    let blockHidesBoth: Bool
    var maxWatch: Int
    var maxWatchersPerUser: Int
    var maxWatchLists: Int
    /// How long past a deadline the word of a session's home is waited for, in milliseconds; 0 without other nodes.
    let peerMargin: Int64
    /// For how long sessions are held after a stall, in milliseconds; 0 without other nodes.
    let stallHold: Int64
    /// Whether another node cannot be heard of: what falls silent here may live there.
    var hasUnheardPeer = false
    var stringTombstoneMilliseconds: Int64
    var maxStringTombstones: Int
    /// Bytes of key and value together; the greatest number is no bound.
    var maxReplicatedString: Int
    var keyspaceInterest: KeyspaceEvents = []

    init(_ configuration: ShardedStore.Configuration) {
        policy = configuration.policy
        sessionTTLMilliseconds = configuration.sessionTTLMilliseconds
        maxSessionsPerUser = configuration.maxSessionsPerUser
        maxActivityLength = configuration.maxActivityLength
        maxWords = configuration.maxWords
        maxRelations = configuration.maxRelations
        statusChangesPerMinute = configuration.statusChangesPerMinute
        allowsInvisible = configuration.allowsInvisible
        blockHidesBoth = configuration.blockHidesBoth
        maxWatch = configuration.maxWatch
        maxWatchersPerUser = configuration.maxWatchersPerUser
        maxWatchLists = configuration.maxWatchLists
        peerMargin = configuration.replicaLogEntries > 0 ? configuration.peerMargin : 0
        stallHold = configuration.replicaLogEntries > 0 ? configuration.stallHold : 0
        stringTombstoneMilliseconds = configuration.stringTombstoneMilliseconds
        maxStringTombstones = configuration.maxStringTombstones
        maxReplicatedString = configuration.maxReplicatedString == 0 ? .max : configuration.maxReplicatedString
    }

    /// The longest TTL of a passive session, in milliseconds: a day.
    static let maximumPassiveTTL: Int64 = 86_400_000

    /// The TTL that a client chose, or the default one, checked against its bounds.
    func ttl(_ chosen: Int64?, atLeast minimum: Int64, isPassive: Bool = false) throws(StoreError) -> Int64 {
        guard let chosen else { return min(sessionTTLMilliseconds, policy.heartbeatHardLimit) }
        if isPassive {
            let maximum = max(ShardSettings.maximumPassiveTTL, policy.heartbeatHardLimit)
            guard (minimum...maximum).contains(chosen) else {
                throw .passiveTTLOutOfBounds(minimum: minimum, maximum: maximum)
            }
            return chosen
        }
        guard chosen >= minimum, chosen <= policy.heartbeatHardLimit else {
            throw .ttlOutOfBounds(minimum: minimum, maximum: policy.heartbeatHardLimit)
        }
        return chosen
    }
}

/// What a shard counts. All of it is kept as records change: nothing is ever counted by walking.
struct ShardCounters: Sendable {
    // What single operations count, beside each other.
    var beats: UInt64 = 0
    var keyHits: UInt64 = 0
    var keyMisses: UInt64 = 0
    /// Known users by the public status that was last announced, by `Status.rawValue`.
    var usersByStatus = InlineArray<5, Int>(repeating: 0)
    /// Users whose key exists for Redis's commands.
    var presentUsers = 0
    var strings = 0
    /// Those of them that end by themselves.
    var stringsWithEnd = 0
    /// Sessions in records, tombstones not among them.
    var sessions = 0
    /// Those of them that make nobody present.
    var passiveSessions = 0
    var unknownBeats: UInt64 = 0
    var connects: UInt64 = 0
    var statusChanges: UInt64 = 0
    var activityChanges: UInt64 = 0
    var expiredSessions: UInt64 = 0
    /// Sessions that made somebody present and were lost, or ran out though they had been kept alive.
    private(set) var losses: UInt64 = 0
    /// The latest instant at which one of them ended: the same at every node that knows of it, whenever it was heard of.
    private(set) var lastLoss = Timestamp.distantPast
    var leasesLost: UInt64 = 0
    var leasesDropped: UInt64 = 0
    /// Times in which nobody looked at the time.
    var stalls: UInt64 = 0
    var expiredStrings: UInt64 = 0
    var droppedTombstones: UInt64 = 0
    var evictedUsers: UInt64 = 0
    var refusedForMemory: UInt64 = 0
    var timersLookedAt: UInt64 = 0
    var lateness = DurationHistogram()

    /// Sessions were lost at an instant, or by it.
    mutating func countLosses(_ count: Int = 1, at instant: Timestamp) {
        guard count > 0 else { return }
        losses += UInt64(count)
        lastLoss = max(lastLoss, instant)
    }

    /// Goes on counting where other counters ended: storms are found by how it grows.
    mutating func keepLosses(of other: ShardCounters) {
        losses = other.losses
        lastLoss = other.lastLoss
    }

    subscript(status: Status) -> Int {
        get { usersByStatus[Int(status.rawValue)] }
        set { usersByStatus[Int(status.rawValue)] = newValue }
    }
}
