/// One change of a user's activity text: the event.
///
/// A text that is set and one that comes to its end are told whatever the user's status is: events are for services.
public struct ActivityChange: Sendable, Hashable {
    /// Whose text changed: the id without any key prefix, any bytes.
    public var userID: [UInt8]
    /// The text from then on, or nil for none.
    public var activity: [UInt8]?
    /// What services see of the user's status.
    public var status: Status
    /// `manual` for one that was set or cleared, `manualEnded` for one that came to its end.
    public var reason: Reason
    /// When it changed, which is before the instant of the announcement if a timer was late.
    public var timestamp: Timestamp
    /// The stamp of the write, or the instant at which time ended the text.
    public var version: Stamp

    /// An event from its parts.
    public init(
        userID: [UInt8], activity: [UInt8]?, status: Status, reason: Reason, timestamp: Timestamp, version: Stamp
    ) {
        self.userID = userID
        self.activity = activity
        self.status = status
        self.reason = reason
        self.timestamp = timestamp
        self.version = version
    }

    /// Everything but the bytes of the texts.
    private static let maximumFrameByteCount = 192

    /// The most bytes that `writeJSON` writes for this event.
    ///
    /// - Parameter nodeByteCount: the length of the node's name.
    public func maximumJSONByteCount(nodeByteCount: Int) -> Int {
        let bytes = userID.count + (activity?.count ?? 0) + nodeByteCount
        return ActivityChange.maximumFrameByteCount + OutputSpan<UInt8>.maximumBytesPerJSONByte * bytes
    }

    /// The event as JSON, as an array of its own.
    ///
    /// - Parameter node: the name of the node that tells.
    public func json(node: Span<UInt8>) -> [UInt8] {
        [UInt8](room: maximumJSONByteCount(nodeByteCount: node.count)) { out in writeJSON(node: node, into: &out) }
    }

    /// Appends the event as JSON, as the channels `user.activity.changed` and `user.activity.changed:<userId>` carry it:
    ///
    ///     {"userId":"alice","activity":"in a raid","status":"online","timestamp":"2025-01-19T10:35:22.123Z",
    ///      "reason":"manual","version":"1814500000000000000","node":"a"}
    ///
    /// - Parameters:
    ///   - node: the name of the node that tells.
    ///   - out: must have room for `maximumJSONByteCount(nodeByteCount:)` bytes; else the process stops.
    public func writeJSON(node: Span<UInt8>, into out: inout OutputSpan<UInt8>) {
        var day = WrittenDay()
        out.append(letters: ["{", "\"", "u", "s", "e", "r", "I", "d", "\"", ":"])
        out.appendJSON(text: userID.span)
        out.append(letters: [",", "\"", "a", "c", "t", "i", "v", "i", "t", "y", "\"", ":"])
        out.appendJSON(text: activity?.span)
        out.append(letters: [",", "\"", "s", "t", "a", "t", "u", "s", "\"", ":"])
        out.appendJSON(status: status)
        out.append(letters: [",", "\"", "t", "i", "m", "e", "s", "t", "a", "m", "p", "\"", ":"])
        out.appendJSON(instant: timestamp, &day)
        out.append(letters: [",", "\"", "r", "e", "a", "s", "o", "n", "\"", ":"])
        out.append(quoted: reason.word)
        out.append(letters: [",", "\"", "v", "e", "r", "s", "i", "o", "n", "\"", ":"])
        out.appendJSON(digitsOf: version.rawValue)
        out.append(letters: [",", "\"", "n", "o", "d", "e", "\"", ":"])
        out.appendJSON(text: node)
        out.append(UInt8(ascii: "}"))
    }
}
