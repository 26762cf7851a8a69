import PresenceCluster

/// The bounds and paces of a ``Replicator``. Times are in milliseconds where nothing else is said.
public struct ReplicatorSettings: Sendable {
    /// `max-clock-offset`: a peer whose clock is farther off is refused.
    public var maxClockOffset: Int64 = 1_000
    /// After how long without a word a peer is suspect, and down.
    public var silence = Membership.Limits.usual
    /// Between two pings of a link. Several must fit into the time after which a peer is suspect.
    public var pingInterval: Int64 = 200
    /// For how long a link may be without its greeting.
    public var greetingTimeout: Int64 = 5_000
    /// The shortest and the longest wait before a peer is dialed again; it doubles with every failure.
    public var redial: ClosedRange<Int64> = 50...1_000
    /// How long a node that begins waits for peers before it is ready without them: from its start, and anew when a link is lost from which it still copied.
    public var joinTimeout: Int64 = 2_000
    /// How often it waits anew. A peer that comes and goes for ever keeps nobody from serving.
    public var maximumJoinWaits = 16
    /// `digest-interval`: within it every range is compared once with each peer.
    public var digestInterval: Int64 = 30_000
    /// After how long a range that differed is looked at again before it is mended: what is on its way has come by then.
    public var digestRecheck: Int64 = 1_000
    /// Ranges that wait to be looked at again, and ranges that wait to be sent, a peer. What is beyond is found by the next comparison.
    public var maximumRanges = 4_096
    /// Links that may be there without having said who they are.
    public var maximumGreeting = 32
    /// Between two acknowledgements of a peer's changes, in microseconds: one that comes after a longer rest is told at once.
    public var acknowledgeInterval: Int64 = 1_000
    /// Changes looked at in a shard at a time.
    public var changesAtOnce = 1_024
    /// Bytes of images in a frame.
    public var frameBytes = 131_072
    /// The versions of the protocol that are spoken: a part of those that this code knows.
    public var versions = ProtocolVersions.spoken
    /// The bounds of frames, the same on all nodes.
    public var limits = FrameLimits(maximumPayload: 1 << 24, maximumImage: 1 << 24 - 4_096)
    /// Asked at every named point where something may fail: true has it fail there. For tests; nil never fails.
    public var fault: (@Sendable (FaultPoint) -> Bool)?

    /// The defaults.
    public init() {}

    func fails(_ point: FaultPoint) -> Bool { fault?(point) ?? false }
}

/// Where things may go wrong in a replicator, by name: a simulator has each of them happen.
public enum FaultPoint: String, Sendable, CaseIterable {
    /// The log has overwritten what a peer has not got.
    case logOverwritten
    /// A link is cut right after its greeting.
    case cutAfterGreeting
    /// A link is cut between two slices of a copy.
    case cutWithinCopy
    /// An acknowledgement is not sent: the peer says later how far it is.
    case lateAcknowledge
    /// A beat that should be told is not.
    case lostBeat
    /// A beat comes for a session that is not known here.
    case unknownBeat
    /// An image cannot be merged, as if there were no memory for it.
    case refusedImage
    /// A range differs though it does not.
    case falseDifference
    /// A range that differs is not looked at again: the next comparison must find it.
    case lostDifference
    /// A node cannot say how far it has another one's changes.
    case untoldPositions
    /// A flush is told twice.
    case repeatedFlush
}
