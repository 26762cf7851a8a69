import PresenceRESP
import Testing

@Suite("What is on its way is seen before it is read")
struct CommandScoutTests {
    private func scan(_ bytes: [UInt8], limit: Int = 99) -> (found: [String], reached: Int) {
        var found: [String] = []
        let reached = CommandScout.scan(bytes.span, from: 0) { name, argument in
            guard found.count < limit else { return false }
            found.append(String(decoding: bytes[name] + Array(" ".utf8) + bytes[argument], as: UTF8.self))
            return true
        }
        return (found, reached)
    }

    @Test("names and first arguments, in order; those without arguments are passed over")
    func plain() {
        let bytes =
            encoded("GET", "a") + encoded("PING") + encoded("SET", "b", "value", "EX", "10") + encoded("DEL", "cc")
        #expect(scan(bytes).found == ["GET a", "SET b", "DEL cc"])
        #expect(scan(bytes).reached == bytes.count)
    }

    @Test("a command that is not whole ends it, where it begins")
    func half() {
        let first = encoded("GET", "aa")
        let bytes = first + encoded("GET", "b")
        for count in first.count..<bytes.count {
            #expect(scan(Array(bytes[..<count])).found == ["GET aa"])
            #expect(scan(Array(bytes[..<count])).reached == first.count)
        }
    }

    @Test("who has seen enough ends it before the next command")
    func enough() {
        let bytes = encoded("GET", "a") + encoded("GET", "b") + encoded("GET", "c")
        #expect(scan(bytes, limit: 2).found == ["GET a", "GET b"])
        #expect(scan(bytes, limit: 2).reached == encoded("GET", "a").count * 2)
    }

    @Test(
        "what is typed, long, or no command at all ends it at once",
        arguments: [
            "GET a\r\n", "*2\r\n$3\r\nGET\r\n$1000\r\nx", "*-1\r\n*1\r\n", "$3\r\nGET\r\n", "*0\r\n", "",
            "*2\r\n:3\r\n:4\r\n",
        ])
    func other(_ text: String) {
        #expect(scan(Array(text.utf8)).found == [])
        #expect(scan(Array(text.utf8)).reached == 0)
    }
}
