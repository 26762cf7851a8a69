/// Where a server is and how to be let in: `redis://[user][:password]@host[:port][/database]`, `rediss://` for TLS.
///
/// Never printed whole: `description` leaves the password out.
package struct RedisURL: Hashable, Sendable, CustomStringConvertible {
    package var usesTLS = false
    package var user: String?
    package var password: String?
    package var host: String
    package var port: Int
    package var database = 0

    /// Reads a URL.
    ///
    /// User and password are percent-encoded where they hold `: / @ %`; an IPv6 address stands in brackets.
    ///
    /// - Parameter defaultPort: of a URL that names none.
    /// - Throws: ``MigrationError/badURL(_:_:)``.
    package init(_ text: String, defaultPort: Int) throws(MigrationError) {
        func wrong(_ why: String) -> MigrationError { .badURL(RedisURL.withoutPassword(text), why) }

        guard let scheme = text.range(of: "://"[...]) else { throw wrong("it begins with redis://") }
        switch text[..<scheme.lowerBound].lowercased() {
        case "redis": usesTLS = false
        case "rediss": usesTLS = true
        default: throw wrong("it begins with redis:// or, for TLS, rediss://")
        }
        var rest = text[scheme.upperBound...]
        guard !rest.contains("?"), !rest.contains("#") else {
            throw wrong("parameters behind ? or # are not taken; a password that holds them is percent-encoded")
        }
        if let slash = rest.firstIndex(of: "/") {
            let path = rest[rest.index(after: slash)...]
            if !path.isEmpty {
                guard let number = Int(path), number >= 0 else {
                    throw wrong("behind the / stands a database's number")
                }
                database = number
            }
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: "@") {
            let names = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = RedisURL.decoded(names[0]), let secret = RedisURL.decoded(names.count > 1 ? names[1] : "")
            else { throw wrong("a percent sign is followed by two hexadecimal digits") }
            user = name.isEmpty ? nil : name
            password = names.count > 1 ? secret : nil
            guard password != nil || user == nil else {
                throw wrong("a password stands behind a colon: redis://:PASSWORD@host")
            }
            rest = rest[rest.index(after: at)...]
        }
        var portText: Substring?
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { throw wrong("a [ is closed by a ]") }
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            let behind = rest[rest.index(after: end)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { throw wrong("behind the ] stands a port or nothing") }
            portText = behind.isEmpty ? nil : behind.dropFirst()
        } else if let colon = rest.lastIndex(of: ":") {
            host = String(rest[..<colon])
            portText = rest[rest.index(after: colon)...]
        } else {
            host = String(rest)
        }
        guard !host.isEmpty else { throw wrong("it names no host") }
        guard rest.hasPrefix("[") || !host.contains(":") else {
            throw wrong("an IPv6 address stands in brackets: [::1]")
        }
        if let portText {
            guard let number = Int(portText), (1...65_535).contains(number) else {
                throw wrong("the port is a number up to 65535")
            }
            port = number
        } else {
            port = defaultPort
        }
    }

    package var description: String {
        let address = host.contains(":") ? "[\(host)]" : host
        return "\(usesTLS ? "rediss" : "redis")://\(address):\(port)" + (database == 0 ? "" : "/\(database)")
    }

    /// What may be shown of a text that should have been a URL.
    private static func withoutPassword(_ text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return text }
        let scheme = text.range(of: "://"[...]).map { text[..<$0.upperBound] } ?? ""
        return scheme + "..." + text[at...]
    }

    /// A text without its percent-encoding; nil if that is wrong, or the bytes are not UTF-8.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, let hex = String(digits), hex.allSatisfy(\.isHexDigit),
                let value = UInt8(hex, radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension StringProtocol where SubSequence == Substring {
    /// Where `other` stands first.
    fileprivate func range(of other: Substring) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(other) { return start..<index(start, offsetBy: other.count) }
            start = index(after: start)
        }
        return nil
    }
}
