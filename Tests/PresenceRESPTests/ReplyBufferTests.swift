import PresenceRESP
import Testing

@Suite("Replies in the client's spelling")
struct ReplyBufferTests {
    @Test("what RESP2 and RESP3 spell alike")
    func alike() {
        for version in [RESPVersion.resp2, .resp3] {
            #expect(written(version) { $0.simple("OK") } == "+OK\r\n")
            #expect(written(version) { $0.error("ERR no" as StaticString) } == "-ERR no\r\n")
            #expect(written(version) { $0.error("ERR no" as String) } == "-ERR no\r\n")
            #expect(written(version) { $0.bulk("x" as StaticString) } == "$1\r\nx\r\n")
            #expect(written(version) { $0.bulk("h\u{E9}" as String) } == "$3\r\nh\u{E9}\r\n")
            #expect(written(version) { $0.bulk("" as String) } == "$0\r\n\r\n")
            #expect(written(version) { $0.array(0) } == "*0\r\n")
            #expect(written(version) { $0.array(123) } == "*123\r\n")
        }
    }

    @Test("what they spell differently")
    func differently() {
        let kinds: [(String, String, (inout ReplyBuffer) -> Void)] = [
            ("$-1\r\n", "_\r\n", { $0.null() }),
            ("*-1\r\n", "_\r\n", { $0.nullArray() }),
            ("*4\r\n", "%2\r\n", { $0.map(2) }),
            ("*0\r\n", "%0\r\n", { $0.map(0) }),
            ("*2\r\n", "~2\r\n", { $0.set(2) }),
            ("*3\r\n", ">3\r\n", { $0.push(3) }),
            (":1\r\n", "#t\r\n", { $0.boolean(true) }),
            (":0\r\n", "#f\r\n", { $0.boolean(false) }),
            ("$3\r\n1.5\r\n", ",1.5\r\n", { $0.double(1.5) }),
            ("$2\r\n-3\r\n", ",-3\r\n", { $0.double(-3) }),
            ("$3\r\n0.1\r\n", ",0.1\r\n", { $0.double(0.1) }),
            ("$5\r\n1e+20\r\n", ",1e+20\r\n", { $0.double(1e20) }),
            ("$3\r\ninf\r\n", ",inf\r\n", { $0.double(.infinity) }),
            ("$4\r\n-inf\r\n", ",-inf\r\n", { $0.double(-.infinity) }),
            ("$3\r\nnan\r\n", ",nan\r\n", { $0.double(.nan) }),
            ("$5\r\na\r\nb\u{7F}\r\n", "=9\r\ntxt:a\r\nb\u{7F}\r\n", { $0.verbatim("a\r\nb\u{7F}") }),
        ]
        for (resp2, resp3, write) in kinds {
            #expect(written(.resp2, write) == resp2)
            #expect(written(.resp3, write) == resp3)
        }
    }

    @Test(
        "integers of every length",
        arguments: [
            0, 1, 9, 10, 11, 19, 99, 100, 101, 999, 1000, 9999, 65_536, 1_000_000_007, .max, -1, -9, -10, -99, -100,
            .min,
        ])
    func integers(_ value: Int) {
        #expect(written { $0.integer(value) } == ":\(value)\r\n")
    }

    @Test("integers around every power of ten")
    func powers() {
        var power = 1
        for _ in 0..<18 {
            power *= 10
            for value in [power - 1, power, power + 1, 1 - power, -power, -power - 1] {
                #expect(written { $0.integer(value) } == ":\(value)\r\n")
            }
        }
    }

    @Test("an error is one line, whatever it quotes")
    func errorLines() {
        #expect(written { $0.error("ERR a\r\nb\nc" as String) } == "-ERR a  b c\r\n")
        #expect(written { $0.error(String(repeating: "\r\n", count: 3000)) }.utf8.count == 6003)
    }

    @Test("a body is any bytes")
    func anyBytes() {
        let all = Array(UInt8.min...UInt8.max)
        var buffer = ReplyBuffer()
        buffer.bulk(all.span)
        let bytes = buffer.withUnsafeBytes { Array($0) }
        #expect(bytes == Array("$256\r\n".utf8) + all + [0x0D, 0x0A])
    }

