import Testing

@testable import PresenceServer

/// The keyword options of presenced's own commands, taken from the table of commands: a command that gets one more has it tested here.
@Suite("Options")
struct OptionTests {
    private static let names = CommandTable.shared.commands.map(\.name).filter { $0.hasPrefix("presence.") }

    @Test("An option that comes twice is a syntax error, in whichever spelling, and nothing is done", arguments: names)
    func twice(_ name: String) throws {
        let command = try #require(CommandTable.shared.command(named: name))
        let arguments = CommandSyntax.arguments(of: command)
        for (place, option) in arguments.enumerated() where option.isOptional {
            let spellings = OptionTests.spellings(of: option)
            for first in spellings {
                let once = try ask(command, arguments, place, first)
                #expect(!once.reply.hasPrefix("-ERR syntax error"), "\(command.name) \(first): \(once.reply)")
                for second in spellings {
                    let twice = try ask(command, arguments, place, first + second)
                    // What stands behind it is a user where any number of them may follow.
                    let isUser = place < arguments.count - 1 && arguments[arguments.count - 1].isRepeated
                    let expected = isUser ? "-ERR a user is named by his full key" : "-ERR syntax error"
                    #expect(twice.reply.hasPrefix(expected), "\(command.name) \(first + second): \(twice.reply)")
                    #expect(twice.users == 0, "\(command.name) \(first + second)")
                }
            }
        }
    }

    @Test func thereAreOptions() {
        let commands = Self.names.compactMap { CommandTable.shared.command(named: $0) }
        let options = commands.flatMap { CommandSyntax.arguments(of: $0) }.filter {
            $0.isOptional && !Self.spellings(of: $0).isEmpty
        }
        #expect(options.count >= 17)
    }

    @Test("An option of a fixed place cannot come twice")
    func fixed() throws {
        let client = try EmbeddedServer().connectClient()
        for (command, error) in [
            ("PRESENCE.LEASE gw-1 EX 60 PX 60000", "wrong number of arguments for 'presence.lease' command"),
            ("PRESENCE.DISCONNECT presence:user:a s REASON disconnect REASON dropped", "syntax error"),
            ("PRESENCE.CONNECT presence:user:a s PASSIVE STATUS dnd passive", "syntax error"),
            ("PRESENCE.SET presence:user:a STATUS dnd EX 60 ACTIVITY lunch status away", "syntax error"),
        ] {
            #expect(try client.ask(command + "\r\n") == "-ERR \(error)\r\n", "\(command)")
        }
    }

    /// What a server without users answers to the command with `option` at its place, and how many users it knows then.
    private func ask(
        _ command: Command, _ arguments: [CommandSyntax.Argument], _ place: Int, _ option: [String]
    ) throws -> (reply: String, users: Int) {
        var words = [command.name]
        for (number, argument) in arguments.enumerated() {
            if number == place {
                words += option
            } else if !argument.isOptional {
                words.append(Self.value(named: argument.name))
            }
        }
        let server = EmbeddedServer()
        let request = "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
        return (try server.connectClient().ask(request), server.store.statistics().users)
    }

    /// The ways in which one option may be written, each with a value that will do; none of what is no keyword.
    private static func spellings(of argument: CommandSyntax.Argument) -> [[String]] {
        switch (argument.token, argument.kind) {
        case (let token?, .value): [[token, value(named: argument.name)]]
        case (let token?, .choice(let choices)): choices.map { [token, $0.name] }
        case (let token?, _): [[token]]
        case (nil, .choice(let choices)): choices.flatMap { spellings(of: $0) }
        case (nil, _): []
        }
    }

    private static func value(named name: String) -> String {
        switch name {
        case "key", "viewerkey": "presence:user:alice"
        case "seconds": "60"
        case "milliseconds": "60000"
        case "count": "10"
        case "cursor": "0"
        case "reason": "disconnect"
        default: "x"
        }
    }
}
