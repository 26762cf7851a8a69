import Logging
import NIOCore
import NIOPosix
import Presence
import PresenceCluster
import PresenceStore
import Synchronization

/// The RESP port: serves a store to Redis clients.
///
/// ```swift
/// let server = RESPServer(store: store, configuration: configuration, ...)
/// try await server.start()
/// print(server.port)
/// await server.stop()
/// ```
/// One server has one store, and as many event loops as its group; each loop also lets time pass for its share of the store's shards and
/// carries their events to subscribers. So whoever runs a server needs no `Ticker`.
///
/// All methods may be called from any thread.
public final class RESPServer: Sendable {
    private let state: ServerState
    let loops: [ServerLoop]
    private let group: any EventLoopGroup
    private let secureHandler: SecureHandler?
    let channels = Mutex<[any Channel]>([])
    /// Whether nothing is to be listened on any more. Changed and looked at with the lock of `channels`.
    private let isStopping = Atomic<Bool>(false)

    /// Makes the handler that a connection of the TLS port begins with, on that connection's event loop.
    public typealias SecureHandler = @Sendable (any EventLoop) throws -> any ChannelHandler

    /// A server that does not listen yet.
    ///
    /// - Parameters:
    ///   - store: what it serves. Its time is moved by this server alone.
    ///   - configuration: the settings at the start.
    ///   - clock: where it reads the time. With a ``ManualClock``, time stands still but for `PRESENCE.ADVANCE`, and all connections are served
    ///     by one event loop.
    ///   - configurationPort: what `CONFIG` asks.
    ///   - process: what `INFO` tells of the process.
    ///   - logger: one line an event; no user ids.
    ///   - group: one to 64 event loops. The caller ends the group.
    ///   - secureHandler: what makes a connection of ``ServerConfiguration/tlsPort`` speak TLS; without it there is no such port.
    ///   - replication: who keeps the other nodes told; nil if there are none.
    ///   - shutdown: what `SHUTDOWN` calls; it must not wait.
    public init(
        store: ShardedStore,
        configuration: ServerConfiguration,
        clock: any PresenceClock,
        configurationPort: any ConfigurationPort,
        process: ProcessInformation,
        logger: Logger,
        group: any EventLoopGroup,
        secureHandler: SecureHandler? = nil,
        replication: (any ReplicationPort)? = nil,
        shutdown: @escaping @Sendable () -> Void
    ) {
        var eventLoops: [any EventLoop] = []
        for eventLoop in group.makeIterator() where eventLoops.isEmpty || !(clock is ManualClock) {
            eventLoops.append(eventLoop)
        }
        let state = ServerState(
            store: store, clock: clock, configuration: configuration, configurationPort: configurationPort,
            process: process, logger: logger, replication: replication, loopCount: eventLoops.count,
            shutdown: shutdown)
        let publisher = EventPublisher(
            store: store, registry: state.registry, configuration: configuration, logger: logger)
        let loops = eventLoops.enumerated().map { index, eventLoop in
            ServerLoop(
                index: index, loopCount: eventLoops.count, eventLoop: eventLoop, server: state, publisher: publisher,
                configuration: configuration)
        }
        for loop in loops { loop.peers = loops }
        self.state = state
        self.loops = loops
        self.group = group
        self.secureHandler = secureHandler
    }

    /// The port that is listened on, once ``start()`` has returned; 0 before, or if there is none but with TLS.
    public var port: Int { state.port.load(ordering: .acquiring) }

    /// The port with TLS that is listened on, once ``start()`` has returned; 0 if there is none.
    public var tlsPort: Int { state.tlsPort.load(ordering: .acquiring) }

    /// Shows clients another state of the cluster from now on. Only for a server whose configuration names one; else nothing happens.
    public func show(_ view: ClusterView) { state.show(view) }

    /// The addresses that are listened on, such as `127.0.0.1:6399`.
    public var addresses: [String] {
        channels.withLock { $0.map { Listener.text(of: $0.localAddress) } }
    }

    /// Begins to listen, and to let time pass.
    ///
    /// - Throws: ``ListeningFailed`` if an address of `bind` cannot be listened on; those with a leading `-` may fail. Then nothing is
    ///   listened on.
    public func start() async throws {
        let configuration = state.configuration.withLock { $0 }
        do {
            // The plain port comes last: who can connect to it finds the other one too.
            if configuration.tlsPort != 0, let secureHandler {
                let port = try await listen(configuration, configuration.tlsPort, secureHandler)
                state.tlsPort.store(port, ordering: .releasing)
            }
            if configuration.hasPlainPort {
                state.port.store(try await listen(configuration, configuration.port, nil), ordering: .releasing)
            }
        } catch {
            await closeListeners()
            throw error
        }
        for loop in loops {
            try await loop.eventLoop.submit { loop.start() }.get()
        }
    }

