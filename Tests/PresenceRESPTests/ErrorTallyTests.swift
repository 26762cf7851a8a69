import PresenceRESP
import Testing

@Suite("Errors are counted by code")
struct ErrorTallyTests {
    private func counts(_ tally: ErrorTally) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: tally.counts.map { (String(decoding: $0.code, as: UTF8.self), $0.count) })
    }

    @Test("whatever way they are written, and forgotten when they are taken")
    func byCode() {
        var reply = ReplyBuffer()
        let value = "text"
        reply.error("ERR syntax error")
        reply.error("ERR no such '\(value)'")
        reply.error("WRONGTYPE that is no string")
        reply.error(ProtocolError.invalidBulkLength)
        reply.error("NOAUTH")
        reply.simple("ERR is no error")
        reply.bulk("-ERR neither")
        let taken = reply.takeErrors()
        #expect(counts(taken) == ["ERR": 3, "WRONGTYPE": 1, "NOAUTH": 1])
        #expect(taken.total == 5)
        #expect(reply.takeErrors().counts.isEmpty)
    }

    @Test("and add up")
    func adding() {
        var one = ReplyBuffer()
        var other = ReplyBuffer()
        one.error("ERR a")
        other.error("OOM b")
        other.error("ERR c")
        var all = one.takeErrors()
        all.add(other.takeErrors())
        #expect(counts(all) == ["ERR": 2, "OOM": 1])
    }

    @Test("of which there are few: beyond the limit they are counted together")
    func bound() {
        var reply = ReplyBuffer()
        for number in 0..<ErrorTally.limit + 10 { reply.error("CODE\(number) text") }
        reply.error("CODE0 text")
        let taken = reply.takeErrors()
        #expect(taken.counts.count <= ErrorTally.limit + 1)
        #expect(taken.total == ErrorTally.limit + 11)
        #expect(counts(taken)["CODE0"] == 2)
        #expect(counts(taken)["OTHER"] == 10)
    }
}
