/// Bytes appended as one block: a byte at a time costs a comparison and two writes each, and a record has 250 of them.
///
/// An `OutputSpan` without room stops the process, as its own `append` does.
extension OutputSpan where Element == UInt8 {
    /// Appends a constant text.
    @inline(__always)
    mutating func append<let count: Int>(letters: InlineArray<count, Letter>) {
        withUnsafeMutableBufferPointer { room, written in
            precondition(room.count &- written >= count, "no room for a constant text")
            UnsafeMutableRawPointer(room.baseAddress! + written).storeBytes(
                of: letters, as: InlineArray<count, Letter>.self)
            written &+= count
        }
    }

    /// Appends bytes as they are, in quotes.
    @inline(__always)
    mutating func append(quoted bytes: Span<UInt8>) {
        withUnsafeMutableBufferPointer { room, written in
            let count = bytes.count
            precondition(room.count &- written >= count &+ 2, "no room for a text")
            let start = room.baseAddress! + written
            start[0] = UInt8(ascii: "\"")
            bytes.withUnsafeBufferPointer { source in
                if let first = source.baseAddress { (start + 1).update(from: first, count: count) }
            }
            start[count &+ 1] = UInt8(ascii: "\"")
            written &+= count &+ 2
        }
    }

    /// Appends a constant text in quotes. Its `description` would be a `String`, made anew each time.
    @inline(__always)
    mutating func append(quoted text: StaticString) {
        text.withUTF8Buffer { append(quoted: Span(_unsafeElements: $0)) }
    }

    /// Appends eight bytes, the lowest of `word` first.
    @inline(__always)
    mutating func append(word: UInt64) {
        withUnsafeMutableBufferPointer { room, written in
            precondition(room.count &- written >= 8, "no room for eight bytes")
            UnsafeMutableRawPointer(room.baseAddress! + written).storeBytes(of: word.littleEndian, as: UInt64.self)
            written &+= 8
        }
    }
}

extension [UInt8] {
    /// Bytes that `write` appends to an empty room of `capacity`, copied once they are known.
    ///
    /// The inits that hand out the array's own room allocate it by a function that is not specialized for bytes (Swift 6.3) and looks up the type each time: 500
    /// instructions, where the copy of an event takes 30, and the array is as long as what was written.
    @inlinable
    package init(room capacity: Int, _ write: (inout OutputSpan<UInt8>) -> Void) {
        self = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { room in
            var written = OutputSpan(buffer: room, initializedCount: 0)
            write(&written)
            let count = written.finalize(for: room)
            return [UInt8](UnsafeBufferPointer(rebasing: room[..<count]))
        }
    }
}

extension Span where Element == UInt8 {
    /// Whether every byte stands for itself in JSON: ASCII, no control character, quote or backslash.
    @inline(__always)
    var isPlainJSON: Bool {
        withUnsafeBufferPointer { bytes in
            var marks: UInt64 = 0
            var offset = 0
            let raw = UnsafeRawBufferPointer(bytes)
            while offset &+ 8 <= raw.count {
                marks |= raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self).marksOfEscapes
                offset &+= 8
            }
            var last: UInt64 = 0
            if raw.count >= 8 {
                // The last eight, of which some were looked at already.
                last = raw.loadUnaligned(fromByteOffset: raw.count &- 8, as: UInt64.self)
            } else {
                last = 0x2020_2020_2020_2020
                for byte in raw { last = last << 8 | UInt64(byte) }
            }
            return (marks | last.marksOfEscapes) & 0x8080_8080_8080_8080 == 0
        }
    }
}

extension UInt64 {
    /// Whether one of its eight bytes needs an escape in JSON: then a top bit of the result is set. Of bytes above the
    /// first such one the bits say nothing.
    @inline(__always)
    fileprivate var marksOfEscapes: UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = self ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = self ^ (ones &* UInt64(UInt8(ascii: "\\")))
        return self | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (self &- ones &* 0x20) & ~self
    }
}
