import NIOCore
import NIOPosix
import PresenceCluster

/// Where other nodes come: the `peer` address of this node.
enum PeerListener {
    /// A channel that listens there and hands who comes to `loop`.
    static func bind(_ loop: PeerLoop, _ address: ClusterAddress) -> EventLoopFuture<any Channel> {
        ServerBootstrap(group: loop.eventLoop)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptHandler(loop))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            // One read a turn: a peer that copies does not hold up the others.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: waterMark)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try accept(channel, loop) }
            }
            .bind(host: address.host, port: address.port)
    }

    /// What may wait for a peer's socket.
    static var waterMark: ChannelOptions.Types.WriteBufferWaterMark {
        .init(low: PeerSettings.waitingBytes.lowerBound, high: PeerSettings.waitingBytes.upperBound)
    }

    private static func accept(_ channel: any Channel, _ loop: PeerLoop) throws {
        let address = channel.remoteAddress?.ipAddress ?? ""
        guard loop.accept(address) else {
            channel.close(promise: nil)
            return
        }
        let handler = LinkHandler(loop, dialed: nil, address: address)
        do {
            try loop.prepare(channel, handler)
        } catch {
            loop.forgetStranger(handler)
            throw error
        }
    }
}

/// Waits when connections cannot be accepted, as a rule because descriptors have run out: the kernel goes on saying that somebody waits, so a loop that
/// only tried again would spin.
private final class AcceptHandler: ChannelInboundHandler {
    typealias InboundIn = Channel

    /// How long nothing is accepted after an error.
    private static let pause = TimeAmount.milliseconds(100)
    private let loop: PeerLoop

    init(_ loop: PeerLoop) { self.loop = loop }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        loop.acceptFailed(error)
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        channel.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
