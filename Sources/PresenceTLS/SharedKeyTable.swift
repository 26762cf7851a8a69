import COpenSSL

/// The pre-shared keys of a context, as OpenSSL's callbacks look for them.
///
/// A look-up compares with every identity and every byte of it: how long it takes does not tell how much of a guess was right. Constant
/// after its making, hence `@unchecked Sendable`.
final class SharedKeyTable: @unchecked Sendable {
    private let keys: [TLSSharedKey]
    /// The identity of the first key, at an address that OpenSSL may read after a callback has returned.
    private let shown: UnsafeMutableBufferPointer<UInt8>

    init(_ keys: [TLSSharedKey]) {
        self.keys = keys
        let identity = keys.first?.identity ?? []
        shown = .allocate(capacity: max(1, identity.count))
        shown.initialize(repeating: 0)
        for (index, byte) in identity.enumerated() { shown[index] = byte }
    }

    deinit { shown.deallocate() }

    /// The key with this identity.
    func key(for identity: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var found: [UInt8]?
        for candidate in keys where candidate.identity.count == identity.count {
            if CRYPTO_memcmp(candidate.identity, identity.baseAddress, identity.count) == 0 { found = candidate.key }
        }
        return found
    }

    // MARK: - OpenSSL's callbacks

    /// Has `context` accept (or show) the keys, for as long as this table lives.
    func install(in context: OpaquePointer, role: TLSConfiguration.Role) {
        SSL_CTX_set_ex_data(context, 0, Unmanaged.passUnretained(self).toOpaque())
        switch role {
        case .server:
            SSL_CTX_set_psk_find_session_callback(context) { connection, identity, count, session in
                guard let connection, let identity, let session else { return 0 }
                session.pointee = nil
                if let key = SharedKeyTable.of(connection)?.key(for: .init(start: identity, count: count)) {
                    session.pointee = presence_tls_shared_key_session(connection, key, key.count)
                }
                // Without a session the handshake goes on with certificates, or fails where there are none.
                return 1
            }
        case .client:
            SSL_CTX_set_psk_use_session_callback(context) { connection, _, identity, count, session in
                guard let connection, let identity, let count, let session else { return 0 }
                session.pointee = nil
                guard let table = SharedKeyTable.of(connection), let first = table.keys.first else { return 1 }
                identity.pointee = UnsafePointer(table.shown.baseAddress)
                count.pointee = first.identity.count
                session.pointee = presence_tls_shared_key_session(connection, first.key, first.key.count)
                return session.pointee == nil ? 0 : 1
            }
        }
    }

    private static func of(_ connection: OpaquePointer) -> SharedKeyTable? {
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), 0).map {
            Unmanaged<SharedKeyTable>.fromOpaque($0).takeUnretainedValue()
        }
    }
}
