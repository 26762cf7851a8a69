import Testing

@testable import PresenceServer

@Suite("Names that a connection gives the server to keep are bounded in bytes")
struct NameBoundTests {
    private static func command(_ words: [String]) -> String {
        "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    private let megabyte = String(repeating: "k", count: 1 << 20)

    @Test("the keys of WATCH; what EXEC, DISCARD and UNWATCH forget makes room")
    func watched() throws {
        let client = try EmbeddedServer().connectClient()
        let keys = ["WATCH", megabyte, megabyte, megabyte]
        let refusal =
            "-ERR the keys that a connection watches may have 4194304 bytes together; UNWATCH forgets them\r\n"
        for end in ["UNWATCH\r\n", "MULTI\r\nEXEC\r\n", "MULTI\r\nDISCARD\r\n", "RESET\r\n"] {
            #expect(try client.ask(Self.command(keys)) == "+OK\r\n")
            #expect(try client.ask(Self.command(keys)) == refusal)
            #expect(try client.ask(Self.command(["WATCH", megabyte])) == "+OK\r\n")
            #expect(try client.ask("WATCH k\r\n") == refusal)
            _ = try client.ask(end)
        }
        #expect(try client.ask("WATCH k\r\n") == "+OK\r\n")
    }

    @Test("channels; what is given up makes room")
    func channels() throws {
        let client = try EmbeddedServer().connectClient()
        let names = (0..<16_384).map { number in
            let text = String(number)
            return String(repeating: "c", count: 1_024 - text.utf8.count) + text
        }
        #expect(try client.ask(Self.command(["SUBSCRIBE"] + names)).hasPrefix("*3"))
        let refusal = "-ERR the channels of a connection may have 16777216 bytes together; use a pattern\r\n"
        #expect(try client.ask("SUBSCRIBE c\r\n") == refusal)
        _ = try client.ask(Self.command(["UNSUBSCRIBE", names[7]]))
        #expect(try client.ask("SUBSCRIBE c\r\n").hasPrefix("*3"))
        #expect(try client.ask(Self.command(["SUBSCRIBE", names[7]])) == refusal)
    }

    @Test("the names of a connection and of its library")
    func names() throws {
        let client = try EmbeddedServer().connectClient()
        let longest = String(repeating: "n", count: 512)
        for command in ["CLIENT SETNAME ", "CLIENT SETINFO lib-name ", "CLIENT SETINFO lib-ver ", "HELLO 2 SETNAME "] {
            #expect(
                try client.ask(command + longest + "n\r\n")
                    == "-ERR a name of a connection may have at most 512 bytes\r\n")
            #expect(try !client.ask(command + longest + "\r\n").hasPrefix("-"))
        }
        #expect(try client.ask("CLIENT GETNAME\r\n") == "$512\r\n\(longest)\r\n")
    }
}
