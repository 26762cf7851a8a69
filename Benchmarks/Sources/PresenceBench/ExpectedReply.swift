import Foundation

/// What a reply must be.
indirect enum ExpectedReply: Sendable {
    /// These bytes.
    case exact([UInt8])
    /// A bulk string that holds these bytes.
    case bulk(containing: [UInt8])
    /// One of these: what the answer is depends on what was asked before.
    case oneOf([ExpectedReply])
    /// So many elements, each one of these.
    case array(count: Int, of: [ExpectedReply])

    static let null = ExpectedReply.exact("$-1\r\n")
    /// 0 or 1.
    static let truth = ExpectedReply.oneOf([.exact(":0\r\n"), .exact(":1\r\n")])

    static func exact(_ text: String) -> ExpectedReply { .exact(Array(text.utf8)) }
    static func bulk(containing text: String) -> ExpectedReply { .bulk(containing: Array(text.utf8)) }

    /// The bytes of the reply at the begin of `bytes`, nil if it is not whole yet.
    ///
    /// - Throws: if it is another than the expected one; the message has what it is, of a long reply from shortly before the first difference.
    func length(in bytes: UnsafeRawBufferPointer) throws -> Int? {
        switch match(bytes) {
        case .whole(let length): return length
        case .partial: return nil
        case .wrong(let place):
            let shown = bytes[max(0, place - 40)...].prefix(120)
            let before = place > 40 ? "... (\(grouped(place - 40)) bytes) " : ""
            throw BenchError(before + String(decoding: shown, as: UTF8.self).debugDescription)
        }
    }

    // MARK: Matching

    private enum Match {
        /// So many bytes are the reply.
        case whole(Int)
        /// What is there may become it.
        case partial
        /// From that byte on it is another one.
        case wrong(at: Int)
    }

    /// Most replies are one of several, so that what does not match is no error yet, and costs nothing.
    private func match(_ bytes: UnsafeRawBufferPointer) -> Match {
        switch self {
        case .exact(let expected): ExpectedReply.match(expected, bytes)
        case .bulk(let part): ExpectedReply.match(bulkContaining: part, bytes)
        case .oneOf(let choices): ExpectedReply.match(oneOf: choices, bytes)
        case .array(let count, let elements): ExpectedReply.match(count, of: elements, bytes)
        }
    }

    private static func match(_ expected: [UInt8], _ bytes: UnsafeRawBufferPointer) -> Match {
        let count = min(expected.count, bytes.count)
        guard count > 0, let start = bytes.baseAddress else { return .partial }
        guard memcmp(start, expected, count) == 0 else {
            return .wrong(at: (0..<count).first { bytes[$0] != expected[$0] } ?? 0)
        }
        return bytes.count >= expected.count ? .whole(expected.count) : .partial
    }

    private static func match(bulkContaining part: [UInt8], _ bytes: UnsafeRawBufferPointer) -> Match {
        guard let start = bytes.baseAddress, let first = bytes.first else { return .partial }
        guard first == UInt8(ascii: "$") else { return .wrong(at: 0) }
        guard let lineEnd = bytes.prefix(24).firstIndex(of: 13) else {
            return bytes.count >= 24 ? .wrong(at: 0) : .partial
        }
        var length = 0
        for byte in bytes[1..<lineEnd] {
            guard (48...57).contains(byte) else { return .wrong(at: 0) }
            length = length * 10 + Int(byte - 48)
        }
        let end = lineEnd + 2 + length + 2
        guard length >= part.count else { return .wrong(at: 0) }
        guard end <= bytes.count else { return .partial }
        guard bytes[lineEnd + 1] == 10, bytes[end - 2] == 13, bytes[end - 1] == 10 else { return .wrong(at: end - 2) }
        let body = (lineEnd + 2)...(end - 2 - part.count)
        let isThere = body.contains { memcmp(start + $0, part, part.count) == 0 }
        return isThere ? .whole(end) : .wrong(at: 0)
    }

    private static func match(oneOf choices: [ExpectedReply], _ bytes: UnsafeRawBufferPointer) -> Match {
        var isOpen = false
        for choice in choices {
            switch choice.match(bytes) {
            case .whole(let length): return .whole(length)
            case .partial: isOpen = true
            case .wrong: break
            }
        }
        return isOpen ? .partial : .wrong(at: 0)
    }

    private static func match(_ count: Int, of elements: [ExpectedReply], _ bytes: UnsafeRawBufferPointer) -> Match {
        let head = match(Array("*\(count)\r\n".utf8), bytes)
        guard case .whole(var end) = head else { return head }
        for _ in 0..<count {
            switch match(oneOf: elements, UnsafeRawBufferPointer(rebasing: bytes[end...])) {
            case .whole(let length): end += length
            case .partial: return .partial
            case .wrong(let place): return .wrong(at: end + place)
            }
        }
        return .whole(end)
    }
}
