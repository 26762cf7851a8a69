/// The bounds of everything that a peer can claim, in one place. Each is checked before anything is set aside for what it bounds.
///
/// Two of them are settings of a link, the same on all nodes of a cluster; the others are parts of the protocol.
public struct FrameLimits: Sendable, Equatable {
    /// The bytes of a header.
    public static let header = 16
    /// The longest payload before a link is open, in bytes.
    public static let greetingPayload = 4096
    /// The longest name of a cluster or a node, in bytes.
    public static let name = 64
    /// The most settings that a hello tells.
    public static let settings = 32
    /// The longest name of a setting, in bytes.
    public static let settingName = 48
    /// The longest value of a setting, in bytes.
    public static let settingValue = 64
    /// The longest text of a refusal or a goodbye, in bytes.
    public static let reasonText = 512
    /// Shards of a store; a shard's number is below it.
    public static let shards = 1024
    /// The most nodes in a `positions`.
    public static let nodes = 255
    /// The most heartbeats in a frame.
    public static let beats = 4096
    /// The most ranges in a `digest` or a `request`.
    public static let ranges = 1024
    /// The longest time that a `drain` may tell, in seconds: a day.
    public static let drainSeconds: UInt32 = 86_400
    /// The latest instant of a hello, in milliseconds since 1970: what a stamp can hold (the year 2527).
    public static let clock: Int64 = 1 << 44 - 1
    /// The latest instant of a ping or a pong, in microseconds since 1970 (the year 2255).
    public static let microseconds: Int64 = 1 << 53
    /// What a reader keeps of its memory between frames, in bytes.
    static let retained = 65_536

    /// The longest payload of an open link, in bytes.
    public let maximumPayload: Int
    /// The longest image of a record, in bytes.
    public let maximumImage: Int

    /// The bounds of a link.
    ///
    /// - Parameters:
    ///   - maximumPayload: bytes, 65 536 to 16 777 216; 1 MiB by default.
    ///   - maximumImage: bytes, at least 1, so that an image and the head of its frame fit into a payload (37 bytes less at most); 64 KiB by default.
    public init(maximumPayload: Int = 1 << 20, maximumImage: Int = 65_536) {
        precondition((65_536...1 << 24).contains(maximumPayload), "a payload has 64 KiB to 16 MiB")
        precondition(
            (1...maximumPayload - RecordSlice.headBytes - Images.prefixBytes).contains(maximumImage),
            "an image must fit into a payload")
        self.maximumPayload = maximumPayload
        self.maximumImage = maximumImage
    }

    /// Room for images in a payload, each with its length, in bytes: the same for `changes` and `records`.
    public var imageRoom: Int { maximumPayload - RecordSlice.headBytes }
}
