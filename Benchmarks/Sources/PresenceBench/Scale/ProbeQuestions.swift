/// What a probe asks, and what must be answered.
protocol ProbeQuestions: Sendable {
    /// Appends the question with this number.
    func write(_ index: Int, to output: inout [UInt8])
    /// Reads the answer to it from the beginning of `bytes`: its length, and which of its users are offline; nil if it is not whole yet.
    func read(_ index: Int, _ bytes: ArraySlice<UInt8>) throws -> (length: Int, offline: [UInt8])?
}

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

/// Friends lists of 100 users, drawn anew for each, from all.
struct FriendsLists: ProbeQuestions {
    static let length = 100
    let users: Int
    private static let chance = BitMixer(bits: 48, seed: 5)
    private static let head = "*\(length + 1)\r\n$13\r\nPRESENCE.MGET\r\n"

    /// A user on a list.
    func user(_ index: Int, _ place: Int) -> Int {
        Int(FriendsLists.chance.mixed(UInt64(index * FriendsLists.length + place))) % users
    }

    func write(_ index: Int, to output: inout [UInt8]) {
        output += Array(FriendsLists.head.utf8)
        for place in 0..<FriendsLists.length {
            let key = NumberedUser.key(user(index, place))
            output += Array("$\(key.utf8.count)\r\n\(key)\r\n".utf8)
        }
    }

    func read(_ index: Int, _ bytes: ArraySlice<UInt8>) throws -> (length: Int, offline: [UInt8])? {
        let words = ["*\(FriendsLists.length)\r\n", "$6\r\nonline\r\n", "$7\r\noffline\r\n"].map { Array($0.utf8) }
        var rest = bytes
        var offline: [UInt8] = []
        func take(_ word: [UInt8]) -> Bool {
            guard rest.starts(with: word) else { return false }
            rest.removeFirst(word.count)
            return true
        }
        // A reply that has not come whole may end anywhere: it is read again with the rest.
        let isPart = bytes.count < 1_306
        guard take(words[0]) else { return try FriendsLists.part(isPart, bytes) }
        for place in 0..<FriendsLists.length where !take(words[1]) {
            guard take(words[2]) else { return try FriendsLists.part(isPart, rest) }
            offline.append(UInt8(place))
        }
        return (bytes.count - rest.count, offline)
    }

    private static func part(_ isPart: Bool, _ bytes: ArraySlice<UInt8>) throws -> (length: Int, offline: [UInt8])? {
        let text = String(decoding: bytes.prefix(200), as: UTF8.self)
        guard isPart, bytes.isEmpty || bytes.first == UInt8(ascii: "$") || bytes.first == UInt8(ascii: "*") else {
            throw WrongReply(text)
        }
        return nil
    }
}
