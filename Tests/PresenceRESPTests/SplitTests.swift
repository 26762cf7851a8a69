import PresenceRESP
import Testing

@Suite("However the network cuts a conversation, the same commands are found in it")
struct SplitTests {
    @Test("in one piece", arguments: corpus)
    func whole(_ conversation: Conversation) {
        let found = reading(conversation.bytes)
        #expect(found.commands == conversation.commands.map { $0.map { Array($0.utf8) } })
        #expect(found.empties == conversation.empties)
        #expect(found.failure == conversation.failure)
    }

    @Test("as the plain model finds them", arguments: corpus)
    func model(_ conversation: Conversation) {
        #expect(reading(conversation.bytes) == ModelReader.read(conversation.bytes))
    }

    @Test("in two pieces, at every place", arguments: corpus)
    func twoPieces(_ conversation: Conversation) {
        let whole = reading(conversation.bytes)
        for cut in 0...conversation.bytes.count {
            for compacts in [false, true] {
                #expect(
                    reading(conversation.bytes, Delivery(cuts: [cut], compacts: compacts)) == whole, "cut at \(cut)")
            }
        }
    }

    @Test("in three pieces, at every pair of places", arguments: corpus.filter { $0.bytes.count < 120 })
    func threePieces(_ conversation: Conversation) {
        let whole = reading(conversation.bytes)
        for first in 0...conversation.bytes.count {
            for second in first...conversation.bytes.count {
                let found = reading(conversation.bytes, Delivery(cuts: [first, second], compacts: true))
                #expect(found == whole, "cuts at \(first) and \(second)")
            }
        }
    }

    @Test("byte by byte", arguments: corpus)
    func bytewise(_ conversation: Conversation) {
        let whole = reading(conversation.bytes)
        let cuts = Array(0..<conversation.bytes.count)
        #expect(reading(conversation.bytes, Delivery(cuts: cuts)) == whole)
        #expect(reading(conversation.bytes, Delivery(cuts: cuts, compacts: true)) == whole)
    }

    @Test("the whole corpus in one connection, byte by byte and in reads of 7")
    func pipeline() {
        let bytes = corpus.filter { $0.failure == nil && reading($0.bytes).consumed == $0.bytes.count }.flatMap(\.bytes)
        let whole = reading(bytes)
        #expect(whole.consumed == bytes.count)
        for step in [1, 7] {
            let cuts = Array(stride(from: 0, to: bytes.count, by: step))
            #expect(reading(bytes, Delivery(cuts: cuts, compacts: true)) == whole)
        }
    }

    @Test("without looking at a byte twice")
    func looksOnce() {
        let commands = [
            ["PRESENCE.BEAT", "presence:user:alice", "c1"], ["SET", "", String(repeating: "v", count: 1234)],
        ]
        let bytes = commands.flatMap { encoded(words: $0) }
        let whole = reading(bytes)
        #expect(whole.commands.count == 2)
        for cut in 0...bytes.count {
            #expect(reading(bytes, Delivery(cuts: [cut], scribbles: true)) == whole, "cut at \(cut)")
        }
        #expect(reading(bytes, Delivery(cuts: Array(0..<bytes.count), scribbles: true)) == whole)
    }

    @Test("a command may lie anywhere in the bytes")
    func offset() {
        let bytes = Array("junk".utf8) + encoded("GET", "k")
        var reader = RequestReader()
        #expect(reader.next(in: bytes.span, from: 4) == .command)
        #expect(reader.consumed == bytes.count - 4)
        #expect(Array(bytes[reader.argument(1)]) == [UInt8(ascii: "k")])
        #expect(reader.next(in: bytes.span, from: bytes.count) == .incomplete)
        #expect(reader.argumentCount == 0)
    }
}
