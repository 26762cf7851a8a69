import Presence
import PresenceCluster
import PresenceStore

/// What a node keeps of another one, links aside: how far each has what the other knows. It outlives links, so that a link that comes back goes on where
/// it was.
///
/// Memory: 48 bytes a shard, and ranges of the hash order up to their bound. What is to be told lies in the store's logs, so a slow peer costs nothing more.
final class PeerState {
    /// How far the peer has a shard of ours.
    enum Sending: Equatable {
        /// The peer has not said yet how far it is.
        case unknown
        /// It has everything up to the first position, and the rest up to the second is on its way.
        case streaming
        /// It is sent all records from a place in hash order on; afterwards it has everything up to the position.
        case copying(from: UInt64, upTo: UInt64)
        /// The same, and a link must first come to it.
        case waiting

        /// Whether it is sent as a whole.
        var isWhole: Bool {
            switch self {
            case .copying, .waiting: true
            case .unknown, .streaming: false
            }
        }
    }

    struct Shard {
        var sending = Sending.unknown
        var sent: UInt64 = 0
        var acknowledged: UInt64 = 0
    }

    /// What a peer told of one of its shards and could not be merged. That shard is acknowledged up to a position before it, and no further.
    struct Refused {
        /// Everything before it is here.
        let from: UInt64
        /// The keys that are asked for again.
        var hashes: Set<UInt64> = []
        /// Whether there were more of them than are kept.
        var isMore = false
    }

    /// A range of records to be sent, and from which place on.
    struct RangeOut {
        var token: UInt32
        var range: HashRange
        var from: UInt64
        var done: UInt64 = 0
        var isBegun = false
    }

    /// All records that the peer was asked for.
    struct CopyIn {
        var token: UInt32
        var began: PeerTime
        var done: UInt64 = 0
        var total: UInt64 = 0
        var isDone = false
    }

    /// Whether this node, that has copied all of the peer, knows how far that was when it heard so. On one link.
    enum CatchingUp: Equatable {
        case notAsked
        /// It is to be asked, once it was told how far its shards are here.
        case wanted
        case asked
        /// It had so much, by its shards.
        case upTo([UInt64])
    }

    /// The bit of a token that says: this range differed.
    static let mendingToken: UInt32 = 1 << 31

    let node: ClusterNode
    var number: UInt8 { node.number }
    /// The newest start of the node that was seen.
    var incarnation: UInt64 = 0
    var link: LinkID?

    // What we send.
    var shards: [Shard]
    /// Whether it said on this link that it had all: it may show people to clients from then on, also while it is sent something anew.
    var hadCopy = false
    /// Shards of ours that may have something for the peer.
    var dirty = ShardSet()
    /// The shard whose changes are told next, or the first of these behind it.
    var turn = 0
    /// Copies that the peer asked for: the token of that under way, and what was sent of it.
    var copyOut: RangeOut?
    /// Shards that are sent as a whole though the peer asked for none of them: since when, how many, and the records that went.
    var resending: (began: PeerTime, shards: Int, records: UInt64)?
    /// Parts that the peer asked for, on links that have `positions`; and the token of that copy, and what was sent of it.
    var partsOut: [RangeOut] = []
    var handedOut: (token: UInt32, done: UInt64)?
    var ranges: [RangeOut] = []
    /// A flush that the peer is to be told of.
    var flush = Stamp.zero

