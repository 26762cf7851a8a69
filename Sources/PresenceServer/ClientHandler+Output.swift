import NIOCore
import Presence
import PresenceRESP

/// Output that nobody reads: it is bounded in bytes and in time, and whoever lets it wait is not read from either.
extension ClientHandler {
    /// A reply that is longer leaves in several parts: a `ByteBuffer` holds 4 GiB, and replies are bounded by memory alone.
    static let partBytes = 64 << 20

    /// Whether the client may get a reply of `count` bytes; else it is closed.
    func mayReceive(_ count: Int, _ context: ChannelHandlerContext, _ client: Client) -> Bool {
        let bound = bound(of: client)
        guard bound.hardBytes > 0, count > bound.hardBytes else { return true }
        closeOverLimit(context, client, count)
        loop.reply.clear()
        return false
    }

    /// Writes all of a long reply but its last part; returns where that begins.
    func writeParts(_ context: ChannelHandlerContext) -> Int {
        loop.reply.withBytes { bytes in
            var start = 0
            while bytes.count - start > ClientHandler.partBytes {
                var part = context.channel.allocator.buffer(capacity: ClientHandler.partBytes)
                part.writeBytes(bytes.extracting(start..<start + ClientHandler.partBytes).bytes)
                context.write(wrapOutboundOut(part), promise: nil)
                start += ClientHandler.partBytes
            }
            return start
        }
    }

    // MARK: - Past the channel

    /// Takes the socket from under the channel, if it has one.
    func findSocket(_ context: ChannelHandlerContext) {
        let handlers = context.pipeline.syncOperations
        socket = try? handlers.withUnsafeTransportIfAvailable { (handle: NIOBSDSocket.Handle) in OutputSocket(handle) }
    }

    /// Sends as many of the bytes as the kernel takes at once; none if others must leave before.
    ///
    /// An event loop closes the sockets of its channels itself, and they are not active from then on: a number that is a socket's here is not yet another's.
    func sendNow(_ bytes: Span<UInt8>, _ context: ChannelHandlerContext) -> Int {
        guard let socket, channelWrites == 0, !hasUnflushed, context.channel.isActive else { return 0 }
        return socket.write(bytes)
    }

    /// Gives bytes to the channel, which sends them when there is room.
    ///
    /// - Parameter flushes: whether it is told to now, with all that it was given before; else ``flushPushes()`` tells it.
    func handOver(_ bytes: ByteBuffer, _ context: ChannelHandlerContext, flushes: Bool) {
        var promise: EventLoopPromise<Void>?
        if socket != nil {
            channelWrites += 1
            let finished = context.eventLoop.makePromise(of: Void.self)
            finished.futureResult.assumeIsolated().whenComplete { _ in self.channelWrites -= 1 }
            promise = finished
        }
        hasUnflushed = !flushes
        if flushes {
            context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
        } else {
            context.write(wrapOutboundOut(bytes), promise: promise)
        }
    }

    // MARK: - Bounds

    /// Whether output waits that the client has not taken.
    var isBackedUp: Bool { context.map { !$0.channel.isWritable } ?? false }

    func checkOutput(_ context: ChannelHandlerContext, _ client: Client) {
        guard !isClosing else { return }
        if socket != nil, channelWrites == 0 {
            // Nothing waits.
            overSoftLimitSince = nil
            return
        }
        let isWritable = context.channel.isWritable
        if isWritable, client.isAuthenticated {
            overSoftLimitSince = nil
            return
        }
        if !isWritable {
            stopReading(context)
            loop.slowClients[client.id] = client
        }
        enforceLimits(context, client)
    }

    /// What may wait for a client. Monitors are `normal`, as in Redis.
    func bound(of client: Client) -> OutputLimits.Bound {
        let limits = loop.configuration.outputLimits
        return client.isSubscribed ? limits.pubsub : limits.normal
    }

    func enforceLimits(_ context: ChannelHandlerContext, _ client: Client) {
        let waiting = waitingBytes(context)
        let bound = bound(of: client)
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

    func closeOverLimit(_ context: ChannelHandlerContext, _ client: Client, _ waiting: Int) {
        isClosing = true
        loop.counters.outputLimitClosures.add(1)
        loop.server.logger.warning("client \(client.id) closed: \(waiting) bytes of output that it does not read")
        context.close(promise: nil)
    }

    func stopReading(_ context: ChannelHandlerContext) {
        guard !isReadingStopped else { return }
        isReadingStopped = true
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    /// Once a second: soft limits of output, silence, and closing that does not end.
    func inspect() {
        guard let context, let client else { return }
        guard !isClosing else {
            inspectClosing(context)
            return
        }
        if !context.channel.isWritable { enforceLimits(context, client) }
        let timeout = Int64(loop.configuration.idleTimeoutSeconds)
        if timeout > 0, !isClosing, !client.isSubscribed, !client.isSuspended, !client.traits.contains(.isMonitor),
            loop.now.milliseconds(since: client.lastCommandAt) > timeout * 1000
        {
            isClosing = true
            loop.counters.idleClosures.add(1)
            context.close(promise: nil)
        }
    }
}
