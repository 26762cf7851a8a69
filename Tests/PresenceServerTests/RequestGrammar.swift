import PresenceTesting

@testable import PresenceServer

/// Requests made from the table of commands: each command's own syntax, filled with what is likely to break something.
struct RequestGrammar {
    /// Not made up: they stop the process or everybody's commands, or wait for a disk, other nodes or nobody, and have tests of their own.
    private static let leftOut: Set<String> = ["shutdown", "debug", "client|pause", "config|rewrite", "wait"]

    private let commands: [(name: [String], words: [String])]

    init(_ table: CommandTable = .shared) {
        commands = table.commands.flatMap { $0.subcommands.isEmpty ? [$0] : $0.subcommands }
            .filter { !Self.leftOut.contains($0.name) && !Self.leftOut.contains(String($0.name.prefix { $0 != "|" })) }
            .map { command in
                let words = command.syntax.split { " []|".contains($0) }.map(String.init).filter { $0 != "..." }
                // A wait that nobody ends gives no reply, as is right.
                return (command.name.split(separator: "|").map(String.init), Array(words.prefix { $0 != "BLOCK" }))
            }
    }

    /// One request: its arguments, the name first.
    func request(_ random: inout SeededRandom) -> [[UInt8]] {
        let command = random.pick(commands)
        let isUpper = random.chance(oneIn: 2)
        var arguments = command.name.map { Array((isUpper ? $0.uppercased() : $0).utf8) }
        for word in command.words {
            // What may be left out, and what may not, often is.
            if random.chance(oneIn: 4) { continue }
            arguments.append(value(of: word, &random))
        }
        switch Int.random(in: 0..<12, using: &random) {
        case 0: arguments.append(value(of: "key", &random))
        case 1 where arguments.count > 1: arguments.removeLast()
        case 2 where arguments.count > 1:
            arguments.swapAt(Int.random(in: 1..<arguments.count, using: &random), arguments.count - 1)
        case 3: for _ in 0..<Int.random(in: 1...40, using: &random) { arguments.append(value(of: "key", &random)) }
        default: break
        }
        return arguments
    }

    /// What goes where the syntax has this word: the word itself if it is typed as it is, else something of its kind.
    private func value(of word: String, _ random: inout SeededRandom) -> [UInt8] {
        if random.chance(oneIn: 30) { return random.bytes(0...40) }
        if word == word.uppercased() { return Array(word.utf8) }
        if word.hasPrefix("key") || word == "viewerkey" || word == "other" { return Array(random.pick(Self.keys).utf8) }
        if word.contains("session") { return Array(random.pick(["s1", "s2", "", Self.uuid]).utf8) }
        if word.contains("pattern") { return Array(random.pick(Self.patterns).utf8) }
        if word.contains("channel") { return Array(random.pick(Self.channels).utf8) }
        if word == "value", random.chance(oneIn: 2) { return Array(random.pick(Self.records).utf8) }
        return Array(random.pick(Self.numbers).utf8)
    }

    /// The request in the protocol's form, or as one types it where that can say it.
    static func encode(_ arguments: [[UInt8]], _ random: inout SeededRandom) -> [UInt8] {
        let isPlain = arguments.allSatisfy { argument in
            !argument.isEmpty && argument.allSatisfy { $0 > 32 && $0 < 127 && $0 != 0x22 && $0 != 0x27 }
        }
        if isPlain, arguments.first?.first != UInt8(ascii: "*"), random.chance(oneIn: 5) {
            return Array(arguments.joined(separator: [0x20])) + Array("\r\n".utf8)
        }
        return Array("*\(arguments.count)\r\n".utf8)
            + arguments.flatMap { Array("$\($0.count)\r\n".utf8) + $0 + Array("\r\n".utf8) }
    }

    private static let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e"
    private static let keys = [
        "a", "b", "presence:user:alice", "presence:user:alice", "presence:user:bob", "presence:user:", "",
        "presence:user:" + uuid, String(repeating: "k", count: 300),
    ]
    private static let numbers = [
        "0", "1", "2", "10", "-1", "120", "300", "301", "100000", "1.5", "", " 1", "+1", "01", "abc",
        "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "4294967296",
        "online", "dnd", "offline", "auto", "everyone",
    ]
    private static let patterns = ["*", "a*", "[a-", "\\", "*a*a*a*b", "presence:user:*", "user.status.*", "?", ""]
    private static let channels = [
        "x", "user.status.changed", "user.status.changed:alice", "__keyevent@0__:expired", "__keyspace@0__:a", "",
    ]
    private static let records = [
        #"{"userId":"alice","status":"online"}"#, #"{"status":"dnd","connectionId":"s1","lastSeen":1}"#, "offline",
        #"{"status":"offline","connectionId":"s1"}"#, #"{"status":"#, "{}", "online", "[]",
        #"{"status":"online","a":[[[[]]]]}"#,
    ]
}