    // What we get.
    /// How far each of the peer's shards was merged, in that incarnation of the peer.
    var merged: [UInt16: UInt64] = [:]
    var mergedIncarnation: UInt64 = 0
    /// Of these shards, what could not be merged; `merged` goes on meanwhile. And when it is asked for again.
    var refused: [UInt16: Refused] = [:]
    var refusedAskedAt: PeerTime?
    /// Shards of which the peer is to be told how far they were merged.
    var unacknowledged: Set<UInt16> = []
    /// The same, with the next tick.
    var acknowledgeLater: Set<UInt16> = []
    /// Whether a flush that it told is under way here: until that is done it hears of nothing that was merged.
    var isFlushing = false
    /// A flush that it told, of an instant that this clock has not come near: so long it waits, and the peer with it.
    var flushToCome = Stamp.zero
    /// When it was told so last; nil on a link that is new.
    var acknowledgedAt: PeerTime?
    var copyIn: CopyIn?
    /// Whether the peer is still to be asked for it.
    var wantsCopy = false
    /// Whether `merged` is of all shards, and everything before is here; only of peers whose links have `positions`.
    var isWhole = false
    /// Whether the peer said, in that incarnation, that it has copied what there was.
    var wasReady = false
    /// What was heard of the incarnation before that.
    var lost: NodePositions?
    /// How far the peer said it has everybody's changes, when its link opened and last.
    var toldFirst: [NodePositions] = []
    var told: [NodePositions] = []
    /// Parts of a copy, one a bit, of which all is here that the peer had when its link opened.
    var covered: UInt64 = 0
    /// What is asked behind the copy.
    var catchingUp = CatchingUp.notAsked
    /// Parts of which the peer is still to be asked.
    var partsWanted: [HashRange] = []
    /// Why an image was not merged, last, and how many were not when that was told.
    var lastRefusal: MergeError?
    var refusalsTold: UInt64 = 0
    /// Users of whom a beat came and who are not known here; their records are asked for.
    var wanted: [HashRange] = []

    // Comparing. The node with the lower number asks.
    /// The next range to be compared, as a place in hash order, and how many leading bits the ranges of the present pass have.
    var digestPlace: UInt64 = 0
    var digestBits: UInt8 = 8
    var nextDigest: PeerTime
    var isPassUrgent = false
    var isNextPassUrgent = false
    /// Ranges that differed and are looked at again.
    var suspects: [(range: HashRange, at: PeerTime)] = []
    /// What was found to differ twice: to be asked for.
    var mending: [HashRange] = []

    // Dialing.
    var nextDial: PeerTime
    var failures = 0
    var isDialing = false

    var counters = PeerCounters()
    /// The position whose acknowledgement is timed.
    var marker: (shard: Int, position: UInt64, at: PeerTime)?
    /// When the last lag was measured.
    var lagMeasuredAt: PeerTime?
    /// How far the logs were, and when, of which the peer has not acknowledged all; nil if nothing is known to be missing.
    var mark: (ends: [UInt64], at: PeerTime)?

    init(_ node: ClusterNode, shardCount: Int, at now: PeerTime) {
        self.node = node
        shards = Array(repeating: Shard(), count: shardCount)
        nextDial = now
        nextDigest = now
    }

    func covers(_ part: Int) -> Bool { covered & 1 << UInt64(part) != 0 }

    /// How far the peer's changes are here, as others are told; without positions where they do not say it.
    var heard: NodePositions {
        guard isWhole else { return untold }
        let positions = (0..<merged.count).map { held(UInt16($0)) }
        guard !positions.contains(nil) else { return untold }
        return NodePositions(node: number, incarnation: mergedIncarnation, positions: positions.compactMap { $0 })
    }

    /// Up to where everything of a shard of the peer is here; nil if that is not known.
    func held(_ shard: UInt16) -> UInt64? {
        merged[shard].map { min($0, refused[shard]?.from ?? .max) }
    }

    /// That something of the peer is here, and nobody can say how much.
    var untold: NodePositions { NodePositions(node: number, incarnation: mergedIncarnation, positions: []) }

    /// The peer has begun anew: it knows nothing, and nothing is known of it.
    func beginAnew() {
        if mergedIncarnation != 0 { lost = wasReady ? heard : untold }
        mergedIncarnation = incarnation
        merged = [:]
        refused = [:]
        isWhole = false
        wasReady = false
    }

    /// Whether all of our records were sent and acknowledged once, in the peer's present incarnation.
    var hasCopy: Bool { shards.allSatisfy { $0.sending == .streaming } }

