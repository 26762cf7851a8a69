/// Why bytes are not a value that a presence key can take.
public enum RecordError: Error, Hashable, Sendable {
    /// More bytes than a record may have.
    case tooLong(limit: Int)

    /// Arrays and objects within one another, deeper than is read.
    case tooDeep(limit: Int)

    /// Begins as an object, but is not JSON at this byte (counted from 0).
    case malformed(offset: Int)

    /// Not a JSON object, and not the bare word `offline`.
    case notARecord

    /// An object without `status`, or with `null` for it.
    case statusMissing

    /// A `status` that is none of the five words.
    case statusUnknown

    /// A field that must be a string or `null`, or an instant, and is something else.
    case wrongType(PresenceRecord.Field)

    /// An instant that is neither ISO 8601 nor epoch milliseconds.
    case badInstant(PresenceRecord.Field)

    /// One line that says what is wrong and what to do, without the `ERR` of the wire.
    public var message: String { problem + ". " + RecordError.remedy }

    private static let remedy = """
        A key with key-prefix holds only a presence: set a JSON object with \"status\" and \"connectionId\", or offline; \
        or open a session with PRESENCE.CONNECT
        """

    /// What is wrong, without what to do.
    public var problem: String {
        switch self {
        case .tooLong(let limit):
            "a presence record has at most \(limit) bytes"
        case .tooDeep(let limit):
            "a presence record nests at most \(limit) deep"
        case .malformed(let offset):
            "the presence record is not valid JSON at byte \(offset)"
        case .notARecord:
            "a status without a session cannot be set"
        case .statusMissing:
            "the presence record lacks \"status\": one of online, idle, away, dnd, offline"
        case .statusUnknown:
            "the \"status\" of a presence record is one of online, idle, away, dnd, offline"
        case .wrongType(let field):
            "\"\(field.name)\" of a presence record must be \(field.isInstant ? "an instant" : "a string") or null"
        case .badInstant(let field):
            """
            \"\(field.name)\" of a presence record must be ISO 8601 with a time zone \
            (2025-01-19T10:35:22.123Z) or epoch milliseconds
            """
        }
    }
}
