import PresenceServer

/// The values of every setting, with the defaults that presenced runs on when there is no file at all.
///
/// A plain value: made once from defaults, `cluster.conf` and the command line, checked, then handed down. `CONFIG SET`
/// makes a changed copy, checks it whole, and only then applies it. Names, units, bounds and documentation are in
/// ``Settings/table``, one entry a field. Durations are milliseconds unless a field says otherwise, sizes are bytes.
struct Settings: Equatable, Sendable {
    // Network.
    var bind = ["127.0.0.1", "-::1"]
    var port = 6399
    var tcpBacklog = 511
    var protectedMode = true
    var requirepass = ""
    var maxclients = 10_000
    /// Whole seconds, as in Redis.
    var timeout = 0
    /// Whole seconds, as in Redis.
    var tcpKeepalive = 300

    // TLS.
    var tls = TLSSettings()

    // Limits of one connection.
    var protoMaxBulkLength = 512 << 20
    var clientQueryBufferLimit = 1 << 30
    var outputLimits = OutputLimits()

    // The slow log. Microseconds; -1 keeps nothing.
    var slowLogThreshold = 10_000
    var slowLogLength = 128

    // What presence means.
    var keyPrefix = "presence:user:"
    var heartbeatInterval = 30_000
    var sessionTTL = 120_000
    var heartbeatHardLimit = 300_000
    var idleAfter = 300_000
    var awayAfter = 1_800_000
    var disconnectGrace = 0
    var lostGrace = 15_000
    var blockHides = "target"
    var stormShare = 10
    var stormWindow = 10_000
    var stormMinimum = 1_000
    var stormHold = 30_000
    var stormPace = 20_000
    var allowInvisible = true
    var statusChangesPerMinute = 60
    var pushWindow = 50
    var watchLinger = 60_000

    // Memory and its bounds.
    var maxmemory = 0
    var maxSessionsPerUser = 32
    var maxActivityLength = 128
    var maxWords = 16_384
    var maxRelations = 5_000
    var maxWatch = 5_000
    var maxWatchersPerUser = 100_000
    var maxWatchLists = 1_000_000
    var changeRingSize = 128 << 10
    var hugePages = true

    // Work.
    var shards = 32
    var eventLoops = 0

    // Events and log.
    var keyspaceEvents: KeyspaceNotifications = [.keyevent, .expired, .generic]
    var logLevel = "notice"
    var logFile = ""

    // The cluster.
    var cluster = ClusterSettings()

    // For tests.
    var enableDebugCommand = DebugAccess.no
    var manualClock = false
}
