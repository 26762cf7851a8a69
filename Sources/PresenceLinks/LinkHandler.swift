import NIOCore
import PresenceReplication
import PresenceTLS

/// One connection to another node, behind its ``TLSHandler``: bytes that come go to the replicator, and what it has to say goes out while the socket
/// takes it.
///
/// ```
///  handshaking --TLS is agreed--> linked --the replicator closes it--> ending --all has left, or a second--> ended
///       |                            |                                                                          ^
///       +----------------------------+------------- the connection ends ----------------------------------------+
/// ```
/// **Kept true.** Bytes are taken from the replicator only while the channel is writable, 256 KiB at a time: a peer that reads nothing costs that twice,
/// and what is to be told to him stays where it is, in the store. Whoever came in as a stranger leaves the count of strangers exactly once.
///
/// Confined to the event loop of its ``PeerLoop``.
final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Stage: Equatable {
        case handshaking
        case linked(LinkID)
        case ending
        case ended
    }

    private let loop: PeerLoop
    /// The node that was dialed; nil if the other side dialed.
    let dialed: UInt8?
    /// Who is at the other end, once that is known.
    var node: UInt8?
    /// The address of who is at the other end.
    let address: String
    /// Whether it counts as a stranger: it came, and has not said yet who it is.
    var isStranger: Bool
    /// What this end shows and takes.
    var credentials: PeerCredentials?
    /// What makes the connection secure.
    var secure: TLSHandler?
    private(set) var stage = Stage.handshaking
    private var context: ChannelHandlerContext?
    private var isPulling = false
    /// Why the connection ended, if something said so.
    private var reason: String?

    init(_ loop: PeerLoop, dialed: UInt8?, address: String) {
        self.loop = loop
        self.dialed = dialed
        self.address = address
        isStranger = dialed == nil
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
        secure = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let handshake = event as? TLSHandler.HandshakeFinished, stage == .handshaking { begin(handshake.peerNames) }
        context.fireUserInboundEventTriggered(event)
    }

    private func begin(_ names: TLSCertificateNames) {
        guard let id = loop.begin(self, names) else {
            stage = .ended
            loop.ended(self, nil, "")
            context?.close(promise: nil)
            return
        }
        stage = .linked(id)
        loop.obey()
        pull()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .linked(let id) = stage else { return }
        loop.received(unwrapInboundIn(data), on: id)
        pull()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pull()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if reason == nil { reason = "\(error)" }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func end() {
        let reason = reason ?? "the connection ended"
        switch stage {
        case .handshaking: loop.ended(self, nil, reason)
        case .linked(let id): loop.ended(self, id, reason)
        case .ending: loop.ended(self, nil, reason)
        case .ended: return
        }
        stage = .ended
    }

    /// Sends what the replicator has to say while the socket takes it.
    func pull() {
        guard case .linked(let id) = stage, !isPulling else { return }
        isPulling = true
        defer { isPulling = false }
        for _ in 0..<PeerSettings.pullsAtOnce {
            guard let context, context.channel.isWritable, case .linked = stage else { return }
            guard send(id) else {
                loop.pullWhenDue(id)
                return
            }
        }
        // Others have their turn first.
        loop.pullLater(self)
    }

    /// Sends one buffer full; false if there was nothing to say.
    private func send(_ id: LinkID) -> Bool {
        guard let context, let output = loop.pull(id) else { return false }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        loop.obey()
        return true
    }

    /// Sends what there is to say once more and closes the connection: at once if nothing is taken anyway.
    func finish() {
        guard case .linked(let id) = stage, let context else { return }
        guard context.channel.isWritable else {
            context.close(promise: nil)
            return
        }
        let output = loop.pull(id)
        stage = .ending
        if let output { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
        loop.left(id)
        // A socket that is closed over bytes that nobody read resets the connection, and what was said last with it. So what comes is read and
        // dropped until the peer, who sees the end, has closed his side.
        context.close(mode: .output, promise: nil)
        let linger = TimeAmount.milliseconds(PeerSettings.lingerTime)
        context.eventLoop.assumeIsolated().scheduleTask(in: linger) { [weak self] in
            self?.context?.close(promise: nil)
        }
    }

    /// Bytes that wait for the socket.
    var bytesWaiting: Int {
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Closes the connection without a word.
    ///
    /// - Parameter why: what the log says of it; nil for what ends it otherwise.
    func close(why: String? = nil) {
        reason = reason ?? why
        context?.close(promise: nil)
    }

    /// Whether the certificate at the other end was taken back, as later credentials have it.
    func isRevoked(by credentials: PeerCredentials) -> Bool {
        // What they began with, they were looked at with.
        guard let secure, self.credentials?.server !== credentials.server else { return false }
        return secure.isPeerRevoked(by: dialed == nil ? credentials.server : credentials.client)
    }
}
