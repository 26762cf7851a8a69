/// What the JSON writers share. Whoever calls has made room: an `OutputSpan` that is full stops the process.
extension OutputSpan where Element == UInt8 {
    /// The most bytes that one byte of a text becomes: `\u0000`.
    static var maximumBytesPerJSONByte: Int { 6 }

    /// Appends `null`.
    @inline(__always)
    mutating func appendJSONNull() {
        append(letters: ["n", "u", "l", "l"])
    }

    /// Appends a text in quotes, or `null`.
    @inline(__always)
    mutating func appendJSON(text: Span<UInt8>?) {
        if let text {
            appendJSON(text: text)
        } else {
            appendJSONNull()
        }
    }

    /// Appends a text in quotes. Bytes that are not UTF-8 become U+FFFD, one for each longest wrong piece.
    ///
    /// Nearly all texts need no escape; finding that out and copying take eight bytes at a time.
    mutating func appendJSON(text: Span<UInt8>) {
        if text.isPlainJSON {
            append(quoted: text)
        } else {
            append(UInt8(ascii: "\""))
            appendEscaped(text)
            append(UInt8(ascii: "\""))
        }
    }

    /// Appends an instant in quotes, or `null`: one of several, whose day is `day` as a rule.
    mutating func appendJSON(instant: Timestamp?, _ day: inout WrittenDay) {
        guard let instant else { return appendJSONNull() }
        append(UInt8(ascii: "\""))
        instant.writeISO8601(into: &self, &day)
        append(UInt8(ascii: "\""))
    }

    /// Appends a status in quotes.
    mutating func appendJSON(status: Status) {
        switch status {
        case .offline: append(letters: ["\"", "o", "f", "f", "l", "i", "n", "e", "\""])
        case .away: append(letters: ["\"", "a", "w", "a", "y", "\""])
        case .idle: append(letters: ["\"", "i", "d", "l", "e", "\""])
        case .dnd: append(letters: ["\"", "d", "n", "d", "\""])
        case .online: append(letters: ["\"", "o", "n", "l", "i", "n", "e", "\""])
        }
    }

    /// Appends decimal digits in quotes.
    mutating func appendJSON(digitsOf number: UInt64) {
        append(UInt8(ascii: "\""))
        append(digitsOf: number)
        append(UInt8(ascii: "\""))
    }

    private mutating func appendEscaped(_ text: Span<UInt8>) {
        var position = 0
        while position < text.count {
            let byte = text[position]
            if byte >= 0x80 {
                let piece = text.utf8Piece(at: position)
                if piece.isValid {
                    for index in position..<position + piece.count { append(text[index]) }
                } else {
                    append(letters: replacementCharacter)
                }
                position += piece.count
                continue
            }
            position += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0x08: append(letters: ["\\", "b"])
            case 0x09: append(letters: ["\\", "t"])
            case 0x0A: append(letters: ["\\", "n"])
            case 0x0C: append(letters: ["\\", "f"])
            case 0x0D: append(letters: ["\\", "r"])
            case 0..<0x20:
                append(letters: ["\\", "u", "0", "0"])
                append(UInt8(ascii: "0") + byte >> 4)
                append(byte & 15 < 10 ? UInt8(ascii: "0") + byte & 15 : UInt8(ascii: "a") + byte & 15 - 10)
            default: append(byte)
            }
        }
    }

    /// U+FFFD in UTF-8.
    private var replacementCharacter: InlineArray<3, Letter> { ["\u{EF}", "\u{BF}", "\u{BD}"] }
}

extension Span where Element == UInt8 {
    /// Whether these bytes are UTF-8 without control characters (below U+0020, U+007F to U+009F).
    public var isText: Bool {
        var position = 0
        while position < count {
            let byte = self[position]
            if byte < 0x80 {
                guard byte >= 0x20, byte != 0x7F else { return false }
                position += 1
                continue
            }
            let piece = utf8Piece(at: position)
            guard piece.isValid, !(byte == 0xC2 && self[position + 1] < 0xA0) else { return false }
            position += piece.count
        }
        return true
    }

    /// The UTF-8 sequence that begins at `start` with a byte of 0x80 or more; or how many bytes from there are wrong
    /// together (the longest beginning of a sequence, at least one byte), as the Unicode standard advises in section
    /// 3.9.
    func utf8Piece(at start: Int) -> (count: Int, isValid: Bool) {
        let lead = self[start]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return (1, false)
        }
        for offset in 1..<length {
            let allowed = offset == 1 ? second : 0x80...0xBF
            guard start + offset < count, allowed.contains(self[start + offset]) else { return (offset, false) }
        }
        return (length, true)
    }
}
