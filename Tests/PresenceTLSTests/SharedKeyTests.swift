import NIOCore
import NIOEmbedded
import PresenceTLS
import Testing

@Suite("A pre-shared key")
struct SharedKeyTests {
    private let good = Certificates.key("node-a", 7)

    private func client(_ key: TLSSharedKey?, trusting authority: String? = nil) -> TLSConfiguration {
        var configuration = TLSConfiguration(role: .client)
        configuration.sharedKeys = key.map { [$0] } ?? []
        configuration.authorityFile = authority.map { Certificates.file("\($0).pem") } ?? ""
        return configuration
    }

    /// A server with keys and no certificate.
    private func keyServer(_ keys: [TLSSharedKey]) -> TLSConfiguration {
        var configuration = TLSConfiguration(role: .server)
        configuration.sharedKeys = keys
        return configuration
    }

    @Test("that both have makes certificates needless, in TLS 1.3 with SHA-256")
    func opens() throws {
        let pair = try TLSPair(
            client: client(good), server: keyServer([Certificates.key("other", 1), good]), serverName: nil)
        try pair.carry()
        let expected = TLSHandler.HandshakeFinished(agreement: "TLSv1.3 TLS_AES_128_GCM_SHA256", usesSharedKey: true)
        #expect(pair.clientEnd.errors == [] && pair.serverEnd.errors == [])
        #expect(pair.serverEnd.errors == [])
        #expect(pair.clientEnd.handshake == expected)
        #expect(pair.serverEnd.handshake == expected)
        TLSPair.write([1, 2, 3], to: pair.server)
        try pair.carry()
        #expect(pair.clientEnd.bytes == [1, 2, 3])
    }

    @Test("that is unknown, or has another value, or a name that only begins the same, opens nothing")
    func bad() throws {
        for shown in [
            Certificates.key("node-b", 7), Certificates.key("node-a", 8), Certificates.key("node-", 7),
            Certificates.key("node-a1", 7),
            Certificates.key("node-a", 7, count: 16),
        ] {
            let pair = try TLSPair(client: client(shown), server: keyServer([good]), serverName: nil)
            try pair.carry()
            #expect(pair.clientEnd.handshake == nil && pair.serverEnd.handshake == nil)
            #expect(pair.clientEnd.errors.count == 1 && pair.serverEnd.errors.count == 1)
            #expect(!pair.client.isActive && !pair.server.isActive)
        }
    }

    @Test("of a server is not asked of clients that come with certificates, nor the reverse")
    func besideCertificates() throws {
        let server = Certificates.server {
            $0.clientVerification = .required
            $0.authorityFile = Certificates.file("ca.pem")
            $0.sharedKeys = [self.good]
        }
        let withKey = try TLSPair(client: client(good), server: server, serverName: nil)
        try withKey.carry()
        #expect(withKey.serverEnd.handshake?.usesSharedKey == true)
        let withCertificate = try TLSPair(
            client: Certificates.client {
                $0.certificateFile = Certificates.file("client.pem")
                $0.keyFile = Certificates.file("client-key.pem")
            }, server: server)
        try withCertificate.carry()
        #expect(withCertificate.serverEnd.handshake?.usesSharedKey == false)
        let withNeither = try TLSPair(client: Certificates.client(), server: server)
        try withNeither.carry()
        #expect(withNeither.serverEnd.errors == [.handshake(reason: "peer did not return a certificate")])
        let withWrongName = try TLSPair(client: client(Certificates.key("node-x", 7), trusting: "ca"), server: server)
        try withWrongName.carry()
        #expect(withWrongName.serverEnd.handshake == nil, "an unknown key is no certificate")
    }

    @Test("protects a client that verifies nothing else from a server without it")
    func impostor() throws {
        var trusting = client(good)
        trusting.verifiesServer = false
        let pair = try TLSPair(client: trusting, server: Certificates.server(), serverName: nil)
        try pair.carry()
        #expect(pair.clientEnd.handshake == nil)
        #expect(pair.clientEnd.errors == [.handshake(reason: "the server did not use the pre-shared key")])
        let careful = try TLSPair(client: client(good), server: Certificates.server(), serverName: nil)
        try careful.carry()
        #expect(careful.clientEnd.handshake == nil)
    }

    @Test("is TLS 1.3's")
    func version() throws {
        var server = keyServer([good])
        server.versions = .tls12
        #expect(throws: TLSError.setting(name: "tls-protocols", value: "", reason: "pre-shared keys need TLSv1.3")) {
            try TLSContext(server)
        }
    }
}
