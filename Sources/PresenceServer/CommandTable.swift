import PresenceRESP

/// All commands, found by the bytes of their name in any case: an open-addressed table of packed words, three words compared a look-up.
final class CommandTable: Sendable {
    /// The one table.
    static let shared = CommandTable(
        ConnectionCommands.table + SessionCommands.table + PresenceQueryCommands.table + ViewCommands.table
            + RelationCommands.table + WatchCommands.table + ChangeCommands.table + StringCommands.table
            + KeyCommands.table + HashCommands.table + PubSubCommands.table + TransactionCommands.table
            + WaitCommands.table + ServerCommands.table + ShutdownCommand.table + SlowLogCommands.table
            + MemoryCommands.table + ClusterCommands.table + DebugCommands.table + CommandCommands.table
    )

    /// What running a command needs of its descriptor, side by side.
    struct Entry: Sendable {
        let body: Command.Body
        let arity: Int
        let flags: CommandFlags
        /// Whether the slow log times it: its work grows with what it is given, or with what there is. All others take about as long each time.
        let isTimed: Bool
    }

    /// In the order of their families.
    let commands: [Command]
    private let entries: [Entry]
    private let words: [Word]
    /// Numbers of commands by hash; -1 where there is none.
    private let buckets: [Int16]
    private let mask: Int
    /// The numbers of PRESENCE.BEAT and PRESENCE.ACTIVE, which are run in batches.
    let beat: Int
    let active: Int
    /// The number of EXEC.
    let exec: Int

    init(_ commands: [Command]) {
        self.commands = commands
        entries = commands.map {
            Entry(
                body: $0.body, arity: $0.arity, flags: $0.flags,
                isTimed: $0.complexity != "O(1)" && !$0.flags.contains(.skipSlowLog))
        }
        words = commands.map { Word($0.name) }
        // At most an eighth full, so that nearly every look-up sees one bucket.
        var size = 16
        while size < commands.count * 8 { size *= 2 }
        var buckets = Array(repeating: Int16(-1), count: size)
        for (number, word) in words.enumerated() {
            precondition(word != .none, "the name of a command has at most \(Word.maximumLength) bytes")
            var bucket = Int(truncatingIfNeeded: word.hash) & (size - 1)
            while buckets[bucket] >= 0 {
                precondition(words[Int(buckets[bucket])] != word, "two commands of one name")
                bucket = (bucket + 1) & (size - 1)
            }
            buckets[bucket] = Int16(number)
        }
        self.buckets = buckets
        mask = size - 1
        beat = commands.firstIndex { $0.name == "presence.beat" } ?? -2
        active = commands.firstIndex { $0.name == "presence.active" } ?? -2
        exec = commands.firstIndex { $0.name == "exec" } ?? -2
    }

    /// The number of the command with this name, or -1. Allocates nothing.
    @inline(__always)
    func number(of word: Word) -> Int {
        var bucket = Int(truncatingIfNeeded: word.hash) & mask
        while true {
            let number = Int(buckets[bucket])
            if number < 0 || words[number] == word { return number }
            bucket = (bucket &+ 1) & mask
        }
    }

    /// The command with this number, ready to run.
    @inline(__always)
    func entry(_ number: Int) -> Entry { entries[number] }

    /// The command with this name, also `config|get`, or nil.
    func command(named name: String) -> Command? {
        let parts = name.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first else { return nil }
        let number = number(of: Word(String(first)))
        guard number >= 0 else { return nil }
        guard parts.count == 2 else { return commands[number] }
        let lower = name.lowercased()
        return commands[number].subcommands.first { $0.name == lower }
    }
}
