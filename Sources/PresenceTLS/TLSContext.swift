import COpenSSL

/// Certificate, key, trust and rules of many connections, read from files once: OpenSSL's `SSL_CTX`.
///
/// A context never changes. To reload certificates make another and use it for what connects from then on; connections keep theirs.
///
/// Safe to use from any thread: OpenSSL counts references atomically and nothing is set after the making, hence `@unchecked Sendable`.
public final class TLSContext: @unchecked Sendable {
    /// What it was made of.
    public let configuration: TLSConfiguration
    let pointer: OpaquePointer
    /// OpenSSL has a pointer to it that it does not count.
    private let sharedKeys: SharedKeyTable

    /// Reads the files and checks that all fits together.
    ///
    /// - Throws: ``TLSError/setting(name:value:reason:)`` that names the setting at fault.
    public init(_ configuration: TLSConfiguration) throws(TLSError) {
        let method = configuration.role == .server ? TLS_server_method() : TLS_client_method()
        guard let pointer = SSL_CTX_new(method) else { throw .noMemory }
        self.configuration = configuration
        self.pointer = pointer
        sharedKeys = SharedKeyTable(configuration.sharedKeys)
        // From here on `deinit` frees the pointer, whatever is thrown.
        presence_tls_set_habits(pointer)
        try setVersions()
        try setSuites()
        try loadCertificate()
        try loadAuthorities()
        try loadRevocations()
        setVerification()
        if !configuration.sharedKeys.isEmpty { sharedKeys.install(in: pointer, role: configuration.role) }
    }

    deinit { SSL_CTX_free(pointer) }

    /// Whether clients can only come with a pre-shared key.
    private var hasSharedKeysOnly: Bool { !configuration.sharedKeys.isEmpty && configuration.certificateFile.isEmpty }

    /// The names in this side's own certificate.
    public var ownNames: TLSCertificateNames {
        TLSCertificateNames.read { presence_tls_names(SSL_CTX_get0_certificate(pointer), $0, $1) }
    }

    /// Verifies this side's own certificate as peers do who trust the same authorities and know the same lists of what those took back, in both roles. Reads the
    /// clock, as every verification does.
    ///
    /// - Throws: ``TLSError/setting(name:value:reason:)`` with what they would say.
    public func verifyOwnCertificate() throws(TLSError) {
        guard let text = presence_tls_own_certificate_problem(pointer) else { return }
        let reason = String(cString: text)
        // OpenSSL's words.
        guard !reason.contains("CRL") else { throw problem("tls-crl-file", configuration.revocationFile, reason) }
        throw problem("tls-cert-file", configuration.certificateFile, reason)
    }

    /// What is wrong with a setting.
    private func problem(_ name: String, _ value: String, _ reason: String) -> TLSError {
        .setting(name: configuration.settingPrefix + name, value: value, reason: reason)
    }

    private func setVersions() throws(TLSError) {
        var versions = configuration.versions
        if hasSharedKeysOnly, configuration.role == .server || configuration.authorityFile.isEmpty {
            // External keys are TLS 1.3's.
            versions.formIntersection(.tls13)
        }
        guard !versions.isEmpty else {
            throw problem("tls-protocols", "", "pre-shared keys need TLSv1.3")
        }
        let lowest = versions.contains(.tls12) ? TLS1_2_VERSION : TLS1_3_VERSION
        let highest = versions.contains(.tls13) ? TLS1_3_VERSION : TLS1_2_VERSION
        guard presence_tls_set_versions(pointer, lowest, highest) == 1 else {
            throw problem("tls-protocols", "", Self.reason())
        }
    }

    private func setSuites() throws(TLSError) {
        let ciphers = configuration.ciphers.isEmpty ? TLSConfiguration.defaultCiphers : configuration.ciphers
        guard SSL_CTX_set_cipher_list(pointer, ciphers) == 1 else {
            throw problem("tls-ciphers", ciphers, Self.reason())
        }
        var suites = configuration.ciphersuites
        if !configuration.sharedKeys.isEmpty {
            // The key is bound to SHA-256: a suite with another hash would make the peers pass over it. So these come first, by our choice; a
            // client, and a server that has nothing but keys, offers no other.
            let others =
                hasSharedKeysOnly
                ? [] : (suites.isEmpty ? "TLS_AES_256_GCM_SHA384" : suites).split(separator: ":").map(String.init)
            let first = TLSConfiguration.sharedKeySuites.split(separator: ":").map(String.init)
            suites = (first + others.filter { !first.contains($0) }).joined(separator: ":")
        }
        if !suites.isEmpty, SSL_CTX_set_ciphersuites(pointer, suites) != 1 {
            throw problem("tls-ciphersuites", suites, Self.reason())
        }
        if configuration.prefersServerCiphers || !configuration.sharedKeys.isEmpty {
            presence_tls_prefer_server_ciphers(pointer)
        }
    }

