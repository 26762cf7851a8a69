/// Where something listens: a host name or address, and a port.
public struct ClusterAddress: Hashable, Sendable, CustomStringConvertible {
    /// A host name, or an address of version 4 or 6 without brackets; 1 to 255 bytes.
    public let host: String
    /// 1 to 65535.
    public let port: Int

    /// An address of these parts.
    ///
    /// - Throws: ``ClusterError/address(_:)`` if the host is empty, longer than 255 bytes, or neither a name nor an address, or the port is out of
    ///   bounds.
    public init(host: String, port: Int) throws(ClusterError) {
        guard (1...255).contains(host.utf8.count), Self.isHost(host), (1...65_535).contains(port) else {
            throw .address("\(host):\(port)")
        }
        self.host = host
        self.port = port
    }

    /// The address that a text says: `10.0.0.1:6399`, `host.example:6399`, `[::1]:6399`.
    ///
    /// - Throws: ``ClusterError/address(_:)`` if it is none.
    public init(_ text: String) throws(ClusterError) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw .address(text)
        }
        var host = text[..<colon]
        // Within brackets are addresses of version 6 alone, and those are nowhere else: which colon is the last one could not be told.
        if host.hasPrefix("["), host.hasSuffix("]"), host.contains(":") {
            host = host.dropFirst().dropLast()
        } else if host.contains(where: { "[:]".contains($0) }) {
            throw .address(text)
        }
        do throws(ClusterError) {
            try self.init(host: String(host), port: Int(port))
        } catch {
            throw .address(text)
        }
    }

    /// As ``init(_:)`` reads it.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether a text is a host name, or an address of either version. What has numbers alone behind its last dot is an address, or nothing.
    private static func isHost(_ text: String) -> Bool {
        if text.contains(":") { return version6(text[...]) != nil }
        guard text.utf8.allSatisfy(ClusterNode.isNameByte), text.utf8.first != UInt8(ascii: "-") else { return false }
        let last = text.split(separator: ".", omittingEmptySubsequences: false).last ?? ""
        return last.isEmpty || !last.utf8.allSatisfy(isDigit) || version4(text[...]) != nil
    }
}
