import NIOCore

/// Ends connections for what lies outside of the protocol: a certificate that was taken back.
extension RESPServer {
    /// Closes those connections of which `condition` says so, as `CLIENT KILL` does, some at a time: in between each event loop does what else there is.
    ///
    /// A call while another one is under way takes its place. Any thread.
    ///
    /// - Parameters:
    ///   - condition: asked of each connection's channel, on its event loop.
    ///   - ended: told on each event loop how many it closed, once it has asked of all.
    public func endConnections(
        where condition: @escaping @Sendable (any Channel) -> Bool, then ended: @escaping @Sendable (Int) -> Void
    ) {
        for loop in loops {
            loop.eventLoop.execute { loop.endConnections(where: condition, then: ended) }
        }
    }
}

extension ServerLoop {
    /// Connections that are asked of at a time: verifying a certificate takes some 100 us.
    private static let connectionsPerSlice = 8

    fileprivate func endConnections(
        where condition: @escaping (any Channel) -> Bool, then ended: @escaping (Int) -> Void
    ) {
        endingPass &+= 1
        endConnections(of: Array(clients.keys)[...], pass: endingPass, count: 0, where: condition, then: ended)
    }

    private func endConnections(
        of waiting: ArraySlice<Int>, pass: Int, count: Int, where condition: @escaping (any Channel) -> Bool,
        then ended: @escaping (Int) -> Void
    ) {
        guard pass == endingPass else { return }
        var count = count
        for id in waiting.suffix(ServerLoop.connectionsPerSlice) {
            guard let handler = clients[id]?.handler, let channel = handler.context?.channel else { continue }
            if condition(channel), handler.kill() { count += 1 }
        }
        let rest = waiting.dropLast(ServerLoop.connectionsPerSlice)
        guard !rest.isEmpty else { return ended(count) }
        afterOthers { [self, count] in
            endConnections(of: rest, pass: pass, count: count, where: condition, then: ended)
        }
    }
}
