import NIOCore
import PresenceRESP

/// Who speaks TLS on the port without it.
extension ClientHandler {
    /// Says which port speaks TLS, to who looks at the bytes and to the log: a TLS client shows its user neither.
    func refuseTLS(_ client: Client) {
        let port = loop.server.tlsPort.load(ordering: .relaxed)
        let remedy =
            port == 0 ? "tls-port in cluster.conf makes a port that does" : "the port that does is tls-port \(port)"
        loop.reply.error("ERR this port does not speak TLS; \(remedy)")
        loop.server.logger.notice(
            "client \(client.id) at \(Listener.text(of: context?.channel.remoteAddress)) began with TLS on the port without it; \(remedy)"
        )
    }
}
