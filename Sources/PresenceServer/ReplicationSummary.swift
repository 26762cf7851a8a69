import PresenceCluster

/// How a node and its links to others are, at one moment: what `INFO replication` and `CLUSTER LINKS` tell.
public struct ReplicationSummary: Sendable, Equatable {
    /// This node's start, greater than that of every start before.
    public var incarnation: UInt64 = 0
    /// Whether it has copied what all others hold that are there: it knows what they know.
    public var isReady = true
    /// Changes noted here for others since the start, over all shards: Redis's offset.
    public var position: UInt64 = 0
    /// Every other node of the cluster, by rising numbers.
    public var links: [LinkSummary] = []
    /// Records that are too long for a frame: other nodes do not get them.
    public var imagesOversized = 0
    /// Connections to the peer port that were not let in, by reason.
    public var refusals: [Refusal] = []

    /// How often connections were refused for one reason.
    public struct Refusal: Sendable, Equatable {
        /// Words of letters with `_` between them, such as `wrong_cluster`.
        public var reason: String
        /// How often.
        public var count: Int

        /// A refusal of these parts.
        public init(_ reason: String, count: Int) {
            self.reason = reason
            self.count = count
        }
    }

    /// A node without others.
    public init() {}

    /// Links that are up.
    public var linksUp: Int { links.count { $0.isUp } }

    /// Links to nodes that clients may be sent to, and that are up.
    public var replicas: [LinkSummary] { links.filter { $0.isUp && !$0.isFollower } }

    /// Nodes that hold all that was noted here, as far as is known, followers aside.
    public var upToDate: Int { replicas.count { $0.changesBehind == 0 } }

    /// The sum of a number over all links.
    public func sum(_ number: (LinkSummary) -> Int) -> Int { links.reduce(0) { $0 + number($1) } }
}

/// One other node, and the link to it. Counts are since this node's start, over all links that there were to that node.
public struct LinkSummary: Sendable, Equatable {
    /// The node's name.
    public var name: String
    /// Its number.
    public var number: UInt8
    /// Where its peer port is, such as `10.0.0.2:7399`; empty if that is not said.
    public var address = ""
    /// Whether it is a follower: a copy that no client is sent to.
    public var isFollower = false
    /// How the node is.
    public var state = Membership.State.down
    /// Whether it is on its way out.
    public var isDraining = false
    /// Why it is thought to be so, in words.
    public var cause = ""
    /// For how long it has been in this state, in milliseconds.
    public var sinceMilliseconds: Int64 = 0

    /// Whether a link is open: both sides have greeted.
    public var isUp = false
    /// Whether this node dialed it; else the other one did.
    public var isDialed = false
    /// For how long the link has been up, or nobody has had one, in milliseconds.
    public var linkSinceMilliseconds: Int64 = 0
    /// When the link came up, in milliseconds since 1970; 0 if there is none.
    public var linkBegan: Int64 = 0
    /// How often a link came up after the first one.
    public var reconnects = 0
    /// The version of the protocol that is spoken; 0 if none is.
    public var protocolVersion = 0
    /// The other's incarnation; 0 if it is not known.
    public var incarnation: UInt64 = 0

    /// Microseconds by which the other's clock is ahead of this one's; nil if it was not measured.
    public var clockOffset: Int64?
    /// By how many microseconds that may be wrong at most.
    public var clockError: Int64 = 0
    /// When a ping left last and a pong came last, in milliseconds since 1970; 0 for never.
    public var pingSent: Int64 = 0
    /// See ``pingSent``.
    public var pongReceived: Int64 = 0

    /// From a change here to the other's word that it holds it, in milliseconds.
    public var lag = Lag()
    /// Changes noted here that the other has not said it holds.
    public var changesBehind: UInt64 = 0
    /// The sum of the positions up to which the other holds what was noted here.
    public var position: UInt64 = 0

    /// Bytes of frames, without TLS.
    public var bytesSent = 0
    /// See ``bytesSent``.
    public var bytesReceived = 0
    /// Frames sent.
    public var framesSent = 0
    /// Frames received.
    public var framesReceived = 0
    /// Bytes that wait to be sent.
    public var bytesWaiting = 0
    /// Bytes of memory that is kept for what waits.
    public var bytesAllocated = 0
    /// Images of records sent.
    public var imagesSent = 0
    /// Images received that changed something here.
    public var imagesMerged = 0
    /// Images received that were not taken: broken, or from the future.
    public var imagesRefused = 0
    /// Those of them that belonged to copies: this node is ready without them.
    public var copyImagesRefused = 0
    /// Heartbeats told.
    public var beatsSent = 0
    /// Heartbeats that were told here.
    public var beatsReceived = 0

    /// A copy of all that the other holds, on its way here; nil if there is none.
    public var copyIn: Progress?
    /// A copy of all that this node holds, or of shards of which the other missed too much, on its way there; nil if there is none.
    public var copyOut: Progress?
    /// Whether the other was sent all that this node held when it came, and hears the rest as it happens.
    public var hasCopy = false
    /// How often a shard was sent as a whole since the other had missed more changes than are kept.
    public var shardsResent = 0
    /// Ranges whose digests were compared.
    public var digestsCompared = 0
    /// Ranges that differed and were mended.
    public var rangesMended = 0
    /// Frames that were none: the link was closed.
    public var frameErrors = 0
    /// Why the last link ended or could not be made; while it is up, why an image was not taken last. Empty if there is nothing to be said.
    public var lastFailure = ""

    /// How long changes took, in milliseconds.
    public struct Lag: Sendable, Equatable {
        /// Half of the last changes took at most so long.
        public var p50 = 0.0
        /// 99 of 100 took at most so long.
        public var p99 = 0.0
        /// The last one took so long; or one that is not held yet has waited longer already, whether there is a link or not.
        public var last = 0.0

        /// Nothing was measured.
        public init() {}
    }

    /// How far something is.
    public struct Progress: Sendable, Equatable {
        /// Records that have gone over.
        public var done: Int
        /// Records that there were when it began; they may become more.
        public var total: Int

        /// So many of so many.
        public init(done: Int, total: Int) {
            self.done = done
            self.total = total
        }
    }

    /// A node that was never heard.
    public init(name: String, number: UInt8) {
        self.name = name
        self.number = number
    }
}
