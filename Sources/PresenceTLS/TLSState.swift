/// What a TLS connection may do, and what is to be done on the next input. Values in, values out: ``TLSHandler`` only obeys.
///
/// ```
///  handshaking ──finished──> open ──goodbye (ours)──> said goodbye ──> ended
///       │                     │                            │            ↑
///       └──── failure, time-out, end of the connection, the peer's goodbye ───┘
/// ```
/// What must stay true: one goodbye at most is sent, and only over a finished handshake; after a failure nothing is read, written or
/// reported again.
struct TLSState {
    enum Phase {
        /// What is written waits.
        case handshaking
        case open
        /// This side writes no more; the peer may.
        case saidGoodbye
        case ended
    }

    private(set) var phase = Phase.handshaking
    /// Bytes received before the handshake was over.
    private(set) var handshakeBytes = 0

    /// Bytes that an honest handshake never needs: OpenSSL's bound of a certificate chain is 100 kB.
    static let maximumHandshakeBytes = 256 << 10
    /// Bytes that may be written before the handshake is over.
    static let maximumHeldBytes = 64 << 10

    /// What to do with bytes from the network.
    enum Reading: Equatable { case handshake, decrypt, drop, refusePlainText, refuseLength }

    /// Bytes came: how many, and the first of them.
    mutating func received(_ count: Int, first: UInt8, isServer: Bool) -> Reading {
        switch phase {
        case .ended: return .drop
        case .open, .saidGoodbye: return .decrypt
        case .handshaking:
            if isServer, handshakeBytes == 0, Self.isText(first) { return .refusePlainText }
            handshakeBytes += count
            return handshakeBytes > Self.maximumHandshakeBytes ? .refuseLength : .handshake
        }
    }

    /// Whether a peer that begins with this byte speaks a language of lines. TLS begins with 22; no record's type is a letter.
    static func isText(_ byte: UInt8) -> Bool {
        (0x20...0x7e).contains(byte) || byte == 0x0a || byte == 0x0d
    }

    /// The handshake is over.
    mutating func handshakeFinished() {
        if phase == .handshaking { phase = .open }
    }

    /// What to do with bytes to send.
    enum Writing: Equatable { case hold, encrypt, refuse }

    /// Whether bytes may be written now.
    var writing: Writing {
        switch phase {
        case .handshaking: .hold
        case .open: .encrypt
        case .saidGoodbye, .ended: .refuse
        }
    }

    /// This side closes, all or the output alone: whether a goodbye is due.
    mutating func close(outputOnly: Bool) -> Bool {
        let isGoodbyeDue = phase == .open
        if phase == .open, outputOnly { phase = .saidGoodbye }
        if !outputOnly { phase = .ended }
        return isGoodbyeDue
    }

    /// The peer said goodbye: whether to answer with ours. The connection is to be closed in any case.
    mutating func peerSaidGoodbye() -> Bool {
        let isGoodbyeDue = phase == .open
        phase = .ended
        return isGoodbyeDue
    }

    /// What the end of the connection means.
    enum End: Equatable { case expected, truncated, handshakeCut }

    /// The network connection ended.
    mutating func disconnected() -> End {
        defer { phase = .ended }
        return switch phase {
        case .handshaking: .handshakeCut
        case .open: .truncated
        case .saidGoodbye, .ended: .expected
        }
    }

    /// Something is wrong beyond repair: whether that is news.
    mutating func fail() -> Bool {
        defer { phase = .ended }
        return phase != .ended
    }

    /// Whether the handshake is not over yet.
    var isHandshaking: Bool { phase == .handshaking }
}
