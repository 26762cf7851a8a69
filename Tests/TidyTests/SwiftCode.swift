/// Tells what is code in a Swift file from what is comment or string literal.
///
/// Knows line comments, nested block comments, and string literals of one or several lines, raw ones too. What is
/// interpolated into a string counts as string. Regex literals that hold a quote would confuse it.
struct SwiftCode {
    private let bytes: [UInt8]
    private var at = 0
    private var code: [UInt8] = []

    /// `text` with comments and literals left out.
    static func code(of text: String) -> String {
        var scanner = SwiftCode(bytes: Array(text.utf8))
        scanner.scan()
        return String(decoding: scanner.code, as: UTF8.self)
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private func looking(at text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard at + length <= bytes.count else { return false }
        return "\(text)".utf8.elementsEqual(bytes[at..<(at + length)])
    }

    private mutating func scan() {
        while at < bytes.count {
            if looking(at: "//") {
                while at < bytes.count, bytes[at] != newline { at += 1 }
            } else if looking(at: "/*") {
                skipBlockComment()
            } else if let pounds = openingPounds() {
                skipString(pounds: pounds)
            } else {
                code.append(bytes[at])
                at += 1
            }
        }
    }

    private mutating func skipBlockComment() {
        var depth = 0
        repeat {
            if looking(at: "/*") {
                depth += 1
                at += 2
            } else if looking(at: "*/") {
                depth -= 1
                at += 2
            } else {
                skip()
            }
        } while depth > 0 && at < bytes.count
    }

    /// How many `#` stand before the quote of a literal that begins here; nil if none begins.
    private func openingPounds() -> Int? {
        var end = at
        while end < bytes.count, bytes[end] == UInt8(ascii: "#") { end += 1 }
        return end < bytes.count && bytes[end] == quote ? end - at : nil
    }

    private mutating func skipString(pounds: Int) {
        at += pounds
        let isLong = looking(at: "\"\"\"")
        let quotes = isLong ? 3 : 1
        at += quotes
        let closing = [UInt8](repeating: quote, count: quotes) + [UInt8](repeating: UInt8(ascii: "#"), count: pounds)
        while at < bytes.count, isLong || bytes[at] != newline {
            if bytes[at...].starts(with: closing) {
                at += closing.count
                return
            }
            if pounds == 0, bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count {
                at += 1
            }
            skip()
        }
    }

    /// Leaves a byte out, but not a line end, so that line numbers stay true.
    private mutating func skip() {
        if bytes[at] == newline { code.append(newline) }
        at += 1
    }

    private var newline: UInt8 { 0x0A }
    private var quote: UInt8 { UInt8(ascii: "\"") }
}
