import ArgumentParser
import Glibc
import Logging
import PresenceMigration
import PresenceStore
import ServiceLifecycle

/// `presenced migrate`: copies the presences of a running Redis to a presenced, and follows their changes.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Copy presences from a running Redis to a presenced, and follow their changes.",
        discussion: """
            Reads the seed's record as JSON, as a hash with the same fields, or a status as a bare word, and keeps the \
            TTLs. Follows changes by keyspace notifications until it is told to stop (Ctrl-C, SIGTERM). Writes nothing \
            to the source but what --set-notifications allows. docs/porting.md tells how to change over.
            """)

    @Argument(help: ArgumentHelp("The Redis to read.", valueName: "redis://[user][:password]@host[:port][/database]"))
    var source: String

    @Option(name: .customLong("to"), help: ArgumentHelp("The presenced to write to.", valueName: "url"))
    var target = "redis://127.0.0.1:6399"

    @Option(help: "A pattern of the keys to copy, as SCAN takes it. (default: presence:user:*)")
    var match: String?

    @Option(
        help: "What stands before the user's id in the source's keys. (default: --match up to its first wildcard)")
    var keyPrefix: String?

    @Option(help: "The most keys to read a second; 0 for as many as possible.")
    var rate = 0

    @Flag(help: "End when everything was copied once; else changes are followed until told to stop.")
    var once = false

    @Flag(help: "Set what is missing of the source's notify-keyspace-events, and put it back at the end.")
    var setNotifications = false

    @Option(help: "How often in a row to try to connect again after a connection was lost.")
    var retries = 10

    @Option(
        name: .customLong("tls-ca-cert-file"),
        help: "Of rediss://: the authorities, PEM, that are trusted besides the system's.")
    var authorityFile = ""

    @Option(name: .customLong("tls-cert-file"), help: "Of rediss://: a certificate to show, PEM.")
    var certificateFile = ""

    @Option(name: .customLong("tls-key-file"), help: "Of rediss://: its private key, PEM.")
    var keyFile = ""

    @Flag(name: .customLong("tls-insecure"), help: "Of rediss://: trust whoever answers.")
    var trustsAnybody = false

    func validate() throws {
        guard (0...10_000_000).contains(rate) else { throw ValidationError("--rate is 0 to 10000000 keys a second") }
        guard (0...1_000_000).contains(retries) else { throw ValidationError("--retries is 0 to 1000000") }
    }

    func run() async throws {
        try await orderly {
            var options = MigrationOptions(
                source: try RedisURL(source, defaultPort: 6379), target: try RedisURL(target, defaultPort: 6399),
                readDuration: DurationUnits.parse)
            options.pattern = match
            options.keyPrefix = keyPrefix
            options.rate = rate
            options.isFollowing = !once
            options.setsNotifications = setNotifications
            options.retries = retries
            options.tls.authorityFile = authorityFile
            options.tls.certificateFile = certificateFile
            options.tls.keyFile = keyFile
            options.tls.verifiesServer = !trustsAnybody
            let screen = MigrationScreen(isTerminal: isatty(STDERR_FILENO) == 1)
            options.progressMilliseconds = screen.progressMilliseconds
            let clock = SystemClock()
            let migration = try Migration(options, now: { clock.now() }, say: screen.show)
            var lifecycle = ServiceGroupConfiguration(
                services: [
                    .init(
                        service: MigrationService(migration: migration),
                        successTerminationBehavior: .gracefullyShutdownGroup)
                ],
                logger: Logger(label: "presenced") { _ in SwiftLogNoOpLogHandler() })
            lifecycle.gracefulShutdownSignals = [.sigterm, .sigint]
            try await ServiceGroup(configuration: lifecycle).run()
        }
    }
}

/// A migration as a part of the process's life: a signal tells it to stop, and it ends in order.
private struct MigrationService: Service {
    let migration: Migration

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await migration.run()
        } onGracefulShutdown: {
            migration.stop()
        }
    }
}

/// Shows how far a migration is: on a terminal one line that changes, elsewhere a line now and then. The summary goes to
/// standard output, all else to standard error.
private struct MigrationScreen: Sendable {
    let isTerminal: Bool

    /// A terminal shows that something moves; a log should not fill up.
    var progressMilliseconds: Int64 { isTerminal ? 200 : 5_000 }

    func show(_ notice: MigrationNotice) {
        // Back to the first column, and what is there is wiped out.
        let clean = isTerminal ? "\r\u{1B}[K" : ""
        switch notice {
        case .progress(let line): write(clean + line + (isTerminal ? "" : "\n"), to: STDERR_FILENO)
        case .event(let line): write(clean + line + "\n", to: STDERR_FILENO)
        case .summary(let lines):
            write(clean, to: STDERR_FILENO)
            write(lines.joined(separator: "\n") + "\n", to: STDOUT_FILENO)
        }
    }

    private func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(descriptor, bytes, bytes.count)
    }
}
