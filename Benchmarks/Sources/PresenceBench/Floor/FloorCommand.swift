import ArgumentParser
import NIOCore
import NIOPosix

/// A server that does nothing, on SwiftNIO as it comes: it finds the commands of a read and answers each `:1` by a write to its channel. Started by `load --floor`.
///
/// It is what a handler costs that leaves the rest to SwiftNIO, and not the least that is possible: presenced sends past the channel and can be below it.
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
