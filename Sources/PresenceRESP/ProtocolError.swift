/// Why bytes cannot be a command. The connection that sent them is answered with this and closed; no other notices.
///
/// The texts are those of Redis 7, since clients and their tests compare them.
public enum ProtocolError: Error, Sendable, Equatable {
    /// The number after `*` is not a number, or exceeds `RequestLimits.maxArguments`.
    case invalidMultibulkLength
    /// The number after `$` is not a number, is negative, or exceeds `RequestLimits.maxBulkLength`.
    case invalidBulkLength
    /// An argument began with another byte than `$`.
    case expectedDollar(got: UInt8)
    /// An inline command is longer than `RequestLimits.maxInlineLength`.
    case tooBigInlineRequest
    /// A quote of an inline command is not closed, or is followed by something else than a blank.
    case unbalancedQuotes
    /// The line after `*` is longer than `RequestLimits.maxInlineLength`.
    case tooBigMultibulkCount
    /// The line after `$` is longer than `RequestLimits.maxInlineLength`.
    case tooBigBulkCount
    /// More than `RequestLimits.maxUnauthenticatedArguments` before the client has authenticated.
    case unauthenticatedMultibulkLength
    /// More than `RequestLimits.maxUnauthenticatedBulkLength` before the client has authenticated.
    case unauthenticatedBulkLength
    /// The command exceeds `RequestLimits.maxCommandBytes`. Redis closes such a client without a word; who rather
    /// answers names the setting with this.
    case tooBigCommand
    /// The bytes are the beginning of TLS: no command begins with 22 and 3.
    case tlsHandshake

    /// The text, without Redis's leading `ERR`. A byte outside ASCII is shown as the replacement character here;
    /// `ReplyBuffer.error(_:)` sends it as it came, as Redis does.
    public var message: String {
        if case .expectedDollar(let byte) = self {
            return "\(text)\(byte < 0x80 ? Character(Unicode.Scalar(byte)) : "\u{FFFD}")'"
        }
        return "\(text)"
    }

    /// The text as constant bytes. That of `expectedDollar` ends before the byte it quotes.
    var text: StaticString {
        switch self {
        case .invalidMultibulkLength: "Protocol error: invalid multibulk length"
        case .invalidBulkLength: "Protocol error: invalid bulk length"
        case .expectedDollar: "Protocol error: expected '$', got '"
        case .tooBigInlineRequest: "Protocol error: too big inline request"
        case .unbalancedQuotes: "Protocol error: unbalanced quotes in request"
        case .tooBigMultibulkCount: "Protocol error: too big mbulk count string"
        case .tooBigBulkCount: "Protocol error: too big bulk count string"
        case .unauthenticatedMultibulkLength: "Protocol error: unauthenticated multibulk length"
        case .unauthenticatedBulkLength: "Protocol error: unauthenticated bulk length"
        case .tooBigCommand: "Protocol error: command exceeds client-query-buffer-limit"
        case .tlsHandshake: "Protocol error: TLS on a port without it"
        }
    }
}
