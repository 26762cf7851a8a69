/// The event as JSON, as the channels `user.status.changed` and `user.status.changed:<userId>` carry it.
///
///     {"userId":"alice","status":"offline","oldStatus":"online","newStatus":"offline",
///      "timestamp":"2025-01-19T10:35:22.123Z","since":"...","reason":"heartbeat_timeout","activity":null,
///      "version":"1814500000000000000","deviceType":"web","connectionId":"ws-1","serverId":"server-2","node":"a"}
///
/// `status` repeats `newStatus`, for consumers of either. What is absent is `null`. `version` is a string of decimal
/// digits: it has 64 bits, and many readers of JSON numbers keep only 53.
extension StatusChange {
    /// Everything but the bytes of the texts: names, punctuation, words, instants, version, quotes or `null`s.
    private static let maximumFrameByteCount = 304

    /// The most bytes that `writeJSON` writes for this event.
    ///
    /// - Parameter nodeByteCount: the length of the node's name.
    public func maximumJSONByteCount(nodeByteCount: Int) -> Int {
        let texts = userID.count + (activity?.count ?? 0) + (device?.count ?? 0) + (connection?.count ?? 0)
        let bytes = texts + (server?.count ?? 0) + nodeByteCount
        return StatusChange.maximumFrameByteCount + OutputSpan<UInt8>.maximumBytesPerJSONByte * bytes
    }

    /// The event as JSON, as an array of its own.
    ///
    /// - Parameter node: the name of the node that tells.
    public func json(node: Span<UInt8>) -> [UInt8] {
        [UInt8](room: maximumJSONByteCount(nodeByteCount: node.count)) { out in writeJSON(node: node, into: &out) }
    }

    /// Appends the event. Linear in the bytes written; allocates nothing.
    ///
    /// - Parameters:
    ///   - node: the name of the node that tells.
    ///   - out: must have room for `maximumJSONByteCount(nodeByteCount:)` bytes; else the process stops.
    public func writeJSON(node: Span<UInt8>, into out: inout OutputSpan<UInt8>) {
        var day = WrittenDay()
        out.append(letters: ["{", "\"", "u", "s", "e", "r", "I", "d", "\"", ":"])
        out.appendJSON(text: userID.span)
        out.append(letters: [",", "\"", "s", "t", "a", "t", "u", "s", "\"", ":"])
        out.appendJSON(status: new)
        out.append(letters: [",", "\"", "o", "l", "d", "S", "t", "a", "t", "u", "s", "\"", ":"])
        out.appendJSON(status: old)
        out.append(letters: [",", "\"", "n", "e", "w", "S", "t", "a", "t", "u", "s", "\"", ":"])
        out.appendJSON(status: new)
        out.append(letters: [",", "\"", "t", "i", "m", "e", "s", "t", "a", "m", "p", "\"", ":"])
        out.appendJSON(instant: timestamp, &day)
        out.append(letters: [",", "\"", "s", "i", "n", "c", "e", "\"", ":"])
        out.appendJSON(instant: since, &day)
        out.append(letters: [",", "\"", "r", "e", "a", "s", "o", "n", "\"", ":"])
        out.append(quoted: reason.word)
        out.append(letters: [",", "\"", "a", "c", "t", "i", "v", "i", "t", "y", "\"", ":"])
        out.appendJSON(text: activity?.span)
        out.append(letters: [",", "\"", "v", "e", "r", "s", "i", "o", "n", "\"", ":"])
        out.appendJSON(digitsOf: version.rawValue)
        out.append(letters: [",", "\"", "d", "e", "v", "i", "c", "e", "T", "y", "p", "e", "\"", ":"])
        out.appendJSON(text: device?.span)
        out.append(letters: [",", "\"", "c", "o", "n", "n", "e", "c", "t", "i", "o", "n", "I", "d", "\"", ":"])
        out.appendJSON(text: connection?.span)
        out.append(letters: [",", "\"", "s", "e", "r", "v", "e", "r", "I", "d", "\"", ":"])
        out.appendJSON(text: server?.span)
        out.append(letters: [",", "\"", "n", "o", "d", "e", "\"", ":"])
        out.appendJSON(text: node)
        out.append(UInt8(ascii: "}"))
    }
}