    private func loadCertificate() throws(TLSError) {
        guard !configuration.certificateFile.isEmpty else {
            guard configuration.role == .client || !configuration.sharedKeys.isEmpty else {
                throw problem(
                    "tls-cert-file", "", "a server needs a certificate, or tls-psk-file")
            }
            return
        }
        guard !configuration.keyFile.isEmpty else {
            throw problem("tls-key-file", "", "the key of \(configuration.settingPrefix)tls-cert-file is missing")
        }
        guard SSL_CTX_use_certificate_chain_file(pointer, configuration.certificateFile) == 1 else {
            throw problem("tls-cert-file", configuration.certificateFile, Self.reason())
        }
        try loadKey()
    }

    private func loadKey() throws(TLSError) {
        var isLocked = false
        let isLoaded = configuration.keyFilePassword.withCString { text in
            var password = presence_tls_password(text: text, is_asked: 0)
            defer { isLocked = password.is_asked != 0 }
            return withUnsafeMutablePointer(to: &password) { password in
                presence_tls_set_password(pointer, password)
                defer { presence_tls_set_password(pointer, nil) }
                return SSL_CTX_use_PrivateKey_file(pointer, configuration.keyFile, SSL_FILETYPE_PEM) == 1
            }
        }
        guard isLoaded else {
            var reason = Self.reason()
            if reason == "key values mismatch" {
                reason =
                    "it is not the key of \(configuration.settingPrefix)tls-cert-file \(configuration.certificateFile)"
            } else if isLocked {
                // OpenSSL's own words differ with what a wrong password makes of the key, once in 256 keys.
                reason =
                    configuration.keyFilePassword.isEmpty
                    ? "the key is locked: set \(configuration.settingPrefix)tls-key-file-pass"
                    : "\(configuration.settingPrefix)tls-key-file-pass does not open the key"
            }
            throw problem("tls-key-file", configuration.keyFile, reason)
        }
        guard SSL_CTX_check_private_key(pointer) == 1 else {
            throw problem(
                "tls-key-file", configuration.keyFile,
                "it is not the key of \(configuration.settingPrefix)tls-cert-file \(configuration.certificateFile)")
        }
    }

    private func loadAuthorities() throws(TLSError) {
        if !configuration.authorityFile.isEmpty,
            SSL_CTX_load_verify_file(pointer, configuration.authorityFile) != 1
        {
            throw problem("tls-ca-cert-file", configuration.authorityFile, Self.reason())
        }
        // OpenSSL looks into the directory only when a certificate is to be verified.
        if !configuration.authorityDirectory.isEmpty,
            presence_tls_open_directory(configuration.authorityDirectory) != 1
                || SSL_CTX_load_verify_dir(pointer, configuration.authorityDirectory) != 1
        {
            throw problem("tls-ca-cert-dir", configuration.authorityDirectory, Self.reason())
        }
        if configuration.trustsSystemAuthorities { SSL_CTX_set_default_verify_paths(pointer) }
        let hasAuthorities = !configuration.authorityFile.isEmpty || !configuration.authorityDirectory.isEmpty
        if configuration.role == .server, configuration.clientVerification != .none, !hasAuthorities, !hasSharedKeysOnly
        {
            throw problem(
                "tls-ca-cert-file", "",
                "clients' certificates are wanted (tls-auth-clients), and there is nobody to trust")
        }
    }

    private func loadRevocations() throws(TLSError) {
        guard !configuration.revocationFile.isEmpty else { return }
        var reason = ""
        let isLoaded = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
            text.initialize(repeating: 0)
            let result = presence_tls_load_revocations(
                pointer, configuration.revocationFile, text.baseAddress, text.count)
            reason = text.baseAddress.map { String(cString: $0) } ?? ""
            return result == 1
        }
        guard isLoaded else { throw problem("tls-crl-file", configuration.revocationFile, reason) }
    }

    private func setVerification() {
        let mode: Int32 =
            switch configuration.role {
            case .client: configuration.verifiesServer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE
            case .server:
                switch configuration.clientVerification {
                case .none: SSL_VERIFY_NONE
                case .optional: SSL_VERIFY_PEER
                case .required: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                }
            }
        SSL_CTX_set_verify(pointer, mode, configuration.readsNames ? presence_tls_note_refused : nil)
        if configuration.role == .server {
            // To OpenSSL a pre-shared key is a session, and where certificates are verified it wants to know whose.
            SSL_CTX_set_session_id_context(pointer, [1], 1)
        }
    }

    /// Why OpenSSL's last call on this thread failed.
    static func reason() -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { text in
            presence_tls_reason(text.baseAddress, text.count)
            return text.baseAddress.map { String(cString: $0) } ?? ""
        }
    }
}
