import Glibc
import Logging
import NIOCore
import NIOPosix
import Presence
import PresenceCluster
import PresenceLinks
import PresenceReplication
import PresenceServer
import PresenceStore
import PresenceTLS
import ServiceLifecycle
import UnixSignals

/// Why presenced does not start: one line that names the setting.
struct StartProblem: Error, CustomStringConvertible {
    let description: String
}

/// The process: makes every part, joins them, and runs until it is told to end. Read `run()` from top to bottom.
struct Daemon {
    var settings: Settings
    /// The file that the settings came from; empty for none.
    let configurationFile: String
    /// The settings of the command line, which win over the file's.
    let arguments: [String]

    /// Serves until SIGTERM, SIGINT or `SHUTDOWN`, then stops in order: no new connections, replies leave, connections
    /// close, threads end.
    ///
    /// - Throws: ``StartProblem`` if it cannot serve with these settings.
    mutating func run() async throws {
        // What the nodes of a cluster have in common.
        let secret = try settings.clusterSecret()

        // From here on SIGHUP does not end the process; once it serves, it reads its files again.
        signal(SIGHUP, SIG_IGN)

        // The log.
        let log = LogDestination(
            descriptor: try Self.openLog(settings.logFile), clock: SystemClock(),
            level: LogDestination.level(named: settings.logLevel))
        LoggingSystem.bootstrap { _ in LineLogHandler(log) }
        let logger = Logger(label: "presenced")

        // Room for the clients.
        let asRead = settings
        let clients = OpenFileLimit.raise(for: settings.maxclients)
        if clients < settings.maxclients {
            logger.warning(
                "maxclients is lowered: the limit of open files is too low for it; ulimit -n raises that",
                metadata: ["wanted": "\(settings.maxclients)", "maxclients": "\(clients)"])
            settings.maxclients = clients
        }
        for line in settings.advice() { logger.warning("\(line)") }

        // The store, and the port that serves it.
        let systemClock = SystemClock()
        let clock: any PresenceClock = settings.manualClock ? ManualClock() : systemClock
        let store = settings.store(clock: clock, hashSecret: try Self.hashSecret(secret))
        let threads = settings.eventLoops == 0 ? System.coreCount : settings.eventLoops
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: settings.manualClock ? 1 : threads)
        let live = LiveSettings(
            settings, asRead: asRead, file: configurationFile, arguments: arguments,
            surroundings: .ofProcess)
        let securePort = try Self.securePort(settings, logger)
        let (shutdownRequests, shutdownRequest) = AsyncStream.makeStream(of: Void.self)
        let peers = try Self.peers(settings, secret, store, systemClock, logger)
        let server = RESPServer(
            store: store, configuration: settings.server, clock: clock, configurationPort: live,
            process: ProcessFacts.information(configurationFile: configurationFile), logger: logger, group: eventLoops,
            secureHandler: securePort?.handler,
            replication: peers.map(PeerPort.init),
            shutdown: { shutdownRequest.yield() })

        // What CONFIG SET and SIGHUP change: what can fail comes first.
        live.attach { (changed, names) throws(ConfigurationPortError) in
            let port = try securePort?.prepare(changed, names)
            let credentials = try Self.credentials(changed, secret, names)
            if let port { securePort?.use(port, server) }
            if let credentials { peers?.use(credentials) }
            changed.apply(to: store)
            server.apply(changed.server)
            peers?.share(changed.sharedSettings)
            log.level = LogDestination.level(named: changed.logLevel)
            logger.notice("settings changed", metadata: ["names": "\(names.joined(separator: " "))"])
        }

