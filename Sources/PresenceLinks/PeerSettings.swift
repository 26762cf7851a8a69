import PresenceReplication

/// What a ``PeerService`` is told at its start. Times are in milliseconds.
public struct PeerSettings: Sendable {
    /// The replicator's bounds and paces.
    public var replicator = ReplicatorSettings()
    /// Settings in which all nodes should agree: a join compares them.
    public var shared = SharedSettings()
    /// How long a node may take to accept a connection.
    public var connectTimeout: Int64 = 1_000
    /// How long either side may take for the handshake of TLS.
    public var handshakeTimeout = 2_000
    /// Connections at one time that came and have not said yet who they are; one more is closed.
    public var maximumStrangers = 32
    /// The same of one address: more than one node may live there, but who floods shuts out himself first.
    public var maximumStrangersOfAddress = 16
    /// Between two looks at the time.
    public var tickInterval: Int64 = 20
    /// Between two snapshots of the report, if nothing happens.
    public var reportInterval: Int64 = 100
    /// Clients that wait until other nodes have something; one more is answered at once.
    public var maximumWaiters = 65_536
    /// How names of nodes are looked up.
    var lookup: PeerNames.Lookup = NameLookup.addresses

    /// The defaults.
    public init() {}

    /// Bytes taken from the replicator at a time.
    static let pullBytes = 256 << 10
    /// Bytes above which memory for what is pulled is not kept: a frame is sent whole, and a string may be long.
    static let keptBytes = 1 << 20
    /// Bytes that wait for a peer's socket before no more are taken from the replicator, and below which it goes on.
    static let waitingBytes = 64 << 10...256 << 10
    /// How often in a row one link is filled before others have their turn.
    static let pullsAtOnce = 4
    /// For how long what was said last may take to leave.
    static let lingerTime: Int64 = 1_000
}
