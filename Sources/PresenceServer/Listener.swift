import Logging
import NIOCore
import NIOPosix
import PresenceRESP
import Synchronization

/// Listens on one address and hands what connects to a loop, or refuses it with Redis's words.
enum Listener {
    /// A channel that listens on `host` and `port`.
    static func bind(
        _ host: String, _ port: Int, backlog: Int, group: any EventLoopGroup, children: any EventLoopGroup,
        loops: [ServerLoop], secureHandler: RESPServer.SecureHandler? = nil
    ) -> EventLoopFuture<any Channel> {
        ServerBootstrap(group: group, childGroup: children)
            .serverChannelOption(.backlog, value: Int32(clamping: backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptErrorHandler(loops[0].server))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // One read a turn: a busy client does not hold up the others of its loop.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            // What TLS receives it keeps for a while, so it has buffers of its own: small ones while a connection is idle.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 256, initial: 512, maximum: 65_536)
            )
            .childChannelInitializer { channel in
                guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else {
                    return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }
                return channel.eventLoop.makeCompletedFuture { try accept(channel, loop, secureHandler) }
            }
            .bind(host: host, port: port)
    }

    private static func accept(
        _ channel: any Channel, _ loop: ServerLoop, _ secureHandler: RESPServer.SecureHandler?
    ) throws {
        let handlers = channel.pipeline.syncOperations
        if let refusal = refusal(channel, loop) {
            loop.counters.rejected.add(1)
            // On the TLS port it takes a handshake to say why: a server that is full has no time for it, as Redis.
            let isSilent = secureHandler != nil && refusal == isFullText
            if let secureHandler, !isSilent { try handlers.addHandler(secureHandler(loop.eventLoop)) }
            try handlers.addHandler(RefusalHandler(isSilent ? "" : refusal))
            return
        }
        if let secureHandler {
            try handlers.addHandler(secureHandler(loop.eventLoop))
        } else {
            try channel.syncOptions?.setOption(.recvAllocator, value: LoopReceiveAllocator(loop: loop))
        }
        let keepAlive = loop.configuration.keepAliveSeconds
        if keepAlive > 0 { setKeepAlive(channel, keepAlive) }
        try handlers.addHandler(ClientHandler(loop: loop, writesToSocket: secureHandler == nil))
    }

    private static func setKeepAlive(_ channel: any Channel, _ seconds: Int) {
        guard let options = channel.syncOptions else { return }
        // As Redis: the first probe after the time set, then three, a third of it apart.
        try? options.setOption(.socketOption(.so_keepalive), value: 1)
        try? options.setOption(.tcpOption(.init(rawValue: tcpKeepIdle)), value: SocketOptionValue(seconds))
        try? options.setOption(
            .tcpOption(.init(rawValue: tcpKeepInterval)), value: SocketOptionValue(max(1, seconds / 3)))
        try? options.setOption(.tcpOption(.init(rawValue: tcpKeepCount)), value: 3)
    }

    // Linux's numbers of TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
    private static let tcpKeepIdle: CInt = 4
    private static let tcpKeepInterval: CInt = 5
    private static let tcpKeepCount: CInt = 6

    private static func refusal(_ channel: any Channel, _ loop: ServerLoop) -> String? {
        let configuration = loop.configuration
        if configuration.isProtected, configuration.password.isEmpty, !isLoopback(channel.remoteAddress) {
            return protectedModeText
        }
        guard loop.server.clientCount.load(ordering: .relaxed) < configuration.maximumClients else {
            return isFullText
        }
        return nil
    }

    private static let isFullText = "-ERR max number of clients reached\r\n"

    /// Whether a peer is on this machine.
    static func isLoopback(_ address: SocketAddress?) -> Bool {
        switch address {
        case .v4(let address):
            return address.address.sin_addr.s_addr.bigEndian >> 24 == 127
        case .v6:
            let text = address?.ipAddress ?? ""
            return text == "::1" || text.hasPrefix("::ffff:127.")
        case .unixDomainSocket, nil:
            return true
        }
    }

    /// An address as `CLIENT LIST` shows it.
    static func text(of address: SocketAddress?) -> String {
        guard let address, let ip = address.ipAddress, let port = address.port else { return "" }
        return address.protocol == .inet6 ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }

    /// Redis's text, with the remedies that there are here.
    private static let protectedModeText = [
        "-DENIED presenced is running in protected mode because protected mode is enabled and no password is set for the",
        "default user. In this mode connections are only accepted from the loopback interface. If you want to connect from",
        "external computers you may adopt one of the following solutions: 1) Just disable protected mode sending the command",
        "'CONFIG SET protected-mode no' from the loopback interface by connecting from the same host the server is running,",
        "however MAKE SURE it is not publicly accessible from internet if you do so. 2) Alternatively you can just disable the",
        "protected mode by editing the configuration file, and setting the protected-mode option to 'no', and then restarting",
        "the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option.",
        "4) Setup an authentication password for the default user with requirepass. NOTE: You only need to do one of the above",
        "things in order for the server to start accepting connections from the outside.\r\n",
    ].joined(separator: " ")
}

/// Says why a connection is not served, if it is to, and closes it.
private final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let text: String

    init(_ text: String) { self.text = text }

    func channelActive(context: ChannelHandlerContext) {
        guard !text.isEmpty else {
            context.close(promise: nil)
            return
        }
        let buffer = context.channel.allocator.buffer(string: text)
        let channel = context.channel
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Lets the connections of an event loop read into one buffer, which ``ClientHandler`` gives back after each read.
///
/// NIO keeps the first buffer of every connection for as long as it lives, so that one is tiny; and it uses it again only if it is told that the next
/// one need not be larger, so it is always told otherwise. What a connection once received leaves nothing behind: idle ones are equally small,
/// and a pipeline is read with few calls from the second read on.
private struct LoopReceiveAllocator: RecvByteBufferAllocator {
    let loop: ServerLoop
    private var hasRead = false

    init(loop: ServerLoop) { self.loop = loop }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        hasRead ? loop.takeReceiveBuffer() : allocator.buffer(capacity: LoopReceiveAllocator.firstBytes)
    }

    mutating func record(actualReadBytes: Int) -> Bool {
        hasRead = true
        return true
    }

    func nextBufferSize() -> Int? { nil }

    /// Enough for what most clients begin with.
    private static let firstBytes = 128
}
