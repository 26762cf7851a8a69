/// What a client asks for when he sets a presence key: the seed document's record, read from JSON.
///
/// Texts stay where they are: the record holds ranges and no copies, so reading one allocates nothing. Only if a text
/// has a JSON escape are all texts copied, decoded, to `decoded`, and the ranges are ranges of that. `withTexts` hides
/// the difference:
///
///     let record = try PresenceRecord.parse(json)
///     record.withTexts(in: json) { texts in
///         if let device = record.device { use(texts.extracting(device)) }
///     }
public struct PresenceRecord: Sendable, Hashable {
    /// The most bytes of a record, 64 KiB.
    public static let maximumByteCount = 65_536

    /// How deep arrays and objects may nest, the record itself being the first.
    public static let maximumDepth = 32

    /// A field of the record.
    public enum Field: UInt8, Sendable, Hashable, CaseIterable {
        /// The user's id. Read and dropped: the key names the user.
        case userID
        /// One of the five words; must be there.
        case status
        /// The last activity.
        case lastSeen
        /// The last sign of life. Read and dropped: setting the record is the sign of life.
        case lastHeartbeat
        /// The kind of device.
        case device
        /// The browser or app.
        case platform
        /// The session's id.
        case connectionID
        /// The server that holds the connection.
        case server
        /// The activity text.
        case activity

        /// The name in JSON.
        public var name: StaticString {
            switch self {
            case .userID: "userId"
            case .status: "status"
            case .lastSeen: "lastSeen"
            case .lastHeartbeat: "lastHeartbeat"
            case .device: "deviceType"
            case .platform: "platform"
            case .connectionID: "connectionId"
            case .server: "serverId"
            case .activity: "activity"
            }
        }

        /// Whether its value is an instant.
        var isInstant: Bool { self == .lastSeen || self == .lastHeartbeat }
    }

    /// What the session's status is to be.
    public var status: Status

    /// The last activity, if given.
    public var lastSeen: Timestamp?

    /// The last sign of life, if given.
    public var lastHeartbeat: Timestamp?

    /// Where the device is written, if given.
    public var device: Range<Int>?

    /// Where the platform is written, if given.
    public var platform: Range<Int>?

    /// Where the session's id is written, if given. Without one the session is `default`; with status `offline`, all.
    public var connectionID: Range<Int>?

    /// Where the server is written, if given.
    public var server: Range<Int>?

    /// Where the activity text is written, if given.
    public var activity: Range<Int>?

    /// Fields that are none of the nine. They are not kept.
    public var unknownFieldCount = 0

    /// The texts, if one of them has an escape; else nil, and the ranges are ranges of the JSON.
    public var decoded: [UInt8]?

    /// A record that says nothing but a status.
    public init(status: Status) {
        self.status = status
    }

    /// Calls `body` with the bytes that the ranges are ranges of.
    ///
    /// - Parameters:
    ///   - json: what the record was read from, unchanged.
    ///   - body: called once, at once, with the bytes.
    @inlinable
    public func withTexts<Result, Failure: Error>(
        in json: Span<UInt8>, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if let decoded {
            try body(decoded.span)
        } else {
            try body(json)
        }
    }

    /// The status that the session is to bring with it: `dnd` does, the others follow from activity.
    public var brought: SessionStatus? { status == .dnd ? .dnd : nil }

    /// The activity that gives the session its status: `lastSeen`, or else `now`; for `idle` and `away` at least as long
    /// ago as the policy asks for them. Never after `now`.
    public func activityInstant(at now: Timestamp, _ policy: Policy) -> Timestamp {
        let acted = min(lastSeen ?? now, now)
        switch status {
        case .idle: return min(acted, now.advanced(byMilliseconds: -policy.idleAfter))
        case .away: return min(acted, now.advanced(byMilliseconds: -policy.awayAfter))
        case .online, .dnd, .offline: return acted
        }
    }
}
