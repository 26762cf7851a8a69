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

    /// Whether output waits that the client has not taken.
    var isBackedUp: Bool { context.map { !$0.channel.isWritable } ?? false }

    func checkOutput(_ context: ChannelHandlerContext, _ client: Client) {
        guard !isClosing else { return }
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
