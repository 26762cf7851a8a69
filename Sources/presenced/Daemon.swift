import Glibc
import Logging
import NIOCore
import NIOPosix
import Presence
import PresenceServer
import PresenceStore
import ServiceLifecycle

/// Why presenced does not start: one line that names the setting.
struct StartProblem: Error, CustomStringConvertible {
    let description: String
}

/// The process: makes every part, joins them, and runs until it is told to end. Read `run()` from top to bottom.
struct Daemon {
    var settings: Settings
    /// The file that the settings came from, for `INFO`; empty for none.
    let configurationFile: String

    /// Serves until SIGTERM, SIGINT or `SHUTDOWN`, then stops in order: no new connections, replies leave, connections
    /// close, threads end.
    ///
    /// - Throws: ``StartProblem`` if it cannot serve with these settings.
    mutating func run() async throws {
        // The log.
        let log = LogDestination(
            descriptor: try Self.openLog(settings.logFile), clock: SystemClock(),
            level: LogDestination.level(named: settings.logLevel))
        LoggingSystem.bootstrap { _ in LineLogHandler(log) }
        let logger = Logger(label: "presenced")

        // Room for the clients.
        let clients = OpenFileLimit.raise(for: settings.maxclients)
        if clients < settings.maxclients {
            logger.warning(
                "maxclients is lowered: the limit of open files is too low for it; ulimit -n raises that",
                metadata: ["wanted": "\(settings.maxclients)", "maxclients": "\(clients)"])
            settings.maxclients = clients
        }
        for line in settings.advice() { logger.warning("\(line)") }

        // The store, and the port that serves it.
        let clock: any PresenceClock = settings.manualClock ? ManualClock() : SystemClock()
        let store = settings.store(clock: clock)
        let threads = settings.eventLoops == 0 ? System.coreCount : settings.eventLoops
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: settings.manualClock ? 1 : threads)
        let live = LiveSettings(settings, file: configurationFile)
        let (shutdownRequests, shutdownRequest) = AsyncStream.makeStream(of: Void.self)
        let server = RESPServer(
            store: store, configuration: settings.server, clock: clock, configurationPort: live,
            process: ProcessFacts.information(configurationFile: configurationFile), logger: logger, group: eventLoops,
            shutdown: { shutdownRequest.yield() })

        // What CONFIG SET changes.
        live.attach { changed, names in
            changed.apply(to: store)
            server.apply(changed.server)
            log.level = LogDestination.level(named: changed.logLevel)
            logger.notice("settings changed", metadata: ["names": "\(names.joined(separator: " "))"])
        }

        // Life, from here to the end.
        let port = PortService(server: server, settings: settings, logger: logger)
        var lifecycle = ServiceGroupConfiguration(
            services: [
                .init(service: port, successTerminationBehavior: .gracefullyShutdownGroup),
                .init(
                    service: ShutdownService(requests: shutdownRequests),
                    successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            logger: logger)
        lifecycle.gracefulShutdownSignals = [.sigterm, .sigint]
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await ServiceGroup(configuration: lifecycle).run())
        } catch {
            outcome = .failure(error)
        }
        try await eventLoops.shutdownGracefully()
        try outcome.get()
        logger.notice("stopped")
    }

    /// The descriptor that log lines go to.
    private static func openLog(_ path: String) throws -> Int32 {
        guard !path.isEmpty else { return STDERR_FILENO }
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw StartProblem(description: "logfile \(path): \(String(cString: strerror(errno)))")
        }
        return descriptor
    }
}

/// The RESP port as a part of the process's life.
private struct PortService: Service {
    let server: RESPServer
    let settings: Settings
    let logger: Logger

    func run() async throws {
        do {
            try await server.start()
        } catch {
            throw problem(error)
        }
        logger.notice(
            "presenced \(presencedVersion) serves the Redis protocol",
            metadata: [
                "addresses": "\(server.addresses.joined(separator: " "))", "allocator": "\(ProcessFacts.allocator)",
                "pid": "\(getpid())",
            ])
        logger.notice(
            "try: redis-cli -p \(server.port) PRESENCE.CONNECT \(settings.keyPrefix)alice phone EX 60")
        try await gracefulShutdown()
        logger.notice("stopping: replies that are due leave first")
        await server.stop()
    }

    /// The operating system's error in the words of the settings.
    private func problem(_ error: any Error) -> StartProblem {
        let bind = "bind \(settings.bind.joined(separator: " "))"
        let description =
            switch (error as? IOError)?.errnoCode {
            case EADDRINUSE:
                "port \(settings.port) is in use by another process; choose another: --port \(settings.port + 1)"
            case EACCES, EPERM:
                "no permission to listen on port \(settings.port); choose a port above 1023 with --port"
            case EADDRNOTAVAIL:
                "\(bind): one of these addresses is not this machine's; put a - before it if it may be absent"
            default: "\(bind), port \(settings.port): \(error)"
            }
        return StartProblem(description: description)
    }
}

/// Ends the process's life when a client sends `SHUTDOWN`.
private struct ShutdownService: Service {
    let requests: AsyncStream<Void>

    func run() async throws {
        for await _ in requests.cancelOnGracefulShutdown() { return }
    }
}
