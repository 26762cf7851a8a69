import NIOCore
import Presence
import PresenceRESP

/// One connection's bytes: finds the commands in what a read brought, has them run, and writes all their replies at once.
///
/// ```
///  channelRead ──> RequestReader (in place) ──> Pipeline ──> loop.reply ──> one write, one flush
///       │                                                                │
///       └─ half a command, or what must wait: `pending`                  └─ kernel full: stop reading, stop running
/// ```
/// What must stay true: replies leave in the order of their commands; a client that does not read is not read from either, so what waits
/// for it is at most one reply beyond NIO's high-water mark (and what others publish, see ``OutputLimits``); bytes are kept only for a
/// command that is not whole, or while the client is paused. A turn is a millisecond of commands: what else the read brought waits until others
/// had theirs.
///
/// Costs one system call a read for the replies, as long as the kernel takes them at once, and no allocation.
final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let loop: ServerLoop
    private var reader: RequestReader
    /// Received and not yet consumed: the begin of a command, or commands that wait while output does.
    var pending: ByteBuffer?
    private(set) var context: ChannelHandlerContext?
    private(set) var client: Client?
    private var isRunning = false
    var isClosing = false
    var isReadingStopped = false
    /// Where replies and messages go past the channel; nil if they must not, as with TLS.
    var socket: OutputSocket?
    /// Whether it may look for its socket.
    private let writesToSocket: Bool
    /// Writes that the channel was given and has not finished: until then all goes that way, so that nothing overtakes them.
    var channelWrites = 0
    /// Whether the channel was given bytes that it was not told to send.
    var hasUnflushed = false
    private var hasPushes = false
    /// Messages until they are written as one.
    private var gathered = ByteBuffer()
    /// What a closing client still sent since it was last asked.
    var droppedBytes = 0
    /// Since when more output waits than the soft limit allows.
    var overSoftLimitSince: Timestamp?
    /// While closing: since when so much output waits.
    var closing = (since: Timestamp(milliseconds: 0), waiting: Int.max)

    /// - Parameter writesToSocket: whether nothing lies between this handler and the socket that changes what is written.
    init(loop: ServerLoop, writesToSocket: Bool = false) {
        self.loop = loop
        self.writesToSocket = writesToSocket
        var limits = RequestLimits()
        limits.maxBulkLength = loop.configuration.maximumBulkLength
        limits.maxCommandBytes = loop.configuration.maximumCommandBytes
        limits.isAuthenticated = loop.configuration.password.isEmpty
        reader = RequestReader(limits: limits)
    }

    // MARK: - Coming and going

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { connected(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        connected(context)
    }

    private func connected(_ context: ChannelHandlerContext) {
        guard client == nil else { return }
        if writesToSocket { findSocket(context) }
        let isAuthenticated = loop.configuration.password.isEmpty
        let client = Client(
            id: loop.server.nextClientID(), handler: self, isAuthenticated: isAuthenticated,
            now: loop.server.clock.now())
        if loop.isUntimely { client.traits.insert(.cameUntimely) }
        self.client = client
        loop.server.clientCount.wrappingAdd(1, ordering: .relaxed)
        loop.add(client)
        loop.counters.connections.add(1)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosing = true
        if let client {
            loop.remove(client)
            loop.server.clientCount.wrappingSubtract(1, ordering: .relaxed)
        }
        client = nil
        pending = nil
        socket = nil
        self.context = nil
    }

    /// A reset, a broken pipe: the connection is gone, which is its client's business.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: - Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard !isClosing else {
            droppedBytes += bytes.readableBytes
            return
        }
        loop.counters.bytesRead.add(bytes.readableBytes)
        if pending != nil {
            keep(&bytes)
            runPending()
        } else {
            run(&bytes)
            if bytes.readableBytes > 0, !isClosing { keep(&bytes) }
        }
        if client?.isSuspended == true, let pending, pending.readableBytes > ClientHandler.bytesAhead {
            try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        }
        loop.giveBack(bytes)
    }

    /// Adds what a read brought to what is there already.
    private func keep(_ bytes: inout ByteBuffer) {
        guard let context else { return }
        if pending == nil {
            pending = context.channel.allocator.buffer(capacity: bytes.readableBytes + reader.bytesNeeded)
        }
        if let readerIndex = pending?.readerIndex, readerIndex > 0 { pending?.discardReadBytes() }
        pending?.writeBuffer(&bytes)
    }

    private func runPending() {
        guard var bytes = pending else { return }
        // Held here alone meanwhile, so that it is not copied.
        pending = nil
        run(&bytes)
        guard bytes.readableBytes > 0, !isClosing else { return }
        if bytes.capacity > ReplyBuffer.retainedCapacity, bytes.readableBytes < bytes.capacity / 4 {
            // The memory of one huge command is not kept for the small ones behind it.
            keep(&bytes)
        } else {
            pending = bytes
        }
    }

    /// Runs the commands in `bytes` and writes their replies; leaves what is not whole, or must wait.
    private func run(_ bytes: inout ByteBuffer) {
        guard let client, let context, !isRunning else { return }
        isRunning = true
        if loop.isResting { loop.rouse() }
        loop.beginTurn(reading: bytes.readableBytes)
        var goesOn = bytes.readableBytes > 0
        while goesOn {
            loop.readTime()
            loop.reply.version = client.version
            let stop = runCommands(&bytes, client)
            writeReplies(context, client)
            goesOn = stop == .batchIsFull && !isReadingStopped && !isClosing
            if goesOn {
                if loop.hasManyMonitorLines { loop.finishBatch() }
                loop.lookAtTurn()
                goesOn = !loop.isTurnOver
            }
        }
        isRunning = false
        loop.finishRound()
        if loop.isTurnOver, bytes.readableBytes > 0 { letOthers(client) }
        loop.endTurn()
    }

    /// Lets the commands that are left wait until other connections have had their turn. Meanwhile nothing more is read.
    private func letOthers(_ client: Client) {
        guard !isClosing, !isReadingStopped, !client.isSuspended, !client.closesAfterReply else { return }
        suspend()
        loop.afterOthers { self.release() }
    }

    /// Runs the commands in place. No channel is written to while the reader and the replies are lent to it.
    private func runCommands(_ bytes: inout ByteBuffer, _ client: Client) -> Pipeline.Stop {
        guard !client.isSuspended, !client.closesAfterReply, !isReadingStopped else { return .paused }
        let outcome = bytes.withUnsafeReadableBytes { raw in
            Pipeline.run(raw.bindMemory(to: UInt8.self).span, &reader, loop, client, &loop.reply)
        }
        bytes.moveReaderIndex(forwardBy: outcome.consumed)
        if let failure = outcome.failure { fail(failure, client) }
        if outcome.commands > 0 {
            client.lastCommandAt = loop.now
            loop.counters.commands.add(outcome.commands)
        }
        if loop.hasEvents || loop.outgoing.hasMessages { loop.deliverEvents(current: client, &loop.reply) }
        return outcome.stop
    }

    private func fail(_ error: ProtocolError, _ client: Client) {
        client.closesAfterReply = true
        if error == .tooBigCommand {
            // As Redis: who sends so much without an end gets no answer.
            loop.counters.queryLimitClosures.add(1)
        } else {
            loop.counters.protocolErrors.add(1)
            if error == .tlsHandshake { refuseTLS(client) } else { loop.reply.error(error) }
        }
    }

    // MARK: - Writing

    /// Sends the replies: as many bytes as the socket takes at once, the rest through the channel.
    private func writeReplies(_ context: ChannelHandlerContext, _ client: Client) {
        writeGathered(context)
        if loop.reply.count > 0 {
            var start = 0
            if loop.reply.count > ClientHandler.partBytes {
                guard mayReceive(loop.reply.count, context, client) else { return }
                start = writeParts(context)
            } else if !client.closesAfterReply {
                start = loop.reply.withBytes { sendNow($0, context) }
            }
            loop.counters.bytesWritten.add(loop.reply.count)
            if start < loop.reply.count { writeRest(from: start, context, client) }
            loop.reply.clear()
        } else if client.closesAfterReply {
            close(context, after: nil)
        }
        checkOutput(context, client)
    }

    /// Hands the replies from `start` on to the channel, with all that it has already.
    private func writeRest(from start: Int, _ context: ChannelHandlerContext, _ client: Client) {
        // Once the kernel has taken the last one whole, this memory is ours again and nothing is allocated.
        loop.output.clear()
        loop.reply.withBytes { _ = loop.output.writeBytes($0.extracting(start..<$0.count).bytes) }
        hasPushes = false
        if client.closesAfterReply {
            close(context, after: wrapOutboundOut(loop.output))
        } else {
            handOver(loop.output, context, flushes: true)
        }
        if loop.output.capacity > ReplyBuffer.retainedCapacity {
            loop.output = context.channel.allocator.buffer(capacity: 4096)
        }
    }

    /// Writes lines of `MONITOR`; they leave with the loop's batch.
    func push(_ lines: [UInt8]) {
        push(ByteBuffer(bytes: lines))
    }

    /// Writes messages that others published; they leave with the loop's batch. The first of a batch is not copied.
    func push(_ bytes: ByteBuffer) {
        guard let context, !isClosing else { return }
        let waiting = gathered.readableBytes
        if waiting > 0, waiting + bytes.readableBytes > ClientHandler.gatheredBytes { writeGathered(context) }
        if gathered.readableBytes == 0 { gathered = bytes } else { gathered.writeImmutableBuffer(bytes) }
        willPush()
    }

    /// As ``push(_:)`` for bytes that nobody else gets.
    func gather(_ bytes: Span<UInt8>) {
        guard let context, !isClosing else { return }
        gathered.writeBytes(bytes.bytes)
        if gathered.readableBytes >= ClientHandler.gatheredBytes { writeGathered(context) }
        willPush()
    }

    private func willPush() {
        if !hasPushes {
            hasPushes = true
            loop.willFlush(self)
        }
    }

    /// Gathered messages are written once they are so many bytes.
    private static let gatheredBytes = 65_536

    /// Before anything else is written: what came first leaves first.
    private func writeGathered(_ context: ChannelHandlerContext) {
        guard gathered.readableBytes > 0 else { return }
        loop.counters.bytesWritten.add(gathered.readableBytes)
        let sent = gathered.withUnsafeReadableBytes { sendNow($0.bindMemory(to: UInt8.self).span, context) }
        gathered.moveReaderIndex(forwardBy: sent)
        if gathered.readableBytes > 0 {
            handOver(gathered, context, flushes: false)
            loop.outgoing.hasBacklog = true
        }
        gathered = ByteBuffer()
    }

    /// Sends what ``push(_:)`` and ``gather(_:)`` wrote.
    func flushPushes() {
        guard hasPushes, let context, let client else { return }
        hasPushes = false
        writeGathered(context)
        if hasUnflushed {
            hasUnflushed = false
            context.flush()
        }
        checkOutput(context, client)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, isReadingStopped, !isClosing else { return }
        isReadingStopped = false
        overSoftLimitSince = nil
        if let client { loop.slowClients[client.id] = nil }
        // Not at once: this may be called from within the flush of another read.
        context.eventLoop.assumeIsolated().execute { self.goOn() }
    }

    /// Goes on after a pause: first with commands that are here already, then with reading.
    private func goOn() {
        guard let context, !isClosing, !isReadingStopped, client?.isSuspended == false else { return }
        runPending()
        guard !isClosing, !isReadingStopped, client?.isSuspended == false else { return }
        try? context.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    // MARK: - Waiting for other loops

    /// Lets the client's next commands wait until ``resume(_:)``. To be called while one of its commands runs.
    func suspend() {
        guard let context, let client else { return }
        client.isSuspended = true
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    /// As ``suspend()``, for a wait that may be long: it is read on, so that a client that leaves is noticed. What it sends meanwhile is kept, up to
    /// ``bytesAhead``; then it is not read any more.
    func wait() { client?.isSuspended = true }

    /// Bytes of commands that a client may send ahead while one of its commands waits.
    private static let bytesAhead = 65_536

    /// Ends the pause with the reply that `write` writes.
    func resume(_ write: (inout ReplyBuffer) -> Void) {
        guard let context, let client, !isClosing else { return }
        client.isSuspended = false
        loop.readTime()
        loop.reply.version = client.version
        write(&loop.reply)
        if client.traits.remove(.skipsThisReply) != nil { loop.reply.clear() }
        writeReplies(context, client)
        goOn()
    }

    /// Ends the pause without a reply: the command that waited is still to be run.
    func release() {
        guard let client, !isClosing else { return }
        client.isSuspended = false
        goOn()
    }

    // MARK: - Upkeep

    /// After AUTH, HELLO and CONFIG SET: what the client may send now.
    func limitsChanged() {
        guard let client else { return }
        // The reader is lent to the command that changed them: then it takes them afterwards.
        if isRunning { client.hasNewLimits = true } else { takeLimits(&reader) }
    }

    /// Gives the reader the limits in force.
    func takeLimits(_ reader: inout RequestReader) {
        guard let client else { return }
        client.hasNewLimits = false
        reader.limits.isAuthenticated = client.isAuthenticated
        reader.limits.maxBulkLength = loop.configuration.maximumBulkLength
        reader.limits.maxCommandBytes = loop.configuration.maximumCommandBytes
    }

    /// What `CLIENT LIST` tells of the connection itself.
    func describeConnection() -> (remote: String, local: String, queryBytes: Int, outputBytes: Int) {
        guard let context else { return ("", "", 0, 0) }
        return (
            Listener.text(of: context.channel.remoteAddress), Listener.text(of: context.channel.localAddress),
            pending?.readableBytes ?? 0, waitingBytes(context)
        )
    }

    /// Bytes that the kernel has not taken yet.
    func waitingBytes(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}
