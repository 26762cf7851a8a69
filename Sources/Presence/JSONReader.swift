/// A string of a JSON text: what lies between its quotes, checked but not decoded.
struct JSONString {
    /// Where, without the quotes.
    var range: Range<Int>

    /// Whether it has a backslash.
    var hasEscapes: Bool

    /// Appends the decoded string, and says where it went.
    ///
    /// Halves of surrogate pairs that stand alone become U+FFFD.
    @discardableResult
    func decode(in json: Span<UInt8>, to bytes: inout [UInt8]) -> Range<Int> {
        let start = bytes.count
        var position = range.lowerBound
        while position < range.upperBound {
            let byte = json[position]
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                position += 1
                continue
            }
            let escape = json[position + 1]
            position += 2
            switch escape {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                let scalar = decodeScalar(in: json, at: &position)
                bytes.append(contentsOf: Unicode.UTF8.encode(scalar)!)
            default: bytes.append(escape)
            }
        }
        return start..<bytes.count
    }

    /// The scalar whose four digits begin at `position`, its second half too if it has one.
    private func decodeScalar(in json: Span<UInt8>, at position: inout Int) -> Unicode.Scalar {
        let first = JSONString.codeUnit(in: json, at: position)
        position += 4
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800..<0xDC00).contains(first), position + 6 <= range.upperBound,
            json[position] == UInt8(ascii: "\\"), json[position + 1] == UInt8(ascii: "u")
        else { return "\u{FFFD}" }
        let second = JSONString.codeUnit(in: json, at: position + 2)
        guard (0xDC00..<0xE000).contains(second) else { return "\u{FFFD}" }
        position += 6
        return Unicode.Scalar(0x10000 + UInt32(first - 0xD800) << 10 + UInt32(second - 0xDC00)) ?? "\u{FFFD}"
    }

    /// The code unit of four hexadecimal digits, which were checked.
    private static func codeUnit(in json: Span<UInt8>, at position: Int) -> UInt16 {
        var value: UInt16 = 0
        for index in position..<position + 4 { value = value << 4 | UInt16(json[index].hexadecimalDigit ?? 0) }
        return value
    }
}

/// Walks over a JSON text (RFC 8259) once, and keeps nothing but its place.
///
/// The text is an argument of every function, since a place can be kept and a `Span` cannot. Every error names the byte
/// where it was noticed; depth is bounded, so that no text can exhaust the stack.
struct JSONReader {
    /// The next byte to read.
    var position = 0

    /// The next byte, or nil at the end.
    func peek(in json: Span<UInt8>) -> UInt8? {
        position < json.count ? json[position] : nil
    }

