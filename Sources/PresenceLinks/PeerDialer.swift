import NIOCore
import NIOPosix
import PresenceCluster

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Connects to other nodes.
enum PeerDialer {
    /// Connects to a node. `loop` is told if that fails; else a ``LinkHandler`` goes on.
    static func dial(_ loop: PeerLoop, _ node: ClusterNode, _ address: ClusterAddress) {
        let bootstrap = ClientBootstrap(group: loop.eventLoop)
            .connectTimeout(.milliseconds(loop.settings.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.writeBufferWaterMark, value: PeerListener.waterMark)
        connect(bootstrap, loop, address).whenComplete { result in
            do {
                let channel = try result.get()
                // The connection that is there, and no attempt at another address of the host, gets the handlers.
                let handler = LinkHandler(loop, dialed: node.number, address: address.description)
                do {
                    try loop.prepare(channel, handler)
                } catch {
                    channel.close(promise: nil)
                    throw error
                }
            } catch {
                loop.dialFailed(node.number, reason(error))
            }
        }
    }

    private static func connect(
        _ bootstrap: ClientBootstrap, _ loop: PeerLoop, _ address: ClusterAddress
    ) -> EventLoopFuture<any Channel> {
        // What is an address already is not looked up: no name holds it up.
        if let literal = literal(address) { return bootstrap.connect(to: literal) }
        return bootstrap.resolver(loop.names.resolver()).connect(host: address.host, port: address.port)
    }

    /// The address that a host says by numbers; nil if it is a name.
    static func literal(_ address: ClusterAddress) -> SocketAddress? {
        try? SocketAddress(ipAddress: address.host, port: address.port)
    }

    /// What NIO says, in an operator's words.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let attempt = error.connectionErrors.last { return reason(attempt.error) }
            return "its name is not known"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case is SocketAddressError.UnknownHost, is UnknownName: return "its name is not known"
        case ChannelError.connectTimeout: return "it does not answer"
        default: return "\(error)"
        }
    }
}
