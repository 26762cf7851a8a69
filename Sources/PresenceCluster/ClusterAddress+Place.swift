/// Whether two addresses are one place, however each is spelt. Nobody is asked: of names only `localhost` is known.
extension ClusterAddress {
    /// Whether two listeners at these addresses would be in each other's way: the port is the same, and the host may be.
    ///
    /// Addresses are compared by their numbers, so that `::1` is `0:0:0:0:0:0:0:1` and `::ffff:10.0.0.1` is `10.0.0.1`; names without regard to case and to a dot at
    /// their end. `localhost` is `127.0.0.1` and `::1`, which are two places: so this is no equality.
    public func isSamePlace(as other: ClusterAddress) -> Bool {
        port == other.port && !Self.places(of: host).isDisjoint(with: Self.places(of: other.host))
    }

    /// Whether it is this machine's alone: `localhost`, `::1`, or an address that begins with 127.
    public var isLoopback: Bool {
        Self.places(of: host).contains { place in
            guard case .address(let bytes, _) = place else { return false }
            return bytes.starts(with: Self.mapped + [127]) || bytes == Self.zeros(15) + [1]
        }
    }

    /// A host as it is compared.
    private enum Place: Hashable {
        /// Sixteen bytes, and the zone, for addresses of both versions: those of version 4 are mapped, as `::ffff:10.0.0.1` says them.
        case address([UInt8], zone: String)
        /// In small letters.
        case name(String)
    }

    private static func places(of host: String) -> Set<Place> {
        if let bytes = version4(host[...]) { return [.address(mapped + bytes, zone: "")] }
        if let (bytes, zone) = version6(host[...]) { return [.address(bytes, zone: zone)] }
        let name = (host.hasSuffix(".") ? host.dropLast() : host[...]).lowercased()
        guard name == "localhost" else { return [.name(name)] }
        return [.address(mapped + [127, 0, 0, 1], zone: ""), .address(zeros(15) + [1], zone: "")]
    }

    private static let mapped = zeros(10) + [0xFF, 0xFF]

    private static func zeros(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }

    // MARK: - Reading

    /// The bytes of `10.0.0.1`; nil if a text is none. Numbers that begin with a zero are none: some read them as octal ones.
    static func version4(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard part.utf8.allSatisfy(isDigit), part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0"),
                let byte = UInt8(part)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// The bytes and the zone of `::1`, `fe80::1%eth0`, `::ffff:10.0.0.1`: eight groups of 16 bits, of which `::` stands for at least one; the last two may be an
    /// address of version 4. Nil if a text is none.
    static func version6(_ text: Substring) -> (bytes: [UInt8], zone: String)? {
        var text = text
        var zone = ""
        if let percent = text.firstIndex(of: "%") {
            zone = String(text[text.index(after: percent)...])
            guard !zone.isEmpty, zone.utf8.allSatisfy(ClusterNode.isNameByte) else { return nil }
            text = text[..<percent]
        }
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { return nil }
        var read: [[UInt8]] = []
        for (index, half) in halves.enumerated() {
            guard let bytes = groups(half, mayEndInVersion4: index == halves.count - 1) else { return nil }
            read.append(bytes)
        }
        guard read.count == 2 else { return read[0].count == 16 ? (read[0], zone) : nil }
        let missing = 16 - read[0].count - read[1].count
        return missing >= 2 ? (read[0] + zeros(missing) + read[1], zone) : nil
    }

    /// The bytes of groups with colons between them; none of an empty text.
    private static func groups(_ text: Substring, mayEndInVersion4: Bool) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var tail: [UInt8] = []
        if mayEndInVersion4, let last = parts.last, last.contains(".") {
            guard let bytes = version4(last) else { return nil }
            tail = bytes
            parts.removeLast()
        }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...4).contains(part.utf8.count), part.allSatisfy(\.isHexDigit), let group = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
        }
        return bytes + tail
    }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
