import NIOCore
import NIOEmbedded
import PresenceTLS
import PresenceTesting
import Testing

/// The two versions, for tests that hold for both.
private let both: [TLSVersions] = [.tls12, .tls13]

/// A client's certificate, what the server wants, and why it refuses.
struct ClientCase: Sendable, CustomTestStringConvertible {
    let name: String
    let verification: TLSConfiguration.ClientVerification
    let refusal: String?

    init(_ name: String, _ verification: TLSConfiguration.ClientVerification, _ refusal: String? = nil) {
        self.name = name
        self.verification = verification
        self.refusal = refusal
    }

    var testDescription: String { "\(name.isEmpty ? "no certificate" : name), \(verification)" }
}

@Suite("A handshake")
struct HandshakeTests {
    @Test("ends in the version and a suite that both allow", arguments: both)
    func agrees(_ version: TLSVersions) throws {
        let pair = try TLSPair(client: Certificates.client { $0.versions = version }, server: Certificates.server())
        try pair.carry()
        #expect(pair.isOpen)
        #expect(pair.serverEnd.handshake == pair.clientEnd.handshake)
        let agreement = pair.serverEnd.handshake?.agreement ?? ""
        #expect(agreement.hasPrefix(version == .tls12 ? "TLSv1.2 ECDHE" : "TLSv1.3 TLS_"))
        #expect(pair.serverEnd.handshake?.usesSharedKey == false)
    }

    @Test(
        "ends the same when its bytes come one by one, or in pieces of any length", arguments: both,
        [0, 1, 2, 3, 4, 5, 6, 7])
    func splits(_ version: TLSVersions, _ seed: UInt64) throws {
        let pair = try TLSPair(client: Certificates.client { $0.versions = version }, server: Certificates.server())
        var random = SeededRandom(seed: seed)
        pair.split = { seed == 0 ? 1 : Int.random(in: 1...max(1, $0), using: &random) }
        try pair.carry()
        #expect(pair.isOpen)
        TLSPair.write(Array("PING".utf8), to: pair.client)
        try pair.carry()
        #expect(pair.serverEnd.bytes == Array("PING".utf8))
    }

    @Test("fails where the versions do not meet, and both are told")
    func noCommonVersion() throws {
        let pair = try TLSPair(
            client: Certificates.client { $0.versions = .tls12 }, server: Certificates.server { $0.versions = .tls13 })
        try pair.carry()
        #expect(!pair.isOpen)
        #expect(pair.serverEnd.errors == [.handshake(reason: "unsupported protocol")])
        #expect(pair.clientEnd.errors == [.handshake(reason: "tlsv1 alert protocol version")])
        #expect(!pair.server.isActive && !pair.client.isActive)
    }

    @Test("uses the suites that are named", arguments: [false, true])
    func suites(_ prefersServer: Bool) throws {
        let pair = try TLSPair(
            client: Certificates.client { $0.ciphersuites = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256" },
            server: Certificates.server {
                $0.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
                $0.prefersServerCiphers = prefersServer
            })
        try pair.carry()
        #expect(
            pair.clientEnd.handshake?.agreement
                == (prefersServer ? "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256" : "TLSv1.3 TLS_AES_256_GCM_SHA384"))
    }

