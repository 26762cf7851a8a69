import Presence

/// Numbers that tell how a store is.
public struct Statistics: Sendable {
    /// Known users, offline ones too.
    public var users = 0
    /// Users whose key exists for Redis's commands: a session is live, or a grace runs.
    public var presentUsers = 0
    /// Sessions that were not seen to end yet.
    public var sessions = 0
    /// Plain strings.
    public var strings = 0
    /// Those of them that end by themselves.
    public var stringsWithEnd = 0
    /// Tombstones: what is left of strings that were deleted or ran out, for other nodes.
    public var stringTombstones = 0
    /// Since the start: tombstones that went before their time, for room.
    public var droppedStringTombstones: UInt64 = 0
    /// Users on viewers' lists, each as often as he is on one.
    public var watched = 0
    /// Since the start: sessions opened.
    public var connects: UInt64 = 0
    /// Since the start: heartbeats taken.
    public var beats: UInt64 = 0
    /// Since the start: heartbeats of sessions that were unknown or over.
    public var unknownBeats: UInt64 = 0
    /// Since the start: changes of a public status.
    public var statusChanges: UInt64 = 0
    /// Since the start: changes by hand that were refused, since the user had too many within a minute.
    public var refusedChanges: UInt64 = 0
    /// Since the start: changes of activity texts.
    public var activityChanges: UInt64 = 0
    /// Since the start: sessions that ran out.
    public var expiredSessions: UInt64 = 0
    /// Since the start: sessions that made somebody present and were lost, or ran out though they had been kept alive.
    public var losses: UInt64 = 0
    /// Servers whose leases hold.
    public var leases = 0
    /// Since the start: leases that were not renewed in time.
    public var leasesLost: UInt64 = 0
    /// Since the start: leases of servers that were dropped.
    public var leasesDropped: UInt64 = 0
    /// Since the start: times in which the process stood still for more than two seconds, if there are other nodes: see ``ShardedStore/Configuration/stallHold``.
    public var stalls: UInt64 = 0
    /// Shards in which a change of leases is being carried through.
    public var leaseSweeps = 0
    /// Since the start: strings that ran out.
    public var expiredStrings: UInt64 = 0
    /// Since the start: offline users forgotten for room.
    public var evictedUsers: UInt64 = 0
    /// Since the start: writes refused for memory.
    public var refusedForMemory: UInt64 = 0
    /// Since the start: look-ups of keys that existed.
    public var keyHits: UInt64 = 0
    /// Since the start: look-ups of keys that did not.
    public var keyMisses: UInt64 = 0
    /// Entries in the wheels, stale ones among them.
    public var timers = 0
    /// Since the start: records that the wheels had looked at.
    public var timersLookedAt: UInt64 = 0
    /// Since the start: entries of the change rings.
    public var changes: UInt64 = 0
    /// Since the start: events too large for a ring.
    public var oversizedEvents = 0
    /// Devices, platforms and servers in use, summed over the shards.
    public var words = 0
    /// Since the start: words refused because a table was full.
    public var refusedWords = 0
    /// How late the wheels announced what time had changed, in milliseconds.
    public var lateness = DurationHistogram()
    /// For how long locks of shards were held, in microseconds: of the wheel's slices, walks, flushes and transactions all, of other operations one in 128.
    public var lockHolds = DurationHistogram()
    /// Bytes by part.
    public var memory = MemoryByPart()

    /// Bytes that the store has taken, by part: whole slab chunks, segments, pages, rings; not counts times a constant.
    public struct MemoryByPart: Sendable {
        /// Slab chunks.
        public var slabs = 0
        /// The slots in use of them.
        public var slabsInUse = 0
        /// Segments and directories of the index.
        public var index = 0
        /// Buckets and nodes of the wheels.
        public var wheels = 0
        /// Change rings.
        public var rings = 0
        /// Strings outside the slabs.
        public var blocks = 0
        /// Devices, platforms, servers.
        public var words = 0
        /// Who watches whom.
        public var watchers = 0
        /// What is kept for other nodes.
        public var replicaLogs = 0
        /// The limit, 0 for none.
        public var limit = 0

