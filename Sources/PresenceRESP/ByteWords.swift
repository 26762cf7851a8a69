/// Bytes read eight at a time: a name is one to three words.
extension Span where Element == UInt8 {
    /// The `count` bytes from `start` on, at most eight, the first of them lowest; the rest of the word is zero. Traps if they are not all in the span.
    @inlinable
    @inline(__always)
    public func word(at start: Int, count: Int) -> UInt64 {
        precondition(start >= 0 && count >= 0 && count <= 8 && start <= self.count &- count, "no such bytes")
        guard count > 0 else { return 0 }
        let unused = UInt64(truncatingIfNeeded: 64 &- count &* 8)
        guard start <= self.count &- 8 else { return lastWord(at: start, count: count) }
        return withUnsafeBytes {
            let word = UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            return (word &<< unused) &>> unused
        }
    }

    /// The same where fewer than eight bytes are left.
    @inline(never)
    @usableFromInline func lastWord(at start: Int, count: Int) -> UInt64 {
        var word: UInt64 = 0
        for place in (start..<start &+ count).reversed() { word = word << 8 | UInt64(self[place]) }
        return word
    }
}