    @Test("of a client that verifies fails for a server of another name, another authority, or the past")
    func serverCertificates() throws {
        for (server, authority, name, reason) in [
            ("server", "ca", "elsewhere.example", "hostname mismatch"),
            ("server", "ca", "127.0.0.2", "IP address mismatch"),
            ("other", "ca", "localhost", "hostname mismatch"),
            ("server", "foreign-ca", "localhost", "unable to get local issuer certificate"),
            ("expired", "ca", "expired.example", "certificate has expired"),
        ] {
            let pair = try TLSPair(
                client: Certificates.client(trusting: authority), server: Certificates.server(server), serverName: name)
            try pair.carry()
            #expect(
                pair.clientEnd.errors == [.handshake(reason: "certificate verify failed: \(reason)")],
                "\(server) \(name)")
            #expect(!pair.isOpen)
            #expect(pair.serverEnd.errors.count == 1, "the alert reaches the server")
        }
        for name in ["localhost", "127.0.0.1"] {
            let pair = try TLSPair(client: Certificates.client(), server: Certificates.server(), serverName: name)
            try pair.carry()
            #expect(pair.isOpen, "\(name)")
        }
    }

    @Test(
        "of a server asks clients for certificates as it is told",
        arguments: [
            ClientCase("", .required, "peer did not return a certificate"),
            ClientCase("", .optional), ClientCase("", .none), ClientCase("client", .required),
            ClientCase("client", .optional), ClientCase("foreign", .none),
            ClientCase("foreign", .required, "certificate verify failed: unable to get local issuer certificate"),
            ClientCase("foreign", .optional, "certificate verify failed: unable to get local issuer certificate"),
            ClientCase("expired", .required, "certificate verify failed: certificate has expired"),
            ClientCase("expired", .optional, "certificate verify failed: certificate has expired"),
        ], both)
    func clientCertificates(_ theCase: ClientCase, _ version: TLSVersions) throws {
        let (name, verification, refusal) = (theCase.name, theCase.verification, theCase.refusal)
        let pair = try TLSPair(
            client: Certificates.client {
                $0.versions = version
                guard !name.isEmpty else { return }
                $0.certificateFile = Certificates.file("\(name).pem")
                $0.keyFile = Certificates.file("\(name)-key.pem")
            },
            server: Certificates.server {
                $0.clientVerification = verification
                $0.authorityDirectory = Certificates.file("authorities")
            })
        try pair.carry()
        #expect(pair.serverEnd.errors == (refusal.map { [.handshake(reason: $0)] } ?? []))
        #expect((pair.serverEnd.handshake != nil) == (refusal == nil))
        #expect(pair.server.isActive == (refusal == nil))
        #expect(pair.client.isActive == (refusal == nil), "a refused client learns it at the latest when it reads")
    }

    @Test("that does not end in time is ended")
    func timeOut() throws {
        var options = TLSHandler.Options()
        options.handshakeTimeoutMilliseconds = 3000
        let pair = try TLSPair(client: Certificates.client(), server: Certificates.server(), serverOptions: options)
        pair.server.embeddedEventLoop.advanceTime(by: .milliseconds(2999))
        #expect(pair.server.isActive)
        pair.server.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!pair.server.isActive)
        #expect(pair.serverEnd.errors == [.handshakeTimedOut(milliseconds: 3000)])
        let other = try TLSPair(client: Certificates.client(), server: Certificates.server(), serverOptions: options)
        try other.carry()
        other.server.embeddedEventLoop.advanceTime(by: .seconds(10))
        #expect(other.server.isActive && other.serverEnd.errors.isEmpty, "a finished one has all the time")
    }

    @Test("that is cut is told from a connection that is")
    func cut() throws {
        let pair = try TLSPair(client: Certificates.client(), server: Certificates.server())
        try pair.server.writeInbound(TLSPair.sent(by: pair.client))
        TLSPair.cut(pair.server)
        #expect(pair.serverEnd.errors == [.handshakeCut])
        #expect(pair.serverEnd.isInactive)
    }

    @Test("of endless length is refused")
    func endless() throws {
        let pair = try TLSPair(client: Certificates.client(), server: Certificates.server())
        // Records of a handshake message that says it has 100 000 bytes, again and again.
        var record = ByteBuffer(bytes: [22, 3, 1, 0x40, 0])
        record.writeRepeatingByte(1, count: 16384)
        for _ in 0..<20 where pair.server.isActive { try pair.server.writeInbound(record) }
        #expect(!pair.server.isActive)
        #expect(pair.serverEnd.errors.count == 1)
    }

    @Test("keeps what is written before its end, within bounds")
    func earlyWrites() throws {
        let pair = try TLSPair(client: Certificates.client(), server: Certificates.server())
        TLSPair.write(Array("PI".utf8), to: pair.client)
        TLSPair.write(Array("NG".utf8), to: pair.client)
        try pair.carry()
        #expect(pair.serverEnd.bytes == Array("PING".utf8))
        let other = try TLSPair(client: Certificates.client(), server: Certificates.server())
        let result = other.client.writeAndFlush(ByteBuffer(repeating: 0, count: 65_537))
        #expect(throws: TLSError.tooMuchBeforeHandshake(bytes: 65_536)) { try result.wait() }
        #expect(!other.client.isActive)
    }

    @Test(
        "is refused in plain words to who speaks plain words",
        arguments: ["PING\r\n", "*1\r\n$4\r\nPING\r\n", "\r\n", "GET / HTTP/1.1\r\n\r\n"])
    func plainText(_ text: String) throws {
        var options = TLSHandler.Options()
        options.plainTextReply = "-ERR this port speaks TLS\r\n"
        let pair = try TLSPair(client: Certificates.client(), server: Certificates.server(), serverOptions: options)
        try pair.server.writeInbound(ByteBuffer(string: text))
        try pair.server.writeInbound(ByteBuffer(string: "and so on"))
        #expect(String(buffer: try TLSPair.sent(by: pair.server)) == options.plainTextReply)
        pair.server.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!pair.server.isActive)
        #expect(pair.serverEnd.bytes.isEmpty && pair.serverEnd.errors.isEmpty)
    }

    @Test("is refused to garbage")
    func garbage() throws {
        for seed in 0..<50 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let pair = try TLSPair(client: Certificates.client(), server: Certificates.server())
            var bytes = (0..<400).map { _ in UInt8.random(in: 0...255, using: &random) }
            bytes[0] = seed % 2 == 0 ? 22 : UInt8.random(in: 0x80...0xff, using: &random)
            // A length that is there, so that nothing is waited for.
            (bytes[1], bytes[2], bytes[3], bytes[4]) = (3, 1, 0, 100)
            // Garbage may say that it goes on, for as long as a handshake may.
            for _ in 0..<1000 where pair.server.isActive { try pair.server.writeInbound(ByteBuffer(bytes: bytes)) }
            #expect(!pair.server.isActive, "seed \(seed)")
            #expect(pair.serverEnd.errors.count == 1, "seed \(seed)")
        }
    }
}
