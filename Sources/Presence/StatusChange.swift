/// One change of what services see of one user: the event.
///
/// One change gives one event; versions of a user's events rise. (`userID`, `version`) names an event, so a receiver
/// that hears one twice can tell.
public struct StatusChange: Sendable, Hashable {
    /// Whose status changed: the id without any key prefix, any bytes.
    public var userID: [UInt8]

    /// What services saw until then.
    public var old: Status

    /// What services see from then on.
    public var new: Status

    /// Why.
    public var reason: Reason

    /// When it changed, which is before the instant of the announcement if a timer was late.
    public var timestamp: Timestamp

    /// When the old status began, or nil if that is not known.
    public var since: Timestamp?

    /// The stamp of the write that changed it, or the instant at which time did.
    public var version: Stamp

    /// The user's activity text, or nil.
    public var activity: [UInt8]?

    /// The device of the session that the change is about, or nil.
    public var device: [UInt8]?

    /// The id of the session that the change is about, or nil.
    public var connection: [UInt8]?

    /// The server that holds the session that the change is about, or nil.
    public var server: [UInt8]?

    /// An event from its parts.
    public init(
        userID: [UInt8], old: Status, new: Status, reason: Reason, timestamp: Timestamp, since: Timestamp? = nil,
        version: Stamp, activity: [UInt8]? = nil, device: [UInt8]? = nil, connection: [UInt8]? = nil,
        server: [UInt8]? = nil
    ) {
        self.userID = userID
        self.old = old
        self.new = new
        self.reason = reason
        self.timestamp = timestamp
        self.since = since
        self.version = version
        self.activity = activity
        self.device = device
        self.connection = connection
        self.server = server
    }
}
