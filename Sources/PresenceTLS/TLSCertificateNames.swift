import COpenSSL

/// The names in a certificate by which it says whose it is.
///
/// Only what can be compared letter by letter: names with other characters than host names have, wildcards among them, are left out. The common name
/// counts only where there are no alternative names (RFC 6125, section 6.4.4).
public struct TLSCertificateNames: Sendable, Equatable, CustomStringConvertible {
    /// Names of the alternative names.
    public private(set) var names: [String] = []
    /// Addresses of the alternative names, in their usual form.
    public private(set) var addresses: [String] = []

    /// No names.
    public init() {}

    /// The names in what `presence_tls_names` wrote.
    init(lines: String) {
        var commonName: String?
        for line in lines.split(separator: "\n") {
            let name = String(line.dropFirst())
            switch line.first {
            case "D": names.append(name)
            case "A": addresses.append(name)
            case "C": commonName = name
            default: break
            }
        }
        if let commonName, names.isEmpty, addresses.isEmpty { names = [commonName] }
    }

    /// Whether there are none.
    public var isEmpty: Bool { names.isEmpty && addresses.isEmpty }

    /// Whether one of the names is this one, to the letter.
    public func has(name: String) -> Bool { names.contains(name) }

    /// Whether one of the names or addresses is this host's, however it is written.
    public func has(host: String) -> Bool {
        let host = Self.usualForm(ofHost: host)
        return addresses.contains(host) || names.contains { $0.lowercased() == host }
    }

    /// A host as it is compared: addresses in their usual form, names in small letters.
    public static func usualForm(ofHost host: String) -> String { address(host) ?? host.lowercased() }

    /// The names with commas between them.
    public var description: String { isEmpty ? "nobody" : (names + addresses).joined(separator: ", ") }

    // MARK: - Reading

    /// Bytes that names are read into; what does not fit is left out.
    private static let capacity = 8_192

    /// Has `write` write names, and reads them.
    static func read(_ write: (UnsafeMutablePointer<CChar>?, Int) -> Void) -> TLSCertificateNames {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { text in
            text.initialize(repeating: 0)
            write(text.baseAddress, text.count)
            return TLSCertificateNames(lines: text.baseAddress.map { String(cString: $0) } ?? "")
        }
    }

    /// The usual form of an address, or nil if the text is none.
    private static func address(_ text: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { usual in
            guard presence_tls_address(text, usual.baseAddress, usual.count) == 1 else { return nil }
            return usual.baseAddress.map { String(cString: $0) }
        }
    }
}
