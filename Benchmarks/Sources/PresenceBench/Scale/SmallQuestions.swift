/// Small commands in turn, as any client sends them; each has one right answer.
struct SmallQuestions: ProbeQuestions {
    private let pairs: [(command: [UInt8], reply: [UInt8])]
    private static let key = "probe"

    /// Makes what they ask for: a string, and a user who stays.
    init(_ connection: Connection, user: Int) throws {
        try connection.command(["SET", SmallQuestions.key, "value"], expecting: .simple("OK"))
        try connection.command(
            ["PRESENCE.CONNECT", NumberedUser.key(user), "probe", "EX", "300"], expecting: .integer(1))
        let asked = [
            (["PING"], "+PONG\r\n"), (["GET", SmallQuestions.key], "$5\r\nvalue\r\n"),
            (["PRESENCE.MGET", NumberedUser.key(user)], "*1\r\n$6\r\nonline\r\n"),
        ]
        pairs = asked.map { (Connection.encoded($0), Array($1.utf8)) }
    }

    func write(_ index: Int, to output: inout [UInt8]) { output += pairs[index % pairs.count].command }

    func read(_ index: Int, _ bytes: ArraySlice<UInt8>) throws -> (length: Int, offline: [UInt8])? {
        let reply = pairs[index % pairs.count].reply
        guard bytes.prefix(reply.count).elementsEqual(reply.prefix(bytes.count)) else {
            throw WrongReply(String(decoding: bytes.prefix(200), as: UTF8.self))
        }
        return bytes.count < reply.count ? nil : (reply.count, [])
    }
}
