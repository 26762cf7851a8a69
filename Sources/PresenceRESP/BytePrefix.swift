/// Bytes with which others may begin, compared eight at a time: every key is held against the prefix of presences, often twice.
public struct BytePrefix: Sendable {
    /// The prefix itself.
    public let bytes: [UInt8]
    /// Its first and its last eight bytes, which may overlap: all of it, if it has 8 to 16 bytes.
    @usableFromInline let words: (first: UInt64, last: UInt64)?

    /// The prefix `bytes`; no bytes begin everything.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
        words = bytes.withUnsafeBytes { bytes in
            guard (8...16).contains(bytes.count) else { return nil }
            return (
                bytes.loadUnaligned(as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self)
            )
        }
    }

    /// How many bytes it has.
    @inlinable public var count: Int { bytes.count }

    /// Whether the part `range` of `text` begins with it. Traps if `range` is not in `text`.
    @inlinable
    @inline(__always)
    public func begins(_ range: Range<Int>, of text: Span<UInt8>) -> Bool {
        let count = bytes.count
        guard range.count >= count else { return false }
        precondition(range.lowerBound >= 0 && range.upperBound <= text.count, "the part lies outside the bytes")
        guard let words else { return isEqual(text, from: range.lowerBound) }
        return text.withUnsafeBytes { text in
            text.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self) == words.first
                && text.loadUnaligned(fromByteOffset: range.lowerBound &+ count &- 8, as: UInt64.self) == words.last
        }
    }

    /// The same for a prefix of another length.
    @usableFromInline func isEqual(_ text: Span<UInt8>, from start: Int) -> Bool {
        for place in bytes.indices where text[start &+ place] != bytes[place] { return false }
        return true
    }
}
