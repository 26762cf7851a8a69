/// What a frame of the peers' wire is for. The raw value is its type byte; `docs/PROTOCOL.md` draws each payload.
///
/// Types below 64 must be understood: a node that does not know one ends the link, since it would miss something. Types from 64 up may be skipped: they
/// carry hints that a node can do without, so that a later version may add them without a new protocol version.
public enum FrameType: UInt8, Sendable, CaseIterable {
    /// The first frame of who dialed: the versions that he speaks, and who he is.
    case hello = 1
    /// The answer to a hello: the version to be spoken from now on, and who answers.
    case welcome = 2
    /// The other answer to a hello: why there will be no link.
    case refuse = 3
    /// Are you there, and what time is it?
    case ping = 4
    /// The answer to a ping.
    case pong = 5
    /// Records that changed in one shard, from its ring.
    case changes = 6
    /// How far the changes of shards were merged.
    case acknowledge = 7
    /// Heartbeats that the receiver must know of before the deadlines that it knows.
    case beats = 8
    /// What ranges of the hash order come to, to find what differs.
    case digest = 9
    /// Ranges whose records are wanted whole.
    case request = 10
    /// Records of a range, as they are.
    case records = 11
    /// Everything older than a stamp is gone.
    case flush = 12
    /// The sender will leave within some seconds.
    case drain = 13
    /// The sender closes the link after this frame, and why.
    case goodbye = 14
    /// Records that changed in several shards: from version 3 on.
    case news = 15
    /// How far the sender has everybody's changes: from version 4 on.
    case positions = 16

    /// The settings in which nodes should agree are others than the sender's greeting said.
    case settings = 65

    /// The first type byte that a node may skip without knowing it.
    ///
    /// It is no type itself, and will be none: a frame that everybody skips.
    public static let firstSkippable: UInt8 = 64

    /// Whether the type may come before a link is open, and only then.
    public var isGreeting: Bool { self == .hello || self == .welcome || self == .refuse }

    /// Whether a link of a version has frames of the type.
    func isKnown(in version: UInt16) -> Bool {
        switch self {
        case .news: version >= ProtocolVersions.hasNews
        case .positions: version >= ProtocolVersions.hasPositions
        default: true
        }
    }

    /// The flags that the type has; all other bits are zero.
    var flags: FrameFlags { self == .records ? .last : [] }

    /// The payloads of the type, in bytes: what is shorter or longer is none.
    ///
    /// - Parameters:
    ///   - version: the version of the link; before it is agreed any will do, as greetings are the same in all.
    ///   - limits: the bounds of the link.
    func payloads(version: UInt16, limits: FrameLimits) -> ClosedRange<Int> {
        switch self {
        case .hello: 34...FrameLimits.greetingPayload
        case .welcome: 24...FrameLimits.greetingPayload
        case .refuse, .goodbye: 4...(4 + FrameLimits.reasonText)
        case .ping, .flush: 8...8
        case .pong: 24...24
        case .drain: 4...4
        case .settings: 1...1 + FrameLimits.settings * (2 + FrameLimits.settingName + FrameLimits.settingValue)
        case .news: 2 + Changes.fewestBytes...limits.maximumPayload
        case .positions: 2 + NodePositions.headBytes...limits.maximumPayload
        case .changes: Changes.headBytes...limits.maximumPayload
        case .records: RecordSlice.headBytes...limits.maximumPayload
        case .acknowledge: FrameType.list(of: ShardPosition.bytes, upTo: FrameLimits.shards)
        case .beats: Beats.headBytes + Beat.bytes...Beats.headBytes + Beat.bytes * FrameLimits.beats
        case .digest: FrameType.list(of: RangeDigest.bytes(in: version), upTo: FrameLimits.ranges)
        case .request: 4 + HashRange.bytes + 2...4 + 2 + HashRange.bytes * FrameLimits.ranges
        }
    }

    /// The payloads of a list: a count of two bytes and at least one element.
    private static func list(of bytes: Int, upTo count: Int) -> ClosedRange<Int> {
        2 + bytes...2 + bytes * count
    }
}

/// The flag bits of a frame.
struct FrameFlags: OptionSet, Sendable {
    var rawValue: UInt8

    /// Of `records`: nothing of the range follows.
    static let last = FrameFlags(rawValue: 1)
}
