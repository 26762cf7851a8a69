/// One value as a server sends it, in RESP2 or RESP3, and as redis-cli prints it.
public indirect enum WireValue: Sendable, Equatable {
    case status(String)
    case error(String)
    case integer(Int64)
    case bulk([UInt8])
    case null
    case boolean(Bool)
    case double(String)
    case array([WireValue])
    case set([WireValue])
    case map([WireValue])
    case push([WireValue])

    /// Takes the first value off `bytes`; nil, and nothing taken, if it is not whole.
    public static func parse(_ bytes: inout ArraySlice<UInt8>) -> WireValue? {
        var rest = bytes
        guard let value = read(&rest) else { return nil }
        bytes = rest
        return value
    }

    private static func read(_ bytes: inout ArraySlice<UInt8>) -> WireValue? {
        guard let marker = bytes.first, let line = line(&bytes) else { return nil }
        switch marker {
        case UInt8(ascii: "+"): return .status(line)
        case UInt8(ascii: "-"): return .error(line)
        case UInt8(ascii: ":"): return .integer(Int64(line) ?? 0)
        case UInt8(ascii: "_"): return .null
        case UInt8(ascii: "#"): return .boolean(line == "t")
        case UInt8(ascii: ","): return .double(line)
        case UInt8(ascii: "$"), UInt8(ascii: "="):
            guard let count = Int(line), count >= 0 else { return .null }
            guard bytes.count >= count + 2 else { return nil }
            var body = Array(bytes.prefix(count))
            bytes = bytes.dropFirst(count + 2)
            if marker == UInt8(ascii: "=") { body.removeFirst(4) }
            return .bulk(body)
        default:
            guard let count = Int(line), count >= 0 else { return .null }
            var elements: [WireValue] = []
            for _ in 0..<(marker == UInt8(ascii: "%") ? count * 2 : count) {
                guard let element = read(&bytes) else { return nil }
                elements.append(element)
            }
            switch marker {
            case UInt8(ascii: "%"): return .map(elements)
            case UInt8(ascii: "~"): return .set(elements)
            case UInt8(ascii: ">"): return .push(elements)
            default: return .array(elements)
            }
        }
    }

    private static func line(_ bytes: inout ArraySlice<UInt8>) -> String? {
        guard let end = bytes.firstIndex(of: 0x0d), end + 1 < bytes.endIndex else { return nil }
        let line = String(decoding: bytes[(bytes.startIndex + 1)..<end], as: UTF8.self)
        bytes = bytes[(end + 2)...]
        return line
    }

    /// Whether it is a message to a subscriber, which may come between replies.
    public var isMessage: Bool { message != nil }

    /// A message's parts in one line: kind, channel (and pattern), payload.
    public var message: String? {
        let elements: [WireValue]
        switch self {
        case .push(let parts), .array(let parts): elements = parts
        default: return nil
        }
        guard case .bulk(let kind)? = elements.first, elements.count >= 3 else { return nil }
        let word = String(decoding: kind, as: UTF8.self)
        guard word == "message" || word == "pmessage" else { return nil }
        return elements.map { element in
            if case .bulk(let bytes) = element { return String(decoding: bytes, as: UTF8.self) }
            return element.lines.joined(separator: " ")
        }.joined(separator: " ")
    }

    // MARK: - As redis-cli prints it

    /// The lines that redis-cli prints for it.
    public var lines: [String] {
        switch self {
        case .status(let text): return [text]
        case .error(let text): return ["(error) \(text)"]
        case .integer(let number): return ["(integer) \(number)"]
        case .bulk(let bytes): return WireValue.quoted(bytes)
        case .null: return ["(nil)"]
        case .boolean(let value): return [value ? "(true)" : "(false)"]
        case .double(let text): return ["(double) \(text)"]
        case .array(let elements): return elements.isEmpty ? ["(empty array)"] : WireValue.list(elements, ")")
        case .set(let elements): return elements.isEmpty ? ["(empty set)"] : WireValue.list(elements, "~")
        case .push(let elements): return elements.isEmpty ? ["(empty push)"] : WireValue.list(elements, ")")
        case .map(let elements): return elements.isEmpty ? ["(empty hash)"] : WireValue.pairs(elements)
        }
    }

    private static func list(_ elements: [WireValue], _ mark: String) -> [String] {
        let width = String(elements.count).count
        return elements.enumerated().flatMap { index, element in
            let number = String(index + 1)
            let head = String(repeating: " ", count: width - number.count) + number + mark + " "
            return indented(element.lines, head)
        }
    }

    private static func pairs(_ elements: [WireValue]) -> [String] {
        let width = String(elements.count / 2).count
        return stride(from: 0, to: elements.count, by: 2).flatMap { index in
            let number = String(index / 2 + 1)
            let key = elements[index].lines.joined(separator: " ")
            let head = String(repeating: " ", count: width - number.count) + "\(number)# \(key) => "
            return indented(elements[index + 1].lines, head)
        }
    }

    private static func indented(_ lines: [String], _ head: String) -> [String] {
        lines.enumerated().map { index, line in
            (index == 0 ? head : String(repeating: " ", count: head.count)) + line
        }
    }

    /// Text between quotes; a text of several lines, as `INFO`'s, as its lines.
    private static func quoted(_ bytes: [UInt8]) -> [String] {
        let text = String(decoding: bytes, as: UTF8.self)
        if text.utf8.contains(0x0a), text.utf8.elementsEqual(bytes) {
            return text.split(separator: "\r\n", omittingEmptySubsequences: false).flatMap { $0.split(separator: "\n") }
                .map(String.init)
        }
        var out = "\""
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += "\\" + String(UnicodeScalar(byte))
            case 0x0d: out += "\\r"
            case 0x0a: out += "\\n"
            case 0x09: out += "\\t"
            case 0x20...0x7e: out += String(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 16)
                out += "\\x" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return [out + "\""]
    }
}
