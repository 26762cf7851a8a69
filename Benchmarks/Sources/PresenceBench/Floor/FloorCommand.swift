import ArgumentParser
import NIOCore
import NIOPosix

/// The least that a server on SwiftNIO can do: it finds the commands of a read and answers each `:1`. Started by `load --floor`.
struct FloorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "floor-server",
        abstract: "A server that finds commands and answers :1 to all of them, with two event loops.",
        shouldDisplay: false)

    @Option(help: "The port, on the loopback interface.")
    var port: Int

    func run() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let channel = try ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 512)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(FloorHandler()) }
            }
            .bind(host: "127.0.0.1", port: port).wait()
        try channel.closeFuture.wait()
    }
}
