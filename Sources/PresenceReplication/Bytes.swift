/// Numbers in bytes, little endian, and bytes that outlive what they were read from.
extension Span where Element == UInt8 {
    /// Two bytes as a number.
    func word16(at index: Int) -> UInt16 {
        UInt16(self[index]) | UInt16(self[index + 1]) << 8
    }

    /// Four bytes as a number.
    func word32(at index: Int) -> UInt32 {
        UInt32(word16(at: index)) | UInt32(word16(at: index + 2)) << 16
    }

    /// Eight bytes as a number.
    func word64(at index: Int) -> UInt64 {
        UInt64(word32(at: index)) | UInt64(word32(at: index + 4)) << 32
    }
}

extension [UInt8] {
    /// Appends the bytes of a number, the lowest first.
    mutating func append<Number: FixedWidthInteger & UnsignedInteger>(number: Number) {
        var rest = number
        for _ in 0..<Number.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// Appends a number by seven bits a byte, the lowest first (LEB128).
    mutating func append(shrunk number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    /// Writes four bytes of a number over those at `index`.
    mutating func overwrite(_ number: UInt32, at index: Int) {
        for byte in 0..<4 { self[index + byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
    }

    /// Appends a copy of `bytes`: one block, not a byte at a time.
    mutating func append(block bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
