import NIOCore
import NIOPosix
import Presence
import PresenceReplication
import PresenceTLS
import Synchronization

/// Says that it is a node of the cluster, has the secret to show for it, and sends what a test tells it to.
final class Forger: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel
    private let said: Said

    /// What the other side said, and what is to be said next.
    private final class Said: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer

        private struct State: ~Copyable {
            var reader = FrameReader()
            var writer = FrameWriter()
            var frames: [Frame] = []
        }

        private let state = Mutex(State())

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            state.withLock { state in
                var position = 0
                while let frame = try? state.reader.next(in: bytes.span, from: &position) {
                    state.frames.append(frame)
                    guard case .welcome(let welcome) = frame else { continue }
                    state.reader.open(version: welcome.version)
                    state.writer.open(version: welcome.version)
                }
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        var frames: [Frame] { state.withLock { $0.frames } }

        func bytes(_ frames: [Frame]) throws -> [UInt8] {
            try state.withLock { state in
                var output: [UInt8] = []
                for frame in frames { try state.writer.write(frame, to: &output) }
                return output
            }
        }
    }

    /// Connects as node 1, `n1`, and greets.
    init(_ node: LocalNode) async throws {
        var configuration = TLSConfiguration(role: .client)
        configuration.sharedKeys = [try LocalNode.secret.peerKey(ofCluster: node.cluster.name)]
        configuration.verifiesServer = false
        let context = try TLSContext(configuration)
        let said = Said()
        self.said = said
        channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(TLSHandler(context: context, buffers: TLSBuffers()))
                    try pipeline.addHandler(said)
                }
            }
            .connect(host: "127.0.0.1", port: node.cluster.own.peer?.port ?? 0).get()
        let clock = LocalNode.clock
        let identity = NodeIdentity(
            cluster: node.cluster.name, node: 1, name: "n1", incarnation: UInt64(clock.microseconds()),
            clock: clock.now(), settings: SharedSettings())
        try await send(.hello(Hello(identity: identity)))
    }

    /// One that has said hello: on a busy machine a handshake may take longer than a node waits for it, and is tried again.
    static func admitted(by node: LocalNode) async throws -> Forger {
        for _ in 0..<4 { if let forger = try? await Forger(node) { return forger } }
        return try await Forger(node)
    }

    /// Whether the other side has let it in, and has not closed the connection.
    var isOpen: Bool { channel.isActive }

    /// Whether its greeting was answered: it may send what it likes.
    var isWelcome: Bool { frames.contains { if case .welcome = $0 { true } else { false } } }

    /// What came.
    var frames: [Frame] { said.frames }

    /// Sends frames as they should be, or what `spoil` makes of their bytes.
    func send(_ frames: Frame..., spoil: (inout [UInt8]) -> Void = { _ in }) async throws {
        var bytes = try said.bytes(frames)
        spoil(&bytes)
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    func leave() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }
}
