import Logging
import NIOCore
import Presence
import PresenceRESP
import PresenceStore

/// Everything that one event loop owns: its clients, its subscribers, the buffers they share, its shards' time and events.
///
/// Confined to its event loop: every method runs there unless it says otherwise, so nothing here is locked. That is why the class may be
/// `@unchecked Sendable`: other threads only hand closures to ``eventLoop``.
final class ServerLoop: @unchecked Sendable {
    /// What is planned for later, and may be taken back: `cancel`.
    typealias Planned = Scheduled<Void>

    let index: Int
    let eventLoop: any EventLoop
    let server: ServerState
    /// What commands work on: the server's store, or within EXEC the shards that it holds. Not to be kept beyond a command.
    private(set) var store: ShardedStore
    /// The server's store, which outlives the loop: see ``withStore(_:)``.
    private let wholeStore: ShardedStore
    /// Whether an EXEC runs: commands must not wait, and its shards' locks are held.
    private(set) var isExecuting = false
    /// Whether a command within EXEC changed who listens: the store is told once its locks are free.
    var mustUpdatePublisher = false
    /// Channels to which a command within EXEC subscribed, or from which it took the last subscription: lists are told once its locks are free.
    var tellingToChange: [(channel: [UInt8], begins: Bool)] = []
    /// Why every command is looked at closely.
    var scrutiny: Scrutiny = []
    /// What `CLIENT PAUSE` asked for.
    var pause = ClientPause()
    /// Clients whose next command waits for the end of the pause, by their numbers.
    var heldClients: [Int: Client] = [:]
    /// Clients that must be looked at every second: output waits for them, or they are closing.
    var slowClients: [Int: Client] = [:]
    /// The last time that all connections were asked whether they are to end (`RESPServer.endConnections`).
    var endingPass = 0
    /// Who reads `MONITOR`, and what it will be told.
    var monitors = Monitors()
    /// The password in force.
    var password: Password
    /// Failed passwords that were not logged yet.
    var failedPasswords = FailedPasswords()
    let publisher: EventPublisher
    let counters: LoopCounters
    let keyPrefix: BytePrefix
    /// All loops of the server, this one included. Set once, before the first connection.
    var peers: [ServerLoop] = []

    /// The loop's copy of the settings.
    var configuration: ServerConfiguration
    /// The instant of the read that is being worked on, or of the present tick.
    var now: Timestamp
    /// When the present turn began, by the stopwatch; nil if it is not timed.
    var turnStart: Int64?
    /// For how long a turn of commands or of frames may go on, in microseconds. Tests set it.
    var turnLimit: Int64 = 1_000
    /// Whether it has gone on for so long.
    var isTurnOver = false
    /// After how many reads the next one is timed, however short it is.
    var untilTimedRead = ServerLoop.readSampling
    /// The replies of the read that is being worked on.
    var reply = ReplyBuffer(capacity: 32_768)
    /// What replies are copied into for NIO; its memory is used again once the kernel has taken them.
    var output = ByteBufferAllocator().buffer(capacity: 4096)
    /// What connections read into, one after the other.
    private var receiveBuffer = ByteBuffer()
    /// Where a batch's keys and sessions lie.
    var ranges: [KeyRange] = []
    /// The same of heartbeats that wait for their batch.
    var beatRanges: [KeyRange] = []

    private(set) var clients: [Int: Client] = [:]
    var subscriptions = LoopSubscriptions()
    /// Messages on their way.
    var outgoing: Outgoing
    /// One of them for the only one who gets it.
    var scratch = ReplyBuffer(capacity: 512)
    /// Shards of this loop whose rings have entries to read.
    private var wokenShards: [Int] = []
    private var events: [StoreEvent] = []
    /// Lists that get a frame when their slot of the window ends, and when the loop looks for that next.
    var watchesThatWait = TellingSlots<Watch>()

    /// While changes are handed on to lists: those that other event loops tell, for each of these.
    var watchesOfOthers: [[Watch]] = []
    var isPumping = false
    /// Shards whose changes are handed on a little later, once sockets have been looked at.
    var waitingPumps: Set<Int> = []
    var nextTelling: Int64?
    /// Lists whose time has come; with a clock that tests hold, all that wait, until when, and when the first window of all began.
    var watchesToTell: [Watch] = []
    /// Those that are told now, in turns, and how many of them were.
    var watchesBeingTold: [Watch] = []
    var toldWatches = 0
    var windowEnd = Timestamp.distantFuture
    let firstWindowBegan: Timestamp
    /// Whether the rest of them is told a little later.
    var isTellingOn = false
    /// Whether lists whose time is over are left for a little later.
    var isEndingWatches = false
    /// What waits until sockets have been looked at: see ``afterOthers(_:)``; and whether the loop will come to it by itself.
    var waitingSteps = WaitingSteps()
    var areStepsPlanned = false
    /// The end of the last drain that was asked for here.
    var drainEnd: Planned?
    private var tick: Scheduled<Void>?
    /// Ticks in a row in which neither a timer fired nor a command ran.
    private var quietTicks = 0
    private var commandsAtTick = 0
    /// Whether a timer of its shards waits for its time.
    private var hasTimers = false
    /// Whether it looks at the time ten times less often: until a command comes here, or to another loop.
    private(set) var isResting = false
    private var upkeep: RepeatedTask?
    private var isCatchingUp = false
    /// The shard whose time goes on next.
    private var nextShard: Int

