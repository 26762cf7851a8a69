/// Why a context cannot be made, or a connection cannot go on.
public enum TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A setting cannot be used: its name, its value as an operator may see it (a file, a list of suites), and why.
    case setting(name: String, value: String, reason: String)
    /// The handshake failed; OpenSSL's reason. The peer was sent an alert.
    case handshake(reason: String)
    /// The handshake was not over in time.
    case handshakeTimedOut(milliseconds: Int)
    /// The connection ended before the handshake did.
    case handshakeCut
    /// The handshake took more bytes than any honest one.
    case handshakeTooLong(bytes: Int)
    /// The peer speaks plain text. A server has told it so.
    case plainText
    /// A record of an open connection cannot be read; OpenSSL's reason. The peer was sent an alert.
    case record(reason: String)
    /// The connection ended without the peer's goodbye: what came last may be missing.
    case truncated
    /// More was written before the end of the handshake than is kept.
    case tooMuchBeforeHandshake(bytes: Int)
    /// Something was written after the goodbye.
    case closed
    /// There is no memory for a connection.
    case noMemory

    /// Whether a certificate is at fault: the peer's is not good or was not shown, or the peer says the same of this side's.
    public var concernsCertificate: Bool {
        switch self {
        case .handshake(let reason), .record(let reason):
            // OpenSSL's words; "unknown ca" is what a peer answers who does not trust the authority.
            reason.contains("certificate") || reason.hasSuffix("unknown ca")
        default: false
        }
    }

    /// One line for a log.
    public var description: String {
        switch self {
        case .setting(let name, let value, let reason):
            value.isEmpty ? "\(name): \(reason)" : "\(name) \(value): \(reason)"
        case .handshake(let reason): "TLS handshake failed: \(reason)"
        case .handshakeTimedOut(let milliseconds): "TLS handshake was not over after \(milliseconds) ms"
        case .handshakeCut: "connection ended during the TLS handshake"
        case .handshakeTooLong(let bytes): "TLS handshake of more than \(bytes) bytes"
        case .plainText: "plain text where TLS is spoken"
        case .record(let reason): "TLS record refused: \(reason)"
        case .truncated: "TLS connection cut without a goodbye"
        case .tooMuchBeforeHandshake(let bytes): "more than \(bytes) bytes written before the TLS handshake was over"
        case .closed: "written after the end of the TLS connection"
        case .noMemory: "no memory for a TLS connection"
        }
    }
}
