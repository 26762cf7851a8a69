import PresenceRESP

/// Help for people at a terminal, and the README's table: written from the descriptors alone.
enum HelpText {
    /// The answer of `CLIENT HELP` and its like.
    static func write(_ title: String, of container: String, _ reply: inout ReplyBuffer) {
        let subcommands = CommandTable.shared.command(named: container)?.subcommands ?? []
        reply.array(1 + subcommands.count * 2)
        status("\(title) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", &reply)
        for command in subcommands {
            let name = command.name.dropFirst(container.count + 1).uppercased()
            status(command.syntax.isEmpty ? name : "\(name) \(command.syntax)", &reply)
            status("    \(command.summary).", &reply)
        }
    }

    /// The answer of `PRESENCE.HELP`.
    static func writeOverview(_ reply: inout ReplyBuffer) {
        let commands = presenceCommands
        reply.array(commands.count * 2 + 2)
        status("A user is named by his full key. The commands of presence:", &reply)
        for command in commands {
            status(usage(command), &reply)
            status("    \(command.summary).", &reply)
        }
        status("PRESENCE.HELP <command> tells more about one, also of Redis's commands here.", &reply)
    }

    /// The answer of `PRESENCE.HELP <command>`.
    static func write(_ command: Command, _ reply: inout ReplyBuffer) {
        let lines =
            [
                usage(command), "    \(command.summary).", "    complexity: \(command.complexity)",
                "    since: \(command.since)",
            ]
            + command.subcommands.map { "    \(usage($0)): \($0.summary)." }
        reply.array(lines.count)
        for line in lines { status(line, &reply) }
    }

    /// A command by its name as typed: `BEAT` is `PRESENCE.BEAT`, `CONFIG` and `config|get` are found too.
    static func command(named name: String) -> Command? {
        CommandTable.shared.command(named: name.lowercased())
            ?? CommandTable.shared.command(named: "presence." + name.lowercased())
    }

    /// The command and its arguments, as one types it.
    static func usage(_ command: Command) -> String {
        let name = String(command.name.uppercased().map { $0 == "|" ? " " : $0 })
        return command.syntax.isEmpty ? name : "\(name) \(command.syntax)"
    }

    /// The commands of presence, those for tests aside.
    static var presenceCommands: [Command] {
        CommandTable.shared.commands.filter { $0.group == "presence" && !$0.flags.contains(.admin) }
    }

    private static func status(_ line: String, _ reply: inout ReplyBuffer) {
        // A status line by hand, since the texts are made: they have no line ends.
        reply.raw(Array("+\(line)\r\n".utf8).span)
    }
}

/// The commands as documents show them.
public enum CommandReference {
    /// A Markdown table of the commands of presence: usage and what each does.
    public static var presenceTable: String { table(HelpText.presenceCommands) }

    /// A Markdown table of all commands, by group.
    public static var markdown: String {
        let commands = CommandTable.shared.commands.filter { !$0.flags.contains(.admin) || $0.group != "presence" }
        let rows = commands.flatMap { $0.subcommands.isEmpty ? [$0] : $0.subcommands }
        return table(rows)
    }

    private static func table(_ commands: [Command]) -> String {
        let rows = commands.map { command in
            let usage = HelpText.usage(command).map { $0 == "|" ? "\\|" : String($0) }.joined()
            return "| `\(usage)` | \(command.summary) |"
        }
        return (["| command | what it does |", "| --- | --- |"] + rows).joined(separator: "\n") + "\n"
    }
}
