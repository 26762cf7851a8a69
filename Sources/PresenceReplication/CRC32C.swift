/// The checksum of a frame: CRC-32C (Castagnoli), as iSCSI has it (RFC 3720, section 12.1): polynomial 0x1EDC6F41, reflected, begun with and ended by
/// all ones. The checksum of the digits `123456789` is 0xE3069283.
///
/// It finds what cables, memory and mistakes of our own do; who forges is kept out by TLS.
///
/// **Cost.** Eight bytes a step through eight tables (8 KiB, made once): Kounavis and Berry, "A Systematic Approach to Building High Performance
/// Software-based CRC Generators" (2005). Nothing is allocated.
struct CRC32C: Sendable {
    private var state: UInt32 = .max

    /// The checksum of what was taken so far.
    var value: UInt32 { ~state }

    /// Takes the bytes of a range.
    mutating func update(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range lies in the bytes")
        let table = CRC32C.table.span
        var crc = state
        var index = range.lowerBound
        while range.upperBound - index >= 8 {
            let low = crc ^ bytes.word32(at: index)
            let high = bytes.word32(at: index + 4)
            let first = table[1792 + Int(low & 0xFF)] ^ table[1536 + Int(low >> 8 & 0xFF)]
            let second = table[1280 + Int(low >> 16 & 0xFF)] ^ table[1024 + Int(low >> 24)]
            let third = table[768 + Int(high & 0xFF)] ^ table[512 + Int(high >> 8 & 0xFF)]
            let fourth = table[256 + Int(high >> 16 & 0xFF)] ^ table[Int(high >> 24)]
            crc = first ^ second ^ third ^ fourth
            index += 8
        }
        while index < range.upperBound {
            crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])]
            index += 1
        }
        state = crc
    }

    /// The checksum of a frame's bytes: the first 12 of its header, and its payload.
    static func ofFrame(_ bytes: Span<UInt8>, _ frame: Range<Int>) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes, frame.lowerBound..<frame.lowerBound + 12)
        checksum.update(bytes, frame.lowerBound + FrameLimits.header..<frame.upperBound)
        return checksum.value
    }

    /// Eight tables of 256 words: the k-th is of a byte that is followed by k zero bytes.
    private static let table: [UInt32] = {
        var table = [UInt32](repeating: 0, count: 2048)
        for byte in 0..<256 {
            var word = UInt32(byte)
            for _ in 0..<8 { word = word & 1 == 1 ? word >> 1 ^ 0x82F6_3B78 : word >> 1 }
            table[byte] = word
        }
        for index in 256..<2048 {
            let word = table[index - 256]
            table[index] = word >> 8 ^ table[Int(word & 0xFF)]
        }
        return table
    }()
}
