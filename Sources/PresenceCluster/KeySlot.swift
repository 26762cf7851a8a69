/// Which of Redis Cluster's 16 384 slots a key belongs to.
///
/// As the Redis Cluster specification says (redis.io, "Key distribution model" and "Hash tags"; the checksum is its appendix A): CRC-16/XMODEM
/// of the key modulo 16 384, or of its tag alone, if it has one: what stands between the first `{` and the first `}` behind it, if that is
/// not empty.
public enum KeySlot {
    /// How many slots there are.
    public static let count = 16_384

    /// The slot of a key, 0 to 16 383. O(length of the key).
    public static func slot(of key: Span<UInt8>) -> Int {
        Int(checksum(key, tag(of: key))) & (count - 1)
    }

    /// The slot of a key's text.
    public static func slot(of key: String) -> Int {
        let bytes = Array(key.utf8)
        return slot(of: bytes.span)
    }

    /// The part of a key that is hashed.
    static func tag(of key: Span<UInt8>) -> Range<Int> {
        let all = 0..<key.count
        guard let open = all.first(where: { key[$0] == UInt8(ascii: "{") }) else { return all }
        guard let close = (open + 1..<key.count).first(where: { key[$0] == UInt8(ascii: "}") }), close > open + 1
        else { return all }
        return open + 1..<close
    }

    /// CRC-16/XMODEM: polynomial 0x1021, begun with 0, nothing reflected, nothing inverted.
    static func checksum(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt16 {
        var checksum: UInt16 = 0
        for index in range {
            checksum = checksum << 8 ^ table[Int(checksum >> 8 ^ UInt16(bytes[index]))]
        }
        return checksum
    }

    /// What each value of the upper byte does to the checksum.
    private static let table: [UInt16] = (0..<256).map { byte in
        var checksum = UInt16(byte) << 8
        for _ in 0..<8 { checksum = checksum & 0x8000 != 0 ? checksum << 1 ^ 0x1021 : checksum << 1 }
        return checksum
    }
}