    @Test(
        "a bulk written in place is a bulk", arguments: [0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 9999, 10_000])
    func inPlace(_ length: Int) {
        let body = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        var expected = ReplyBuffer()
        expected.simple("before")
        expected.bulk(body.span)
        expected.simple("after")
        for maximum in [length, length + 1, length + 9, length + 90, length + 900, length + 9000] {
            for capacity in [64, 4096, 100_000] {
                var buffer = ReplyBuffer(capacity: capacity)
                buffer.simple("before")
                let result = buffer.bulk(upTo: maximum) { output in
                    for byte in body { output.append(byte) }
                    return output.freeCapacity
                }
                buffer.simple("after")
                #expect(result == maximum - length)
                #expect(buffer.withUnsafeBytes { Array($0) } == expected.withUnsafeBytes { Array($0) })
            }
            // However wrong it was guessed how many digits its head has.
            for likely in [0, 1, 10, 100, 1000, 100_000] {
                var buffer = ReplyBuffer(capacity: 64)
                buffer.simple("before")
                buffer.bulk(upTo: maximum, likely: likely) { output in
                    for byte in body { output.append(byte) }
                }
                buffer.simple("after")
                #expect(buffer.withUnsafeBytes { Array($0) } == expected.withUnsafeBytes { Array($0) })
            }
        }
    }

    @Test("wherever memory ends, it does not move between a body and its head")
    func memoryBorders() {
        let body = Array("abc".utf8)
        for before in 0..<80 {
            for maximum in [3, 4, 12, 40] {
                let filling = [UInt8](repeating: UInt8(ascii: "."), count: before)
                var buffer = ReplyBuffer(capacity: 64)
                buffer.raw(filling.span)
                buffer.bulk(upTo: maximum) { output in
                    for byte in body { output.append(byte) }
                }
                buffer.array(upTo: maximum) { elements in
                    elements.bulk(body.span)
                    return 1
                }
                #expect(text(of: buffer) == String(repeating: ".", count: before) + "$3\r\nabc\r\n*1\r\n$3\r\nabc\r\n")
            }
        }
    }

    @Test("a body that throws leaves nothing behind")
    func inPlaceThrowing() {
        var buffer = ReplyBuffer()
        buffer.simple("before")
        #expect(throws: ProtocolError.invalidBulkLength) {
            try buffer.bulk(upTo: 10) { output throws(ProtocolError) in
                output.append(1)
                throw ProtocolError.invalidBulkLength
            }
        }
        #expect(text(of: buffer) == "+before\r\n")
    }

    @Test("an array whose elements are counted while they are written", arguments: [0, 1, 9, 10, 99, 100, 1000])
    func countedArray(_ count: Int) {
        for maximum in [count, count + 1, count + 100, count + 100_000] {
            for capacity in [64, 4096] {
                var buffer = ReplyBuffer(capacity: capacity)
                buffer.simple("before")
                buffer.array(upTo: maximum) { elements in
                    for value in 0..<count { elements.integer(value) }
                    return count
                }
                let elements = (0..<count).map { ":\($0)\r\n" }.joined()
                #expect(text(of: buffer) == "+before\r\n*\(count)\r\n\(elements)")
            }
        }
    }

    @Test("a reply begun can be given up")
    func truncation() {
        var buffer = ReplyBuffer()
        buffer.integer(1)
        let mark = buffer.count
        buffer.array(2)
        buffer.bulk("half a reply" as String)
        buffer.truncate(to: mark)
        buffer.null()
        #expect(text(of: buffer) == ":1\r\n$-1\r\n")
        buffer.truncate(to: 0)
        #expect(buffer.count == 0)
    }

    @Test("memory grows with what is written and is given back when it was much")
    func memory() {
        var buffer = ReplyBuffer(capacity: 128)
        #expect(buffer.capacity == 128)
        let block = [UInt8](repeating: 7, count: 1000)
        for _ in 0..<40 { buffer.raw(block.span) }
        #expect(buffer.count == 40_000)
        #expect(buffer.withBytes { (0..<$0.count).allSatisfy { index in index >= 0 } })
        let usual = buffer.capacity
        #expect((40_000...ReplyBuffer.retainedCapacity).contains(usual))
        buffer.clear()
        #expect(buffer.count == 0)
        #expect(buffer.capacity == usual)
        for _ in 0..<100 { buffer.raw(block.span) }
        #expect(buffer.capacity > ReplyBuffer.retainedCapacity)
        buffer.clear()
        #expect(buffer.capacity == 128)
    }

    @Test("the version may change between replies")
    func version() {
        let text = written { buffer in
            buffer.null()
            buffer.version = .resp3
            buffer.null()
        }
        #expect(text == "$-1\r\n_\r\n")
    }
}
