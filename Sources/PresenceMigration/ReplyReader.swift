/// Cuts the bytes that a server sends into replies, whatever pieces they come in.
///
/// What a server claims costs no memory: a value longer than `Limits.value` is read and dropped, an array's room is not
/// made ahead, and one reply as a whole holds at most `Limits.total` bytes. Time is linear in the bytes.
struct ReplyReader: Sendable {
    /// What a reply may be. Beyond `value` a value is dropped; beyond the others the server is not Redis.
    struct Limits: Sendable {
        /// The longest value that is kept. A record is at most 64 KiB.
        var value = 65_536
        /// The longest line: a status, an error, a length.
        var line = 65_536
        /// The most elements of one array. `SCAN` answers few more keys than it is asked for.
        var elements = 1 << 20
        /// How deep arrays may be nested.
        var depth = 4
        /// The most bytes of the values and lines of one reply.
        var total = 64 << 20
    }

    /// An array of which elements are still to come.
    private struct OpenArray: Sendable {
        var missing: Int
        var elements: [Reply] = []
    }

    private let limits: Limits
    private var buffer: [UInt8] = []
    /// Where in `buffer` the first byte is that was not read.
    private var position = 0
    /// How far `buffer` was searched for the end of the line that begins at `position`.
    private var searched = 0
    private var open: [OpenArray] = []
    /// The bytes that the open arrays hold.
    private var held = 0
    /// The rest of a value that is dropped, with its line end, and its length.
    private var dropping = (rest: 0, length: 0)

    init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Takes what the socket gave.
    mutating func append(_ bytes: some Sequence<UInt8>) {
        if position > 0 {
            buffer.removeSubrange(..<position)
            searched -= min(searched, position)
            position = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole reply, or nil if bytes are missing.
    mutating func next() throws(ReplyProblem) -> Reply? {
        while let element = try element() {
            if let whole = try close(element) { return whole }
        }
        return nil
    }

    /// Puts an element where it belongs; returns it, or the array that it ended, if that is the whole reply.
    private mutating func close(_ element: Reply) throws(ReplyProblem) -> Reply? {
        var element = element
        while let last = open.indices.last {
            open[last].elements.append(element)
            open[last].missing -= 1
            guard open[last].missing == 0 else { return nil }
            element = .array(open.removeLast().elements)
        }
        held = 0
        return element
    }

    /// One value, or the empty array; opens arrays on the way.
    private mutating func element() throws(ReplyProblem) -> Reply? {
        while true {
            if dropping.rest > 0 {
                let dropped = min(dropping.rest, buffer.count - position)
                dropping.rest -= dropped
                position += dropped
                searched = position
                return dropping.rest == 0 ? .oversized(dropping.length) : nil
            }
            guard let line = try line() else { return nil }
            let text = buffer[line.dropFirst()]
            switch buffer[line.lowerBound] {
            case UInt8(ascii: "+"):
                try consume(line)
                return .text(String(decoding: text, as: UTF8.self))
            case UInt8(ascii: "-"):
                try consume(line)
                return .error(String(decoding: text, as: UTF8.self))
            case UInt8(ascii: ":"):
                let number = try number(text)
                try consume(line)
                return .integer(number)
            case UInt8(ascii: "$"):
                let count = try count(text)
                guard let count else {
                    try consume(line)
                    return .null
                }
                guard count <= limits.value else {
                    try consume(line)
                    dropping = (count + 2, count)
                    continue
                }
                return try value(count, after: line)
            case UInt8(ascii: "*"):
                let count = try count(text)
                guard count ?? 0 <= limits.elements else { throw .tooMany }
                guard open.count < limits.depth else { throw .tooDeep }
                try consume(line)
                guard let count else { return .null }
                guard count > 0 else { return .array([]) }
                open.append(OpenArray(missing: count))
            case let other: throw .unexpected(other)
            }
        }
    }

    /// Where the line is that begins at `position`, without its end; nil if that has not come. Never empty.
    private mutating func line() throws(ReplyProblem) -> Range<Int>? {
        var end = max(searched, position)
        while end < buffer.count, buffer[end] != 0x0A { end += 1 }
        searched = end
        guard end - position <= limits.line else { throw .lineTooLong }
        guard end < buffer.count else { return nil }
        guard end - position >= 2, buffer[end - 1] == 0x0D else { throw .unexpected(buffer[position]) }
        return position..<end - 1
    }

    private mutating func consume(_ line: Range<Int>) throws(ReplyProblem) {
        position = line.upperBound + 2
        searched = position
        try hold(line.count)
    }

    /// The value of `count` bytes behind its line, or nil if it is not there as a whole; then nothing is consumed.
    private mutating func value(_ count: Int, after line: Range<Int>) throws(ReplyProblem) -> Reply? {
        let start = line.upperBound + 2
        guard buffer.count >= start + count + 2 else { return nil }
        guard buffer[start + count] == 0x0D, buffer[start + count + 1] == 0x0A else { throw .notClosed }
        let bytes = Array(buffer[start..<start + count])
        position = start + count + 2
        searched = position
        try hold(count)
        return .bytes(bytes)
    }

    private mutating func hold(_ bytes: Int) throws(ReplyProblem) {
        held += bytes
        guard held <= limits.total else { throw .tooMuch }
    }

    private func number(_ text: ArraySlice<UInt8>) throws(ReplyProblem) -> Int64 {
        guard let number = Int64(String(decoding: text, as: UTF8.self)) else { throw .badNumber }
        return number
    }

    /// A length; nil for -1.
    private func count(_ text: ArraySlice<UInt8>) throws(ReplyProblem) -> Int? {
        let number = try number(text)
        guard number != -1 else { return nil }
        guard (0...1 << 40).contains(number) else { throw .badNumber }
        return Int(number)
    }
}