        // Life, from here to the end.
        peers?.onMembership { server.show($0) }
        let port = PortService(server: server, peers: peers, settings: settings, logger: logger)
        var lifecycle = ServiceGroupConfiguration(
            services: [
                .init(service: port, successTerminationBehavior: .gracefullyShutdownGroup),
                .init(
                    service: ShutdownService(requests: shutdownRequests),
                    successTerminationBehavior: .gracefullyShutdownGroup),
                .init(service: ReloadService(live: live, logger: logger)),
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

    /// The secret by which all nodes of a cluster name users; nil where there is one node.
    private static func hashSecret(_ secret: SharedSecret?) throws(StartProblem) -> (UInt64, UInt64)? {
        guard let secret else { return nil }
        do throws(TLSError) {
            return try secret.hashSecret()
        } catch {
            throw StartProblem(description: "secret-file: \(error)")
        }
    }

    /// The links to other nodes; nil if there are none.
    private static func peers(
        _ settings: Settings, _ secret: SharedSecret?, _ store: ShardedStore, _ clock: SystemClock, _ logger: Logger
    ) throws(StartProblem) -> PeerService? {
        guard let secret, let cluster = try? settings.clusterConfiguration() else { return nil }
        do throws(TLSError) {
            return try PeerService(
                store: store, cluster: cluster, incarnation: UInt64(clamping: clock.microseconds()), secret: secret,
                certificates: settings.peerCertificates, settings: settings.peerSettings(), logger: logger,
                time: { PeerTime(microseconds: clock.microseconds()) })
        } catch {
            throw StartProblem(description: "\(error)")
        }
    }

    /// What links show and take with changed settings; nil if none of the names concerns it. Files are read anew.
    private static func credentials(
        _ settings: Settings, _ secret: SharedSecret?, _ names: [String]
    ) throws(ConfigurationPortError) -> PeerCredentials? {
        let ours = names.filter { $0.hasPrefix("peer-tls-") }
        guard !ours.isEmpty, let secret, let cluster = try? settings.clusterConfiguration() else { return nil }
        do throws(TLSError) {
            return try settings.peerCredentials(cluster, secret)
        } catch {
            throw ConfigurationPortError(error, ours)
        }
    }

    /// What makes the TLS port secure, if there is one.
    private static func securePort(_ settings: Settings, _ logger: Logger) throws(StartProblem) -> SecurePort? {
        do throws(TLSError) {
            return try SecurePort(settings, logger: logger)
        } catch {
            throw StartProblem(description: "tls-port \(settings.tls.port) cannot be served: \(error)")
        }
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

/// The RESP port as a part of the process's life, and the links to other nodes around it: they are there before the first client, and say goodbye
/// after the last.
private struct PortService: Service {
    let server: RESPServer
    /// Nil if this node is the only one.
    let peers: PeerService?
    let settings: Settings
    let logger: Logger

    func run() async throws {
        do throws(PeerPortFailed) {
            try await peers?.start()
        } catch {
            throw StartProblem(description: "\(error)")
        }
        do {
            try await server.start()
        } catch {
            await peers?.stop()
            throw problem(error)
        }
        logger.notice(
            "presenced \(presencedVersion) serves the Redis protocol",
            metadata: [
                "tls-port": "\(server.tlsPort)", "addresses": "\(server.addresses.joined(separator: " "))",
                "allocator": "\(ProcessFacts.allocator)",
                "pid": "\(getpid())",
            ])
        let port = server.port == 0 ? "\(server.tlsPort) --tls" : "\(server.port)"
        logger.notice("try: redis-cli -p \(port) PRESENCE.CONNECT \(settings.keyPrefix)alice phone EX 60")
        try await gracefulShutdown()
        logger.notice("stopping: replies that are due leave first")
        await server.stop()
        await peers?.stop()
    }

    /// The operating system's error in the words of the settings.
    private func problem(_ error: any Error) -> StartProblem {
        let bind = "bind \(settings.bind.joined(separator: " "))"
        let failed = error as? ListeningFailed
        let name = failed?.isSecure == true ? "tls-port" : "port"
        let port = failed?.port ?? settings.port
        let cause = failed?.cause ?? error
        let description =
            switch (cause as? IOError)?.errnoCode {
            case EADDRINUSE:
                "\(name) \(port) is in use by another process; choose another: --\(name) \(port + 1)"
            case EACCES, EPERM:
                "no permission to listen on port \(port); choose a port above 1023 with --\(name)"
            case EADDRNOTAVAIL:
                "\(bind): one of these addresses is not this machine's; put a - before it if it may be absent"
            default: "\(bind), \(name) \(port): \(cause)"
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

/// Reads the settings again on SIGHUP.
private struct ReloadService: Service {
    let live: LiveSettings
    let logger: Logger

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            do throws(SettingsProblems) {
                let outcome = try live.reread()
                logger.notice(
                    "SIGHUP: settings and certificates were read again",
                    metadata: [
                        "changed": "\(outcome.changed.isEmpty ? "nothing" : outcome.changed.joined(separator: " "))"
                    ])
                for name in outcome.fixed {
                    logger.warning("SIGHUP: \(name) takes effect at the next start")
                }
            } catch {
                for line in error.lines { logger.error("SIGHUP: nothing was changed: \(line)") }
            }
        }
        try await gracefulShutdown()
    }
}
