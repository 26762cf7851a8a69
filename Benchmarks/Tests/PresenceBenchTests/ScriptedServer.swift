import Foundation
import NIOCore
import NIOPosix
import PresenceTLS

@testable import presence_bench

/// A server of the Redis protocol for one test: it keeps settings and says what it was asked.
final class ScriptedServer: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let listener: any Channel
    let port: Int

    /// - Parameter tls: what it speaks TLS with; plain text if nil.
    init(_ tls: TLSContext? = nil, _ answer: @escaping @Sendable ([String]) -> String) throws {
        let buffers = TLSBuffers()
        listener = try ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler(context: tls, buffers: buffers))
                    }
                    try channel.pipeline.syncOperations.addHandler(AnswerHandler(answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        port = listener.localAddress?.port ?? 0
    }

    deinit { try? group.syncShutdownGracefully() }
}

/// Answers whole commands, which the tests send one a write.
private final class AnswerHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let answer: @Sendable ([String]) -> String

    init(_ answer: @escaping @Sendable ([String]) -> String) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let lines = String(buffer: unwrapInboundIn(data)).components(separatedBy: "\r\n")
        let words = stride(from: 2, to: lines.count, by: 2).map { lines[$0] }
        context.channel.writeAndFlush(ByteBuffer(string: answer(words)), promise: nil)
    }
}

/// What a server was asked, in order.
final class Asked: @unchecked Sendable {
    private let lock = NSLock()
    private var words: [[String]] = []

    var all: [[String]] { lock.withLock { words } }

    func append(_ command: [String]) { lock.withLock { words.append(command) } }
}
