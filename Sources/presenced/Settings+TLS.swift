import PresenceTLS

/// The settings of the TLS port. Redis's names and meanings; the pre-shared keys and the time-out are ours.
struct TLSSettings: Equatable, Sendable {
    /// 0: no TLS.
    var port = 0
    var certFile = ""
    var keyFile = ""
    var keyFilePass = ""
    var caCertFile = ""
    var caCertDir = ""
    var crlFile = ""
    var authClients = "yes"
    var protocols: TLSVersions = [.tls12, .tls13]
    var ciphers = ""
    var ciphersuites = ""
    var preferServerCiphers = false
    var pskFile = ""
    /// Milliseconds.
    var handshakeTimeout = 10_000
}

extension Settings {
    /// The TLS port's part of ``table``.
    static let tlsTable = [
        Setting(
            "tls-port", .tls, \.tls.port, .integer(0...65_535), isLive: false,
            """
            Port of the RESP listener that speaks TLS, 6390 as a rule; 0 for none. It needs a certificate or pre-shared
            keys. With `port 0` it is the only one.
            """),
        Setting(
            "tls-cert-file", .tls, \.tls.certFile, .text(0...4_096), isLive: true,
            """
            The server's certificate and the chain above it, PEM. It is read anew whenever one of the `tls-` files is
            set, be it to the same name, and on SIGHUP; a file that cannot be used changes nothing. Connections keep
            the certificate that they began with.
            """),
        Setting(
            "tls-key-file", .tls, \.tls.keyFile, .text(0...4_096), isLive: true,
            "The private key of `tls-cert-file`, PEM. A new pair is set with one `CONFIG SET` of both."),
        Setting(
            "tls-key-file-pass", .tls, \.tls.keyFilePass, .text(0...512), isLive: true,
            "The password of `tls-key-file`; empty for none."),
        Setting(
            "tls-ca-cert-file", .tls, \.tls.caCertFile, .text(0...4_096), isLive: true,
            "The authorities whose client certificates are good, PEM."),
        Setting(
            "tls-ca-cert-dir", .tls, \.tls.caCertDir, .text(0...4_096), isLive: true,
            "The same as a directory, each file under its hash, as `openssl rehash` makes it."),
        Setting(
            "tls-crl-file", .tls, \.tls.crlFile, .text(0...4_096), isLive: true,
            """
            Which certificates those authorities took back, PEM, as `openssl ca -gencrl` makes it: a list of each authority,
            none of which may have ended. It is looked at when a client connects, and read anew as `tls-cert-file` is; then
            connections of clients whose certificate it names are closed. Once a list has ended no client with a certificate
            gets in until there is a new one, and those that are there stay.
            """),
        Setting(
            "tls-auth-clients", .tls, \.tls.authClients, .choice(["no", "optional", "yes"]), isLive: true,
            """
            Whether clients must show a certificate. With `optional` one that is shown must be good. A pre-shared key
            stands for a certificate.
            """),
        Setting(
            "tls-protocols", .tls, \.tls.protocols, .tlsVersions, isLive: true, isList: true,
            "The versions that are spoken. Older ones are not served."),
        Setting(
            "tls-ciphers", .tls, \.tls.ciphers, .text(0...4_096), isLive: true,
            """
            Suites of TLS 1.2 in OpenSSL's words; empty for those that are forward secret and authenticated,
            `ECDHE+AESGCM:ECDHE+CHACHA20`.
            """),
        Setting(
            "tls-ciphersuites", .tls, \.tls.ciphersuites, .text(0...4_096), isLive: true,
            "Suites of TLS 1.3, such as `TLS_CHACHA20_POLY1305_SHA256`; empty for OpenSSL's."),
        Setting(
            "tls-prefer-server-ciphers", .tls, \.tls.preferServerCiphers, .yesOrNo, isLive: true,
            "Whether the server's order of suites decides, and not the client's. With `tls-psk-file` it does."),
        Setting(
            "tls-psk-file", .tls, \.tls.pskFile, .text(0...4_096), isLive: true,
            """
            Pre-shared keys for TLS 1.3, a line each: a name, a colon, the key as 32 to 128 hexadecimal digits; make one
            with `openssl rand -hex 32`. Who shows one needs no certificate, and a server with keys needs none either.
            """),
        Setting(
            "tls-handshake-timeout", .tls, \.tls.handshakeTimeout, .duration(100...600_000), isLive: true,
            "How long a client may take for the handshake; then the connection is closed."),
    ]

