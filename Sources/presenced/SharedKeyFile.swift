import PresenceTLS

/// A file of pre-shared keys: `name:hexadecimal digits` a line; lines that begin with `#`, and empty ones, say nothing.
struct SharedKeyFile {
    let path: String

    /// The keys of the file, at least one.
    ///
    /// - Throws: which line is wrong, without a byte of a key.
    func keys() throws(TLSError) -> [TLSSharedKey] {
        let text: String
        do throws(ConfigurationFile.Problem) {
            text = try ConfigurationFile(path: path).text()
        } catch {
            throw problem(error.description)
        }
        let keys = try Self.keys(of: text) { (line, reason) throws(TLSError) in
            throw TLSError.setting(name: "tls-psk-file", value: "\(path):\(line)", reason: reason)
        }
        guard !keys.isEmpty else { throw problem("no key is in it; a line is name:hexadecimal digits") }
        return keys
    }

    private func problem(_ reason: String) -> TLSError {
        .setting(name: "tls-psk-file", value: path, reason: reason)
    }

    /// The keys of a text; what is wrong is given to `fail` with its line.
    static func keys(
        of text: String, fail: (_ line: Int, _ reason: String) throws(TLSError) -> Void
    ) throws(TLSError) -> [TLSSharedKey] {
        var keys: [TLSSharedKey] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = line.drop(while: \.isWhitespace)
            if line.isEmpty || line.hasPrefix("#") { continue }
            // A name may hold colons; a key does not.
            guard let colon = line.lastIndex(of: ":") else {
                try fail(index + 1, "name:hexadecimal digits is expected")
                continue
            }
            let identity = Array(line[..<colon].utf8)
            let digits = line[line.index(after: colon)...].filter { !$0.isWhitespace }
            guard TLSSharedKey.identityBytes.contains(identity.count) else {
                try fail(index + 1, "the name has \(identity.count) bytes; allowed: 1 to 128")
                continue
            }
            guard let key = HexadecimalText.bytes(of: digits), TLSSharedKey.keyBytes.contains(key.count) else {
                try fail(index + 1, "the key is not 32 to 128 hexadecimal digits, two a byte")
                continue
            }
            guard !keys.contains(where: { $0.identity == identity }) else {
                try fail(index + 1, "the name is there twice")
                continue
            }
            keys.append(TLSSharedKey(identity: identity, key: key))
        }
        return keys
    }
}
