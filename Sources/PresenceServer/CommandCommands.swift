import PresenceRESP

/// `COMMAND`: the table of commands, told to clients.
enum CommandCommands {
    static let table: [Command] = [
        Command(
            "command", "[subcommand [argument ...]]", arity: -1, [.loading, .stale], [.connection], since: "2.8.13",
            group: "server", complexity: "O(N) where N is the number of commands", "Describes the commands",
            subcommands: subcommands, command)
    ]

    private static let subcommands: [Command] = [
        Command(
            "command|count", arity: 2, [.loading, .stale], [.connection], since: "2.8.13", group: "server",
            "The number of commands"
        ) { _, _, _, _, reply in reply.integer(CommandTable.shared.commands.count) },
        Command(
            "command|docs", "[command-name [command-name ...]]", arity: -2, [.loading, .stale], [.connection],
            since: "7.0.0", group: "server", complexity: "O(N) where N is the number of commands to look up",
            "Documentation of commands", documentation),
        Command(
            "command|info", "[command-name [command-name ...]]", arity: -2, [.loading, .stale], [.connection],
            since: "2.8.13", group: "server", complexity: "O(N) where N is the number of commands to look up",
            "Arity, flags, keys and categories of commands", information),
        Command(
            "command|list", "[FILTERBY MODULE module-name | ACLCAT category | PATTERN pattern]", arity: -2,
            [.loading, .stale], [.connection], since: "7.0.0", group: "server",
            complexity: "O(N) where N is the number of commands", "The names of the commands", list),
        Command(
            "command|getkeys", "command [argument ...]", arity: -4, [.loading, .stale], [.connection],
            since: "2.8.13", group: "server", complexity: "O(N) where N is the number of arguments to the command",
            "Which arguments of a whole command are keys", keys),
        Command(
            "command|help", arity: 2, [.loading, .stale], [.connection], since: "5.0.0", group: "server",
            "Tells the subcommands"
        ) { _, _, _, _, reply in HelpText.write("COMMAND", of: "command", &reply) },
    ]

    @Sendable private static func command(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard request.argumentCount == 1 else {
            CommandDispatch.runSubcommand(of: "command", loop, client, request, bytes, &reply)
            return
        }
        let commands = CommandTable.shared.commands
        reply.array(commands.count)
        for command in commands { describe(command, &reply) }
    }

    // MARK: - INFO

    @Sendable private static func information(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let commands = commands(request, bytes, &reply) else { return }
        tell(commands, loop, client, &reply, begin: { $0.array(commands.count) }) { command, found in
            if let command { describe(command, &found) } else { found.null() }
        }
    }

    /// The most names in one question.
    private static let maximumNames = 1_000

