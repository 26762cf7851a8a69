import Foundation
import NIOEmbedded
import Testing

@testable import PresenceTLS

@Suite("A context")
struct ContextTests {
    private func problem(_ configuration: TLSConfiguration) -> TLSError? {
        do throws(TLSError) {
            _ = try TLSContext(configuration)
            return nil
        } catch {
            return error
        }
    }

    private func setting(_ name: String, _ value: String, _ reason: String) -> TLSError {
        .setting(name: name, value: value, reason: reason)
    }

    @Test("names the setting, the file and the reason when a certificate or key cannot be used")
    func files() throws {
        let missing = Certificates.file("missing.pem")
        let text = Certificates.file("text.pem")
        try Data("no certificate".utf8).write(to: URL(filePath: text))
        let key = Certificates.file("server-key.pem")
        #expect(
            problem(Certificates.server { $0.certificateFile = missing })
                == setting("tls-cert-file", missing, "No such file or directory"))
        #expect(
            problem(Certificates.server { $0.certificateFile = text })
                == setting("tls-cert-file", text, "no start line"))
        #expect(
            problem(Certificates.server { $0.certificateFile = key })?.description.hasPrefix("tls-cert-file \(key): ")
                == true)
        #expect(
            problem(Certificates.server { $0.keyFile = missing })
                == setting("tls-key-file", missing, "No such file or directory"))
        #expect(
            problem(Certificates.server { $0.keyFile = text })?.description.hasPrefix("tls-key-file \(text): ") == true)
        #expect(
            problem(Certificates.server { $0.keyFile = Certificates.file("client-key.pem") })
                == setting(
                    "tls-key-file", Certificates.file("client-key.pem"),
                    "it is not the key of tls-cert-file \(Certificates.file("server.pem"))"))
        #expect(
            problem(Certificates.server { $0.keyFile = "" })
                == setting("tls-key-file", "", "the key of tls-cert-file is missing"))
        #expect(
            problem(TLSConfiguration(role: .server))
                == setting("tls-cert-file", "", "a server needs a certificate, or tls-psk-file"))
    }

    @Test("opens a locked key with its password and asks nobody for one")
    func lockedKey() {
        let locked = Certificates.server { $0.keyFile = Certificates.file("locked-key.pem") }
        var open = locked
        open.keyFilePassword = "sesame"
        #expect(problem(open) == nil)
        #expect(problem(locked) == setting("tls-key-file", locked.keyFile, "the key is locked: set tls-key-file-pass"))
        // Among so many wrong ones some make a key of the right padding, and OpenSSL then says something else.
        for password in (0..<600).map({ "simsalabim \($0)" }) + [String(repeating: "long", count: 1000)] {
            var wrong = locked
            wrong.keyFilePassword = password
            #expect(
                problem(wrong)
                    == setting("tls-key-file", locked.keyFile, "tls-key-file-pass does not open the key"))
        }
    }

    @Test("names authorities, protocols and suites that are none")
    func others() {
        let missing = Certificates.file("missing")
        #expect(
            problem(Certificates.server { $0.authorityFile = missing })
                == setting("tls-ca-cert-file", missing, "No such file or directory"))
        #expect(
            problem(Certificates.server { $0.authorityDirectory = missing })
                == setting("tls-ca-cert-dir", missing, "No such file or directory"))
        #expect(
            problem(Certificates.server { $0.ciphers = "NONSENSE" })
                == setting("tls-ciphers", "NONSENSE", "no cipher match"))
        #expect(
            problem(Certificates.server { $0.ciphersuites = "NONSENSE" })
                == setting("tls-ciphersuites", "NONSENSE", "no cipher match"))
        guard case .setting("tls-protocols", _, _)? = problem(Certificates.server { $0.versions = [] }) else {
            Issue.record("no version is a version")
            return
        }
        guard
            case .setting("tls-ca-cert-file", _, _)? = problem(
                Certificates.server { $0.clientVerification = .optional })
        else {
            Issue.record("nobody is trusted")
            return
        }
    }

    @Test("refuses a host that is no name")
    func hostName() throws {
        let context = try TLSContext(Certificates.client())
        var options = TLSHandler.Options()
        options.serverName = String(repeating: "a", count: 300)
        #expect(throws: TLSError.self) { try TLSHandler(context: context, buffers: TLSBuffers(), options: options) }
    }

    @Test("shared by many connections gives each its own memory of who is who")
    func sharedBuffers() throws {
        let buffers = TLSBuffers()
        var first = buffers.takeEncrypted(100)
        first.writeString("kept by somebody")
        buffers.keepEncrypted(first)
        let kept = first
        var second = buffers.takeEncrypted(100)
        second.writeString("written by another")
        #expect(String(buffer: kept) == "kept by somebody")
        #expect(String(buffer: second) == "written by another")
    }

    @Test("finds a shared key by its whole name")
    func sharedKeys() {
        let table = SharedKeyTable([Certificates.key("a", 1), Certificates.key("ab", 2), Certificates.key("b", 3)])
        func key(_ name: String) -> UInt8? {
            Array(name.utf8).withUnsafeBufferPointer { table.key(for: $0)?.first }
        }
        #expect(key("a") == 1 && key("ab") == 2 && key("b") == 3)
        #expect(key("") == nil && key("abc") == nil && key("aa") == nil && key("c") == nil)
    }
}

