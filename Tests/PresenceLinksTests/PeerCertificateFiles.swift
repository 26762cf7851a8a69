import Foundation
import PresenceLinks

/// Certificates of nodes n1, n2 and n3, made for this run by `scripts/test-peer-certificates`; the script says what is what.
enum PeerCertificateFiles {
    private static let folder: String = {
        let folder =
            FileManager.default.temporaryDirectory.path
            + "/presence-links-tests-\(ProcessInfo.processInfo.processIdentifier)"
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let script = Process()
        script.executableURL = root.appending(path: "scripts/test-peer-certificates")
        script.arguments = [folder, "n1", "n2", "n3"]
        do {
            try script.run()
            script.waitUntilExit()
        } catch {
            fatalError("scripts/test-peer-certificates: \(error)")
        }
        precondition(script.terminationStatus == 0, "scripts/test-peer-certificates failed: see \(folder)/make.log")
        return folder
    }()

    static func file(_ name: String) -> String { "\(folder)/\(name)" }

    /// A certificate, the key that it was made with, and whom to trust.
    static func certificates(
        _ name: String, key: String? = nil, password: String = "", trusting authority: String = "ca",
        revoked: String = ""
    ) -> PeerCertificates {
        let usual = name.split(separator: "-").first.map { "\($0)-key" } ?? name
        return PeerCertificates(
            certificateFile: file("\(name).pem"), keyFile: file("\(key ?? usual).pem"), keyFilePassword: password,
            authorityFile: file("\(authority).pem"), revocationFile: revoked.isEmpty ? "" : file("\(revoked).pem"))
    }
}
