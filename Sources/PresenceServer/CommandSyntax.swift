import PresenceRESP

/// The syntax text of a command taken apart into the arguments that `COMMAND DOCS` tells, which redis-cli shows while one types.
///
/// The text is what a person reads: `key` is an argument, `[...]` may be left out, `|` separates choices, capitals are typed as they are,
/// and `[key ...]` after `key` says that it may be repeated.
enum CommandSyntax {
    /// One argument, or a group of them.
    struct Argument: Equatable {
        enum Kind: Equatable {
            case value(isKey: Bool)
            case word
            case group([Argument])
            case choice([Argument])
        }

        var name: String
        var kind: Kind
        /// The word that goes before the value.
        var token: String?
        var isOptional = false
        var isRepeated = false
    }

    /// The arguments that the command's text describes.
    static func arguments(of command: Command) -> [Argument] {
        var parser = Parser(words: split(command.syntax), hasKeys: command.keys != .none)
        return parser.sequence()
    }

    private static func split(_ text: String) -> [String] {
        var words: [String] = []
        for part in text.split(separator: " ") {
            var word = ""
            for character in part {
                if character == "[" || character == "]" || character == "|" {
                    if !word.isEmpty { words.append(word) }
                    word = ""
                    words.append(String(character))
                } else {
                    word.append(character)
                }
            }
            if !word.isEmpty { words.append(word) }
        }
        return words
    }

    private struct Parser {
        var words: [String]
        let hasKeys: Bool
        var position = 0

        init(words: [String], hasKeys: Bool) {
            self.words = words
            self.hasKeys = hasKeys
        }

        private var next: String? { position < words.count ? words[position] : nil }

        /// Alternatives up to a closing bracket or the end; one alternative is just its arguments.
        mutating func sequence() -> [Argument] {
            var alternatives: [[Argument]] = [[]]
            while let word = next, word != "]" {
                position += 1
                if word == "|" {
                    alternatives.append([])
                } else if word == "[" {
                    let inner = sequence()
                    let isRepetition = words[position - 1] == "..."
                    position += 1
                    add(inner, isRepetition, to: &alternatives[alternatives.count - 1])
                } else if word == "..." {
                    continue
                } else {
                    alternatives[alternatives.count - 1].append(single(word))
                }
            }
            guard alternatives.count > 1 else { return alternatives[0] }
            let choices = alternatives.map { $0.count == 1 ? $0[0] : group($0) }
            return [choice(choices)]
        }

        /// `TOKEN value`, `TOKEN a | b`, `TOKEN` alone, or a value.
        private mutating func single(_ word: String) -> Argument {
            guard isToken(word) else {
                return Argument(name: word, kind: .value(isKey: hasKeys && word == "key"))
            }
            if let value = next, !["[", "]", "|"].contains(value), !isToken(value) {
                position += 1
                // `STATUS dnd | away | idle`: the choices are the token's values.
                var values = [value]
                while next == "|", position + 1 < words.count, !isToken(words[position + 1]) {
                    values.append(words[position + 1])
                    position += 2
                }
                if values.count > 1 {
                    let choices = values.map { Argument(name: $0, kind: .word, token: $0) }
                    return Argument(name: word.lowercased(), kind: .choice(choices), token: word)
                }
                return Argument(name: value, kind: .value(isKey: false), token: word)
            }
            return Argument(name: word.lowercased(), kind: .word, token: word)
        }

        private func isToken(_ word: String) -> Bool {
            word.first?.isUppercase == true && word.allSatisfy { !$0.isLowercase }
        }

        private func add(_ inner: [Argument], _ isRepetition: Bool, to arguments: inout [Argument]) {
            // `key [key ...]`, `key session [key session ...]`: what stands before may be repeated.
            if isRepetition, inner.count <= arguments.count, Array(arguments.suffix(inner.count)) == inner {
                arguments.removeLast(inner.count)
                var repeated = inner.count == 1 ? inner[0] : group(inner)
                repeated.isRepeated = true
                arguments.append(repeated)
                return
            }
            guard !inner.isEmpty else { return }
            var argument = inner.count == 1 ? inner[0] : group(inner)
            argument.isOptional = true
            arguments.append(argument)
        }

        private func group(_ arguments: [Argument]) -> Argument {
            Argument(name: arguments.map(\.name).joined(separator: "-"), kind: .group(arguments))
        }

        private func choice(_ arguments: [Argument]) -> Argument {
            Argument(name: "choice", kind: .choice(arguments))
        }
    }

    // MARK: - As Redis tells them

    static func write(_ arguments: [Argument], _ reply: inout ReplyBuffer) {
        reply.array(arguments.count)
        for argument in arguments { write(argument, &reply) }
    }

    private static func write(_ argument: Argument, _ reply: inout ReplyBuffer) {
        var inner: [Argument] = []
        var type: StaticString = "string"
        switch argument.kind {
        case .value(let isKey): type = isKey ? "key" : numeric(argument.name) ? "integer" : "string"
        case .word: type = "pure-token"
        case .group(let arguments):
            type = "block"
            inner = arguments
        case .choice(let arguments):
            type = "oneof"
            inner = arguments
        }
        let isKey = argument.kind == .value(isKey: true)
        let flags = argument.isOptional || argument.isRepeated
        reply.map(
            2 + (isKey ? 1 : 0) + (argument.token == nil ? 0 : 1) + (flags ? 1 : 0) + (inner.isEmpty ? 0 : 1))
        reply.bulk("name")
        reply.bulk(argument.name)
        reply.bulk("type")
        reply.bulk(type)
        if isKey {
            reply.bulk("key_spec_index")
            reply.integer(0)
        }
        if let token = argument.token {
            reply.bulk("token")
            reply.bulk(token)
        }
        if flags {
            reply.bulk("flags")
            reply.array((argument.isOptional ? 1 : 0) + (argument.isRepeated ? 1 : 0))
            if argument.isOptional { reply.simple("optional") }
            if argument.isRepeated { reply.simple("multiple") }
        }
        if !inner.isEmpty {
            reply.bulk("arguments")
            write(inner, &reply)
        }
    }

    private static func numeric(_ name: String) -> Bool {
        ["seconds", "milliseconds", "count", "cursor", "index", "protover", "client-id"].contains(name)
            || name.hasPrefix("unix-time")
    }
}