@Suite("The state of a connection")
struct StateTests {
    @Test("tells text from TLS by the first byte, and only by it")
    func firstByte() {
        for byte in UInt8.min...UInt8.max {
            var state = TLSState()
            let isText = (0x20...0x7e).contains(byte) || byte == 10 || byte == 13
            #expect(state.received(5, first: byte, isServer: true) == (isText ? .refusePlainText : .handshake))
            var client = TLSState()
            #expect(client.received(5, first: byte, isServer: false) == .handshake)
            var later = TLSState()
            _ = later.received(5, first: 22, isServer: true)
            #expect(later.received(5, first: byte, isServer: true) == .handshake)
        }
    }

    @Test("bounds what a handshake takes")
    func bound() {
        var state = TLSState()
        #expect(state.received(TLSState.maximumHandshakeBytes, first: 22, isServer: true) == .handshake)
        #expect(state.received(1, first: 22, isServer: true) == .refuseLength)
        state.handshakeFinished()
        #expect(state.received(1 << 30, first: 22, isServer: true) == .decrypt)
    }

    @Test("has one goodbye, over a finished handshake")
    func goodbye() {
        var state = TLSState()
        #expect(state.writing == .hold)
        let early = state.close(outputOnly: false)
        #expect(!early && state.writing == .refuse)
        state = TLSState()
        state.handshakeFinished()
        #expect(state.writing == .encrypt)
        let first = state.close(outputOnly: true)
        let second = state.close(outputOnly: true)
        let third = state.close(outputOnly: false)
        let answer = state.peerSaidGoodbye()
        #expect(first && !second && !third && !answer)
        state = TLSState()
        state.handshakeFinished()
        let reply = state.peerSaidGoodbye()
        #expect(reply && state.writing == .refuse)
        #expect(state.received(1, first: 23, isServer: true) == .drop)
    }

    @Test("knows what an end means, and reports it once")
    func ends() {
        var state = TLSState()
        #expect(state.disconnected() == .handshakeCut)
        #expect(state.disconnected() == .expected)
        state = TLSState()
        state.handshakeFinished()
        #expect(state.disconnected() == .truncated)
        state = TLSState()
        state.handshakeFinished()
        _ = state.close(outputOnly: true)
        #expect(state.disconnected() == .expected)
        state = TLSState()
        let first = state.fail()
        let second = state.fail()
        #expect(first && !second && !state.isHandshaking)
    }
}