    /// Goes on to the next byte that is not blank.
    mutating func skipBlanks(in json: Span<UInt8>) {
        while position < json.count {
            switch json[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    /// Reads an object; `member` is called with each name and must read the value after it.
    mutating func readObject(
        in json: Span<UInt8>, member: (JSONString, inout JSONReader) throws(RecordError) -> Void
    ) throws(RecordError) {
        try expect(UInt8(ascii: "{"), in: json)
        skipBlanks(in: json)
        guard !skip(UInt8(ascii: "}"), in: json) else { return }
        repeat {
            skipBlanks(in: json)
            let name = try readString(in: json)
            skipBlanks(in: json)
            try expect(UInt8(ascii: ":"), in: json)
            skipBlanks(in: json)
            try member(name, &self)
            skipBlanks(in: json)
        } while skip(UInt8(ascii: ","), in: json)
        try expect(UInt8(ascii: "}"), in: json)
    }

    /// Reads a string with its quotes.
    mutating func readString(in json: Span<UInt8>) throws(RecordError) -> JSONString {
        try expect(UInt8(ascii: "\""), in: json)
        let start = position
        var end = start
        while end < json.count, !json[end].endsPlainString { end += 1 }
        position = end
        guard skip(UInt8(ascii: "\""), in: json) else { return try readEscapedString(from: start, in: json) }
        return JSONString(range: start..<end, hasEscapes: false)
    }

    /// Reads the rest of a string in which something else than a quote or a plain character was met.
    private mutating func readEscapedString(
        from start: Int, in json: Span<UInt8>
    ) throws(RecordError) -> JSONString {
        while let byte = peek(in: json), byte >= 0x20 {
            if byte == UInt8(ascii: "\\") {
                try skipEscape(in: json)
            } else {
                position += 1
                if byte == UInt8(ascii: "\"") { return JSONString(range: start..<position - 1, hasEscapes: true) }
            }
        }
        throw .malformed(offset: position)
    }

    /// Reads any value and drops it.
    ///
    /// - Parameter depth: how deep the value would lie, were it an object or an array.
    mutating func skipValue(in json: Span<UInt8>, depth: Int) throws(RecordError) {
        switch peek(in: json) {
        case UInt8(ascii: "{"):
            guard depth <= PresenceRecord.maximumDepth else { throw .tooDeep(limit: PresenceRecord.maximumDepth) }
            try readObject(in: json) { (_, reader) throws(RecordError) in
                try reader.skipValue(in: json, depth: depth + 1)
            }
        case UInt8(ascii: "["):
            guard depth <= PresenceRecord.maximumDepth else { throw .tooDeep(limit: PresenceRecord.maximumDepth) }
            try skipArray(in: json, depth: depth)
        case UInt8(ascii: "\""): _ = try readString(in: json)
        case UInt8(ascii: "t"): try expect(["t", "r", "u", "e"], in: json)
        case UInt8(ascii: "f"): try expect(["f", "a", "l", "s", "e"], in: json)
        case UInt8(ascii: "n"): try expect(["n", "u", "l", "l"], in: json)
        default: try skipNumber(in: json)
        }
    }

    private mutating func skipArray(in json: Span<UInt8>, depth: Int) throws(RecordError) {
        try expect(UInt8(ascii: "["), in: json)
        skipBlanks(in: json)
        guard !skip(UInt8(ascii: "]"), in: json) else { return }
        repeat {
            skipBlanks(in: json)
            try skipValue(in: json, depth: depth + 1)
            skipBlanks(in: json)
        } while skip(UInt8(ascii: ","), in: json)
        try expect(UInt8(ascii: "]"), in: json)
    }

    private mutating func skipNumber(in json: Span<UInt8>) throws(RecordError) {
        _ = skip(UInt8(ascii: "-"), in: json)
        if !skip(UInt8(ascii: "0"), in: json) { try skipDigits(in: json) }
        if skip(UInt8(ascii: "."), in: json) { try skipDigits(in: json) }
        if skip(UInt8(ascii: "e"), in: json) || skip(UInt8(ascii: "E"), in: json) {
            _ = skip(UInt8(ascii: "+"), in: json) || skip(UInt8(ascii: "-"), in: json)
            try skipDigits(in: json)
        }
    }

    /// At least one digit.
    private mutating func skipDigits(in json: Span<UInt8>) throws(RecordError) {
        let start = position
        while let byte = peek(in: json), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { position += 1 }
        guard position > start else { throw .malformed(offset: position) }
    }

    private mutating func skipEscape(in json: Span<UInt8>) throws(RecordError) {
        guard position + 1 < json.count else { throw .malformed(offset: json.count) }
        position += 1
        switch json[position] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        case UInt8(ascii: "u"):
            position += 1
            for _ in 0..<4 {
                guard peek(in: json)?.hexadecimalDigit != nil else { throw .malformed(offset: position) }
                position += 1
            }
        default: throw .malformed(offset: position)
        }
    }

    private mutating func skip(_ byte: UInt8, in json: Span<UInt8>) -> Bool {
        guard peek(in: json) == byte else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ byte: UInt8, in json: Span<UInt8>) throws(RecordError) {
        guard skip(byte, in: json) else { throw .malformed(offset: position) }
    }

    private mutating func expect<let count: Int>(
        _ letters: InlineArray<count, Letter>, in json: Span<UInt8>
    ) throws(RecordError) {
        for index in letters.indices { try expect(letters[index].byte, in: json) }
    }
}

extension UInt8 {
    /// Whether a string with this byte ends, goes on with an escape, or is wrong.
    @inline(__always)
    fileprivate var endsPlainString: Bool {
        self == UInt8(ascii: "\"") || self == UInt8(ascii: "\\") || self < 0x20
    }

    /// The value of a hexadecimal digit in either case, or nil.
    fileprivate var hexadecimalDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
