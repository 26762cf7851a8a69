import NIOCore
import NIOPosix
import PresenceTLS

/// A port of the loopback interface behind which a server is reached by TLS: the generator's sockets stay plain.
///
/// ```
///  generator ──bytes──> TLSRelay ──records──> server
/// ```
/// It is one thread of this process. What it takes is the generator's time, never the server's; latencies have its share.
final class TLSRelay {
    let port: Int
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let listener: any Channel

    /// Listens. Each connection to `port` becomes one to the server.
    ///
    /// - Parameter configuration: a client's.
    init(to address: ServerAddress, _ configuration: TLSConfiguration) throws {
        let context = try TLSContext(configuration)
        let buffers = TLSBuffers()
        let (host, port) = (address.host, address.port)
        listener = try ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelInitializer { far in
                        far.eventLoop.makeCompletedFuture {
                            var options = TLSHandler.Options()
                            options.serverName = host
                            options.report = { error, _ in Progress.say("TLS to \(host) port \(port): \(error)") }
                            try far.pipeline.syncOperations.addHandler(
                                TLSHandler(context: context, buffers: buffers, options: options))
                            try far.pipeline.syncOperations.addHandler(RelayHandler(to: near))
                        }
                    }
                    .connect(host: host, port: port)
                    .flatMap { far in near.pipeline.addHandler(RelayHandler(to: far)) }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        guard let local = listener.localAddress?.port else { throw BenchError("no free port") }
        self.port = local
    }

    deinit { try? group.syncShutdownGracefully() }
}

/// Passes on what one connection reads to another of the same event loop, no faster than this one takes it.
private final class RelayHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let other: any Channel

    init(to other: any Channel) { self.other = other }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other.write(unwrapInboundIn(data), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) { other.flush() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // It fails if the other has ended.
        _ = other.setOption(.autoRead, value: context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        other.close(promise: nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