    /// The commands that are asked for, all if none is named, nil where there is none of a name; nil and an error if they are too many.
    private static func commands(
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> [Command?]? {
        guard request.argumentCount > 2 else { return CommandTable.shared.commands }
        guard request.argumentCount - 2 <= maximumNames else {
            reply.error("ERR at most \(maximumNames) names at once")
            return nil
        }
        return (2..<request.argumentCount).map {
            CommandTable.shared.command(named: Text.string(bytes, request.argument($0), limit: 64))
        }
    }

    /// Descriptions of commands and subcommands that are written in a slice: half a millisecond's work.
    private static let sliceCount = 64

    /// Answers with what `write` writes of each command, in slices with others' commands in between.
    private static func tell(
        _ commands: [Command?], _ loop: ServerLoop, _ client: Client, _ reply: inout ReplyBuffer,
        begin: @escaping (inout ReplyBuffer) -> Void,
        _ write: @escaping (Command?, inout ReplyBuffer) -> Void
    ) {
        let limit = loop.configuration.outputLimits.normal.hardBytes
        var told = 0
        var found = ReplyBuffer(capacity: 1024)
        found.version = client.version
        loop.inSlices(for: client, &reply) {
            var described = 0
            while told < commands.count, described < sliceCount {
                write(commands[told], &found)
                described += 1 + (commands[told]?.subcommands.count ?? 0)
                told += 1
                if limit > 0, found.count > limit { return true }
            }
            return told == commands.count
        } _: { reply in
            let start = reply.count
            begin(&reply)
            found.withBytes { reply.raw($0) }
            _ = loop.refusesLongReply(from: start, &reply)
        }
    }

    /// The ten elements of Redis 7.
    private static func describe(_ command: Command, _ reply: inout ReplyBuffer) {
        reply.array(10)
        reply.bulk(command.name)
        reply.integer(command.arity)
        write(command.flags.words, &reply)
        reply.integer(command.keys.first)
        reply.integer(command.keys.last)
        reply.integer(command.keys.step)
        write(command.categories.words, &reply)
        let tips = CommandTips.of(command.name)
        reply.set(tips.count)
        for tip in tips { reply.bulk(tip) }
        if command.keys == .none {
            reply.set(0)
        } else {
            reply.set(1)
            describeKeys(command, &reply)
        }
        reply.set(command.subcommands.count)
        for subcommand in command.subcommands { describe(subcommand, &reply) }
    }

    private static func write(_ words: [StaticString], _ reply: inout ReplyBuffer) {
        reply.set(words.count)
        for word in words { reply.simple(word) }
    }

    private static func describeKeys(_ command: Command, _ reply: inout ReplyBuffer) {
        reply.map(3)
        reply.bulk("flags")
        write(command.keyUse.words, &reply)
        reply.bulk("begin_search")
        reply.map(2)
        reply.bulk("type")
        reply.bulk("index")
        reply.bulk("spec")
        reply.map(1)
        reply.bulk("index")
        reply.integer(command.keys.first)
        reply.bulk("find_keys")
        reply.map(2)
        reply.bulk("type")
        reply.bulk("range")
        reply.bulk("spec")
        reply.map(3)
        reply.bulk("lastkey")
        reply.integer(command.keys.last < 0 ? command.keys.last : command.keys.last - command.keys.first)
        reply.bulk("keystep")
        reply.integer(command.keys.step)
        reply.bulk("limit")
        reply.integer(0)
    }

    // MARK: - DOCS

    @Sendable private static func documentation(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let commands = commands(request, bytes, &reply)?.compactMap({ $0 }) else { return }
        tell(commands, loop, client, &reply, begin: { $0.map(commands.count) }) { command, found in
            guard let command else { return }
            found.bulk(command.name)
            document(command, &found)
        }
    }

    private static func document(_ command: Command, _ reply: inout ReplyBuffer) {
        let arguments = CommandSyntax.arguments(of: command)
        reply.map(4 + (arguments.isEmpty ? 0 : 1) + (command.subcommands.isEmpty ? 0 : 1))
        reply.bulk("summary")
        reply.bulk(command.summary)
        reply.bulk("since")
        reply.bulk(command.since)
        reply.bulk("group")
        reply.bulk(command.group == "presence" ? "module" : command.group)
        reply.bulk("complexity")
        reply.bulk(command.complexity)
        if !arguments.isEmpty {
            reply.bulk("arguments")
            CommandSyntax.write(arguments, &reply)
        }
        guard !command.subcommands.isEmpty else { return }
        reply.bulk("subcommands")
        reply.map(command.subcommands.count)
        for subcommand in command.subcommands {
            reply.bulk(subcommand.name)
            document(subcommand, &reply)
        }
    }

    // MARK: - GETKEYS

    @Sendable private static func keys(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let count = request.argumentCount - 2
        guard let command = command(at: 2, request, bytes) else {
            reply.error("ERR Invalid command specified")
            return
        }
        guard command.keys != .none else {
            reply.error("ERR The command has no key arguments")
            return
        }
        guard command.takes(count) else {
            reply.error("ERR Invalid number of arguments specified for command")
            return
        }
        // Every number is one of an argument that is there: no command here takes the number of its keys from the client.
        let indices = Array(command.keyIndices(argumentCount: count))
        reply.array(indices.count)
        for index in indices { reply.bulk(bytes.extracting(request.argument(index + 2))) }
    }

    /// The command whose name is argument `index`, or the subcommand that is named behind it.
    private static func command(
        at index: Int, _ request: borrowing RequestReader, _ bytes: Span<UInt8>
    ) -> Command? {
        let name = Text.string(bytes, request.argument(index), limit: 64)
        guard let command = CommandTable.shared.command(named: name), !command.subcommands.isEmpty,
            index + 1 < request.argumentCount, !name.contains("|")
        else { return CommandTable.shared.command(named: name) }
        let subcommand = Text.string(bytes, request.argument(index + 1), limit: 64)
        return CommandTable.shared.command(named: "\(name)|\(subcommand)")
    }

    // MARK: - LIST

    @Sendable private static func list(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let all = CommandTable.shared.commands.flatMap { [$0] + $0.subcommands }
        var names = all
        if request.argumentCount > 2 {
            guard request.argumentCount == 5, Word(bytes, request.argument(2)) == "FILTERBY" else {
                reply.error("ERR syntax error")
                return
            }
            let value = request.argument(4)
            switch Word(bytes, request.argument(3)) {
            case "MODULE":
                names = []
            case "ACLCAT":
                let category = "@" + Text.string(bytes, value, limit: 64).lowercased()
                names = all.filter { $0.categories.words.contains { $0.description == category } }
            case "PATTERN":
                guard !GlobPattern.refuses(value, &reply) else { return }
                names = all.filter {
                    GlobPattern.matches(bytes.extracting(value), Array($0.name.utf8).span, ignoringCase: true)
                }
            default:
                reply.error("ERR syntax error")
                return
            }
        }
        reply.array(names.count)
        for command in names { reply.bulk(command.name) }
    }
}
