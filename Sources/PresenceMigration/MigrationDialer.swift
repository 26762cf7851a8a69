import Glibc
import NIOCore
import NIOPosix
import PresenceTLS
import Synchronization

/// Opens connections to servers of the Redis protocol. The one file of this target that touches sockets and timers.
final class MigrationDialer: Sendable {
    private static let connectTimeout = TimeAmount.seconds(5)

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let tls: TLSFiles
    private let buffers = TLSBuffers()

    init(tls: TLSFiles) {
        self.tls = tls
    }

    /// Connects.
    ///
    /// - Parameter heard: is called with what a server sends unasked, from its thread; it must not wait.
    /// - Throws: ``MigrationError/unreachable(_:_:_:)``.
    func dial(
        _ url: RedisURL, _ side: MigrationError.Side, heard: @escaping @Sendable (Reply) -> Void = { _ in }
    ) async throws(MigrationError) -> RedisWire {
        do {
            let loop = group.next()
            let context = url.usesTLS ? try TLSContext(configuration) : nil
            let end = WireEnd()
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(Self.connectTimeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.socketOption(.so_keepalive), value: 1)
                .channelInitializer { [buffers] channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let context {
                            var options = TLSHandler.Options()
                            options.serverName = url.host
                            let handler = try TLSHandler(context: context, buffers: buffers, options: options)
                            try channel.pipeline.syncOperations.addHandler(handler)
                        }
                        try channel.pipeline.syncOperations.addHandler(WireHandler(side: side, end: end, heard: heard))
                    }
                }
                .connect(host: url.host, port: url.port).get()
            return RedisWire(channel: channel, side: side, end: end)
        } catch {
            throw .unreachable(side, "\(url)", Self.reason(error))
        }
    }

    private var configuration: TLSConfiguration {
        var configuration = TLSConfiguration(role: .client)
        configuration.authorityFile = tls.authorityFile
        configuration.certificateFile = tls.certificateFile
        configuration.keyFile = tls.keyFile
        configuration.verifiesServer = tls.verifiesServer
        configuration.trustsSystemAuthorities = true
        return configuration
    }

    /// Waits until the bell rings, or so many milliseconds have passed.
    func wait(milliseconds: Int64, _ bell: Doorbell) async {
        let timer = group.next().scheduleTask(in: .milliseconds(milliseconds)) { bell.ring() }
        await bell.wait()
        timer.cancel()
    }

    /// Ends its thread. Its connections must be closed.
    func stop() async {
        try? await group.shutdownGracefully()
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let attempt = error.connectionErrors.last { return reason(attempt.error) }
            return "its name is not known"
        case let error as IOError: return error.systemText
        case let error as TLSError: return error.description
        case ChannelError.connectTimeout: return "it does not answer"
        default: return "\(error)"
        }
    }
}

/// Why a connection ended, for those who use it later: NIO says of a closed channel that it is closed, and no more.
private final class WireEnd: Sendable {
    private let first = Mutex<MigrationError?>(nil)

    /// The reason that came first; nil while the connection is open.
    var reason: MigrationError? { first.withLock { $0 } }

    /// Returns false if it has ended before.
    func note(_ reason: MigrationError) -> Bool {
        first.withLock { first in
            guard first == nil else { return false }
            first = reason
            return true
        }
    }
}

/// One connection: commands out, replies in. Commands are sent one batch at a time.
final class RedisWire: Sendable {
    /// How long the replies to one batch may take.
    static let timeout = TimeAmount.seconds(10)

    private let channel: any Channel
    private let side: MigrationError.Side
    private let end: WireEnd

    fileprivate init(channel: any Channel, side: MigrationError.Side, end: WireEnd) {
        self.channel = channel
        self.side = side
        self.end = end
    }

    /// Sends commands and waits for their replies, which are as many and in their order.
    ///
    /// - Throws: ``MigrationError/lost(_:_:)``; then the connection is closed.
    func exchange(_ requests: Requests) async throws(MigrationError) -> [Reply] {
        guard requests.count > 0 else { return [] }
        let promise = channel.eventLoop.makePromise(of: [Reply].self)
        channel.writeAndFlush(WireHandler.Order(requests: requests, promise: promise))
            .whenFailure { promise.fail(self.end.reason ?? MigrationError(self.side, $0)) }
        do {
            return try await promise.futureResult.get()
        } catch {
            throw error as? MigrationError ?? MigrationError(side, error)
        }
    }

    /// Closes the connection; it may be closed already.
    func close() async {
        try? await channel.close().get()
    }
}

/// Writes batches, reads replies, and keeps what must not be forgotten when the connection ends: the promise.
private final class WireHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Order
    typealias OutboundOut = ByteBuffer

    /// A batch, and who waits for its replies.
    struct Order: Sendable {
        var requests: Requests
        var promise: EventLoopPromise<[Reply]>
    }

    private let side: MigrationError.Side
    private let heard: @Sendable (Reply) -> Void
    private var reader = ReplyReader()
    private var order: Order?
    private var replies: [Reply] = []
    private var deadline: Scheduled<Void>?
    private let end: WireEnd

    init(side: MigrationError.Side, end: WireEnd, heard: @escaping @Sendable (Reply) -> Void) {
        self.side = side
        self.end = end
        self.heard = heard
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let order = unwrapOutboundIn(data)
        if let reason = end.reason {
            order.promise.fail(reason)
            return
        }
        precondition(self.order == nil, "one batch at a time")
        self.order = order
        replies.removeAll(keepingCapacity: true)
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: RedisWire.timeout) {
            self.finish(.lost(self.side, "it did not answer within \(RedisWire.timeout.nanoseconds / 1_000_000_000) s"))
            context.close(promise: nil)
        }
        context.write(wrapOutboundOut(context.channel.allocator.buffer(bytes: order.requests.bytes)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let reply = try reader.next() { take(reply) }
        } catch {
            // What a TLS server says to somebody who does not speak TLS.
            let isTLS = error == .unexpected(0x15)
            finish(
                .lost(
                    side,
                    isTLS
                        ? "it speaks TLS: its URL begins with rediss://"
                        : "it does not speak the Redis protocol: \(error)"))
            context.close(promise: nil)
        }
    }

    private func take(_ reply: Reply) {
        if reply.elements.first?.string == "pmessage" || order == nil {
            heard(reply)
            return
        }
        replies.append(reply)
        guard let order, replies.count == order.requests.count else { return }
        deadline?.cancel()
        self.order = nil
        order.promise.succeed(replies)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.lost(side, "the server closed it"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(MigrationError(side, error))
        context.close(promise: nil)
    }

    private func finish(_ error: MigrationError) {
        deadline?.cancel()
        // Whoever waits for what the server sends unasked has to hear of it too.
        if end.note(error) { heard(.null) }
        if let order {
            self.order = nil
            order.promise.fail(end.reason ?? error)
        }
    }
}

extension MigrationError {
    /// What NIO or TLS says of a connection that ended.
    fileprivate init(_ side: Side, _ error: any Error) {
        switch error {
        case let error as TLSError: self = .tls(side, error.description)
        case let error as IOError: self = .lost(side, error.systemText)
        case is ChannelError: self = .lost(side, "it was closed")
        default: self = .lost(side, "\(error)")
        }
    }
}

extension IOError {
    /// The operating system's words, without NIO's.
    fileprivate var systemText: String { String(cString: strerror(errnoCode)) }
}
