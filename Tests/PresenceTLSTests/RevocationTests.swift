import Foundation
import NIOEmbedded
import PresenceTLS
import Testing

@Suite("Certificates that were taken back")
struct RevocationTests {
    private func pair(
        _ client: String, _ list: String, _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> TLSPair {
        let pair = try TLSPair(
            client: Certificates.client {
                $0.certificateFile = Certificates.file("\(client).pem")
                $0.keyFile = Certificates.file("\(client)-key.pem")
            },
            server: Certificates.server {
                $0.clientVerification = .required
                $0.authorityFile = Certificates.file("ca.pem")
                $0.revocationFile = list.isEmpty ? "" : Certificates.file("\(list).pem")
                change(&$0)
            }, serverName: "localhost")
        try pair.carry()
        return pair
    }

    @Test("are refused by a server that has the list, and taken by one that has none, or an older one")
    func server() throws {
        #expect(try pair("revoked", "").isOpen)
        #expect(try pair("revoked", "empty-crl").isOpen)
        #expect(try pair("client", "crl").isOpen, "others are as good as ever")
        let refused = try pair("revoked", "crl")
        #expect(
            refused.serverEnd.errors == [.handshake(reason: "certificate verify failed: certificate revoked")])
        #expect(refused.serverEnd.errors.allSatisfy { $0.concernsCertificate })
        #expect(!refused.isOpen && !refused.server.isActive)
        #expect(refused.clientEnd.errors.map(\.concernsCertificate) == [true], "the alert says so")
    }

    @Test("are refused by a client too, and where the authorities are a directory's")
    func others() throws {
        for list in ["crl", "empty-crl"] {
            let pair = try TLSPair(
                client: Certificates.client { $0.revocationFile = Certificates.file("\(list).pem") },
                server: Certificates.server("revoked"), serverName: "revoked.example")
            try pair.carry()
            #expect(pair.isOpen == (list == "empty-crl"))
        }
        let directory = Certificates.file("authorities")
        #expect(try pair("client", "crl") { ($0.authorityFile, $0.authorityDirectory) = ("", directory) }.isOpen)
        #expect(try !pair("revoked", "crl") { ($0.authorityFile, $0.authorityDirectory) = ("", directory) }.isOpen)
    }

    @Test("are found of a connection that is open when a list is read that names them")
    func later() throws {
        func context(_ list: String, _ role: TLSConfiguration.Role) throws -> TLSContext {
            func change(_ configuration: inout TLSConfiguration) {
                configuration.authorityFile = Certificates.file("ca.pem")
                configuration.revocationFile = list.isEmpty ? "" : Certificates.file("\(list).pem")
            }
            return try TLSContext(
                role == .server ? Certificates.server { change(&$0) } : Certificates.client { change(&$0) })
        }
        for (name, isNamed) in [("revoked", true), ("client", false)] {
            let pair = try pair(name, "empty-crl")
            let secure = try pair.server.pipeline.syncOperations.handler(type: TLSHandler.self)
            #expect(try secure.isPeerRevoked(by: context("crl", .server)) == isNamed)
            #expect(try !secure.isPeerRevoked(by: context("empty-crl", .server)))
            #expect(try !secure.isPeerRevoked(by: context("", .server)), "there is no list any more")
            #expect(pair.isOpen)
        }
        let pair = try TLSPair(
            client: Certificates.client { $0.revocationFile = Certificates.file("empty-crl.pem") },
            server: Certificates.server("revoked"), serverName: "revoked.example")
        try pair.carry()
        let secure = try pair.client.pipeline.syncOperations.handler(type: TLSHandler.self)
        #expect(try secure.isPeerRevoked(by: context("crl", .client)))
        let nobody = try pair.server.pipeline.syncOperations.handler(type: TLSHandler.self)
        #expect(try !nobody.isPeerRevoked(by: context("crl", .server)), "a client that showed no certificate")
    }

    @Test("are found among a node's own before they are shown")
    func own() throws {
        let context = try TLSContext(
            Certificates.server("revoked") {
                $0.authorityFile = Certificates.file("ca.pem")
                $0.revocationFile = Certificates.file("crl.pem")
                $0.settingPrefix = "peer-"
            })
        let expected = TLSError.setting(
            name: "peer-tls-cert-file", value: Certificates.file("revoked.pem"), reason: "certificate revoked")
        #expect(throws: expected) { try context.verifyOwnCertificate() }
    }

    @Test(
        "are told by lists that can be read, have not ended, and are those of all authorities: else it is said which is not",
        arguments: [
            ("missing", "ca", "No such file or directory"), ("client", "ca", "no start line"),
            ("old-crl", "ca", "its list of CN=ca ended on 2020-02-01 00:00 UTC: have that authority make a new one"),
            ("foreign-crl", "ca", "it has no list of CN=ca, whose certificates would all be refused"),
            ("crl", "foreign-ca", "it has no list of CN=foreign-ca, whose certificates would all be refused"),
            ("forged-crl", "ca", "its list of CN=ca has another signature than that authority's"),
        ])
    func problems(_ list: String, _ authority: String, _ reason: String) {
        let path = Certificates.file("\(list).pem")
        let configuration = Certificates.server {
            $0.authorityFile = Certificates.file("\(authority).pem")
            $0.revocationFile = path
        }
        let expected = TLSError.setting(name: "tls-crl-file", value: path, reason: reason)
        #expect(throws: expected) { try TLSContext(configuration) }
    }

    @Test("are told by a file that is whole, with several lists in it")
    func files() throws {
        func text(_ name: String) throws -> String {
            try String(contentsOfFile: Certificates.file("\(name).pem"), encoding: .utf8)
        }
        func problem(_ lists: String) throws -> String? {
            let path = Certificates.file("made-\(UUID().uuidString).pem")
            try Data(lists.utf8).write(to: URL(filePath: path))
            do throws(TLSError) {
                _ = try TLSContext(
                    Certificates.server {
                        $0.authorityFile = Certificates.file("ca.pem")
                        $0.revocationFile = path
                    })
                return nil
            } catch {
                return "\(error)"
            }
        }
        let (good, old, foreign) = (try text("crl"), try text("old-crl"), try text("foreign-crl"))
        #expect(try problem(good) == nil)
        #expect(try problem(old + foreign + good) == nil, "the one that holds counts")
        #expect(try problem("") != nil)
        #expect(try problem(good + String(good.prefix(good.count / 2))) != nil, "cut short")
        #expect(try problem(good.replacing("M", with: "!")) != nil)
    }
}
