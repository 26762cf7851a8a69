/// One reply of a server of the Redis protocol, in RESP2.
enum Reply: Hashable, Sendable {
    /// `+OK`
    case text(String)
    /// `-ERR ...`, without the sign.
    case error(String)
    case integer(Int64)
    case bytes([UInt8])
    /// `$-1` and `*-1`
    case null
    case array([Reply])
    /// A value of so many bytes, more than the reader keeps. They were read and dropped.
    case oversized(Int)

    /// The text of a bulk or of a status, if it is one and is UTF-8.
    var string: String? {
        switch self {
        case .text(let text): text
        case .bytes(let bytes): String(validating: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// The elements of an array, none for anything else.
    var elements: [Reply] {
        if case .array(let elements) = self { elements } else { [] }
    }

    /// The code of an error: `WRONGTYPE`, `NOAUTH`, `ERR`.
    var errorCode: Substring? {
        if case .error(let text) = self { text.prefix { $0 != " " } } else { nil }
    }
}

/// Why bytes are not replies.
enum ReplyProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case unexpected(UInt8)
    case badNumber
    case lineTooLong
    case tooDeep
    case tooMany
    case tooMuch
    case notClosed

    var description: String {
        switch self {
        case .unexpected(let byte): "a reply begins with byte \(byte)"
        case .badNumber: "a length or an integer is not a number"
        case .lineTooLong: "a line does not end"
        case .tooDeep: "arrays are nested too deep"
        case .tooMany: "an array is too long"
        case .tooMuch: "a reply is too large"
        case .notClosed: "a value does not end where its length says"
        }
    }
}
