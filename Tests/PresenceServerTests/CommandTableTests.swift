import Testing

@testable import PresenceServer

/// The table of commands and what is made from it.
@Suite struct CommandTableTests {
    private let table = CommandTable.shared

    @Test func everyCommandIsFoundInAnyCase() {
        for (number, command) in table.commands.enumerated() {
            #expect(table.number(of: Word(command.name)) == number)
            #expect(table.number(of: Word(command.name.uppercased())) == number)
        }
        #expect(table.number(of: Word("nothing")) == -1)
        #expect(table.number(of: .none) == -1)
    }

    @Test func theCommandsOfThisVersionAreThere() {
        let names = Set(table.commands.map(\.name))
        let expected: Set<String> = [
            // connection
            "hello", "auth", "ping", "echo", "select", "reset", "quit", "client", "command",
            // presence
            "presence.connect", "presence.beat", "presence.active", "presence.mbeat", "presence.mactive",
            "presence.disconnect", "presence.get", "presence.mget", "presence.sessions", "presence.set",
            "presence.count", "presence.help", "presence.advance", "presence.view", "presence.block",
            "presence.unblock", "presence.friend", "presence.unfriend", "presence.relations", "presence.watch",
            "presence.lease", "presence.drop", "presence.unwatch", "presence.changes", "presence.explain",
            // strings
            "get", "set", "setex", "psetex", "setnx", "getex", "getdel", "getset", "mget", "mset", "strlen", "append",
            "incr", "decr", "incrby", "decrby",
            // keys
            "del", "unlink", "exists", "type", "touch", "expire", "pexpire", "expireat", "pexpireat", "ttl", "pttl",
            "expiretime", "pexpiretime", "persist", "scan", "keys", "dbsize", "flushdb", "flushall",
            // a presence as a hash
            "hget", "hmget", "hgetall",
            // pub/sub
            "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "publish", "pubsub",
            // transactions
            "multi", "exec", "discard", "watch", "unwatch",
            // cluster
            "cluster", "readonly", "readwrite", "wait",
            // operation
            "info", "config", "time", "memory", "slowlog", "monitor", "shutdown", "debug",
        ]
        #expect(names == expected)
    }

    @Test func howACommandIsSentToSeveralNodesIsToldOfCommandsThatAreThere() {
        #expect(CommandTips.of("mget") == ["request_policy:multi_shard"])
        #expect(CommandTips.of("memory|stats").count == 3)
        #expect(CommandTips.of("presence.beat").isEmpty)
    }

    @Test func countsThatLieGiveNoKeyBeyondTheLastArgument() throws {
        for command in table.commands.flatMap({ [$0] + $0.subcommands }) {
            for count in 0..<12 {
                let indices = Array(command.keyIndices(argumentCount: count))
                #expect(indices.allSatisfy { $0 > 0 && $0 < count }, "\(command.name) of \(count)")
            }
        }
    }

    @Test func subcommandsAreFoundWithTheirContainer() {
        #expect(table.command(named: "CONFIG|GET")?.name == "config|get")
        #expect(table.command(named: "config|nothing") == nil)
        #expect(table.command(named: "") == nil)
    }

    @Test func theSyntaxAgreesWithTheArity() {
        for command in table.commands.flatMap({ [$0] + $0.subcommands }) {
            let arguments = CommandSyntax.arguments(of: command)
            let isExact = arguments.allSatisfy { !$0.isOptional && !$0.isRepeated }
            if command.arity > 0 { #expect(isExact, "\(command.name) takes a fixed number of arguments") }
            #expect(!command.summary.hasSuffix("."), "\(command.name)")
            #expect(!command.summary.isEmpty)
        }
    }

    @Test func keysAreWhereTheSyntaxSaysKey() {
        for command in table.commands where command.keys != .none {
            #expect(command.syntax.hasPrefix("key") || command.syntax.hasPrefix("viewerkey"), "\(command.name)")
            #expect(command.keys.first == 1)
        }
    }

    @Test func syntaxIsTakenApart() throws {
        let set = try #require(table.command(named: "presence.connect"))
        let arguments = CommandSyntax.arguments(of: set)
        #expect(
            arguments.map(\.name) == ["key", "session", "device", "platform", "server", "choice", "status", "passive"])
        #expect(arguments[0].kind == .value(isKey: true))
        #expect(arguments[2].token == "DEVICE")
        #expect(arguments[2].isOptional)
        guard case .choice(let lifetimes) = arguments[5].kind else {
            Issue.record("EX and PX are a choice")
            return
        }
        #expect(lifetimes.map(\.token) == ["EX", "PX"])
        guard case .choice(let statuses) = arguments[6].kind else {
            Issue.record("the statuses are a choice")
            return
        }
        #expect(statuses.map(\.name) == ["dnd", "away", "idle"])
    }

    @Test func repeatedArgumentsAreOneGroup() throws {
        let beats = CommandSyntax.arguments(of: try #require(table.command(named: "presence.mbeat")))
        #expect(beats.count == 1)
        #expect(beats.first?.isRepeated == true)
        let keys = CommandSyntax.arguments(of: try #require(table.command(named: "del")))
        #expect(keys.map(\.name) == ["key"])
        #expect(keys.first?.isRepeated == true)
    }

    @Test func theReadmeTableHasALineForEachCommandOfPresence() {
        let lines = CommandReference.presenceTable.split(separator: "\n")
        #expect(lines.count == 2 + HelpText.presenceCommands.count)
        #expect(lines.contains { $0.contains("`PRESENCE.BEAT key session`") })
        #expect(!CommandReference.presenceTable.contains("ADVANCE"))
        #expect(CommandReference.markdown.contains("`CONFIG GET parameter [parameter ...]`"))
    }
}
