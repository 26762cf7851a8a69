import NIOCore
import NIOPosix
import PresenceLinks
import Synchronization

/// Stands between two nodes and passes their bytes on, unless a test holds them or cuts the connections.
final class Relay: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let target: Int
    private let channels = Mutex<[any Channel]>([])
    private let listener = Mutex<(any Channel)?>(nil)
    private let isHeld = Mutex(false)

    /// To a port of the loopback interface.
    init(to target: Int) { self.target = target }

    /// The port under which the target is reached through the relay.
    func start() async throws -> Int {
        let channel = try await ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { [self] channel in connect(channel) }
            .bind(host: "127.0.0.1", port: 0).get()
        listener.withLock { $0 = channel }
        return channel.localAddress?.port ?? 0
    }

    private func connect(_ channel: any Channel) -> EventLoopFuture<Void> {
        ClientBootstrap(group: channel.eventLoop)
            .channelOption(.autoRead, value: false)
            .connect(host: "127.0.0.1", port: target)
            .flatMapThrowing { [self] other in
                try channel.pipeline.syncOperations.addHandler(Passing(other))
                try other.pipeline.syncOperations.addHandler(Passing(channel))
                channels.withLock { $0 += [channel, other] }
                let reads = !isHeld.withLock { $0 }
                for end in [channel, other] { try end.syncOptions?.setOption(.autoRead, value: reads) }
            }
    }

    /// Passes nothing on, and reads nothing, until it is told to go on: as a peer that is stuck.
    func hold(_ holds: Bool) {
        isHeld.withLock { $0 = holds }
        for channel in channels.withLock({ $0 }) { channel.setOption(.autoRead, value: !holds).whenComplete { _ in } }
    }

    /// Closes all connections; new ones are passed on.
    func cut() {
        let all = channels.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in all { channel.close(promise: nil) }
    }

    func stop() async {
        try? await listener.withLock { $0 }?.close()
        cut()
        try? await group.shutdownGracefully()
    }
}

private final class Passing: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let other: any Channel

    init(_ other: any Channel) { self.other = other }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
