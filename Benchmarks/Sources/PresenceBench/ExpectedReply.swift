import Foundation

/// What a reply must be.
indirect enum ExpectedReply {
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
    /// - Throws: if it is another than the expected one.
    func length(in bytes: UnsafeRawBufferPointer) throws -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        switch self {
        case .oneOf(let choices):
            var isOpen = false
            for choice in choices {
                do {
                    if let length = try choice.length(in: bytes) { return length }
                    isOpen = true
                } catch {}
            }
            guard isOpen else { throw wrong(bytes) }
            return nil
        case .array(let count, let elements):
            let head = ExpectedReply.exact("*\(count)\r\n")
            guard var end = try head.length(in: bytes) else { return nil }
            for _ in 0..<count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[end...])
                guard let length = try ExpectedReply.oneOf(elements).length(in: rest) else { return nil }
                end += length
            }
            return end
        case .exact(let expected):
            guard memcmp(start, expected, min(expected.count, bytes.count)) == 0 else { throw wrong(bytes) }
            return bytes.count >= expected.count ? expected.count : nil
        case .bulk(let part):
            guard let lineEnd = bytes.prefix(24).firstIndex(of: 13) else {
                if bytes.count >= 24 { throw wrong(bytes) }
                return nil
            }
            var length = 0
            for byte in bytes[1..<lineEnd] {
                guard (48...57).contains(byte) else { throw wrong(bytes) }
                length = length * 10 + Int(byte - 48)
            }
            guard bytes[0] == UInt8(ascii: "$") else { throw wrong(bytes) }
            let end = lineEnd + 2 + length + 2
            guard length >= part.count else { throw wrong(bytes) }
            guard end <= bytes.count else { return nil }
            guard (0...max(0, end - part.count)).contains(where: { memcmp(start + $0, part, part.count) == 0 }) else {
                throw wrong(bytes)
            }
            return end
        }
    }

    private func wrong(_ bytes: UnsafeRawBufferPointer) -> BenchError {
        BenchError("\(String(decoding: bytes.prefix(120), as: UTF8.self).debugDescription)")
    }
}
