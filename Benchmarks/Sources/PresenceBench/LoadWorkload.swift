import ArgumentParser
import Foundation
import PresenceTesting

/// Work that a server is loaded with: what is asked, and what must be answered.
enum LoadWorkload: String, CaseIterable, ExpressibleByArgument {
    case heartbeat, active, get, set
    case presenceGet = "presence-get"
    case friendsList = "friends-list"

    /// Bytes of a string value, about those of the source document's record.
    static let valueBytes = 250
    static let value = String(repeating: "x", count: valueBytes)
    /// Friends of one list.
    static let friends = 100

    /// How a server can do this work: for heartbeats in two ways where there is no command for it.
    func ways(of kind: ServerKind) -> [LoadWay] {
        // The floor answers all commands alike: only what is answered so is comparable.
        if kind.isFloor { return self == .heartbeat ? [.heartbeat(.beat)] : [] }
        switch self {
        case .heartbeat: return Heartbeat.all(of: kind).map { .heartbeat($0) }
        case .active: return kind.isPresenced ? [.active] : [.heartbeat(.script)]
        case .get: return [.get]
        case .set: return [.set]
        case .presenceGet: return kind.isPresenced ? [.presenceGet] : [.get]
        case .friendsList: return kind.isPresenced ? [.presenceList] : [.list]
        }
    }
}

/// One way of doing a work.
enum LoadWay {
    case heartbeat(Heartbeat)
    case active, get, set, presenceGet, presenceList, list

    var name: String {
        switch self {
        case .heartbeat(let heartbeat): heartbeat.name
        case .active: "PRESENCE.ACTIVE"
        case .get: "GET of \(LoadWorkload.valueBytes) bytes"
        case .set: "SET EX of \(LoadWorkload.valueBytes) bytes"
        case .presenceGet: "GET of a presence"
        case .presenceList: "PRESENCE.MGET of \(LoadWorkload.friends)"
        case .list: "MGET of \(LoadWorkload.friends)"
        }
    }

    /// Commands to choose from, one after the other in `bytes`, and the reply that each must get.
    struct Commands {
        var bytes: [UInt8] = []
        var ends: [Int] = []
        var expected: ExpectedReply
    }

    /// Gives the server strings beside its users, and makes the commands.
    func prepare(_ connection: Connection, users: Int) throws -> Commands {
        // The same order in every run.
        var random = SeededRandom(seed: 1)
        let order = (0..<users).shuffled(using: &random)
        switch self {
        case .heartbeat(let heartbeat):
            return try commands(order, .exact(":1\r\n")) { try heartbeat.command(connection, user: Heartbeat.name($0)) }
        case .active:
            return commands(order, .exact(":1\r\n")) {
                ["PRESENCE.ACTIVE", Heartbeat.key(Heartbeat.name($0)), Heartbeat.session]
            }
        case .presenceGet:
            return commands(order, .bulk(containing: "\"status\":\"online\"")) {
                ["GET", Heartbeat.key(Heartbeat.name($0))]
            }
        case .get:
            try loadStrings(connection, users)
            return commands(order, .exact(LoadWay.bulk(LoadWorkload.value))) { ["GET", LoadWay.key($0)] }
        case .set:
            return commands(order, .exact("+OK\r\n")) {
                ["SET", LoadWay.key($0), LoadWorkload.value, "EX", "300"]
            }
        case .presenceList:
            return lists(order, "PRESENCE.MGET", LoadWay.bulk("online")) { Heartbeat.key(Heartbeat.name($0)) }
        case .list:
            try loadStrings(connection, users)
            return lists(order, "MGET", LoadWay.bulk(LoadWorkload.value), LoadWay.key)
        }
    }

    private func loadStrings(_ connection: Connection, _ count: Int) throws {
        try connection.load(count, expecting: .simple("OK")) { ["SET", LoadWay.key($0), LoadWorkload.value] }
    }

    private func commands(
        _ order: [Int], _ expected: ExpectedReply, _ words: (Int) throws -> [String]
    ) rethrows -> Commands {
        var commands = Commands(expected: expected)
        for user in order {
            commands.bytes += Connection.encoded(try words(user))
            commands.ends.append(commands.bytes.count)
        }
        return commands
    }

    /// A thousand lists of friends, drawn from all.
    private func lists(_ order: [Int], _ command: String, _ element: String, _ key: (Int) -> String) -> Commands {
        let friends = LoadWorkload.friends
        let reply = "*\(friends)\r\n" + String(repeating: element, count: friends)
        return commands(Array(0..<1_000), .exact(reply)) { list in
            [command] + (0..<friends).map { key(order[(list * friends + $0) % order.count]) }
        }
    }

    private static func key(_ number: Int) -> String { "record:" + Heartbeat.name(number) }

    private static func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }
}

/// What a reply must be.
enum ExpectedReply {
    /// These bytes.
    case exact([UInt8])
    /// A bulk string that holds these bytes.
    case bulk(containing: [UInt8])

    static func exact(_ text: String) -> ExpectedReply { .exact(Array(text.utf8)) }
    static func bulk(containing text: String) -> ExpectedReply { .bulk(containing: Array(text.utf8)) }

    /// The bytes of the reply at the begin of `bytes`, nil if it is not whole yet.
    ///
    /// - Throws: if it is another than the expected one.
    func length(in bytes: UnsafeRawBufferPointer) throws -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        switch self {
        case .exact(let expected):
            guard memcmp(start, expected, min(expected.count, bytes.count)) == 0 else { throw wrong(bytes) }
            return bytes.count >= expected.count ? expected.count : nil
        case .bulk(let part):
            guard let lineEnd = bytes.prefix(24).firstIndex(of: 13) else {
                if bytes.count >= 24 { throw wrong(bytes) }
                return nil
            }
            var length = 0
            for byte in bytes[1..<lineEnd] {
                guard (48...57).contains(byte) else { throw wrong(bytes) }
                length = length * 10 + Int(byte - 48)
            }
            guard bytes[0] == UInt8(ascii: "$") else { throw wrong(bytes) }
            let end = lineEnd + 2 + length + 2
            guard length >= part.count else { throw wrong(bytes) }
            guard end <= bytes.count else { return nil }
            guard (0...max(0, end - part.count)).contains(where: { memcmp(start + $0, part, part.count) == 0 }) else {
                throw wrong(bytes)
            }
            return end
        }
    }

    private func wrong(_ bytes: UnsafeRawBufferPointer) -> BenchError {
        BenchError("a wrong reply: \(String(decoding: bytes.prefix(120), as: UTF8.self).debugDescription)")
    }
}
