/// Stored ids back in the spelling in which they were given.
enum BytesText {
    /// A copy of bytes, as one block.
    static func copy(_ bytes: Span<UInt8>) -> [UInt8] { bytes.withUnsafeBufferPointer { [UInt8]($0) } }

    /// The bytes of an id as an array.
    static func expand(_ bytes: UnsafeRawBufferPointer, isPacked: Bool) -> [UInt8] {
        guard isPacked else { return [UInt8](bytes) }
        // Spelled on the stack and copied: an array that is handed its room costs 500 instructions more (see `[UInt8].init(room:_:)`).
        return withUnsafeTemporaryAllocation(byteCount: PackedUUID.textLength, alignment: 8) { text in
            packed(at: bytes.baseAddress!).write(to: text.baseAddress!)
            return [UInt8](UnsafeRawBufferPointer(text))
        }
    }

    /// The same of bytes in an array.
    static func expand(_ bytes: [UInt8], isPacked: Bool) -> [UInt8] {
        bytes.withUnsafeBytes { expand($0, isPacked: isPacked) }
    }

    /// Hands the bytes of an id to `body`, spelled on the stack if they are packed.
    @inline(__always)
    static func withSpelling<Result>(
        _ bytes: UnsafeRawBufferPointer, isPacked: Bool, _ body: (Span<UInt8>) -> Result
    ) -> Result {
        guard isPacked else { return body(bytes.bindMemory(to: UInt8.self).span) }
        return withUnsafeTemporaryAllocation(byteCount: PackedUUID.textLength, alignment: 8) { text in
            packed(at: bytes.baseAddress!).write(to: text.baseAddress!)
            return body(UnsafeRawBufferPointer(text).bindMemory(to: UInt8.self).span)
        }
    }

    private static func packed(at address: UnsafeRawPointer) -> PackedUUID {
        PackedUUID(
            first: address.loadUnaligned(as: UInt64.self),
            second: address.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
}

extension BytesText {
    /// The bytes of an id, spelled into `scratch` at `offset` if they are packed.
    static func spell(
        _ bytes: UnsafeRawBufferPointer, isPacked: Bool, into scratch: UnsafeMutableRawBufferPointer, at offset: Int
    ) -> UnsafeBufferPointer<UInt8> {
        guard isPacked else { return bytes.bindMemory(to: UInt8.self) }
        let text = UnsafeMutableRawBufferPointer(rebasing: scratch[offset..<offset + PackedUUID.textLength])
        packed(at: bytes.baseAddress!).write(to: text.baseAddress!)
        return UnsafeRawBufferPointer(text).bindMemory(to: UInt8.self)
    }
}
