import NIOCore
import Presence

/// How connections end: after their last replies, at once, or because they take nothing of what they are sent.
extension ClientHandler {
    /// Closes once `output` and everything written before has left.
    func close(_ context: ChannelHandlerContext, after output: NIOAny?) {
        isClosing = true
        pending = nil
        closing = (loop.now, .max)
        // Looked at until it is gone: it may never read what it is still sent.
        if let client { loop.slowClients[client.id] = client }
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

    /// How often a closing connection is asked whether its client still sends, and how often at most.
    static let lingerInterval = TimeAmount.milliseconds(20)
    static let lingerLimit = 50

    /// Ends the output, then reads and drops what the client still sends: a socket closed over unread bytes resets the connection, and the kernel
    /// would throw away the replies that it has not sent yet.
    func linger(_ context: ChannelHandlerContext) {
        context.close(mode: .output, promise: nil)
        isReadingStopped = false
        try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        waitForSilence(context, asked: 0)
    }

    func waitForSilence(_ context: ChannelHandlerContext, asked: Int) {
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

    /// Closes at once, without a reply: `CLIENT KILL`. False if it is closing already.
    ///
    /// Nothing is read or written from here on; the channel itself is closed in a turn of its own, as a command of another client runs in this one.
    func kill() -> Bool {
        guard let context, !isClosing else { return false }
        isClosing = true
        pending = nil
        context.eventLoop.assumeIsolated().execute {
            if let context = self.context { context.close(promise: nil) }
        }
        return true
    }

    /// Ends the connection of a client that is closing and takes nothing of what it is still sent.
    func inspectClosing(_ context: ChannelHandlerContext) {
        let waiting = waitingBytes(context)
        if waiting < closing.waiting {
            closing = (loop.now, waiting)
        } else if loop.now.milliseconds(since: closing.since) > ClientHandler.closingLimit {
            context.close(promise: nil)
        }
    }

    /// Milliseconds that a client may take nothing while its last replies leave.
    static let closingLimit: Int64 = 10_000

    /// Closes once everything written so far has left: the server stops.
    func closeGracefully() {
        guard let context, !isClosing else { return }
        close(context, after: wrapOutboundOut(context.channel.allocator.buffer(capacity: 0)))
    }
}
