import PresenceRESP
import Testing

@Suite("Protocol errors are spelled as Redis 7 spells them")
struct ProtocolErrorTests {
    static let texts: [(ProtocolError, String)] = [
        (.invalidMultibulkLength, "Protocol error: invalid multibulk length"),
        (.invalidBulkLength, "Protocol error: invalid bulk length"),
        (.expectedDollar(got: UInt8(ascii: "x")), "Protocol error: expected '$', got 'x'"),
        (.tooBigInlineRequest, "Protocol error: too big inline request"),
        (.unbalancedQuotes, "Protocol error: unbalanced quotes in request"),
        (.tooBigMultibulkCount, "Protocol error: too big mbulk count string"),
        (.tooBigBulkCount, "Protocol error: too big bulk count string"),
        (.unauthenticatedMultibulkLength, "Protocol error: unauthenticated multibulk length"),
        (.unauthenticatedBulkLength, "Protocol error: unauthenticated bulk length"),
        (.tooBigCommand, "Protocol error: command exceeds client-query-buffer-limit"),
        (.tlsHandshake, "Protocol error: TLS on a port without it"),
    ]

    @Test("as a message and as a reply", arguments: texts)
    func text(_ error: ProtocolError, _ text: String) {
        #expect(error.message == text)
        #expect(written { $0.error(error) } == "-ERR \(text)\r\n")
    }

    @Test("a quoted byte goes back as it came, but never ends the line")
    func quotedByte() {
        var buffer = ReplyBuffer()
        buffer.error(.expectedDollar(got: 0xFF))
        let last = buffer.withBytes { [$0[$0.count - 4], $0[$0.count - 3]] }
        #expect(last == [0xFF, UInt8(ascii: "'")])
        #expect(ProtocolError.expectedDollar(got: 0xFF).message == "Protocol error: expected '$', got '\u{FFFD}'")
        for byte in [0x0D, 0x0A] as [UInt8] {
            #expect(
                written { $0.error(.expectedDollar(got: byte)) } == "-ERR Protocol error: expected '$', got ' '\r\n")
        }
    }
}
