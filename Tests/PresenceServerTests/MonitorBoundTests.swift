import Testing

@testable import PresenceServer

@Suite("What monitors are told of one command or one transaction is bounded")
struct MonitorBoundTests {
    @Test("a line ends with how many arguments it leaves out")
    func line() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let monitor = try server.connectClient()
        _ = try monitor.ask("MONITOR\r\n")
        let word = String(repeating: "x", count: 10_000)
        _ = try client.ask(("DEL" + String(repeating: " " + word, count: 100)).asRequest + "ECHO behind\r\n")
        let lines = try monitor.read().split(separator: "\r\n")
        #expect(lines.count == 2)
        #expect(lines[0].hasSuffix(" \"\(word)\" \"... (93 more arguments)\"") && lines[0].utf8.count < 71_000)
        #expect(lines[1].hasSuffix("] \"ECHO\" \"behind\""))
    }

    @Test("the lines of one EXEC end with how many commands they leave out")
    func transaction() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let monitor = try server.connectClient()
        _ = try monitor.ask("MONITOR\r\n")
        let word = String(repeating: "x", count: 16_000)
        let commands = String(repeating: "SET k \(word)\r\n", count: 300)
        #expect(try client.ask("MULTI\r\n\(commands)EXEC\r\nECHO behind\r\n").hasSuffix("+OK\r\n$6\r\nbehind\r\n"))
        let lines = try monitor.read().split(separator: "\r\n")
        let whole = lines.filter { $0.hasSuffix(word + "\"") }.count
        #expect((255...265).contains(whole))
        // EXEC is the last that is left out.
        #expect(
            lines.contains {
                $0.contains("[0 127.0.0.1:40000]") && $0.hasSuffix("\"... (\(301 - whole) more commands)\"")
            })
        #expect(lines.last?.hasSuffix("] \"ECHO\" \"behind\"") == true)
    }
}
