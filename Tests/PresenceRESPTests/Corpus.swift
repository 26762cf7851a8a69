import PresenceRESP
import Testing

/// One conversation of the corpus: what a client sends and what has to be found in it, however it is cut.
struct Conversation: Sendable, CustomTestStringConvertible {
    var title: String
    var bytes: [UInt8]
    var commands: [[String]]
    var empties = 0
    var failure: ProtocolError?

    init(_ title: String, _ bytes: [UInt8], _ commands: [[String]], empties: Int = 0, failure: ProtocolError? = nil) {
        self.title = title
        self.bytes = bytes
        self.commands = commands
        self.empties = empties
        self.failure = failure
    }

    init(_ title: String, _ text: String, _ commands: [[String]], empties: Int = 0, failure: ProtocolError? = nil) {
        self.init(title, Array(text.utf8), commands, empties: empties, failure: failure)
    }

    var testDescription: String { title }
}

/// What clients send, well and badly.
let corpus: [Conversation] = [
    Conversation(
        "a heartbeat",
        encoded("PRESENCE.BEAT", "presence:user:alice", "c1"),
        [["PRESENCE.BEAT", "presence:user:alice", "c1"]]
    ),
    Conversation(
        "a pipeline with lengths of one, two and three digits",
        encoded("GET", "k") + encoded("SET", String(repeating: "x", count: 10), String(repeating: "y", count: 123))
            + encoded("PING"),
        [
            ["GET", "k"],
            ["SET", String(repeating: "x", count: 10), String(repeating: "y", count: 123)],
            ["PING"],
        ]
    ),
    Conversation(
        "more arguments than the table begins with",
        encoded(words: ["MGET"] + (0..<40).map { "key:\($0)" }),
        [["MGET"] + (0..<40).map { "key:\($0)" }]
    ),
    Conversation("empty arguments", encoded("SET", "", ""), [["SET", "", ""]]),
    Conversation(
        "arguments that look like framing",
        encoded("SET", "\r\n$3\r\n", "*1\r\n$4\r\nPING\r\n"),
        [["SET", "\r\n$3\r\n", "*1\r\n$4\r\nPING\r\n"]]
    ),
    Conversation(
        "requests that ask for nothing",
        "\r\n*0\r\n\n*-1\r\n   \r\n*-9223372036854775808\r\n*1\r\n$4\r\nPING\r\n",
        [["PING"]],
        empties: 6
    ),
    Conversation("a typed line", "PING\r\n", [["PING"]]),
    Conversation("a typed line without CR", "GET  presence:user:1\t\n", [["GET", "presence:user:1"]]),
    Conversation(
        "typed lines among commands",
        Array("  ECHO a\r\n".utf8) + encoded("ECHO", "b") + Array("ECHO c\n".utf8),
        [["ECHO", "a"], ["ECHO", "b"], ["ECHO", "c"]]
    ),
    Conversation(
        "typed quotes",
        #"SET k "a b\x41\n\t\"\\\q" 'c d\'e\n' f"g h" "" ''"# + "\r\n",
        [["SET", "k", "a bA\n\t\"\\q", #"c d'e\n"#, "fg h", "", ""]]
    ),
    Conversation(
        "a quoted line, then a plain one",
        "ECHO \"a b\"\r\nECHO c\r\n",
        [["ECHO", "a b"], ["ECHO", "c"]]
    ),
    Conversation("a backslash outside quotes", #"ECHO a\nb"# + "\r\n", [["ECHO", #"a\nb"#]]),
    Conversation("half a hexadecimal escape", #"ECHO "\x4g""# + "\r\n", [["ECHO", "x4g"]]),
    Conversation(
        "a vertical tab parts nothing inside a word",
        "ECHO a\u{B}b \u{B}c\n",
        [["ECHO", "a\u{B}b", "c"]]
    ),
    Conversation("a NUL in a typed line", "ECHO a\0b\r\n", [["ECHO", "a\0b"]]),
    Conversation("line ends are counted, not looked at", "*1\rX$4\rXPINGYY*1\r\n$1\r\na\r\n", [["PING"], ["a"]]),
    Conversation("an open quote", "ECHO \"a\r\nPING\r\n", [], failure: .unbalancedQuotes),
    Conversation("a word glued to a quote", "PING\r\nECHO 'a'b\r\n", [["PING"]], failure: .unbalancedQuotes),
    Conversation("a quote open at a backslash", "ECHO \"a\\\r\n", [], failure: .unbalancedQuotes),
    Conversation("no count", "*\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a count with a sign", "*+1\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a count with a leading zero", "*01\r\n", [], failure: .invalidMultibulkLength),
    Conversation("minus zero", "*-0\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a count with a blank", "* 1\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a count without CR", "*1\n$4\r\nPING\r\n", [], failure: .invalidMultibulkLength),
    Conversation("too many arguments", "*1048577\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a count of 2^63", "*9223372036854775808\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a count of 2^64 and one", "*18446744073709551617\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a count below 64 bits", "*-9223372036854775809\r\n", [], failure: .invalidMultibulkLength),
    Conversation("a length of -1", "*1\r\n$-1\r\n", [], failure: .invalidBulkLength),
    Conversation("no length", "*1\r\n$\r\n", [], failure: .invalidBulkLength),
    Conversation("a length with a leading zero", "*1\r\n$04\r\nPING\r\n", [], failure: .invalidBulkLength),
    Conversation("a length in hexadecimal", "*1\r\n$0x4\r\nPING\r\n", [], failure: .invalidBulkLength),
    Conversation("a length past 512 MiB", "*1\r\n$536870913\r\n", [], failure: .invalidBulkLength),
    Conversation("a length of 2^32", "*1\r\n$4294967296\r\n", [], failure: .invalidBulkLength),
    Conversation("a length of 2^64", "*1\r\n$18446744073709551616\r\n", [], failure: .invalidBulkLength),
    Conversation(
        "a length of 40 digits", "*1\r\n$\(String(repeating: "9", count: 40))\r\n", [], failure: .invalidBulkLength),
    Conversation(
        "an integer for an argument",
        encoded("PING") + Array("*1\r\n:4\r\n".utf8),
        [["PING"]],
        failure: .expectedDollar(got: UInt8(ascii: ":"))
    ),
    Conversation("no argument", "*1\r\n\r\n", [], failure: .expectedDollar(got: 0x0D)),
    Conversation(
        "an argument outside ASCII", Array("*1\r\n".utf8) + [0xFF, 0x0D, 0x0A], [], failure: .expectedDollar(got: 0xFF)),
    Conversation("a command without end", "*2\r\n$3\r\nGET\r\n$1000\r\nabc", []),
    Conversation("a count without end", encoded("PING") + Array("*12".utf8), [["PING"]]),
    Conversation("half a line end", "*1\r", []),
]
