import PresenceRESP
import Testing

@Suite("What a client may claim, and what its claims cost")
struct LimitTests {
    /// Reads `text` alone and says what came of it, what is allocated and what is hoped for.
    private func step(
        _ text: String,
        limits: RequestLimits = RequestLimits()
    ) -> (step: RequestReader.Step, capacity: Int, needed: Int) {
        var reader = RequestReader(limits: limits)
        let bytes = Array(text.utf8)
        let step = reader.next(in: bytes.span, from: 0)
        return (step, reader.argumentCapacity, reader.bytesNeeded)
    }

    @Test("a claimed count allocates nothing")
    func claimedCount() {
        let claimed = step("*1048576\r\n")
        #expect(claimed.step == .incomplete)
        #expect(claimed.capacity == 0)
        #expect(step("*1048576\r\n$1\r\na\r\n").capacity == 16)
    }

    @Test("a claimed length hints at 64 KiB at most")
    func claimedLength() {
        #expect(step("*1\r\n$536870912\r\n").needed == 65_536)
        #expect(step("*1\r\n$536870912\r\n").step == .incomplete)
        #expect(step("*1\r\n$100\r\nabc").needed == 99)
        #expect(step("*1\r\n$3\r\nabc\r").needed == 1)
        #expect(step("*1\r\n$3\r\nabc\r\n").needed == 0)
    }

    @Test(
        "refused as soon as its line is there",
        arguments: [
            ("*1048577\r\n", ProtocolError.invalidMultibulkLength),
            ("*99999999999999999999\r\n", .invalidMultibulkLength),
            ("*1\r\n$536870913\r\n", .invalidBulkLength), ("*1\r\n$-1\r\n", .invalidBulkLength),
            ("*1\r\n$9223372036854775807\r\n", .invalidBulkLength),
        ])
    func refused(_ text: String, _ error: ProtocolError) {
        let refusal = step(text)
        #expect(refusal.step == .failure(error))
        #expect(refusal.capacity == 0)
        #expect(refusal.needed == 0)
    }

    @Test("limits that are not limits do not overflow")
    func unlimited() {
        var limits = RequestLimits()
        limits.maxArguments = .max
        limits.maxBulkLength = .max
        limits.maxInlineLength = .max
        limits.maxCommandBytes = .max
        #expect(step("*1\r\n$9223372036854775807\r\n", limits: limits).step == .failure(.tooBigCommand))
        #expect(step("*9223372036854775807\r\n$1\r\na\r\n", limits: limits).step == .incomplete)
        #expect(step("PING\r\n", limits: limits).step == .command)
    }

    @Test("each limit is the last that passes")
    func borders() {
        var limits = RequestLimits()
        limits.maxArguments = 3
        limits.maxBulkLength = 5
        limits.maxInlineLength = 8
        #expect(step("*3\r\n", limits: limits).step == .incomplete)
        #expect(step("*4\r\n", limits: limits).step == .failure(.invalidMultibulkLength))
        #expect(step("*1\r\n$5\r\nabcde\r\n", limits: limits).step == .command)
        #expect(step("*1\r\n$6\r\nabcdef\r\n", limits: limits).step == .failure(.invalidBulkLength))
        #expect(step("ECHO 123\n", limits: limits).step == .command)
        #expect(step("ECHO 1234\n", limits: limits).step == .failure(.tooBigInlineRequest))
        #expect(step("ECHO 1234", limits: limits).step == .failure(.tooBigInlineRequest))
        #expect(step("*1234567", limits: limits).step == .incomplete)
        #expect(step("*12345678", limits: limits).step == .failure(.tooBigMultibulkCount))
        #expect(step("*1\r\n$1234567", limits: limits).step == .incomplete)
        #expect(step("*1\r\n$12345678", limits: limits).step == .failure(.tooBigBulkCount))
    }

    @Test("a command counts with its framing")
    func commandBytes() {
        let command = encoded("ECHO", "hello")
        var limits = RequestLimits()
        limits.maxCommandBytes = command.count
        #expect(reading(command + command, limits: limits).commands.count == 2)
        limits.maxCommandBytes -= 1
        #expect(reading(command, limits: limits).failure == .tooBigCommand)
        for cut in 0...command.count {
            #expect(reading(command, Delivery(cuts: [cut]), limits: limits).failure == .tooBigCommand)
        }
    }

    @Test("before authentication: 10 arguments, 16384 bytes")
    func unauthenticated() {
        var limits = RequestLimits()
        limits.isAuthenticated = false
        #expect(step("*10\r\n", limits: limits).step == .incomplete)
        #expect(step("*11\r\n", limits: limits).step == .failure(.unauthenticatedMultibulkLength))
        #expect(step("*1048577\r\n", limits: limits).step == .failure(.invalidMultibulkLength))
        #expect(step("*1\r\n$16384\r\n", limits: limits).step == .incomplete)
        #expect(step("*1\r\n$16385\r\n", limits: limits).step == .failure(.unauthenticatedBulkLength))
        #expect(step("*1\r\n$536870913\r\n", limits: limits).step == .failure(.invalidBulkLength))
        limits.maxUnauthenticatedBulkLength = 50
        #expect(step("*1\r\n$50\r\n" + String(repeating: "x", count: 52), limits: limits).step == .command)
        #expect(
            step("*1\r\n$51\r\n" + String(repeating: "x", count: 53), limits: limits).step
                == .failure(.unauthenticatedBulkLength))
    }

    @Test("authenticating lifts the small limits from the next command on")
    func lifted() {
        let large = encoded(Array(repeating: [UInt8(ascii: "a")], count: 11))
        let bytes = encoded("AUTH", "secret") + large
        var limits = RequestLimits()
        limits.isAuthenticated = false
        var reader = RequestReader(limits: limits)
        #expect(reader.next(in: bytes.span, from: 0) == .command)
        reader.limits.isAuthenticated = true
        #expect(reader.next(in: bytes.span, from: reader.consumed) == .command)
        #expect(reader.argumentCount == 11)
    }

    @Test("the table grows with the arguments seen, keeps what is usual, gives back what is not")
    func tableSize() {
        var reader = RequestReader()
        #expect(reader.argumentCapacity == 0)
        let usual = encoded(Array(repeating: [UInt8(ascii: "a")], count: 1000))
        #expect(reader.next(in: usual.span, from: 0) == .command)
        #expect(reader.argumentCapacity == 1024)
        let none: [UInt8] = []
        #expect(reader.next(in: none.span, from: 0) == .incomplete)
        #expect(reader.argumentCapacity == 1024)

        let huge = encoded(Array(repeating: [UInt8(ascii: "a")], count: 100_000))
        #expect(reader.next(in: huge.span, from: 0) == .command)
        #expect(reader.argumentCount == 100_000)
        #expect(reader.argument(99_999).upperBound == huge.count - 2)
        #expect(reader.argumentCapacity == 131_072)
        #expect(reader.next(in: none.span, from: 0) == .incomplete)
        #expect(reader.argumentCapacity == 0)
        #expect(reader.next(in: usual.span, from: 0) == .command)
        #expect(reader.argumentCount == 1000)
    }

    @Test("a failure is final")
    func final() {
        var reader = RequestReader()
        let bad = Array("*x\r\n".utf8)
        let good = encoded("PING")
        #expect(reader.next(in: bad.span, from: 0) == .failure(.invalidMultibulkLength))
        #expect(reader.next(in: good.span, from: 0) == .failure(.invalidMultibulkLength))
    }
}
