import Logging
import NIOCore

/// Tells of connections that could not be accepted, as a rule because descriptors have run out.
///
/// NIO then leaves its listening socket alone for a second and tries again: no loop spins meanwhile, and who waits in the backlog is served once
/// there are descriptors. So this handler has only to say it, once a second at most, since NIO does not.
final class AcceptErrorHandler: ChannelInboundHandler {
    typealias InboundIn = Channel

    private let server: ServerState

    init(_ server: ServerState) { self.server = server }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        server.acceptErrors.wrappingAdd(1, ordering: .relaxed)
        server.logger.warning("cannot accept connections for a second; ulimit -n and maxclients bound them: \(error)")
        context.fireErrorCaught(error)
    }
}
