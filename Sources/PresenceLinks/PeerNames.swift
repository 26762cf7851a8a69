import NIOCore
import NIOPosix
import Synchronization

/// Looks up the names of other nodes, each on a thread of its own: one that nobody answers for keeps no other node from being dialed. (NIO looks up all names of
/// an event loop one after the other, and a look-up that nobody waits for any more goes on.)
///
/// **Kept true.** A name is looked up once at a time, and there is a thread for each: none ever waits for another. Once it is stopped nobody waits, and what is
/// found is nobody's.
final class PeerNames: Sendable {
    /// Finds the addresses of a host, and may take long.
    typealias Lookup = @Sendable (_ host: String, _ port: Int) throws -> [SocketAddress]

    private struct Key: Hashable {
        var host: String
        var port: Int
    }

    private struct State {
        /// Made for the first name.
        var threads: NIOThreadPool?
        var underWay: [Key: EventLoopPromise<[SocketAddress]>] = [:]
        var isOver = false
    }

    private let count: Int
    private let eventLoop: any EventLoop
    private let lookup: Lookup
    private let state = Mutex(State())

    /// - Parameters:
    ///   - count: how many names there are.
    ///   - eventLoop: that of who dials.
    ///   - lookup: the system's.
    init(_ count: Int, eventLoop: any EventLoop, lookup: @escaping Lookup) {
        self.count = count
        self.eventLoop = eventLoop
        self.lookup = lookup
    }

    /// For one connection.
    func resolver() -> some Resolver & Sendable { PeerResolver(self) }

    /// Whoever waits is told so; look-ups that are under way end by themselves. On the event loop.
    func stop() {
        let (threads, waiting) = state.withLock { state in
            state.isOver = true
            defer { (state.threads, state.underWay) = (nil, [:]) }
            return (state.threads, state.underWay.values)
        }
        for promise in waiting { promise.fail(ChannelError.ioOnClosedChannel) }
        threads?.shutdownGracefully { _ in }
    }

    func addresses(of host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        let key = Key(host: host, port: port)
        let found = state.withLock { state -> (addresses: EventLoopFuture<[SocketAddress]>, threads: NIOThreadPool?)? in
            if state.isOver { return nil }
            if let promise = state.underWay[key] { return (promise.futureResult, nil) }
            let threads = state.threads ?? NIOThreadPool(numberOfThreads: max(count, 1))
            if state.threads == nil { threads.start() }
            state.threads = threads
            let promise = eventLoop.makePromise(of: [SocketAddress].self)
            state.underWay[key] = promise
            return (promise.futureResult, threads)
        }
        guard let found else { return eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        found.threads?.submit { [self] work in
            if case .active = work { end(key, Result { try lookup(host, port) }) }
        }
        return found.addresses
    }

    /// Within the lock, so that the event loop is not over yet: ``stop()`` comes before its end.
    private func end(_ key: Key, _ result: Result<[SocketAddress], any Error>) {
        state.withLock { state in
            switch result {
            case .success(let addresses): state.underWay.removeValue(forKey: key)?.succeed(addresses)
            case .failure(let error): state.underWay.removeValue(forKey: key)?.fail(error)
            }
        }
    }
}

/// Hands the addresses of one host to who connects, those of version 6 apart.
private final class PeerResolver: Resolver, Sendable {
    private let names: PeerNames

    init(_ names: PeerNames) { self.names = names }

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        names.addresses(of: host, port: port).map { $0.filter { $0.protocol != .inet6 } }
    }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        names.addresses(of: host, port: port).map { $0.filter { $0.protocol == .inet6 } }
    }

    func cancelQueries() {}
}
