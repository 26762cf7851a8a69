import Presence
import PresenceServer
import PresenceStore

/// What each part of the process is told of the settings.
extension Settings {
    /// The rules' settings.
    var policy: Policy {
        var policy = Policy()
        policy.heartbeatHardLimit = Int64(heartbeatHardLimit)
        policy.idleAfter = Int64(idleAfter)
        policy.awayAfter = Int64(awayAfter)
        policy.disconnectGrace = Int64(disconnectGrace)
        policy.lostGrace = Int64(lostGrace)
        return policy
    }

    /// When many losses at once are held back.
    private var storms: StormSettings {
        var storms = StormSettings()
        storms.sharePercent = stormShare
        storms.windowMilliseconds = Int64(stormWindow)
        storms.minimum = stormMinimum
        storms.holdMilliseconds = Int64(stormHold)
        storms.pace = stormPace
        return storms
    }

    /// A store of these settings, on that clock.
    ///
    /// - Parameter hashSecret: by which all nodes of a cluster name users; nil where there is one node.
    func store(clock: any PresenceClock, hashSecret: (UInt64, UInt64)? = nil) -> ShardedStore {
        var configuration = ShardedStore.Configuration()
        configuration.shards = shards
        configuration.policy = policy
        configuration.sessionTTLMilliseconds = Int64(sessionTTL)
        configuration.maxSessionsPerUser = maxSessionsPerUser
        configuration.maxActivityLength = maxActivityLength
        configuration.maxMemoryBytes = maxmemory
        configuration.changeRingBytes = changeRingSize
        configuration.usesHugePages = hugePages
        configuration.maxWords = maxWords
        configuration.maxRelations = maxRelations
        configuration.storms = storms
        configuration.allowsInvisible = allowInvisible
        configuration.statusChangesPerMinute = statusChangesPerMinute
        configuration.maxWatch = maxWatch
        configuration.maxWatchersPerUser = maxWatchersPerUser
        configuration.maxWatchLists = maxWatchLists
        configuration.blockHidesBoth = blockHides == "both"
        configuration.node = ownNode?.number ?? 1
        configuration.replicaLogEntries = replicaLogEntriesOfShard
        configuration.maxClockOffset = Int64(cluster.maxClockOffset)
        configuration.peerMargin = Int64(cluster.peerMargin)
        configuration.stallHold = Int64(cluster.stallHold)
        configuration.stringTombstoneMilliseconds = Int64(cluster.tombstoneTTL)
        configuration.maxStringTombstones = max(1, cluster.maxTombstones / shards)
        if hasOtherNodes { configuration.maxReplicatedString = Settings.longestReplicatedString }
        if let hashSecret { configuration.hashSecret = hashSecret }
        configuration.clock = clock
        return ShardedStore(configuration)
    }

    /// Changes the live settings of a store.
    func apply(to store: ShardedStore) {
        store.update(policy: policy)
        store.setSessionTTL(milliseconds: Int64(sessionTTL))
        store.setMaxSessionsPerUser(maxSessionsPerUser)
        store.setMaxActivityLength(maxActivityLength)
        store.setMaxWords(maxWords)
        store.setStormSettings(storms)
        store.setAllowsInvisible(allowInvisible)
        store.setStatusChangesPerMinute(statusChangesPerMinute)
        store.setMaxRelations(maxRelations)
        store.setWatchLimits(users: maxWatch, watchersPerUser: maxWatchersPerUser, lists: maxWatchLists)
        store.setMaxMemory(maxmemory)
    }

    /// Bytes that key and value of a string may have together where there are other nodes: an image of it must fit into a frame.
    static let longestReplicatedString = 15 << 20

    /// Bytes that one command never exceeds, whatever the settings say.
    static let longestCommand = 2 << 30

    /// The RESP port's settings.
    var server: ServerConfiguration {
        var server = ServerConfiguration()
        server.bind = bind
        server.port = port
        server.hasPlainPort = port != 0
        server.tlsPort = tls.port
        server.backlog = tcpBacklog
        server.keyPrefix = keyPrefix
        server.nodeName = eventNode
        // The settings were checked: what would be thrown here was told then.
        server.cluster = (try? clusterConfiguration()) ?? nil
        server.hasPeers = cluster.nodes.count { !$0.isFollower } > 1
        server.debugCommands = enableDebugCommand
        server.isProtected = protectedMode
        server.password = requirepass
        server.maximumClients = maxclients
        server.idleTimeoutSeconds = timeout
        server.keepAliveSeconds = tcpKeepalive
        // Buffers and the reader count in 32 bits: what is above this bound is that bound.
        server.maximumBulkLength = min(protoMaxBulkLength, Settings.longestCommand)
        server.maximumCommandBytes = min(clientQueryBufferLimit, Settings.longestCommand)
        server.outputLimits = outputLimits
        server.slowLogThresholdMicroseconds = slowLogThreshold
        server.slowLogLength = slowLogLength
        server.keyspaceNotifications = keyspaceEvents
        server.heartbeatIntervalMilliseconds = heartbeatInterval
        server.pushWindowMilliseconds = pushWindow
        server.watchLingerMilliseconds = watchLinger
        return server
    }
}
