import PresenceTesting
import Testing

@testable import PresenceMigration

@Suite("Replies are read whatever pieces they come in")
struct ReplyReaderTests {
    private static let wire =
        "+OK\r\n-ERR no such thing\r\n:-42\r\n$5\r\nhello\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n"
        + "*2\r\n$1\r\n0\r\n*3\r\n$1\r\na\r\n$-1\r\n:7\r\n*1\r\n*1\r\n+x\r\n"
    private static let replies: [Reply] = [
        .text("OK"), .error("ERR no such thing"), .integer(-42), .bytes([UInt8]("hello")), .bytes([]), .null, .null,
        .array([]),
        .array([.bytes([UInt8]("0")), .array([.bytes([UInt8]("a")), .null, .integer(7)])]),
        .array([.array([.text("x")])]),
    ]

    private func read(_ pieces: [some Sequence<UInt8>], limits: ReplyReader.Limits = .init()) throws -> [Reply] {
        var reader = ReplyReader(limits: limits)
        var replies: [Reply] = []
        for piece in pieces {
            reader.append(piece)
            while let reply = try reader.next() { replies.append(reply) }
        }
        return replies
    }

    @Test("at once, byte by byte, and cut in two anywhere")
    func splits() throws {
        let bytes = [UInt8](Self.wire)
        #expect(try read([bytes]) == Self.replies)
        #expect(try read(bytes.map { [$0] }) == Self.replies)
        for cut in bytes.indices {
            #expect(try read([bytes[..<cut], bytes[cut...]]) == Self.replies)
        }
    }

    @Test("in random pieces, many times over")
    func randomPieces() throws {
        var random = SeededRandom(seed: 7)
        let bytes = [UInt8](String(repeating: Self.wire, count: 50))
        let expected = Array(repeatElement(Self.replies, count: 50).joined())
        var pieces: [ArraySlice<UInt8>] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 1...40, using: &random))
            pieces.append(bytes[start..<end])
            start = end
        }
        #expect(try read(pieces) == expected)
    }

    @Test("a value that is too long is dropped, whatever pieces it comes in, and what follows is read")
    func oversized() throws {
        let limits = ReplyReader.Limits(value: 10)
        let bytes = [UInt8]("*2\r\n$11\r\nhello world\r\n$2\r\nhi\r\n$10\r\n0123456789\r\n")
        let expected: [Reply] = [.array([.oversized(11), .bytes([UInt8]("hi"))]), .bytes([UInt8]("0123456789"))]
        for cut in bytes.indices {
            #expect(try read([bytes[..<cut], bytes[cut...]], limits: limits) == expected)
        }
    }

    @Test(
        "what no Redis sends is told",
        arguments: [
            ("HTTP/1.1 400 Bad Request\r\n", ReplyProblem.unexpected(UInt8(ascii: "H"))),
            (":12x\r\n", .badNumber), ("$-2\r\n", .badNumber), ("*9999999999999\r\n", .badNumber),
            ("*1048577\r\n", .tooMany), ("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", .tooDeep), ("$2\r\nabc\r\n", .notClosed),
            ("+" + String(repeating: "x", count: 70_000), .lineTooLong), ("+OK\n", .unexpected(UInt8(ascii: "+"))),
        ])
    func problems(_ text: String, _ problem: ReplyProblem) {
        #expect(throws: problem) { try read([[UInt8](text)]) }
    }

    @Test("one reply holds no more than it may, though each value is short")
    func total() {
        let limits = ReplyReader.Limits(total: 1_000)
        let bytes = [UInt8]("*100\r\n" + String(repeating: "$20\r\n01234567890123456789\r\n", count: 100))
        #expect(throws: ReplyProblem.tooMuch) { try read([bytes], limits: limits) }
    }
}