    /// What the TLS port is made of.
    ///
    /// - Throws: what is wrong with `tls-psk-file`, which is read here.
    func tlsConfiguration() throws(TLSError) -> TLSConfiguration {
        var configuration = TLSConfiguration(role: .server)
        configuration.certificateFile = tls.certFile
        configuration.keyFile = tls.keyFile
        configuration.keyFilePassword = tls.keyFilePass
        configuration.authorityFile = tls.caCertFile
        configuration.authorityDirectory = tls.caCertDir
        configuration.revocationFile = tls.crlFile
        configuration.clientVerification =
            switch tls.authClients {
            case "no": .none
            case "optional": .optional
            default: .required
            }
        configuration.versions = tls.protocols
        configuration.ciphers = tls.ciphers
        configuration.ciphersuites = tls.ciphersuites
        configuration.prefersServerCiphers = tls.preferServerCiphers
        if !tls.pskFile.isEmpty { configuration.sharedKeys = try SharedKeyFile(path: tls.pskFile).keys() }
        return configuration
    }

    /// Every rule between the settings of the TLS port that is broken.
    func brokenTLSRelations() -> [BrokenRelation] {
        var broken: [BrokenRelation] = []
        func require(_ holds: Bool, _ names: [String], _ message: String) {
            if !holds { broken.append(BrokenRelation(names: names, message: message)) }
        }
        require(
            port != 0 || tls.port != 0, ["port", "tls-port"],
            "port 0 and tls-port 0 leave nothing to connect to: set one of them")
        guard tls.port != 0 else { return broken }
        require(
            tls.port != port, ["tls-port", "port"], "tls-port \(tls.port) is the port without TLS too: choose another")
        require(
            !tls.certFile.isEmpty || !tls.pskFile.isEmpty, ["tls-port", "tls-cert-file", "tls-psk-file"],
            "tls-port \(tls.port) needs a certificate (tls-cert-file, tls-key-file) or pre-shared keys (tls-psk-file)")
        require(
            tls.certFile.isEmpty == tls.keyFile.isEmpty, ["tls-cert-file", "tls-key-file"],
            tls.certFile.isEmpty
                ? "tls-key-file \(tls.keyFile) is the key of no certificate: set tls-cert-file too"
                : "tls-cert-file \(tls.certFile) is nothing without its key: set tls-key-file too")
        require(
            tls.certFile.isEmpty || tls.authClients == "no" || !tls.caCertFile.isEmpty || !tls.caCertDir.isEmpty,
            ["tls-auth-clients", "tls-ca-cert-file", "tls-ca-cert-dir", "tls-port"],
            "tls-auth-clients \(tls.authClients) needs authorities to trust: tls-ca-cert-file or tls-ca-cert-dir, "
                + "or tls-auth-clients no to ask clients for no certificate")
        require(
            tls.crlFile.isEmpty || !tls.caCertFile.isEmpty || !tls.caCertDir.isEmpty,
            ["tls-crl-file", "tls-ca-cert-file", "tls-ca-cert-dir"],
            "tls-crl-file \(tls.crlFile) is about certificates of authorities, and none is trusted: set tls-ca-cert-file"
        )
        return broken
    }
}

extension ValueForm<TLSVersions> {
    private static let names: [(String, TLSVersions)] = [("TLSv1.2", .tls12), ("TLSv1.3", .tls13)]

    /// Names of versions, in one string as Redis has them or as words.
    static let tlsVersions = ValueForm(unit: "versions", allowed: "TLSv1.2, TLSv1.3, or both") {
        (words, _) throws(ValueError) in
        var versions: TLSVersions = []
        for word in words.flatMap({ $0.split(separator: " ") }) {
            guard let version = names.first(where: { $0.0.lowercased() == word.lowercased() })?.1 else {
                throw ValueError(message: "'\(word)' is not served; allowed: TLSv1.2, TLSv1.3, or both")
            }
            versions.insert(version)
        }
        guard !versions.isEmpty else { throw ValueError(message: "a version is missing; allowed: TLSv1.2, TLSv1.3") }
        return versions
    } format: { versions in
        names.filter { versions.contains($0.1) }.map(\.0).joined(separator: " ")
    }
}