        /// All of them.
        public var total: Int { slabs + index + wheels + rings + blocks + words + watchers + replicaLogs }
    }
}

extension ShardedStore {
    /// The statistics now.
    ///
    /// - Complexity: O(shards); each shard's part is of one instant.
    public func statistics() -> Statistics {
        var all = Statistics()
        all.memory.limit = budget.limitBytes
        for index in 0..<shardCount { withShard(index) { $0.add(to: &all) } }
        return all
    }

    /// The bytes that the store has taken, as `maxMemoryBytes` counts them.
    public var usedBytes: Int { budget.usedBytes }

    /// Sets the counts that `CONFIG RESETSTAT` resets to zero: those since the start, the lateness and the holds of locks.
    public func resetStatistics() {
        for index in 0..<shardCount {
            withShard(index) {
                $0.counters.reset()
                $0.holds = HoldTimes()
            }
        }
    }
}

extension ShardState {
    fileprivate func add(to all: inout Statistics) {
        for status in Status.allCases { all.users += counters[status] }
        all.presentUsers += counters.presentUsers
        all.sessions += counters.sessions
        all.strings += counters.strings
        all.stringsWithEnd += counters.stringsWithEnd
        all.stringTombstones += tombstones.count
        all.droppedStringTombstones += counters.droppedTombstones
        all.connects += counters.connects
        all.beats += counters.beats
        all.unknownBeats += counters.unknownBeats
        all.statusChanges += counters.statusChanges
        all.refusedChanges += changeRate.refused
        all.activityChanges += counters.activityChanges
        all.expiredSessions += counters.expiredSessions
        all.losses += counters.losses
        // Every shard has all leases.
        all.leases = max(all.leases, leases.count)
        all.leasesLost = max(all.leasesLost, counters.leasesLost)
        all.leasesDropped = max(all.leasesDropped, counters.leasesDropped)
        // Every shard stands still with the process.
        all.stalls = max(all.stalls, counters.stalls)
        all.leaseSweeps += leases.hasSweep ? 1 : 0
        all.expiredStrings += counters.expiredStrings
        all.evictedUsers += counters.evictedUsers
        all.refusedForMemory += counters.refusedForMemory
        all.keyHits += counters.keyHits
        all.keyMisses += counters.keyMisses
        all.timers += wheel.entryCount
        all.timersLookedAt += counters.timersLookedAt
        all.changes += ring.nextNumber
        all.oversizedEvents += ring.oversizedCount
        all.words += devices.count + platforms.count + servers.count
        all.refusedWords += devices.refusedCount + platforms.refusedCount + servers.refusedCount
        all.lateness.add(counters.lateness)
        all.lockHolds.add(holds.histogram)
        all.memory.slabs += slabs.capacityBytes
        all.memory.slabsInUse += slabs.usedBytes
        all.memory.index += index.capacityBytes
        all.memory.wheels += wheel.capacityBytes
        all.memory.rings += ring.capacity
        all.memory.blocks += blockBytes
        all.memory.watchers += watchers.capacityBytes
        all.memory.replicaLogs += replicaLog.capacityBytes
        all.watched += watchers.count
        all.memory.words += devices.capacityBytes + platforms.capacityBytes + servers.capacityBytes
    }
}

extension ShardCounters {
    fileprivate mutating func reset() {
        var fresh = ShardCounters()
        fresh.usersByStatus = usersByStatus
        fresh.presentUsers = presentUsers
        fresh.strings = strings
        fresh.stringsWithEnd = stringsWithEnd
        fresh.sessions = sessions
        fresh.passiveSessions = passiveSessions
        fresh.keepLosses(of: self)
        self = fresh
    }
}