    /// Whether records are to be sent to it that no change is about.
    var isCopiedTo: Bool { !partsOut.isEmpty || !ranges.isEmpty || shards.contains { $0.sending.isWhole } }

    /// Changes of a shard, before a position, that it has not acknowledged: all of one that it is sent as a whole.
    func lacking(_ shard: Int, before end: UInt64) -> UInt64 {
        shards[shard].sending.isWhole ? end : end &- min(end, shards[shard].acknowledged)
    }

    /// Whether it has acknowledged everything before these positions, one a shard.
    func holds(_ ends: [UInt64]) -> Bool { ends.indices.allSatisfy { lacking($0, before: ends[$0]) == 0 } }

    /// Has a shard sent as a whole, since the peer's place in its log is gone.
    func resend(_ shard: Int, at now: PeerTime) {
        shards[shard].sending = .waiting
        counters.shardsResent += 1
        if resending == nil { resending = (now, 0, 0) }
        resending?.shards += 1
    }

    /// Whether changes take longer to it than a range that differs waits to be looked at again: then it differs in what is on its way.
    func isBehind(byMilliseconds limit: Int64, at now: PeerTime) -> Bool {
        if let marker {
            let age = now.milliseconds(since: marker.at)
            if age > limit, age < Replicator.stuckAfter { return true }
        }
        guard let lagMeasuredAt, now.milliseconds(since: lagMeasuredAt) < 5_000 else { return false }
        return counters.lastLagMicroseconds / 1_000 > limit
    }

    /// Adds an element to a list that is bounded; what is beyond is counted.
    static func add<Element>(
        _ element: Element, to list: inout [Element], limit: Int, dropped: inout UInt64
    ) {
        if list.count < limit { list.append(element) } else { dropped += 1 }
    }
}

/// What is counted of a peer, since this node started.
public struct PeerCounters: Sendable {
    /// Bytes of frames.
    public var bytesSent: UInt64 = 0
    /// Bytes of frames.
    public var bytesReceived: UInt64 = 0
    /// Frames, once a link was open.
    public var framesSent: UInt64 = 0
    /// Frames, once a link was open.
    public var framesReceived: UInt64 = 0
    /// Changed records that were told.
    public var imagesSent: UInt64 = 0
    /// Changed records that came.
    public var imagesReceived: UInt64 = 0
    /// Those of them that were news.
    public var imagesMerged: UInt64 = 0
    /// Images that could not be merged: no memory, or from the future.
    public var imagesRefused: UInt64 = 0
    /// Heartbeats that were told.
    public var beatsSent: UInt64 = 0
    /// Heartbeats that came.
    public var beatsReceived: UInt64 = 0
    /// Records sent in copies.
    public var copiedOut: UInt64 = 0
    /// Records that came in copies.
    public var copiedIn: UInt64 = 0
    /// Those of them that could not be kept: this node is ready without them, and comparing brings them once they can be.
    public var copiedInRefused: UInt64 = 0
    /// Shards that were sent as a whole though it asked for none: it had missed more than their logs hold.
    public var shardsResent: UInt64 = 0
    /// Ranges that were compared, here.
    public var rangesCompared: UInt64 = 0
    /// Ranges that differed twice, and whose records were exchanged.
    public var rangesMended: UInt64 = 0
    /// Records that such an exchange brought up to date here.
    public var recordsMended: UInt64 = 0
    /// Ranges and requests that were left for the next comparison, since too many waited.
    public var rangesDropped: UInt64 = 0
    /// Links that were opened.
    public var links: UInt64 = 0
    /// What the peer sent and was no frame.
    public var frameErrors: UInt64 = 0
    /// Milliseconds until changes were acknowledged, of one at a time, in tenths.
    public var lag = DurationHistogram()
    /// The newest of them.
    public var lastLagMicroseconds: Int64 = 0

    init() {}
}
