/// Writes the record that `GET` of a presence key answers: the seed document's eight fields in its order, then
/// `activity` if one is set.
///
///     {"userId":"alice","status":"online","lastSeen":"2025-01-19T10:35:22.123Z","lastHeartbeat":"...",
///      "deviceType":"web","platform":"chrome","connectionId":"ws-1","serverId":"server-2"}
///
/// What is absent is `null`. Texts are taken as bytes, since ids may be any bytes; what is not UTF-8 becomes U+FFFD.
/// Writing is linear in the bytes written and allocates nothing.
public enum PresenceRecordWriter {
    /// Everything but the bytes of the texts: names, punctuation, status, two instants, quotes or `null`s.
    private static let maximumFrameByteCount = 208

    /// The most bytes that a record takes.
    ///
    /// - Parameter textByteCount: the bytes of all texts together (user id, device, platform, connection id, server,
    ///   activity).
    public static func maximumByteCount(textByteCount: Int) -> Int {
        maximumFrameByteCount + OutputSpan<UInt8>.maximumBytesPerJSONByte * textByteCount
    }

    /// Appends a record.
    ///
    /// - Parameters:
    ///   - userID: the id without any key prefix.
    ///   - status: the public status.
    ///   - lastSeen: the last activity or clean close that could be seen, or nil.
    ///   - lastHeartbeat: the last sign of life, or nil.
    ///   - device: of the most present session, as are the next three; nil if it has none.
    ///   - platform: likewise.
    ///   - connectionID: its id.
    ///   - server: who holds it.
    ///   - activity: the user's activity text; nil leaves the field out.
    ///   - out: must have room for `maximumByteCount(textByteCount:)` bytes; else the process stops.
    public static func write(
        userID: Span<UInt8>, status: Status, lastSeen: Timestamp?, lastHeartbeat: Timestamp?, device: Span<UInt8>?,
        platform: Span<UInt8>?, connectionID: Span<UInt8>?, server: Span<UInt8>?, activity: Span<UInt8>?,
        into out: inout OutputSpan<UInt8>
    ) {
        var day = WrittenDay()
        out.append(letters: ["{", "\"", "u", "s", "e", "r", "I", "d", "\"", ":"])
        out.appendJSON(text: userID)
        out.append(letters: [",", "\"", "s", "t", "a", "t", "u", "s", "\"", ":"])
        out.appendJSON(status: status)
        out.append(letters: [",", "\"", "l", "a", "s", "t", "S", "e", "e", "n", "\"", ":"])
        out.appendJSON(instant: lastSeen, &day)
        out.append(
            letters: [",", "\"", "l", "a", "s", "t", "H", "e", "a", "r", "t", "b", "e", "a", "t", "\"", ":"])
        out.appendJSON(instant: lastHeartbeat, &day)
        out.append(letters: [",", "\"", "d", "e", "v", "i", "c", "e", "T", "y", "p", "e", "\"", ":"])
        out.appendJSON(text: device)
        out.append(letters: [",", "\"", "p", "l", "a", "t", "f", "o", "r", "m", "\"", ":"])
        out.appendJSON(text: platform)
        out.append(letters: [",", "\"", "c", "o", "n", "n", "e", "c", "t", "i", "o", "n", "I", "d", "\"", ":"])
        out.appendJSON(text: connectionID)
        out.append(letters: [",", "\"", "s", "e", "r", "v", "e", "r", "I", "d", "\"", ":"])
        out.appendJSON(text: server)
        if let activity {
            out.append(letters: [",", "\"", "a", "c", "t", "i", "v", "i", "t", "y", "\"", ":"])
            out.appendJSON(text: activity)
        }
        out.append(UInt8(ascii: "}"))
    }
}
