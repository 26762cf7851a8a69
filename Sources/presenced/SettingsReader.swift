/// Everything that is wrong with a configuration, one line each, in the order in which it is read.
struct SettingsProblems: Error, CustomStringConvertible {
    let lines: [String]
    var description: String { lines.joined(separator: "\n") }
}

/// Makes settings of defaults, a file and the command line, in this order: the later wins.
///
/// It goes on after a problem, so that an operator sees all of them at once.
struct SettingsReader {
    private(set) var settings = Settings()
    private var problems: [String] = []
    /// Where each setting was set last: `cluster.conf:12` or `--port`.
    private var places: [String: String] = [:]
    /// Settings whose value was not taken. What they stand in relation to is not judged.
    private var refused: Set<String> = []

    /// The settings of a file's text (`path` is for messages) and of `--name value ...` words.
    /// `surroundings` say what else it depends on.
    static func read(
        file: (path: String, text: String)?, arguments: [String], surroundings: Surroundings = Surroundings()
    ) throws(SettingsProblems) -> Settings {
        var reader = SettingsReader()
        if let file { reader.readFile(file.text, path: file.path) }
        reader.readArguments(arguments)
        return try reader.finish(surroundings)
    }

    private mutating func readFile(_ text: String, path: String) {
        var failures: [(Int, String)] = []
        let lines = SettingsFile.lines(of: text) { failures.append(($0, $1)) }
        var seen: [String: Int] = [:]
        var found: [(line: Int, problem: String)] = failures
        for line in lines {
            guard let setting = Setting.named(line.name) else {
                found.append((line.number, Self.unknown(line.name)))
                continue
            }
            if let earlier = seen[setting.name], !setting.isRepeatable {
                found.append((line.number, "\(setting.name) is already set on line \(earlier)"))
                continue
            }
            seen[setting.name] = line.number
            if line.words.isEmpty, setting.isRepeatable {
                refused.insert(setting.name)
                found.append((line.number, "\(setting.name): a value is missing; allowed: \(setting.allowed)"))
                continue
            }
            do {
                try setting.write(&settings, line.words)
                places[setting.name] = "\(path):\(line.number)"
            } catch {
                refused.insert(setting.name)
                found.append((line.number, "\(setting.name): \(error.message)"))
            }
        }
        problems += found.sorted { $0.line < $1.line }.map { "\(path):\($0.line): \($0.problem)" }
    }

    private mutating func readArguments(_ arguments: [String]) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            guard option.hasPrefix("--"), option.count > 2 else {
                problems.append("unexpected argument '\(option)'; settings are given as --name value")
                continue
            }
            var words: [String] = []
            var name = option.dropFirst(2)
            if let equals = name.firstIndex(of: "=") {
                words = [String(name[name.index(after: equals)...])]
                name = name[..<equals]
            }
            while let word = rest.first, !word.hasPrefix("--") {
                words.append(word)
                rest = rest.dropFirst()
            }
            // Who this node is, is said so often that it has a short way.
            if name.lowercased() == "node", words.count == 1, !words[0].contains(" ") { name = "node-name" }
            guard let setting = Setting.named(String(name)) else {
                problems.append("--\(name): \(Self.unknown(String(name)))")
                continue
            }
            do {
                try setting.write(&settings, setting.isList ? SettingsFile.words(ofEach: words) : words)
                places[setting.name] = "--\(setting.name)"
            } catch {
                refused.insert(setting.name)
                problems.append("--\(setting.name): \(error.message)")
            }
        }
    }

    private consuming func finish(_ surroundings: Surroundings) throws(SettingsProblems) -> Settings {
        settings.takeOwnNode(surroundings) { [places] in places[$0] != nil }
        var broken = settings.brokenRelations()
        if !settings.cluster.secretFile.isEmpty, let problem = surroundings.secretProblem(settings.cluster.secretFile) {
            broken.append(Settings.BrokenRelation(names: ["secret-file"], message: "secret-file: \(problem)"))
        }
        if let problem = surroundings.peerCertificateProblem(settings) { broken.append(problem) }
        for relation in broken where refused.isDisjoint(with: relation.names) {
            let place = relation.names.lazy.compactMap { [places] in places[$0] }.first
            problems.append((place.map { "\($0): " } ?? "") + relation.message)
        }
        guard problems.isEmpty else { throw SettingsProblems(lines: problems) }
        return settings
    }

    private static func unknown(_ name: String) -> String {
        let near = Setting.names(near: name)
        return "unknown setting '\(name)'; "
            + (near.isEmpty ? "docs/CONFIGURATION.md lists all" : "did you mean \(near.joined(separator: " or "))?")
    }
}
