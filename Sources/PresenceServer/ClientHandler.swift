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
/// command that is not whole, or while the client is paused.
///
/// Costs one `ByteBuffer` write a read, and no allocation a command.
final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let loop: ServerLoop
    private var reader: RequestReader
    /// Received and not yet consumed: the begin of a command, or commands that wait while output does.
    private var pending: ByteBuffer?
    private var context: ChannelHandlerContext?
    private(set) var client: Client?
    private var isRunning = false
    private var isClosing = false
    private(set) var isReadingStopped = false
    private var hasPushes = false
    /// What a closing client still sent since it was last asked.
    private var droppedBytes = 0
    /// Since when more output waits than the soft limit allows.
    private var overSoftLimitSince: Timestamp?

    init(loop: ServerLoop) {
        self.loop = loop
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
        let isAuthenticated = loop.configuration.password.isEmpty
        let client = Client(
            id: loop.server.nextClientID(), handler: self, isAuthenticated: isAuthenticated,
            now: loop.server.clock.now())
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
        pending = nil
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
        var goesOn = bytes.readableBytes > 0
        while goesOn {
            loop.now = loop.server.clock.now()
            loop.reply.version = client.version
            let stop = runCommands(&bytes, client)
            writeReplies(context, client)
            goesOn = stop == .batchIsFull && !isReadingStopped && !isClosing
        }
        isRunning = false
        loop.finishBatch()
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
        if loop.hasEvents || loop.hasMessages { loop.deliverEvents(current: client, &loop.reply) }
        return outcome.stop
    }

    private func fail(_ error: ProtocolError, _ client: Client) {
        client.closesAfterReply = true
        if error == .tooBigCommand {
            // As Redis: who sends so much without an end gets no answer.
            loop.counters.queryLimitClosures.add(1)
        } else {
            loop.counters.protocolErrors.add(1)
            loop.reply.error(error)
        }
    }

    // MARK: - Writing

    /// Copies the replies into one buffer, which goes out with one flush.
    private func writeReplies(_ context: ChannelHandlerContext, _ client: Client) {
        if loop.reply.count > 0 {
            loop.counters.bytesWritten.add(loop.reply.count)
            // Once the kernel has taken the last one whole, this memory is ours again and nothing is allocated.
            loop.output.clear()
            loop.reply.withBytes { _ = loop.output.writeBytes($0.bytes) }
            loop.reply.clear()
            let output = wrapOutboundOut(loop.output)
            hasPushes = false
            if client.closesAfterReply {
                close(context, after: output)
            } else {
                context.writeAndFlush(output, promise: nil)
            }
            if loop.output.capacity > ReplyBuffer.retainedCapacity {
                loop.output = context.channel.allocator.buffer(capacity: 4096)
            }
        } else if client.closesAfterReply {
            close(context, after: nil)
        }
        checkOutput(context, client)
    }

    private func close(_ context: ChannelHandlerContext, after output: NIOAny?) {
        isClosing = true
        pending = nil
        guard let output else {
            linger(context)
            return
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            if let context = self.context { self.linger(context) }
        }
        context.writeAndFlush(output, promise: promise)
    }

    // MARK: - Closing

    /// How often a closing connection is asked whether its client still sends, and how often at most.
    private static let lingerInterval = TimeAmount.milliseconds(20)
    private static let lingerLimit = 50

    /// Ends the output, then reads and drops what the client still sends: a socket closed over unread bytes resets the connection, and the kernel
    /// would throw away the replies that it has not sent yet.
    private func linger(_ context: ChannelHandlerContext) {
        context.close(mode: .output, promise: nil)
        isReadingStopped = false
        try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        waitForSilence(context, asked: 0)
    }

    private func waitForSilence(_ context: ChannelHandlerContext, asked: Int) {
        droppedBytes = 0
        context.eventLoop.assumeIsolated().scheduleTask(in: ClientHandler.lingerInterval) {
            guard let context = self.context else { return }
            if self.droppedBytes == 0 || asked == ClientHandler.lingerLimit {
                context.close(promise: nil)
            } else {
                self.waitForSilence(context, asked: asked + 1)
            }
        }
    }

    /// Writes messages that others published; they leave with the loop's batch.
    func push(_ bytes: ByteBuffer) {
        guard let context, !isClosing else { return }
        loop.counters.bytesWritten.add(bytes.readableBytes)
        context.write(wrapOutboundOut(bytes), promise: nil)
        if !hasPushes {
            hasPushes = true
            loop.willFlush(self)
        }
    }

    /// Flushes what ``push(_:)`` wrote.
    func flushPushes() {
        guard hasPushes, let context, let client else { return }
        hasPushes = false
        context.flush()
        checkOutput(context, client)
    }

    // MARK: - Output that nobody reads

    private func checkOutput(_ context: ChannelHandlerContext, _ client: Client) {
        guard !isClosing else { return }
        if context.channel.isWritable, client.isAuthenticated {
            overSoftLimitSince = nil
            return
        }
        if !context.channel.isWritable { stopReading(context) }
        enforceLimits(context, client)
    }

    private func enforceLimits(_ context: ChannelHandlerContext, _ client: Client) {
        let waiting = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        let limits = loop.configuration.outputLimits
        let bound = client.isSubscribed ? limits.pubsub : limits.normal
        if !client.isAuthenticated, waiting > OutputLimits.unauthenticatedBytes {
            closeOverLimit(context, client, waiting)
        } else if bound.hardBytes > 0, waiting > bound.hardBytes {
            closeOverLimit(context, client, waiting)
        } else if bound.softBytes > 0, waiting > bound.softBytes {
            let since = overSoftLimitSince ?? loop.now
            overSoftLimitSince = since
            if loop.now.milliseconds(since: since) > Int64(bound.softSeconds) * 1000 {
                closeOverLimit(context, client, waiting)
            }
        } else {
            overSoftLimitSince = nil
        }
    }

    private func closeOverLimit(_ context: ChannelHandlerContext, _ client: Client, _ waiting: Int) {
        isClosing = true
        loop.counters.outputLimitClosures.add(1)
        loop.server.logger.warning("client \(client.id) closed: \(waiting) bytes of output that it does not read")
        context.close(promise: nil)
    }

    private func stopReading(_ context: ChannelHandlerContext) {
        guard !isReadingStopped else { return }
        isReadingStopped = true
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, isReadingStopped, !isClosing else { return }
        isReadingStopped = false
        overSoftLimitSince = nil
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

    /// Ends the pause with the reply that `write` writes.
    func resume(_ write: (inout ReplyBuffer) -> Void) {
        guard let context, let client, !isClosing else { return }
        client.isSuspended = false
        loop.now = loop.server.clock.now()
        loop.reply.version = client.version
        write(&loop.reply)
        writeReplies(context, client)
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

    /// Once a second: soft limits of output, and silence.
    func inspect() {
        guard let context, let client, !isClosing else { return }
        if !context.channel.isWritable { enforceLimits(context, client) }
        let timeout = Int64(loop.configuration.idleTimeoutSeconds)
        if timeout > 0, !isClosing, !client.isSubscribed,
            loop.now.milliseconds(since: client.lastCommandAt) > timeout * 1000
        {
            isClosing = true
            loop.counters.idleClosures.add(1)
            context.close(promise: nil)
        }
    }

    /// Closes once everything written so far has left: the server stops.
    func closeGracefully() {
        guard let context, !isClosing else { return }
        close(context, after: wrapOutboundOut(context.channel.allocator.buffer(capacity: 0)))
    }

    /// What `CLIENT LIST` tells of the connection itself.
    func describeConnection() -> (remote: String, local: String, queryBytes: Int, outputBytes: Int) {
        guard let channel = context?.channel else { return ("", "", 0, 0) }
        let waiting = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        return (
            Listener.text(of: channel.remoteAddress), Listener.text(of: channel.localAddress),
            pending?.readableBytes ?? 0, waiting
        )
    }
}
