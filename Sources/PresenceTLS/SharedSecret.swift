import COpenSSL

/// A secret that all nodes of a cluster have, and the keys that follow from it: one secret file serves for many purposes, and a key that gets out
/// tells nothing of the others.
///
/// A key is HMAC-SHA-256 of a label under the secret (RFC 2104): the same on all nodes, another one for each label. The secret itself protects
/// nothing, and is never sent.
public struct SharedSecret: Sendable {
    private let secret: [UInt8]

    /// A secret of these bytes: 16 or more that nobody can guess.
    public init(_ secret: [UInt8]) { self.secret = secret }

    /// Bytes that a secret in a file has.
    public static let allowedBytes = 16...64

    /// The secret that a text says, as the file of a cluster's secret has it: 32 to 128 hexadecimal digits, white space aside. Nil if it is something else.
    public init?(hexadecimal text: some StringProtocol) {
        guard let secret = HexadecimalText.bytes(of: String(text).filter { !$0.isWhitespace }),
            Self.allowedBytes.contains(secret.count)
        else { return nil }
        self.secret = secret
    }

    /// Bytes of a derived key.
    public static let keyBytes = 32

    /// The key for one purpose, 32 bytes.
    ///
    /// - Parameter label: names the purpose, with a version, such as `presenced hash 1`.
    /// - Throws: ``TLSError/noMemory``.
    public func derive(_ label: String) throws(TLSError) -> [UInt8] {
        let text = Array(label.utf8)
        var key = [UInt8](repeating: 0, count: Self.keyBytes)
        guard presence_tls_hmac_sha256(secret, secret.count, text, text.count, &key) == 1 else { throw .noMemory }
        return key
    }

    /// The pre-shared key by which the nodes of a cluster know each other. Its name is its label, and crosses the network in the clear.
    ///
    /// - Throws: ``TLSError/noMemory``.
    public func peerKey(ofCluster name: String) throws(TLSError) -> TLSSharedKey {
        let label = "presenced peers 1 \(name)"
        return TLSSharedKey(identity: Array(label.utf8), key: try derive(label))
    }

    /// The secret of the hash by which all nodes of a cluster name users: the first two words of its key, little endian.
    ///
    /// - Throws: ``TLSError/noMemory``.
    public func hashSecret() throws(TLSError) -> (UInt64, UInt64) {
        let key = try derive("presenced hash 1")
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        return (word(key[0..<8]), word(key[8..<16]))
    }

    /// What nodes compare to find out whether they have the same secret: 32 hexadecimal digits from which nobody learns it.
    ///
    /// - Throws: ``TLSError/noMemory``.
    public func fingerprint() throws(TLSError) -> String {
        try derive("presenced fingerprint 1").prefix(16).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}
