import Presence

/// One connection: its codec, its greeting, and what goes before everything else.
///
/// What waits here is bounded by its kind: of most there is one, and the newest replaces the older.
final class LinkState {
    let id: LinkID
    /// The node that was dialed; nil if the other side dialed.
    let dialed: UInt8?
    /// Who the carrier says is at the other end; nil if it says nothing.
    let proof: PeerProof?
    let began: PeerTime
    var reader: FrameReader
    var writer: FrameWriter
    /// Who is at the other end, once that is known.
    var peer: UInt8?
    var version: UInt16 = 0
    var incarnation: UInt64 = 0
    var openedAt: PeerTime?
    /// Whether the peer has agreed to the link: its welcome came, or what it says behind ours.
    var isHeard = false
    var clock: ClockOffset
    var nextPing: PeerTime
    /// When a ping left last, and a pong came last; nil for never.
    var pingSent: PeerTime?
    var pongReceived: PeerTime?
    /// The peer's shared settings, as it said them last.
    var theirs = SharedSettings()
    /// What was said at the beginning, to be compared with the answer.
    var hello: Hello?

    // What is to be sent first.
    var greeting: Frame?
    var pong: (sent: Int64, received: Int64)?
    var drain: UInt32?
    /// Whether the peer is to be told how far everybody's changes are here.
    var tellsPositions = false
    /// Our shared settings, if the peer was told others.
    var settings: SharedSettings?
    var goodbye: Goodbye?
    /// The goodbye is the peer's own, or was sent to it.
    var isGoodbyeSaid = false
    /// Nothing more is sent or read after what is waiting.
    var isClosing = false
    /// Digests to be sent: of ranges that the other side is to compare.
    var digests: [RangeDigest] = []

    init(_ id: LinkID, dialed: UInt8?, proof: PeerProof?, settings: ReplicatorSettings, at now: PeerTime) {
        self.id = id
        self.dialed = dialed
        self.proof = proof
        began = now
        reader = FrameReader(limits: settings.limits)
        writer = FrameWriter(limits: settings.limits)
        clock = ClockOffset(maximum: settings.maxClockOffset * 1000)
        nextPing = now
    }

    var isOpen: Bool { openedAt != nil && !isClosing }
}