    /// Listens on one port of all addresses; returns the port.
    private func listen(
        _ configuration: ServerConfiguration, _ port: Int, _ secureHandler: SecureHandler?
    ) async throws(ListeningFailed) -> Int {
        var port = port
        for entry in configuration.bind {
            let isOptional = entry.hasPrefix("-")
            let host = isOptional ? String(entry.dropFirst()) : entry
            do {
                let channel = try await Listener.bind(
                    host == "*" ? "0.0.0.0" : host, port, backlog: configuration.backlog, group: group,
                    children: loops.count == 1 ? loops[0].eventLoop : group, loops: loops, secureHandler: secureHandler
                ).get()
                channels.withLock { $0.append(channel) }
                listenAgain(on: host, after: channel, secureHandler)
                // A free port was asked for: all addresses share the one that the first was given.
                if port == 0 { port = channel.localAddress?.port ?? 0 }
            } catch {
                guard isOptional else {
                    throw ListeningFailed(port: port, isSecure: secureHandler != nil, cause: error)
                }
                state.logger.info("not listening on \(host): \(error)")
            }
        }
        return port
    }

    /// Listens on an address again when its socket was closed by an error. NIO closes it for errors that concern only one connection which waited to
    /// be accepted; nobody could connect any more.
    private func listenAgain(on host: String, after channel: any Channel, _ secureHandler: SecureHandler?) {
        let port = channel.localAddress?.port ?? 0
        channel.closeFuture.whenComplete { [self] _ in
            let isClosedByError = channels.withLock { channels in
                let count = channels.count
                channels.removeAll { $0 === channel }
                return channels.count < count
            }
            guard isClosedByError else { return }
            state.logger.error("the socket on \(host), port \(port), was closed by an error: listening again")
            listenAgain(on: host, port, secureHandler)
        }
    }

    private func listenAgain(on host: String, _ port: Int, _ secureHandler: SecureHandler?) {
        let backlog = state.configuration.withLock { $0.backlog }
        Listener.bind(
            host == "*" ? "0.0.0.0" : host, port, backlog: backlog, group: group,
            children: loops.count == 1 ? loops[0].eventLoop : group, loops: loops, secureHandler: secureHandler
        ).whenComplete { [self] result in
            switch result {
            case .success(let channel):
                let isWanted = channels.withLock { channels in
                    guard !isStopping.load(ordering: .relaxed) else { return false }
                    channels.append(channel)
                    return true
                }
                if isWanted {
                    listenAgain(on: host, after: channel, secureHandler)
                } else {
                    channel.close(promise: nil)
                }
            case .failure where isStopping.load(ordering: .relaxed): return
            case .failure(let error):
                state.logger.error("cannot listen on \(host), port \(port); trying again: \(error)")
                loops[0].eventLoop.scheduleTask(in: .seconds(1)) { self.listenAgain(on: host, port, secureHandler) }
            }
        }
    }

    /// Puts changed settings in force: at once for the calling event loop if it is one of the server's, and for the others before anything that
    /// is handed to them afterwards. `CONFIG SET` answers once all have them.
    public func apply(_ configuration: ServerConfiguration) {
        state.configuration.withLock { $0 = configuration }
        for loop in loops {
            if loop.eventLoop.inEventLoop {
                loop.apply(configuration)
            } else {
                loop.eventLoop.execute { loop.apply(configuration) }
            }
        }
    }

    /// Stops in order: takes no more connections, lets the replies of commands that were read leave, closes, and lets no more time pass.
    ///
    /// Clients that do not read their replies, or go on sending, are waited for two seconds.
    public func stop() async {
        await closeListeners()
        for loop in loops {
            try? await loop.eventLoop.submit { loop.closeClients() }.get()
        }
        for _ in 0..<200 where state.clientCount.load(ordering: .relaxed) > 0 {
            try? await loops[0].eventLoop.scheduleTask(in: .milliseconds(10)) {}.futureResult.get()
        }
        for loop in loops {
            try? await loop.eventLoop.submit { loop.stop() }.get()
        }
    }

    private func closeListeners() async {
        let listening = channels.withLock { channels in
            isStopping.store(true, ordering: .relaxed)
            defer { channels = [] }
            return channels
        }
        for channel in listening { try? await channel.close() }
    }
}

/// An address that a server should listen on is not to be had.
public struct ListeningFailed: Error {
    /// The port.
    public let port: Int
    /// Whether it is the one with TLS.
    public let isSecure: Bool
    /// The operating system's error.
    public let cause: any Error
}
