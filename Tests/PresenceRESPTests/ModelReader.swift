import PresenceRESP

/// The same protocol read slowly and plainly, from whole bytes: what the fast reader is compared with.
///
/// It knows the default limits only, keeps no state between calls and copies everything.
struct ModelReader {
    private let bytes: [UInt8]
    private var at = 0

    /// Reads all of `bytes`.
    static func read(_ bytes: [UInt8]) -> Reading {
        var model = ModelReader(bytes: bytes)
        var result = Reading()
        do {
            while let arguments = try model.command() {
                if arguments.isEmpty {
                    result.empties += 1
                } else {
                    result.commands.append(arguments)
                }
                result.consumed = model.at
            }
        } catch {
            result.failure = error
        }
        return result
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The next command; nil if it is not whole.
    private mutating func command() throws(ProtocolError) -> [[UInt8]]? {
        guard at < bytes.count else { return nil }
        guard bytes[at] == UInt8(ascii: "*") else { return try inline() }
        guard let countLine = try line(tooLong: .tooBigMultibulkCount) else { return nil }
        guard let count = Self.number(countLine), count <= 1_048_576 else { throw .invalidMultibulkLength }
        var arguments: [[UInt8]] = []
        while arguments.count < count {
            guard let header = try line(tooLong: .tooBigBulkCount) else { return nil }
            let marker = header.first ?? 0x0D
            guard marker == UInt8(ascii: "$") else { throw .expectedDollar(got: marker) }
            guard let length = Self.number(header), (0...512 * 1024 * 1024).contains(length) else {
                throw .invalidBulkLength
            }
            guard bytes.count - at >= length + 2 else { return nil }
            arguments.append(Array(bytes[at..<(at + length)]))
            at += length + 2
        }
        return arguments
    }

    /// The bytes before the next CR, moving behind the byte that follows it; nil if either is missing.
    private mutating func line(tooLong: ProtocolError) throws(ProtocolError) -> [UInt8]? {
        let end = bytes[at...].firstIndex(of: 0x0D)
        if (end ?? bytes.count) - at > 65_536 { throw tooLong }
        guard let end, end + 1 < bytes.count else { return nil }
        defer { at = end + 2 }
        return Array(bytes[at..<end])
    }

    /// What follows a line's marker, if it is spelled as Swift would spell that number.
    private static func number(_ line: [UInt8]) -> Int? {
        let text = String(decoding: line.dropFirst(), as: UTF8.self)
        guard let number = Int(text), "\(number)" == text else { return nil }
        return number
    }

    private mutating func inline() throws(ProtocolError) -> [[UInt8]]? {
        if bytes[at...].starts(with: [22, 3]) { throw .tlsHandshake }
        let end = bytes[at...].firstIndex(of: 0x0A)
        if (end ?? bytes.count) - at > 65_536 { throw .tooBigInlineRequest }
        guard let end else { return nil }
        var line = Array(bytes[at..<end])
        at = end + 1
        if line.last == 0x0D { line.removeLast() }
        var arguments: [[UInt8]] = []
        while true {
            line = Array(line.drop { $0 == 0x20 || (0x09...0x0D).contains($0) })
            if line.isEmpty { return arguments }
            arguments.append(try Self.argument(&line))
        }
    }

    /// Takes one argument off the front of a line that begins with one.
    private static func argument(_ line: inout [UInt8]) throws(ProtocolError) -> [UInt8] {
        var argument: [UInt8] = []
        while let byte = line.first {
            line.removeFirst()
            switch byte {
            case 0x09, 0x0A, 0x0D, 0x20:
                return argument
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                argument += try quoted(&line, by: byte)
                if let next = line.first, next != 0x20, !(0x09...0x0D).contains(next) { throw .unbalancedQuotes }
                return argument
            default:
                argument.append(byte)
            }
        }
        return argument
    }

    private static func quoted(_ line: inout [UInt8], by quote: UInt8) throws(ProtocolError) -> [UInt8] {
        let named: [Character: UInt8] = ["n": 0x0A, "r": 0x0D, "t": 0x09, "b": 0x08, "a": 0x07]
        var inside: [UInt8] = []
        while let byte = line.first {
            line.removeFirst()
            if byte == quote { return inside }
            let isEscape = byte == UInt8(ascii: "\\") && !line.isEmpty
            if isEscape, quote == UInt8(ascii: "'") {
                inside.append(line[0] == quote ? line.removeFirst() : byte)
            } else if isEscape {
                let digits = line.prefix(3).dropFirst()
                if line[0] == UInt8(ascii: "x"), digits.count == 2, digits.allSatisfy(isHexadecimal),
                    let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
                {
                    line.removeFirst(3)
                    inside.append(value)
                } else {
                    let escaped = line.removeFirst()
                    inside.append(named[Character(Unicode.Scalar(escaped))] ?? escaped)
                }
            } else {
                inside.append(byte)
            }
        }
        throw .unbalancedQuotes
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        Character(Unicode.Scalar(byte)).isHexDigit && byte < 0x80
    }
}
