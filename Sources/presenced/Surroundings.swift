import Glibc
import PresenceTLS

/// What settings come to depends on a little beside file and command line: where presenced runs, and files that are named.
struct Surroundings: Sendable {
    /// The environment's `PRESENCED_NODE`; empty if it is not set.
    var nodeVariable = ""
    var hostName = ""
    /// What is wrong with the file that `secret-file` names, or nil.
    var secretProblem: @Sendable (_ path: String) -> String? = { _ in nil }

    /// What is wrong with the files that `peer-tls-` settings name, or nil.
    var peerCertificateProblem: @Sendable (Settings) -> Settings.BrokenRelation? = { _ in nil }

    /// Those of this process.
    static var ofProcess: Surroundings {
        var name = [CChar](repeating: 0, count: 256)
        let isKnown = gethostname(&name, name.count - 1) == 0
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return Surroundings(
            nodeVariable: getenv("PRESENCED_NODE").map { String(cString: $0) } ?? "",
            hostName: isKnown ? String(decoding: bytes, as: UTF8.self) : "",
            secretProblem: { path in
                do throws(SecretFile.Problem) {
                    _ = try SecretFile(path: path).secret()
                    return nil
                } catch {
                    return error.description
                }
            },
            peerCertificateProblem: { $0.peerCertificateProblem() })
    }
}

/// A file that nobody but its owner may read: that of a cluster's secret, which is one line of hexadecimal digits, or one with a private key.
struct SecretFile {
    let path: String

    /// What is wrong with it and what to do, without a byte of the secret.
    struct Problem: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    /// Throws if it is not there, or if others may read it.
    func check() throws(Problem) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw Problem(description: "\(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Problem(description: "\(path) is not a file") }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw Problem(description: "others may read \(path) (mode \(mode)): chmod 600 \(path)")
        }
    }

    /// The secret.
    func secret() throws(Problem) -> [UInt8] {
        try check()
        let text: String
        do throws(ConfigurationFile.Problem) {
            text = try ConfigurationFile(path: path).text()
        } catch {
            throw Problem(description: "\(path): \(error.description)")
        }
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.allSatisfy(\.isWhitespace) }
        guard lines.count == 1, let secret = HexadecimalText.bytes(of: lines[0].filter { !$0.isWhitespace }),
            SharedSecret.allowedBytes.contains(secret.count)
        else {
            throw Problem(
                description: "\(path) is not one line of 32 to 128 hexadecimal digits: openssl rand -hex 32 makes one")
        }
        return secret
    }
}
