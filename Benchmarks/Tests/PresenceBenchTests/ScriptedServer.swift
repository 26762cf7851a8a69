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

/// Answers whole commands, in order.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let answer: @Sendable ([String]) -> String
    private var held = ByteBuffer()

    init(_ answer: @escaping @Sendable ([String]) -> String) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        var answers = ""
        while let words = command() { answers += answer(words) }
        held.discardReadBytes()
        context.channel.writeAndFlush(ByteBuffer(string: answers), promise: nil)
    }

    /// The next command; nil if it is not whole.
    private func command() -> [String]? {
        var rest = held
        guard let count = AnswerHandler.number(&rest) else { return nil }
        var words: [String] = []
        for _ in 0..<count {
            guard let length = AnswerHandler.number(&rest), let word = rest.readString(length: length),
                rest.readSlice(length: 2) != nil
            else { return nil }
            words.append(word)
        }
        held = rest
        return words
    }

    /// The number of a line such as `$12`.
    private static func number(_ bytes: inout ByteBuffer) -> Int? {
        guard let end = bytes.readableBytesView.firstIndex(of: 10) else { return nil }
        let line = bytes.readString(length: end + 1 - bytes.readerIndex)
        return line.flatMap { Int($0.dropFirst().prefix(while: \.isNumber)) }
    }
}

/// What a server was asked, in order.
final class Asked: @unchecked Sendable {
    private let lock = NSLock()
    private var words: [[String]] = []

    var all: [[String]] { lock.withLock { words } }

    func append(_ command: [String]) { lock.withLock { words.append(command) } }
}