    init(
        index: Int, loopCount: Int, eventLoop: any EventLoop, server: ServerState, publisher: EventPublisher,
        configuration: ServerConfiguration
    ) {
        self.index = index
        nextShard = index
        self.eventLoop = eventLoop
        self.server = server
        self.publisher = publisher
        self.configuration = configuration
        store = server.store
        wholeStore = server.store
        password = Password(configuration.password)
        counters = server.counters[index]
        keyPrefix = BytePrefix(Array(configuration.keyPrefix.utf8))
        now = server.clock.now()
        firstWindowBegan = now
        outgoing = Outgoing(loopCount: loopCount)
        updateScrutiny()
    }

    // MARK: - Clients

    func add(_ client: Client) {
        clients[client.id] = client
    }

    func remove(_ client: Client) {
        clients[client.id] = nil
        heldClients[client.id] = nil
        slowClients[client.id] = nil
        client.wait?.cancel()
        removeMonitor(client)
        unsubscribeAll(client)
    }

    // MARK: - Reading

    /// Bytes that one read of a socket brings at most.
    static let receiveBytes = 65_536

    /// The buffer for a read; another one if the last is still in use.
    func takeReceiveBuffer() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &receiveBuffer)
        // What somebody else still holds is left to him: clearing makes another one then.
        if buffer.capacity >= ServerLoop.receiveBytes {
            buffer.clear()
        } else {
            buffer.reserveCapacity(ServerLoop.receiveBytes)
        }
        return buffer
    }

    /// Takes a buffer back whose bytes were worked off or copied.
    func giveBack(_ buffer: ByteBuffer) {
        if buffer.capacity == ServerLoop.receiveBytes { receiveBuffer = buffer }
    }

    // MARK: - The store

    /// Calls `body` with `store`, without a reference counted: the loops share the store, and each count takes its line of memory from the others.
    @inline(__always)
    func withStore<Result, Failure: Error>(
        _ body: (ShardedStore) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if isExecuting { return try body(store) }
        return try body(wholeStore)
    }

    // MARK: - Transactions

    /// Runs `body` while `store` is the shards of `shards`, held.
    func whileHolding(_ shards: ShardSet, _ body: () -> Void) {
        server.store.atomically(shards) { held in
            store = held
            isExecuting = true
            body()
            isExecuting = false
            store = server.store
        }
        if mustUpdatePublisher {
            mustUpdatePublisher = false
            updatePublisher()
        }
        let changes = tellingToChange
        tellingToChange = []
        for (channel, begins) in changes { changeTelling(channel, begins: begins) }
    }

    // MARK: - Time

    /// Starts the loop's part in time: expiry every 5 ms, unless tests hold the clock, and a look at its clients every second.
    ///
    /// Twice as often as the wheel ticks: who is due waits for his tick and for half of one, not of a whole one more. After a second in which nothing
    /// was due and nobody asked, as often as the wheel ticks: waking up is all that an idle server does. And if no timer waits either, every 50 ms,
    /// until somebody asks.
    func start() {
        if server.manualClock == nil { scheduleTick() }
        upkeep = eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            self.inspectClients()
        }
    }

    private func scheduleTick() {
        let isQuiet = quietTicks >= 200
        setResting(isQuiet && !hasTimers)
        let delay: Int64 = isResting ? 50 : isQuiet ? 10 : 5
        let due = Stopwatch.microseconds() + delay * 1000
        tick = eventLoop.scheduleTask(in: .milliseconds(delay)) { [self] in
            guard tick != nil else { return }
            let late = Stopwatch.microseconds() - due
            counters.delays.withLock { $0.record(late) }
            let hasFired = advance()
            let commands = counters.commands.value
            if commands != commandsAtTick { rousePeers() }
            quietTicks = hasFired || commands != commandsAtTick ? 0 : quietTicks + 1
            commandsAtTick = commands
            scheduleTick()
        }
    }

    private func setResting(_ rests: Bool) {
        guard rests != isResting else { return }
        isResting = rests
        server.restingLoops.wrappingAdd(rests ? 1 : -1, ordering: .relaxed)
    }

    /// A command came: it may bring a timer that is due soon.
    func rouse() {
        guard isResting, tick != nil else { return }
        tick?.cancel()
        quietTicks = 0
        scheduleTick()
    }

    /// Its commands may have brought timers to the shards of loops that rest.
    private func rousePeers() {
        guard server.restingLoops.load(ordering: .relaxed) > 0 else { return }
        for peer in peers where peer !== self { peer.eventLoop.execute { peer.rouse() } }
    }

    /// Reads the clock. A loop does so many times a second: if it could not for longer, the store hears of it before anything else.
    @inline(__always)
    func readTime() {
        let last = now
        now = server.clock.now()
        if now.milliseconds(since: last) > ShardedStore.shortestStall { store.noteStall(since: last, at: now) }
    }

    func stop() {
        tick?.cancel()
        upkeep?.cancel()
        tick = nil
        upkeep = nil
    }

    /// Lets timers of this loop's shards fire and tells who listens; returns whether there were any.
    ///
    /// A slice ends after a millisecond; what is behind goes on with the next shard's, with reads in between.
    @discardableResult
    private func advance() -> Bool {
        guard !isCatchingUp else { return true }
        beginTurn(isTimed: true)
        defer { endTurn() }
        readTime()
        let end = Stopwatch.microseconds() + ServerLoop.sliceMicroseconds
        var isBehind = false
        var hasFired = false
        hasTimers = false
        for _ in stride(from: index, to: store.shardCount, by: peers.count) {
            let result = store.advance(shard: nextShard, to: now, budget: ServerLoop.advanceBudget)
            nextShard += peers.count
            if nextShard >= store.shardCount { nextShard = index }
            if result.isBehind { isBehind = true }
            if result.hasTimers { hasTimers = true }
            guard result.lookedAt > 0 else { continue }
            hasFired = true
            deliverEvents(current: nil, &reply)
            if Stopwatch.microseconds() > end {
                isBehind = true
                break
            }
        }
        deliverEvents(current: nil, &reply)
        finishBatch()
        if isBehind {
            isCatchingUp = true
            // Not `execute`: NIO runs what is executed meanwhile before it looks at sockets again.
            eventLoop.scheduleTask(in: .microseconds(100)) {
                self.isCatchingUp = false
                self.advance()
            }
        }
        return hasFired
    }

    /// Timers that one shard may fire at a time; between two shards the loop looks whether its slice is over.
    private static let advanceBudget = 128
    /// For how long timers may fire before reads have their turn.
    private static let sliceMicroseconds: Int64 = 1_000

    func inspectClients() {
        readTime()
        // A closing client leaves the table.
        // All of them only where somebody may have been silent for too long.
        let looked = configuration.idleTimeoutSeconds > 0 ? clients : slowClients
        for client in Array(looked.values) { client.handler.inspect() }
        if index == 0 { endIdleWatches() }
        finishBatch()
        counters.take(reply.takeErrors())
        counters.sample(at: now)
    }

    // MARK: - Events

    /// Called by the store on any thread when a ring of this loop has something to read again.
    func wake(shard: Int) {
        if eventLoop.inEventLoop {
            wokenShards.append(shard)
        } else {
            eventLoop.execute {
                self.beginTurn(isTimed: true)
                self.wokenShards.append(shard)
                self.deliverEvents(current: nil, &self.reply)
                self.finishRound()
                self.endTurn()
            }
        }
    }

    /// Whether something happened that subscribers do not know yet.
    var hasEvents: Bool { !wokenShards.isEmpty || isWindowOver }

    /// Reads the rings that have something and sends what they say. Messages for `current` go into its replies.
    func deliverEvents(current: Client?, _ reply: inout ReplyBuffer) {
        // What is new here is of the next window, whether or not one had news before.
        if isWindowOver { makeFrames() }
        // In the order in which they were woken: so a command that changed two shards is told in its order.
        var next = 0
        while next < wokenShards.count {
            let shard = wokenShards[next]
            next += 1
            pumpWatches(shard)
            guard let reader = publisher.reader else { continue }
            var isRead: Bool
            repeat {
                events.removeAll(keepingCapacity: true)
                isRead = reader.read(shard: shard, limit: ServerLoop.eventBatch, into: &events)
                for event in events {
                    let missed = publisher.publish(event, notifications: configuration.keyspaceNotifications) {
                        send($0, to: $1)
                    }
                    if missed > 0 { counters.missedEvents.add(missed) }
                }
            } while !isRead
        }
        wokenShards.removeAll(keepingCapacity: true)
        deliverMessages(current: current, &reply)
    }

    /// Entries read from a ring at once.
    static let eventBatch = 256
}
