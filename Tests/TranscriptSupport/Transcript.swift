/// A story of commands, time and replies, read from a text file. `Tests/Transcripts/README.md` tells the form.
public struct Transcript: Sendable {
    /// The title: the file's first comment.
    public var title = ""
    /// The settings that the server must be started with, in order.
    public var settings: [(name: String, value: String)] = []
    /// What happens, in order.
    public var steps: [Step] = []

    /// One step, with the line it stands on.
    public struct Step: Sendable {
        /// The line's number, from 1.
        public var line: Int
        /// What is to be done or seen.
        public var action: Action
    }

    /// What a step does or expects.
    public enum Action: Sendable, Equatable {
        /// A connection sends a command; its reply must look like these lines.
        case command(connection: String, arguments: [[UInt8]], reply: [String])
        /// A connection sends bytes that may be no command; what comes back, if lines are given, must look like these.
        case raw(connection: String, bytes: [UInt8], reply: [String])
        /// Time goes on by so many milliseconds.
        case advance(milliseconds: Int64)
        /// A message must have come to a connection, or none if `text` is nil.
        case push(connection: String, text: String?)
    }

    /// What is wrong with a transcript's text.
    public struct SyntaxError: Error, CustomStringConvertible {
        /// The line's number, from 1.
        public var line: Int
        /// What it lacks.
        public var reason: String
        /// Both.
        public var description: String { "line \(line): \(reason)" }
    }

    /// Reads a transcript.
    public init(_ text: String) throws(SyntaxError) {
        var reply: [String] = []
        var open: Step?
        func close(_ steps: inout [Step]) {
            guard var step = open else { return }
            switch step.action {
            case .command(let connection, let arguments, _):
                step.action = .command(connection: connection, arguments: arguments, reply: reply)
            case .raw(let connection, let bytes, _):
                step.action = .raw(connection: connection, bytes: bytes, reply: reply)
            default: break
            }
            steps.append(step)
            open = nil
            reply = []
        }
        for (index, substring) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = String(substring)
            let number = index + 1
            if line.hasPrefix("#") {
                if title.isEmpty { title = String(line.drop { $0 == "#" || $0 == " " }) }
                continue
            }
            if line.allSatisfy({ $0 == " " }) {
                close(&steps)
                continue
            }
            if let action = try Transcript.action(line, number) {
                close(&steps)
                if case .push = action {
                    steps.append(Step(line: number, action: action))
                } else if case .advance = action {
                    steps.append(Step(line: number, action: action))
                } else {
                    open = Step(line: number, action: action)
                }
            } else if let setting = Transcript.setting(line) {
                close(&steps)
                settings.append(setting)
            } else if open != nil {
                reply.append(line)
            } else {
                throw SyntaxError(line: number, reason: "a reply without a command: \(line)")
            }
        }
        close(&steps)
    }

    // MARK: - Lines

    /// `> PING`, `watcher> PING`, `>> *1\r\n`, `watcher< ...`, `advance 90s`; nil for every other line.
    private static func action(_ line: String, _ number: Int) throws(SyntaxError) -> Action? {
        if line.hasPrefix("advance ") {
            guard let milliseconds = duration(String(line.dropFirst(8))) else {
                throw SyntaxError(line: number, reason: "advance takes 90s, 20ms, 5m or 2h")
            }
            return .advance(milliseconds: milliseconds)
        }
        let name = line.prefix { $0.isLetter || $0.isNumber }
        let rest = line.dropFirst(name.count)
        let connection = name.isEmpty ? "main" : String(name)
        if rest.hasPrefix(">> ") {
            return .raw(connection: connection, bytes: escaped(rest.dropFirst(3)), reply: [])
        }
        if rest.hasPrefix("> ") {
            guard let arguments = words(rest.dropFirst(2)), !arguments.isEmpty else {
                throw SyntaxError(line: number, reason: "quotes do not match")
            }
            return .command(connection: connection, arguments: arguments, reply: [])
        }
        if rest.hasPrefix("< ") {
            let text = String(rest.dropFirst(2))
            return .push(connection: connection, text: text == "(nothing)" ? nil : text)
        }
        return nil
    }

    private static func setting(_ line: String) -> (name: String, value: String)? {
        guard line.hasPrefix("setting ") else { return nil }
        let parts = line.dropFirst(8).split(separator: " ", maxSplits: 1)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    /// Milliseconds of `90s`, `20ms`, `5m`, `2h`.
    public static func duration(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isNumber }
        guard let number = Int64(digits) else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return number
        case "s": return number * 1000
        case "m": return number * 60_000
        case "h": return number * 3_600_000
        default: return nil
        }
    }

    /// Words as redis-cli takes them: blanks separate, `"..."` knows `\r \n \t \" \\ \xHH`, `'...'` takes bytes as they are.
    static func words(_ text: Substring) -> [[UInt8]]? {
        var words: [[UInt8]] = []
        var bytes = ArraySlice(Array(text.utf8))
        while let first = bytes.first {
            if first == UInt8(ascii: " ") {
                bytes.removeFirst()
                continue
            }
            var word: [UInt8] = []
            if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
                bytes.removeFirst()
                guard let end = closing(bytes, first) else { return nil }
                let inner = Array(bytes[bytes.startIndex..<end])
                word = first == UInt8(ascii: "\"") ? unescape(inner) : inner
                bytes = bytes[(end + 1)...]
            } else {
                let end = bytes.firstIndex(of: UInt8(ascii: " ")) ?? bytes.endIndex
                word = Array(bytes[bytes.startIndex..<end])
                bytes = bytes[end...]
            }
            words.append(word)
        }
        return words
    }

    private static func closing(_ bytes: ArraySlice<UInt8>, _ quote: UInt8) -> Int? {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if bytes[index] == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                index += 2
            } else if bytes[index] == quote {
                return index
            } else {
                index += 1
            }
        }
        return nil
    }

    private static func escaped(_ text: Substring) -> [UInt8] { unescape(Array(text.utf8)) }

    static func unescape(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count else {
                out.append(bytes[index])
                index += 1
                continue
            }
            switch bytes[index + 1] {
            case UInt8(ascii: "r"): out.append(0x0d)
            case UInt8(ascii: "n"): out.append(0x0a)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "x") where index + 3 < bytes.count:
                let digits = String(decoding: bytes[(index + 2)...(index + 3)], as: UTF8.self)
                out.append(UInt8(digits, radix: 16) ?? 0)
                index += 2
            case let other: out.append(other)
            }
            index += 2
        }
        return out
    }
}
