/// The lines of a file in redis.conf's form: a name, then words; quotes as in Redis; comments on lines of their own.
enum SettingsFile {
    /// A line that sets something.
    struct Line: Equatable, Sendable {
        /// Counted from 1.
        let number: Int
        let name: String
        let words: [String]
    }

    /// Splits a file. Lines that cannot be split are given to `fail` with their number and why.
    static func lines(of text: String, fail: (Int, String) -> Void) -> [Line] {
        var lines: [Line] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            do {
                let words = try words(of: line)
                if let name = words.first, !name.hasPrefix("#") {
                    lines.append(Line(number: index + 1, name: name, words: Array(words.dropFirst())))
                }
            } catch {
                fail(index + 1, error.message)
            }
        }
        return lines
    }

    /// Splits one line. A line that begins with `#` gives that word alone.
    ///
    /// In double quotes `\n \r \t \a \b \" \\` and `\xHH` mean what they mean in C; in single quotes only `\'` is
    /// special. A closing quote ends its word.
    static func words(of line: some StringProtocol) throws(ValueError) -> [String] {
        var words: [String] = []
        var rest = line.utf8.drop(while: isSpace)
        if rest.first == UInt8(ascii: "#") { return ["#"] }
        while let first = rest.first {
            var word: [UInt8] = []
            if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
                rest = rest.dropFirst()
                word = try quoted(by: first, &rest)
                guard rest.first.map(isSpace) ?? true else {
                    throw ValueError(message: "a space is missing after a closing quote")
                }
            } else {
                while let byte = rest.first, !isSpace(byte) {
                    word.append(byte)
                    rest = rest.dropFirst()
                }
            }
            guard let text = String(validating: word, as: UTF8.self) else {
                throw ValueError(message: "the line is not UTF-8")
            }
            words.append(text)
            rest = rest.drop(while: isSpace)
        }
        return words
    }

    /// A word as ``words(of:)`` reads it: in quotes if it is empty or has bytes that would mean something else.
    static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy {
            $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'")
        }
        guard word.isEmpty || !isPlain || word.hasPrefix("#") else { return word }
        var quoted: [UInt8] = [UInt8(ascii: "\"")]
        for byte in word.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): quoted += [UInt8(ascii: "\\"), byte]
            case 10: quoted += "\\n".utf8
            case 13: quoted += "\\r".utf8
            case 9: quoted += "\\t".utf8
            case 0..<0x20, 0x7f: quoted += "\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: quoted.append(byte)
            }
        }
        quoted.append(UInt8(ascii: "\""))
        return String(decoding: quoted, as: UTF8.self)
    }

    /// The words of several strings, one list: how `CONFIG SET` and the command line give what a file has on one line.
    static func words(ofEach strings: [String]) throws(ValueError) -> [String] {
        var all: [String] = []
        for string in strings { all += try words(of: string) }
        return all
    }

    /// The bytes up to the closing `quote`, which is taken too.
    private static func quoted<Bytes: Collection>(by quote: UInt8, _ rest: inout Bytes) throws(ValueError) -> [UInt8]
    where Bytes.Element == UInt8, Bytes.SubSequence == Bytes {
        var word: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte == quote { return word }
            guard byte == UInt8(ascii: "\\"), let escaped = rest.first else {
                word.append(byte)
                continue
            }
            if quote == UInt8(ascii: "'") {
                if escaped == quote { rest = rest.dropFirst() }
                word.append(escaped == quote ? quote : byte)
                continue
            }
            rest = rest.dropFirst()
            switch escaped {
            case UInt8(ascii: "n"): word.append(10)
            case UInt8(ascii: "r"): word.append(13)
            case UInt8(ascii: "t"): word.append(9)
            case UInt8(ascii: "a"): word.append(7)
            case UInt8(ascii: "b"): word.append(8)
            case UInt8(ascii: "x"):
                let digits = rest.prefix(2)
                guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else {
                    throw ValueError(message: "\\x needs two hexadecimal digits")
                }
                word.append(value)
                rest = rest.dropFirst(2)
            default: word.append(escaped)
            }
        }
        throw ValueError(message: "a quote is not closed")
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 32 || (9...13).contains(byte)
    }
}
