/// Versions of the protocol. Older ones are not spoken.
public struct TLSVersions: OptionSet, Sendable {
    /// One bit for each version.
    public let rawValue: UInt8

    /// The set with these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// TLS 1.2.
    public static let tls12 = TLSVersions(rawValue: 1)
    /// TLS 1.3.
    public static let tls13 = TLSVersions(rawValue: 2)
}

/// A key that both sides of a TLS 1.3 connection know beforehand, and the name by which a client says which one it uses.
public struct TLSSharedKey: Sendable, Equatable {
    /// The name, 1 to 128 bytes. It crosses the network in the clear.
    public var identity: [UInt8]
    /// The key, 16 to 64 bytes that nobody can guess: not a password.
    public var key: [UInt8]

    /// A key of these values.
    public init(identity: [UInt8], key: [UInt8]) {
        self.identity = identity
        self.key = key
    }

    /// How long a name may be.
    public static let identityBytes = 1...128
    /// How long a key may be.
    public static let keyBytes = 16...64
}

/// What a ``TLSContext`` is made of: plain values; files are read when the context is made.
///
/// The words of ``TLSError/setting(name:value:reason:)`` are those of `cluster.conf`, behind ``settingPrefix``.
public struct TLSConfiguration: Sendable, Equatable {
    /// Which side a context is for.
    public enum Role: Sendable, Equatable {
        /// It waits for clients.
        case server
        /// It connects to servers.
        case client
    }

    /// Whether a server wants certificates of its clients.
    public enum ClientVerification: Sendable, Equatable {
        /// It does not ask.
        case none
        /// It asks; one that is sent must be good.
        case optional
        /// Who has none, or a bad one, is refused.
        case required
    }

    /// Which side this is.
    public var role: Role
    /// `tls-cert-file`: this side's certificate and the chain above it, PEM; empty for none.
    public var certificateFile = ""
    /// `tls-key-file`: the certificate's private key, PEM.
    public var keyFile = ""
    /// `tls-key-file-pass`: the password of that file; empty for none.
    public var keyFilePassword = ""
    /// `tls-ca-cert-file`: whom to trust, PEM; empty for none.
    public var authorityFile = ""
    /// `tls-ca-cert-dir`: the same as a directory of hashed names; empty for none.
    public var authorityDirectory = ""
    /// `tls-crl-file`: which certificates the authorities took back, PEM, a list of each of them; empty to look at none.
    public var revocationFile = ""
    /// A client: whether the system's list of authorities is trusted too.
    public var trustsSystemAuthorities = false
    /// `tls-auth-clients`, of a server.
    public var clientVerification = ClientVerification.required
    /// A client: whether the server's certificate and name are verified. Without it anybody may answer.
    public var verifiesServer = true
    /// `tls-protocols`.
    public var versions: TLSVersions = [.tls12, .tls13]
    /// `tls-ciphers`: suites of TLS 1.2 in OpenSSL's words; empty for those that are forward secret and authenticated.
    public var ciphers = ""
    /// `tls-ciphersuites`: suites of TLS 1.3; empty for OpenSSL's.
    public var ciphersuites = ""
    /// `tls-prefer-server-ciphers`.
    public var prefersServerCiphers = false
    /// `tls-psk-file`: a server's are those that it knows, a client's first one is what it shows. TLS 1.3 only.
    public var sharedKeys: [TLSSharedKey] = []
    /// Whether the names in the peer's certificate are read: they are told when the handshake is over, and when the certificate is refused.
    public var readsNames = false
    /// What errors write before the names of settings, such as `peer-`.
    public var settingPrefix = ""

    /// A configuration of that side without a certificate or key.
    public init(role: Role) { self.role = role }

    /// The suites of TLS 1.2 that are used where none are named.
    public static let defaultCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20"
    /// The suite whose hash external keys of TLS 1.3 are bound to, and its equal on machines without AES.
    static let sharedKeySuites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
}
