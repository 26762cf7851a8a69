import Logging
import NIOCore
import Presence

/// Waits when connections cannot be accepted, as a rule because descriptors have run out.
///
/// The kernel goes on saying that somebody waits, so a loop that only tried again would spin. The listening socket is left alone for
/// ``pause`` instead; who waits in the backlog is served once there are descriptors.
final class AcceptErrorHandler: ChannelInboundHandler {
    typealias InboundIn = Channel

    /// How long nothing is accepted after an error.
    static let pause = TimeAmount.milliseconds(100)

    private let server: ServerState
    private var lastLogged: Timestamp?

    init(_ server: ServerState) { self.server = server }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        server.acceptErrors.wrappingAdd(1, ordering: .relaxed)
        let now = server.clock.now()
        if lastLogged.map({ now.milliseconds(since: $0) >= 1000 }) ?? true {
            lastLogged = now
            server.logger.warning("cannot accept connections: \(error); ulimit -n and maxclients bound them")
        }
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        channel.eventLoop.assumeIsolated().scheduleTask(in: AcceptErrorHandler.pause) {
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
