/// One user as one viewer sees him: a row of a list, or of a frame of changes.
public struct ViewRow: Sendable, Hashable {
    /// The user's id.
    public var id: [UInt8]
    /// The status that the viewer sees.
    public var status: Status
    /// When the user was last seen, as far as the viewer may know.
    public var lastSeen: LastSeen
    /// The activity text, of who is not offline.
    public var activity: [UInt8]?

    /// A row from its parts.
    public init(id: [UInt8], status: Status, lastSeen: LastSeen, activity: [UInt8]?) {
        self.id = id
        self.status = status
        self.lastSeen = lastSeen
        self.activity = activity
    }

    /// The user's id as text; bytes that are not UTF-8 are replaced.
    public var user: String { String(decoding: id, as: UTF8.self) }

    /// Everything but the bytes of the texts: brackets, commas, quotes, the longest status, an instant.
    private static let maximumFrameByteCount = 64

    /// The most bytes that `writeJSON` writes.
    public var maximumJSONByteCount: Int {
        ViewRow.maximumFrameByteCount
            + OutputSpan<UInt8>.maximumBytesPerJSONByte * (id.count + (activity?.count ?? 0))
    }

    /// Appends the row as an array: `["alice","online","2025-01-19T10:35:22.123Z",null]`. A coarse last seen is its text, `"within a day"`.
    ///
    /// - Parameters:
    ///   - now: what a coarse last seen is counted from.
    ///   - out: must have room for `maximumJSONByteCount` bytes; else the process stops.
    public func writeJSON(at now: Timestamp, into out: inout OutputSpan<UInt8>) {
        out.append(UInt8(ascii: "["))
        out.appendJSON(text: id.span)
        out.append(UInt8(ascii: ","))
        out.appendJSON(status: status)
        out.append(UInt8(ascii: ","))
        switch lastSeen {
        case .unknown: out.appendJSONNull()
        case .exact(let instant):
            var day = WrittenDay()
            out.appendJSON(instant: instant, &day)
        case .coarse: out.append(quoted: (lastSeen.span(at: now) ?? .longAgo).word)
        }
        out.append(UInt8(ascii: ","))
        out.appendJSON(text: activity?.span)
        out.append(UInt8(ascii: "]"))
    }
}
