import PresenceRESP
import Testing

@Suite("Commands that came together are read together")
struct ReadTogetherTests {
    /// The commands that the first call reads, each its name and its first argument.
    private func readAtOnce(_ bytes: [UInt8], limits: RequestLimits = RequestLimits()) -> [String] {
        var reader = RequestReader(limits: limits)
        guard reader.next(in: bytes.span, from: 0) == .command else { return [] }
        return (0..<reader.commandsRead).map { index in
            let command = reader.command(index)
            return String(decoding: bytes[command.name] + Array(" ".utf8) + bytes[command.argument], as: UTF8.self)
        }
    }

    @Test("names and first arguments, in order; a command without arguments has an empty one")
    func plain() {
        let bytes =
            encoded("GET", "a") + encoded("PING") + encoded("SET", "b", "value", "EX", "10") + encoded("DEL", "cc")
        #expect(readAtOnce(bytes) == ["GET a", "PING ", "SET b", "DEL cc"])
    }

    @Test("sixteen at a time")
    func sixteen() {
        let bytes = (0..<40).flatMap { encoded("GET", "key \($0)") }
        var reader = RequestReader()
        var start = 0
        var counts: [Int] = []
        while reader.next(in: bytes.span, from: start) == .command {
            counts.append(reader.commandsRead)
            start += reader.consumed
        }
        #expect(start == bytes.count)
        #expect(
            counts == [16] + Array(repeating: 0, count: 15) + [16] + Array(repeating: 0, count: 15) + [8]
                + Array(repeating: 0, count: 7))
    }

    @Test("a command that is not whole ends it")
    func half() {
        let first = encoded("GET", "aa")
        let bytes = first + encoded("GET", "bb")
        for count in first.count..<bytes.count { #expect(readAtOnce(Array(bytes[..<count])) == ["GET aa"]) }
        #expect(readAtOnce(bytes) == ["GET aa", "GET bb"])
    }

    @Test(
        "what is typed, long, or no command at all ends it",
        arguments: [
            "GET a\r\n", "*2\r\n$3\r\nGET\r\n$1000\r\nx", "*-1\r\n*1\r\n", "$3\r\nGET\r\n", "*0\r\n", "",
            "*2\r\n:3\r\n:4\r\n", "*257\r\n$1\r\na\r\n",
        ])
    func other(_ text: String) {
        #expect(readAtOnce(encoded("GET", "a") + Array(text.utf8)) == ["GET a"])
    }

    @Test("together they have 256 arguments at most, so that no table is made that is not kept")
    func manyArguments() {
        let command = encoded(words: Array(repeating: "a", count: 100))
        #expect(readAtOnce(command + command + command) == ["a a", "a a"])
        var reader = RequestReader()
        let bytes = (0..<16).flatMap { _ in encoded(words: Array(repeating: "ab", count: 16)) }
        #expect(reader.next(in: bytes.span, from: 0) == .command)
        #expect(reader.commandsRead == 16)
        #expect(reader.argumentCapacity == 256)
    }

    @Test("what a command changes of the limits holds for the next one, though it was read already")
    func changedLimits() {
        let bytes = encoded("CONFIG", "SET", "proto-max-bulk-len", "5") + encoded("ECHO", "123456") + encoded("PING")
        var reader = RequestReader()
        #expect(reader.next(in: bytes.span, from: 0) == .command)
        #expect(reader.commandsRead == 3)
        reader.limits.maxBulkLength = 5
        #expect(reader.argumentCount == 4)
        #expect(reader.next(in: bytes.span, from: reader.consumed) == .failure(.invalidBulkLength))
    }

    @Test("before authentication no command has more than ten arguments, alone or not")
    func unauthenticated() {
        var limits = RequestLimits()
        limits.isAuthenticated = false
        #expect(readAtOnce(encoded("AUTH", "x") + encoded("PING", "yes"), limits: limits) == ["AUTH x", "PING yes"])
        let long = encoded(words: Array(repeating: "a", count: 11))
        #expect(readAtOnce(encoded("AUTH", "x") + long, limits: limits) == ["AUTH x"])
    }

    @Test("a command that must wait is read again, and those behind it, wherever they lie then")
    func readAgain() {
        let (first, second, third) = (encoded("GET", "a"), encoded("GET", "b"), encoded("GET", "c"))
        let bytes = first + second + third
        var reader = RequestReader()
        #expect(reader.next(in: bytes.span, from: 0) == .command)
        #expect(reader.next(in: bytes.span, from: first.count) == .command)
        reader.forgetCommandsAhead()
        let rest = second + third
        #expect(reader.next(in: rest.span, from: 0) == .command)
        #expect(Array(rest[reader.argument(1)]) == [UInt8(ascii: "b")])
        #expect(reader.next(in: rest.span, from: reader.consumed) == .command)
        #expect(Array(rest[reader.argument(1)]) == [UInt8(ascii: "c")])
    }

    @Test("what was read and not handed out may move with its bytes")
    func moved() {
        let first = encoded("GET", "a")
        let rest = encoded("SET", "b", "1") + encoded("GET", "c")
        let bytes = first + rest
        var reader = RequestReader()
        #expect(reader.next(in: bytes.span, from: 0) == .command)
        let moved = Array("before".utf8) + rest + encoded("GET", "d")
        var start = 6
        var keys: [[UInt8]] = []
        while reader.next(in: moved.span, from: start) == .command {
            keys.append(Array(moved[reader.argument(1)]))
            start += reader.consumed
        }
        #expect(keys == [[UInt8(ascii: "b")], [UInt8(ascii: "c")], [UInt8(ascii: "d")]])
        #expect(start == moved.count)
    }
}
