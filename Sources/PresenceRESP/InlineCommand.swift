/// How a line that a person typed becomes arguments: the rules of Redis's inline commands.
///
/// Arguments are separated by blanks. `"..."` may hold blanks and the escapes `\n \r \t \b \a \xHH \" \\`; `'...'` may
/// hold blanks and `\'`. A quote may open inside an argument, but what follows a closing one must be a blank. Outside
/// quotes a backslash is only a backslash.
enum InlineCommand {
    /// Splits a line without quotes. Calls `argument` with each argument's place in `line`. One pass.
    static func split(_ line: Span<UInt8>, _ argument: (Range<Int>) -> Void) {
        var at = 0
        while true {
            while at < line.count, isBlank(line[at]) { at += 1 }
            guard at < line.count else { return }
            let start = at
            while at < line.count, !endsArgument(line[at]) { at += 1 }
            argument(start..<at)
        }
    }

    /// Splits a line that holds quotes, writing what they mean to the end of `decoded`. Calls `argument` with each
    /// argument's place in `decoded`. One pass.
    ///
    /// - Returns: false if the quotes are unbalanced; what was written until then means nothing.
    static func decode(
        _ line: Span<UInt8>,
        into decoded: inout [UInt8],
        _ argument: (Range<Int>) -> Void
    ) -> Bool {
        var at = 0
        while true {
            while at < line.count, isBlank(line[at]) { at += 1 }
            guard at < line.count else { return true }
            let start = decoded.count
            var isOpen = true
            while isOpen, at < line.count {
                let byte = line[at]
                at += 1
                if endsArgument(byte) {
                    isOpen = false
                } else if byte == doubleQuote || byte == singleQuote {
                    guard unquote(line, &at, quote: byte, into: &decoded) else { return false }
                    isOpen = false
                } else {
                    decoded.append(byte)
                }
            }
            argument(start..<decoded.count)
        }
    }

    /// Reads from behind an opening quote to behind its closing one.
    private static func unquote(
        _ line: Span<UInt8>,
        _ at: inout Int,
        quote: UInt8,
        into decoded: inout [UInt8]
    ) -> Bool {
        while at < line.count {
            let byte = line[at]
            at += 1
            if byte == quote {
                return at == line.count || isBlank(line[at])
            }
            guard byte == backslash, at < line.count else {
                decoded.append(byte)
                continue
            }
            if quote == doubleQuote {
                decoded.append(escape(line, &at))
            } else if line[at] == singleQuote {
                decoded.append(singleQuote)
                at += 1
            } else {
                decoded.append(backslash)
            }
        }
        return false
    }

    /// The byte meant by what follows a backslash inside double quotes.
    private static func escape(_ line: Span<UInt8>, _ at: inout Int) -> UInt8 {
        if line[at] == UInt8(ascii: "x"), at + 2 < line.count,
            let high = hexadecimal(line[at + 1]), let low = hexadecimal(line[at + 2])
        {
            at += 3
            return high << 4 | low
        }
        let byte = line[at]
        at += 1
        return switch byte {
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: byte
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// What may stand between arguments: C's `isspace`.
    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0D).contains(byte)
    }

    /// What ends an argument outside quotes: Redis does not count vertical tab and form feed here.
    private static func endsArgument(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    static let doubleQuote = UInt8(ascii: "\"")
    static let singleQuote = UInt8(ascii: "'")
    private static let backslash = UInt8(ascii: "\\")
}
