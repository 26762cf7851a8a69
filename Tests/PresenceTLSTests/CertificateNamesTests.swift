import Testing

@testable import PresenceTLS

@Suite("Names in a certificate")
struct CertificateNamesTests {
    @Test("are its alternative names; the common name only where there are none")
    func alternative() {
        let names = TLSCertificateNames(lines: "Dnode-a\nA10.0.0.1\nDHost.Example\nCcommon\n")
        #expect(names.names == ["node-a", "Host.Example"] && names.addresses == ["10.0.0.1"])
        #expect(names.description == "node-a, Host.Example, 10.0.0.1")
        #expect(!names.has(name: "common"))
        let common = TLSCertificateNames(lines: "Ccommon\n")
        #expect(common.has(name: "common") && common.description == "common")
        #expect(TLSCertificateNames(lines: "").isEmpty && TLSCertificateNames().description == "nobody")
    }

    @Test("are compared letter by letter, those of hosts without regard to capitals, addresses in any form")
    func compared() {
        let names = TLSCertificateNames(lines: "Dnode-a\nDHost.Example\nAfe80::1\nA10.0.0.1\n")
        #expect(names.has(name: "node-a") && !names.has(name: "Node-A") && !names.has(name: "node"))
        #expect(names.has(host: "host.example") && names.has(host: "HOST.EXAMPLE") && !names.has(host: "example"))
        #expect(names.has(host: "FE80:0:0::1") && !names.has(host: "fe80::2"))
        #expect(names.has(host: "10.0.0.1") && !names.has(host: "10.0.0.10"))
        #expect(!names.has(host: "") && !names.has(name: ""))
        #expect(TLSCertificateNames.usualForm(ofHost: "0:0:0:0:0:0:0:1") == "::1")
    }

    @Test("are told when the handshake is over, and when the certificate is refused, to who wants to know them")
    func told() throws {
        func pair(_ client: String, _ readsNames: Bool) throws -> TLSPair {
            let pair = try TLSPair(
                client: Certificates.client {
                    $0.certificateFile = Certificates.file("\(client).pem")
                    $0.keyFile = Certificates.file("\(client)-key.pem")
                    $0.readsNames = readsNames
                },
                server: Certificates.server {
                    $0.clientVerification = .required
                    $0.authorityFile = Certificates.file("ca.pem")
                    $0.readsNames = readsNames
                }, serverName: "localhost")
            try pair.carry()
            return pair
        }
        let good = try pair("client", true)
        #expect(good.serverEnd.handshake?.peerNames.names == ["client.example"])
        #expect(good.clientEnd.handshake?.peerNames.description == "localhost, 127.0.0.1")
        #expect(try pair("client", false).serverEnd.handshake?.peerNames.isEmpty == true)
        let bad = try pair("expired", true)
        #expect(
            bad.serverEnd.errors == [
                .handshake(
                    reason: "certificate verify failed: certificate has expired (the certificate of expired.example)")
            ])
        #expect(bad.serverEnd.errors.allSatisfy { $0.concernsCertificate })
    }

    @Test("and the certificate itself are looked at before they are shown to others")
    func own() throws {
        func context(_ name: String, _ authority: String = "ca") throws -> TLSContext {
            try TLSContext(
                Certificates.server(name) {
                    $0.authorityFile = Certificates.file("\(authority).pem")
                    $0.settingPrefix = "peer-"
                })
        }
        let good = try context("server")
        try good.verifyOwnCertificate()
        #expect(good.ownNames.description == "localhost, 127.0.0.1")
        for (name, authority, reason) in [
            ("expired", "ca", "certificate has expired"),
            ("server", "foreign-ca", "unable to get local issuer certificate"),
        ] {
            let expected = TLSError.setting(
                name: "peer-tls-cert-file", value: Certificates.file("\(name).pem"), reason: reason)
            #expect(throws: expected) { try context(name, authority).verifyOwnCertificate() }
        }
    }
}
