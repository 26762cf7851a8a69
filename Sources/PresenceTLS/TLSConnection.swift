import COpenSSL
import NIOCore

/// One connection's encryption, without a network: bytes in, bytes out. OpenSSL's `SSL` over memory that is lent to it for each call.
///
/// OpenSSL copies what is lent and keeps none of it but half a record; while nothing is under way it keeps no buffers at all.
struct TLSConnection: ~Copyable {
    private let pointer: OpaquePointer
    private let lent: UnsafeMutablePointer<presence_tls_lent>
    /// Holds what OpenSSL's context points to.
    private let context: TLSContext

    /// How a step ended.
    enum Outcome: Equatable {
        /// All is done.
        case done
        /// All input was consumed, and more is needed.
        case needsInput
        /// There is more to come: call again.
        case goesOn
        /// The peer said goodbye.
        case closed
        /// The connection cannot go on. An alert for the peer may have been written.
        case failed(String)
    }

    /// A connection of `context`. A client's sends `serverName` and verifies it, be it a host name or an address.
    init(_ context: TLSContext, serverName: String?) throws(TLSError) {
        let (pointer, lent) = try Self.make(context, serverName)
        self.pointer = pointer
        self.lent = lent
        self.context = context
    }

    deinit { SSL_free(pointer) }

    private static func make(
        _ context: TLSContext, _ serverName: String?
    ) throws(TLSError) -> (OpaquePointer, UnsafeMutablePointer<presence_tls_lent>) {
        var lent: UnsafeMutablePointer<presence_tls_lent>?
        guard let pointer = presence_tls_connection(context.pointer, &lent), let lent else { throw .noMemory }
        switch context.configuration.role {
        case .server: SSL_set_accept_state(pointer)
        case .client:
            SSL_set_connect_state(pointer)
            if let serverName, !expect(serverName, pointer) {
                SSL_free(pointer)
                throw .setting(name: "host", value: serverName, reason: "it is neither a host name nor an address")
            }
        }
        return (pointer, lent)
    }

    /// Has the certificate be for this name or address; addresses are not sent as server names.
    private static func expect(_ serverName: String, _ pointer: OpaquePointer) -> Bool {
        if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(pointer), serverName) == 1 { return true }
        SSL_set_hostflags(pointer, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        return SSL_set1_host(pointer, serverName) == 1 && presence_tls_set_server_name(pointer, serverName) == 1
    }

    // MARK: - Steps

    /// Room that answers of the handshake and of the protocol itself are written into at once.
    private static let answerRoom = 4096
    /// The most that a record holds, and what it adds to that.
    private static let recordBytes = 16_384
    private static let recordOverhead = 128

    /// Goes on with the handshake; consumes of `input`, appends to `output`.
    func handshake(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> Outcome {
        lend(&input, &output, room: Self.answerRoom) { presence_tls_handshake($0) }
    }

    /// Decrypts `input` into `plain`, as far as its capacity goes: `goesOn` if it is full. Answers of the protocol itself are appended to
    /// `output`.
    func decrypt(_ input: inout ByteBuffer, into plain: inout ByteBuffer, _ output: inout ByteBuffer)
        -> Outcome
    {
        var count = 0
        let outcome = lend(&input, &output, room: 512) { pointer in
            var outcome = PRESENCE_TLS_DONE
            plain.writeWithUnsafeMutableBytes(minimumWritableBytes: 1) { room in
                outcome = presence_tls_read(pointer, room.baseAddress, room.count, &count)
                return count
            }
            return outcome
        }
        return outcome == .done ? .goesOn : outcome
    }

    /// How much plain text may come out beyond what goes in next: a record's, if OpenSSL has a part of one.
    var bufferedBytes: Int { SSL_has_pending(pointer) == 1 ? Self.recordBytes : 0 }

    /// Encrypts what is in `plain`, a record's length or less; appends it to `output`.
    func encrypt(_ plain: inout ByteBuffer, _ output: inout ByteBuffer) -> Outcome {
        var none = ByteBuffer()
        let count = min(plain.readableBytes, Self.recordBytes)
        var written = 0
        var outcome = Outcome.goesOn
        while outcome == .goesOn {
            outcome = lend(&none, &output, room: count - written + Self.recordOverhead) { pointer in
                plain.withUnsafeReadableBytes { presence_tls_write(pointer, $0.baseAddress, count, &written) }
            }
        }
        plain.moveReaderIndex(forwardBy: written)
        return outcome
    }

    /// How many bytes `count` bytes become at most, when they are encrypted.
    static func encryptedBytes(_ count: Int) -> Int {
        count + (count / recordBytes + 1) * recordOverhead
    }

    /// Writes the goodbye that ends this side's data.
    func sayGoodbye(_ output: inout ByteBuffer) {
        var none = ByteBuffer()
        _ = lend(&none, &output, room: 512) { presence_tls_goodbye($0) }
    }

    /// Whether both sides had the same pre-shared key, and showed it.
    var usesSharedKey: Bool { SSL_session_reused(pointer) == 1 }

    /// The version and suite that were agreed on, such as `TLSv1.3 TLS_AES_128_GCM_SHA256`.
    var agreement: String {
        let suite = SSL_get_current_cipher(pointer).flatMap { SSL_CIPHER_get_name($0) }.map { String(cString: $0) }
        return "\(String(cString: SSL_get_version(pointer))) \(suite ?? "")"
    }

    /// The names in the certificate that the peer has shown; none if it showed none, or if nobody wants to know.
    var peerNames: TLSCertificateNames {
        guard context.configuration.readsNames else { return TLSCertificateNames() }
        return TLSCertificateNames.read { presence_tls_peer_names(pointer, $0, $1) }
    }

    /// Whether the handshake is not over yet.
    var isShakingHands: Bool { SSL_is_init_finished(pointer) == 0 }

    /// Whether it began with this context.
    func isOf(_ context: TLSContext) -> Bool { self.context === context }

    /// Whether the lists of another context say that the peer's certificate was taken back, or one of those above it.
    func isPeerRevoked(by context: TLSContext) -> Bool {
        presence_tls_is_peer_revoked(pointer, context.pointer) == 1
    }

    // MARK: - Lending

    private func lend(
        _ input: inout ByteBuffer, _ output: inout ByteBuffer, room: Int,
        _ call: (OpaquePointer) -> presence_tls_outcome
    ) -> Outcome {
        var result = PRESENCE_TLS_DONE
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { room in
            lent.pointee.output = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
            lent.pointee.output_capacity = room.count
            input.readWithUnsafeReadableBytes { bytes in
                lent.pointee.input = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
                lent.pointee.input_count = bytes.count
                result = call(pointer)
                return bytes.count - lent.pointee.input_count
            }
            let written = lent.pointee.output_count
            lent.pointee = presence_tls_lent()
            return written
        }
        return switch result {
        case PRESENCE_TLS_DONE: .done
        case PRESENCE_TLS_NEEDS_INPUT: .needsInput
        case PRESENCE_TLS_NEEDS_OUTPUT: .goesOn
        case PRESENCE_TLS_CLOSED: .closed
        default: .failed(failure())
        }
    }

    /// Why the last call failed: what is wrong with the peer's certificate, if that is it.
    private func failure() -> String {
        let reason = TLSContext.reason()
        guard reason == "certificate verify failed", let detail = presence_tls_verify_reason(pointer) else {
            return reason
        }
        var text = "\(reason): \(String(cString: detail))"
        if context.configuration.readsNames {
            text += " (the certificate of \(TLSCertificateNames.read { presence_tls_refused_names($0, $1) }))"
        }
        return text
    }
}
