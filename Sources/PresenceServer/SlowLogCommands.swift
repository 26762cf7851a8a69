import Presence
import PresenceRESP

/// What looks at other connections' commands: `SLOWLOG` afterwards, `MONITOR` as they come.
enum SlowLogCommands {
    static let table: [Command] = [
        Command(
            "slowlog", "subcommand [argument ...]", arity: -2, [], [], since: "2.2.12", group: "server",
            complexity: "Depends on subcommand.", "A container for slow log commands", subcommands: subcommands
        ) { CommandDispatch.runSubcommand(of: "slowlog", $0, $1, $2, $3, &$4) },
        Command(
            "monitor", arity: 1, [.admin, .noScript, .loading, .stale, .noMulti], [.admin, .dangerous], since: "1.0.0",
            group: "server", "Shows every command of every connection as it comes"
        ) { loop, client, _, _, reply in
            // As Redis: who is a monitor already gets no answer.
            guard !client.traits.contains(.isMonitor) else { return }
            loop.addMonitor(client, &reply)
        },
    ]

    private static let subcommands: [Command] = [
        Command(
            "slowlog|get", "[count]", arity: -2, [.admin, .loading, .stale], [.admin, .dangerous], since: "2.2.12",
            group: "server", complexity: "O(N) where N is the number of entries returned",
            "The slowest commands of late, the newest first: 10, or so many, or all with -1", get),
        Command(
            "slowlog|len", arity: 2, [.admin, .loading, .stale], [.admin, .dangerous], since: "2.2.12", group: "server",
            "How many commands the slow log holds"
        ) { loop, _, _, _, reply in reply.integer(loop.server.slowLog.count) },
        Command(
            "slowlog|reset", arity: 2, [.admin, .loading, .stale], [.admin, .dangerous], since: "2.2.12",
            group: "server", complexity: "O(N) where N is the number of entries in the slow log", "Empties the slow log"
        ) { loop, _, _, _, reply in
            loop.server.slowLog.reset()
            reply.simple("OK")
        },
        Command(
            "slowlog|help", arity: 2, [.loading, .stale], [], since: "6.2.0", group: "server", "Tells the subcommands"
        ) { _, _, _, _, reply in HelpText.write("SLOWLOG", of: "slowlog", &reply) },
    ]

    @Sendable private static func get(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard request.argumentCount <= 3 else {
            let name = Text.string(bytes, request.argument(1))
            reply.error("ERR unknown subcommand or wrong number of arguments for '\(name)'. Try SLOWLOG HELP.")
            return
        }
        var count: Int64 = 10
        if request.argumentCount == 3 {
            guard let number = Numbers.integer(bytes, request.argument(2)), number >= -1 else {
                reply.error("ERR count should be greater than or equal to -1")
                return
            }
            count = number
        }
        let entries = loop.server.slowLog.newest(count < 0 ? .max : Int(clamping: count))
        reply.array(entries.count)
        for entry in entries {
            reply.array(6)
            reply.integer(entry.id)
            reply.integer(Int(entry.at.milliseconds / 1000))
            reply.integer(Int(entry.microseconds))
            reply.array(entry.arguments.count)
            for argument in entry.arguments { reply.bulk(argument) }
            reply.bulk(entry.address)
            reply.bulk(entry.clientName)
        }
    }
}
