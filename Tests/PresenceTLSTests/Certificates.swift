import Foundation
import PresenceTLS

/// Certificates made for this run by `scripts/test-certificates`; the script says what is what.
enum Certificates {
    /// Where they are.
    static let folder: String = {
        let folder =
            FileManager.default.temporaryDirectory.path
            + "/presence-tls-tests-\(ProcessInfo.processInfo.processIdentifier)"
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let script = Process()
        script.executableURL = root.appending(path: "scripts/test-certificates")
        script.arguments = [folder]
        do {
            try script.run()
            script.waitUntilExit()
        } catch {
            fatalError("scripts/test-certificates: \(error)")
        }
        precondition(script.terminationStatus == 0, "scripts/test-certificates failed: see \(folder)/make.log")
        return folder
    }()

    static func file(_ name: String) -> String { "\(folder)/\(name)" }

    /// A server with the certificate of that name, which asks clients for nothing.
    static func server(_ name: String = "server", _ change: (inout TLSConfiguration) -> Void = { _ in })
        -> TLSConfiguration
    {
        var configuration = TLSConfiguration(role: .server)
        configuration.certificateFile = file("\(name).pem")
        configuration.keyFile = file("\(name)-key.pem")
        configuration.clientVerification = .none
        change(&configuration)
        return configuration
    }

    /// A client that trusts the authority of that name.
    static func client(trusting authority: String = "ca", _ change: (inout TLSConfiguration) -> Void = { _ in })
        -> TLSConfiguration
    {
        var configuration = TLSConfiguration(role: .client)
        configuration.authorityFile = file("\(authority).pem")
        change(&configuration)
        return configuration
    }

    static func key(_ identity: String, _ byte: UInt8, count: Int = 32) -> TLSSharedKey {
        TLSSharedKey(identity: Array(identity.utf8), key: Array(repeating: byte, count: count))
    }
}
