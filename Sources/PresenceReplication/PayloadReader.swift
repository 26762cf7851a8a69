/// Reads the fields of one payload, in order, and nothing outside it.
///
/// The bytes are handed in with each call, since a struct cannot hold a span yet. `end` is where the payload ends in them.
struct PayloadReader {
    let type: FrameType
    let version: UInt16
    let limits: FrameLimits
    let flags: FrameFlags
    let end: Int
    private(set) var position: Int

    init(
        _ type: FrameType, _ payload: Range<Int>, version: UInt16, flags: FrameFlags, limits: FrameLimits
    ) {
        self.type = type
        self.version = version
        self.flags = flags
        self.limits = limits
        position = payload.lowerBound
        end = payload.upperBound
    }

    /// Bytes of the payload that were not read yet.
    var remaining: Int { end - position }

    // MARK: - Numbers

    mutating func byte(_ field: FrameField, in bytes: Span<UInt8>) throws(FrameError) -> UInt8 {
        bytes[try take(1, field)]
    }

    mutating func word16(_ field: FrameField, in bytes: Span<UInt8>) throws(FrameError) -> UInt16 {
        bytes.word16(at: try take(2, field))
    }

    mutating func word32(_ field: FrameField, in bytes: Span<UInt8>) throws(FrameError) -> UInt32 {
        bytes.word32(at: try take(4, field))
    }

    mutating func word64(_ field: FrameField, in bytes: Span<UInt8>) throws(FrameError) -> UInt64 {
        bytes.word64(at: try take(8, field))
    }

    /// A number of seven bits a byte, the lowest first (LEB128), in no more bytes than it needs.
    mutating func shrunk(_ field: FrameField, in bytes: Span<UInt8>) throws(FrameError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = try byte(field, in: bytes)
            let bits = UInt64(byte & 0x7F)
            // Only the lowest bit of the tenth byte is left of 64.
            if shift == 63 { try hold(UInt64(byte), in: 1...1, field) }
            value |= bits << shift
            guard byte < 0x80 else { continue }
            if shift > 0 { try hold(value, in: 1 << shift...UInt64.max, field) }
            return value
        }
        return value
    }

    /// An instant from 1970 up to `latest`.
    mutating func instant(
        _ field: FrameField, upTo latest: Int64, in bytes: Span<UInt8>
    ) throws(FrameError) -> Int64 {
        let value = try word64(field, in: bytes)
        try hold(value, in: 0...UInt64(latest), field)
        return Int64(value)
    }

    /// The number of a list's elements, of which nothing follows the last. It must be what the payload has room for, so that nothing is set aside for
    /// elements that will not come.
    mutating func count(of elementBytes: Int, upTo limit: Int, in bytes: Span<UInt8>) throws(FrameError) -> Int {
        let count = Int(try word16(.count, in: bytes))
        try hold(UInt64(count), in: 1...UInt64(limit), .count)
        guard remaining >= count * elementBytes else { throw .endsWithin(type: type, field: .count) }
        guard remaining == count * elementBytes else {
            throw .trailingBytes(type: type, count: remaining - count * elementBytes)
        }
        return count
    }

    // MARK: - Bytes

    /// A text behind its length of one byte.
    mutating func shortText(
        _ field: FrameField, _ lengths: ClosedRange<Int>, in bytes: Span<UInt8>
    ) throws(FrameError) -> String {
        try text(field, length: Int(try byte(field, in: bytes)), lengths, in: bytes)
    }

    /// A text behind its length of two bytes.
    mutating func longText(
        _ field: FrameField, _ lengths: ClosedRange<Int>, in bytes: Span<UInt8>
    ) throws(FrameError) -> String {
        try text(field, length: Int(try word16(field, in: bytes)), lengths, in: bytes)
    }

    private mutating func text(
        _ field: FrameField, length: Int, _ lengths: ClosedRange<Int>, in bytes: Span<UInt8>
    ) throws(FrameError) -> String {
        try hold(UInt64(length), in: UInt64(lengths.lowerBound)...UInt64(lengths.upperBound), field)
        let start = try take(length, field)
        var copy: [UInt8] = []
        copy.append(block: bytes.extracting(start..<start + length))
        guard let text = String(validating: copy, as: UTF8.self), text.isPlain else {
            throw .notText(type: type, field: field)
        }
        return text
    }

    /// Where the next bytes lie; they are read.
    mutating func take(_ count: Int, _ field: FrameField) throws(FrameError) -> Int {
        guard count <= remaining else { throw .endsWithin(type: type, field: field) }
        defer { position += count }
        return position
    }

    // MARK: - Checks

    /// Throws if a value is outside the bounds of its field.
    func hold(_ value: UInt64, in allowed: ClosedRange<UInt64>, _ field: FrameField) throws(FrameError) {
        guard allowed.contains(value) else {
            throw .outOfBounds(type: type, field: field, value: value, allowed: allowed)
        }
    }

    /// Throws if anything follows the last field.
    func finish() throws(FrameError) {
        guard remaining == 0 else { throw .trailingBytes(type: type, count: remaining) }
    }
}

extension String {
    /// Whether it can stand in a line of a log: no control characters.
    var isPlain: Bool {
        unicodeScalars.allSatisfy { $0.isPlain }
    }
}

extension Unicode.Scalar {
    /// Whether it is no control character: neither C0, nor DEL, nor C1.
    var isPlain: Bool { value >= 0x20 && !(0x7F...0x9F).contains(value) }
}
