import Logging
import NIOCore
import NIOEmbedded
import Presence
import PresenceStore
import PresenceTesting
import Synchronization
import Testing
import TranscriptSupport

@testable import PresenceServer

/// A whole server without sockets: one event loop that runs when it is told to, a clock that stands still, a real store.
final class EmbeddedServer: TranscriptTransport {
    let clock: any PresenceClock
    private let move: (Int64) -> Void
    let store: ShardedStore
    let loop: ServerLoop
    let eventLoop = EmbeddedEventLoop()
    let settings: TestSettings
    let shutdownCount = Tally()

    /// - Parameter isManual: whether the clock is the server's own for tests, so that PRESENCE.ADVANCE works and all is told at once.
    init(
        _ configuration: ServerConfiguration = ServerConfiguration(), isManual: Bool = true,
        replication: (any ReplicationPort)? = nil,
        store change: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) {
        if isManual {
            let manual = ManualClock()
            clock = manual
            move = { manual.advance(byMilliseconds: $0) }
        } else {
            let test = TestClock()
            clock = test
            move = { test.advance(byMilliseconds: $0) }
        }
        var storeConfiguration = ShardedStore.Configuration()
        storeConfiguration.shards = 4
        storeConfiguration.clock = clock
        change(&storeConfiguration)
        store = ShardedStore(storeConfiguration)
        var configuration = configuration
        configuration.debugCommands = .yes
        settings = TestSettings()
        let state = ServerState(
            store: store, clock: clock, configuration: configuration, configurationPort: settings,
            process: ProcessInformation(version: "0.0.0", allocator: "test", processID: 1),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, replication: replication, loopCount: 1,
            shutdown: { [shutdownCount] in shutdownCount.add() })
        let publisher = EventPublisher(
            store: store, registry: state.registry, configuration: configuration, logger: state.logger)
        loop = ServerLoop(
            index: 0, loopCount: 1, eventLoop: eventLoop, server: state, publisher: publisher,
            configuration: configuration)
        loop.peers = [loop]
        // How fast the machine is changes nothing here.
        loop.turnLimit = 3_600_000_000
    }

    func connect() throws -> any TranscriptConnection { try connectClient() }

    func connectClient() throws -> EmbeddedClient {
        let channel = EmbeddedChannel(handler: ClientHandler(loop: loop), loop: eventLoop)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 40_000), promise: nil)
        return EmbeddedClient(channel)
    }

    /// Moves the clock, and nothing else: the event loop's own ticks do the rest.
    func moveClock(milliseconds: Int64) { move(milliseconds) }

    /// Lets time pass as the server's loop would.
    func advance(milliseconds: Int64) {
        move(milliseconds)
        store.advance(to: clock.now())
        loop.deliverEvents(current: nil, &loop.reply)
        loop.finishBatch()
    }
}

/// A number that closures of any thread may raise.
final class Tally: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { number.load(ordering: .relaxed) }
    func add() { number.wrappingAdd(1, ordering: .relaxed) }
}

/// A connection to it: what is sent is worked off at once.
final class EmbeddedClient: TranscriptConnection {
    let channel: EmbeddedChannel

    init(_ channel: EmbeddedChannel) { self.channel = channel }

    struct Silence: Error {}

    var handler: ClientHandler {
        get throws { try channel.pipeline.syncOperations.handler(type: ClientHandler.self) }
    }

    func send(_ bytes: [UInt8]) throws {
        guard channel.isActive else { return }
        try channel.writeInbound(ByteBuffer(bytes: bytes))
        channel.embeddedEventLoop.run()
    }

    func receive() throws -> [UInt8] {
        var received: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { received += Array(buffer.readableBytesView) }
        if received.isEmpty, channel.isActive { throw Silence() }
        return received
    }

    /// Sends a text and returns what comes back at once.
    func ask(_ text: String) throws -> String {
        try send(Array(text.utf8))
        return try read()
    }

    /// What has come.
    func read() throws -> String {
        var received: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { received += Array(buffer.readableBytesView) }
        return String(decoding: received, as: UTF8.self)
    }
}

/// Settings of a test: every name that was set, without meaning.
final class TestSettings: ConfigurationPort {
    private let values = Mutex<[String: String]>(["maxclients": "10000", "timeout": "0"])
    /// Called with the pairs of a successful change.
    let changed = Mutex<@Sendable ([(name: String, value: String)]) -> Void>({ _ in })

    /// Knows one more name.
    func add(_ name: String, _ value: String) { values.withLock { $0[name] = value } }

    func get(matching pattern: String) -> [(name: String, value: String)] {
        let pattern = Array(pattern.lowercased().utf8)
        return values.withLock { values in
            values.filter { GlobPattern.matches(pattern.span, Array($0.key.utf8).span) }.sorted { $0.key < $1.key }
                .map { (name: $0.key, value: $0.value) }
        }
    }

    func set(_ pairs: [(name: String, value: String)]) throws(ConfigurationPortError) {
        for (name, _) in pairs where values.withLock({ $0[name] }) == nil { throw .unknown(name: name) }
        values.withLock { values in
            for (name, value) in pairs { values[name] = value }
        }
        changed.withLock { $0 }(pairs)
    }

    func rewrite() -> String? { "ERR The server is running without a config file" }
}
