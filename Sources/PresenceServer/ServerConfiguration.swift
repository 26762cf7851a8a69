import PresenceCluster

/// The settings of the RESP port, as plain values. ``RESPServer/apply(_:)`` takes a changed copy; what cannot change while running says so.
public struct ServerConfiguration: Sendable, Equatable {
    /// Addresses to listen on. One that begins with `-` may be missing on this machine. Fixed at the start.
    public var bind = ["127.0.0.1", "-::1"]
    /// The port; 0 takes a free one. Fixed at the start.
    public var port = 6399
    /// Whether that port is served. Fixed at the start.
    public var hasPlainPort = true
    /// The port that speaks TLS; 0 for none. Fixed at the start.
    public var tlsPort = 0
    /// Connections that may wait to be accepted. Fixed at the start.
    public var backlog = 511
    /// The prefix of keys that hold a presence. Fixed at the start.
    public var keyPrefix = "presence:user:"
    /// The name of this node in events. Fixed at the start.
    public var nodeName = "local"
    /// The cluster that clients are told of; nil if there is none, and `CLUSTER` answers that. Fixed at the start.
    public var cluster: ClusterConfiguration?
    /// Whether other nodes take writes too: then commands that read a string and write it by what they read are refused. Fixed at the start.
    public var hasPeers = false
    /// Whether commands for tests may be used. Fixed at the start.
    public var debugCommands = DebugAccess.no

    /// Without a password, only the loopback interface is served.
    public var isProtected = true
    /// The password; empty means none.
    public var password = ""
    /// Connections served at once.
    public var maximumClients = 10_000
    /// Seconds after which a silent connection that is not subscribed is closed; 0 never.
    public var idleTimeoutSeconds = 0
    /// Seconds between TCP keep-alive probes of connections accepted from now on; 0 sends none.
    public var keepAliveSeconds = 300
    /// Bytes of the longest argument.
    public var maximumBulkLength = 512 << 20
    /// Bytes of the longest command.
    public var maximumCommandBytes = 1 << 30
    /// How much may wait for a client that reads slowly.
    public var outputLimits = OutputLimits()
    /// Microseconds from which a command is kept in the slow log; 0 keeps all, a negative number none.
    public var slowLogThresholdMicroseconds = 10_000
    /// Commands that the slow log keeps.
    public var slowLogLength = 128
    /// Which keyspace notifications are published.
    public var keyspaceNotifications = KeyspaceNotifications([.keyevent, .expired, .generic])
    /// What clients are told about how often to beat, in milliseconds: in `INFO`.
    public var heartbeatIntervalMilliseconds = 30_000
    /// For how long changes for one viewer are gathered before he is told, in milliseconds.
    public var pushWindowMilliseconds = 50
    /// For how long a viewer's list is kept while nobody listens, in milliseconds.
    public var watchLingerMilliseconds = 60_000

    /// The defaults.
    public init() {}
}

/// How much output may wait for clients that do not read.
///
/// What waits is what the kernel has not taken yet. A client that only asks is also not read from while its output waits, so what it can pile
/// up is one reply beyond NIO's high-water mark; these limits bound that reply, and what others publish.
public struct OutputLimits: Sendable, Equatable {
    /// The bounds of one kind of client; 0 bytes means none.
    public struct Bound: Sendable, Equatable {
        /// Bytes above which the connection is closed at once.
        public var hardBytes: Int
        /// Bytes above which the connection is closed after ``softSeconds``.
        public var softBytes: Int
        /// Seconds that a connection may stay above ``softBytes``.
        public var softSeconds: Int

        /// A bound of these values.
        public init(hardBytes: Int, softBytes: Int, softSeconds: Int) {
            self.hardBytes = hardBytes
            self.softBytes = softBytes
            self.softSeconds = softSeconds
        }
    }

    /// Clients that ask and are answered.
    public var normal = Bound(hardBytes: 256 << 20, softBytes: 64 << 20, softSeconds: 60)
    /// Clients that have subscribed.
    public var pubsub = Bound(hardBytes: 32 << 20, softBytes: 8 << 20, softSeconds: 60)

    /// Bytes that may wait for a client that has not given the password yet. Redis's number.
    public static let unauthenticatedBytes = 1024

    /// The defaults.
    public init() {}
}
