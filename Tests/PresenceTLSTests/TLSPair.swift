import NIOCore
import NIOEmbedded
import PresenceTLS

/// Notes all that comes up a pipeline, and answers it if it is to.
final class Tail: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private(set) var bytes: [UInt8] = []
    private(set) var reads = 0
    private(set) var errors: [TLSError] = []
    private(set) var handshake: TLSHandler.HandshakeFinished?
    private(set) var isInactive = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reads += 1
        bytes += Array(unwrapInboundIn(data).readableBytesView)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? TLSHandler.HandshakeFinished { handshake = event }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? TLSError { errors.append(error) }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { isInactive = true }

    func forget() { bytes = [] }
}

/// A client and a server, joined by this test instead of by a network.
final class TLSPair {
    let client: EmbeddedChannel
    let server: EmbeddedChannel
    let clientEnd = Tail()
    let serverEnd = Tail()
    /// How many of the waiting bytes arrive next.
    var split: (Int) -> Int = { $0 }
    /// What went over the wire, each way.
    private(set) var bytesToServer = 0
    private(set) var bytesToClient = 0

    init(
        client: TLSConfiguration, server: TLSConfiguration, serverName: String? = "localhost",
        serverOptions: TLSHandler.Options = .init()
    ) throws {
        var clientOptions = TLSHandler.Options()
        clientOptions.serverName = serverName
        self.client = EmbeddedChannel(
            handlers: [
                try TLSHandler(context: TLSContext(client), buffers: TLSBuffers(), options: clientOptions), clientEnd,
            ])
        self.server = EmbeddedChannel(
            handlers: [
                try TLSHandler(context: TLSContext(server), buffers: TLSBuffers(), options: serverOptions), serverEnd,
            ])
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        self.server.connect(to: address, promise: nil)
        self.client.connect(to: address, promise: nil)
    }

    deinit {
        _ = try? client.finish(acceptAlreadyClosed: true)
        _ = try? server.finish(acceptAlreadyClosed: true)
    }

    /// Carries bytes both ways until none is left.
    func carry() throws {
        var isQuiet = false
        while !isQuiet {
            let toServer = try carry(from: client, to: server)
            let toClient = try carry(from: server, to: client)
            bytesToServer += toServer
            bytesToClient += toClient
            isQuiet = toServer + toClient == 0
        }
    }

    private func carry(from: EmbeddedChannel, to: EmbeddedChannel) throws -> Int {
        var bytes = try Self.sent(by: from)
        let count = bytes.readableBytes
        while bytes.readableBytes > 0,
            let part = bytes.readSlice(length: max(1, min(split(bytes.readableBytes), bytes.readableBytes)))
        {
            guard to.isActive else { return 0 }
            try to.writeInbound(part)
        }
        return count
    }

    /// What a side has sent and nobody carried yet.
    static func sent(by channel: EmbeddedChannel) throws -> ByteBuffer {
        var all = ByteBuffer()
        while var part = try channel.readOutbound(as: ByteBuffer.self) { all.writeBuffer(&part) }
        return all
    }

    /// Both sides have what they need to go on.
    var isOpen: Bool { clientEnd.handshake != nil && serverEnd.handshake != nil }

    static func write(_ bytes: [UInt8], to channel: EmbeddedChannel) {
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    /// Ends the connection without a goodbye, as a cable that is pulled.
    static func cut(_ channel: EmbeddedChannel) { channel.pipeline.fireChannelInactive() }
}
