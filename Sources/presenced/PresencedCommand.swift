import ArgumentParser
import Glibc
import PresenceMigration
import PresenceServer

/// What one types: `presenced`, `presenced check-config`, `presenced --version`.
@main
struct PresencedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presenced",
        abstract: "Presence for a whole product: who is here, right now. Speaks the Redis protocol.",
        usage: """
            presenced [--config <cluster.conf>] [--<setting> <value> ...]
            presenced check-config [<cluster.conf>] [--<setting> <value> ...]
            presenced migrate redis://host:port [--to redis://host:port] [--<option> ...]
            """,
        version: "presenced \(presencedVersion)",
        subcommands: [ServeCommand.self, CheckConfigCommand.self, MigrateCommand.self, DocumentationCommand.self],
        defaultSubcommand: ServeCommand.self)
}

/// The words that both serving and checking take.
struct SettingsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("File of settings in redis.conf's form.", valueName: "cluster.conf"))
    var config: String?

    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp(
            "Any setting: --port 6400, --session-ttl 90s. docs/CONFIGURATION.md lists them.",
            valueName: "--setting value"))
    var settings: [String] = []

    /// Reads the file and the settings of the command line.
    func read() throws -> Settings { try Self.read(config, settings) }

    /// Reads a file, if there is one, and the settings of a command line.
    static func read(_ config: String?, _ settings: [String]) throws -> Settings {
        let surroundings = Surroundings.ofProcess
        guard let config else {
            return try SettingsReader.read(file: nil, arguments: settings, surroundings: surroundings)
        }
        let text: String
        do {
            text = try ConfigurationFile(path: config).text()
        } catch {
            throw SettingsProblems(lines: ["\(config): \(error.description)"])
        }
        return try SettingsReader.read(file: (config, text), arguments: settings, surroundings: surroundings)
    }
}

/// `presenced`: serves until SIGTERM, SIGINT or `SHUTDOWN`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve (the default).",
        discussion: """
            Without --config the defaults hold. A setting on the command line wins over the file. All settings, with \
            their bounds, are in docs/CONFIGURATION.md; `presenced check-config` says what is wrong with a file.
            """)

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        try await orderly {
            let settings = try options.read()
            var daemon = Daemon(
                settings: settings, configurationFile: options.config ?? "", arguments: options.settings)
            try await daemon.run()
        }
    }
}

/// `presenced check-config`: says what is wrong with a configuration, and changes nothing.
struct CheckConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config", abstract: "Check a file and settings, show what would hold, and exit.",
        discussion: """
            The file may be named with --config or without. What is wrong is told line by line, and the exit code is 1; else \
            "ok", what differs from the defaults, and 0. Nothing is served.
            """)

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        try await orderly {
            var words = options.settings
            var file = options.config
            if file == nil, let first = words.first, !first.hasPrefix("--") {
                file = first
                words.removeFirst()
            }
            let settings = try SettingsOptions.read(file, words)
            print("ok")
            let summary = settings.clusterSummary()
            if !summary.isEmpty { print("# \(summary)") }
            for line in settings.advice() { print("# advice: \(line)") }
            print(SettingsDocumentation.differences(of: settings), terminator: "")
        }
    }
}

/// `presenced documentation settings|example|commands`: prints the documents that come from the tables in the code.
struct DocumentationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "documentation", abstract: "Print documents that are made from the code.", shouldDisplay: false)

    enum Document: String, ExpressibleByArgument, CaseIterable {
        case settings, example, commands
    }

    @Argument(help: "settings: docs/CONFIGURATION.md; example: cluster.conf; commands: the README's table.")
    var document: Document

    func run() {
        switch document {
        case .settings: print(SettingsDocumentation.reference, terminator: "")
        case .example: print(SettingsDocumentation.example, terminator: "")
        case .commands: print(CommandReference.presenceTable, terminator: "")
        }
    }
}

/// Runs `body`; what stops it is said on standard error, one line a problem, without a usage text that would bury it.
func orderly(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let problem as any Error & CustomStringConvertible
        where problem is SettingsProblems || problem is StartProblem || problem is MigrationError
    {
        for line in problem.description.split(separator: "\n") {
            let bytes = Array("presenced: \(line)\n".utf8)
            _ = write(STDERR_FILENO, bytes, bytes.count)
        }
        throw ExitCode(1)
    }
}
