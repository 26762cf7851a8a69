import PresenceRESP

/// `SHUTDOWN`: the end of the server, at once or with time for its clients to go elsewhere.
enum ShutdownCommand {
    static let table: [Command] = [
        Command(
            "shutdown", "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT] [DRAIN seconds]", arity: -1,
            [.admin, .noScript, .loading, .stale, .noMulti], [.admin, .dangerous], since: "1.0.0", group: "server",
            "Stops the server in order; with DRAIN its connections are closed one after the other, evenly over the seconds",
            shutdown)
    ]

    /// The longest drain: a day, in seconds.
    private static let longestDrain: Int64 = 86_400

    /// What was asked for.
    private enum Request {
        case now, abort
        case drain(seconds: Int64)
    }

    @Sendable private static func shutdown(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        switch Self.request(request, bytes, &reply) {
        case nil: return
        case .abort:
            guard loop.server.drain.abort() else {
                // One without DRAIN that has begun cannot be stopped: it waits for nothing.
                reply.error("ERR No shutdown in progress.")
                return
            }
            loop.server.replication?.drain(seconds: 0)
            loop.server.logger.notice("the drain was ended by SHUTDOWN ABORT: this server stays")
            let handler = client.handler
            handler.suspend()
            loop.askPeers({ $0.endDrainWaits() }) { (_: [Void]) in handler.resume { $0.simple("OK") } }
        case .drain(let seconds) where seconds > 0: drain(seconds, loop, client)
        case .now, .drain:
            // As Redis: the reply is the end of the connection.
            client.closesAfterReply = true
            loop.server.shutdown()
        }
    }

    private static func drain(_ seconds: Int64, _ loop: ServerLoop, _ client: Client) {
        let server = loop.server
        let milliseconds = seconds * 1_000
        let number = server.drain.begin(milliseconds: milliseconds)
        server.replication?.drain(seconds: Int(seconds))
        server.logger.notice(
            "draining: connections are closed over \(seconds) s, then this server ends",
            metadata: ["connections": "\(server.clientCount.load(ordering: .relaxed))"])
        DrainWait.begin(for: client)
        for peer in loop.peers { peer.eventLoop.execute { peer.drain(number, milliseconds: milliseconds) } }
        loop.drainEnd?.cancel()
        loop.drainEnd = loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) {
            if server.drain.isOn(number) { server.shutdown() }
        }
    }

    /// Reads the options; nil and an error if they are none.
    private static func request(
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Request? {
        var words: Set<Word> = []
        var seconds: Int64?
        var index = 1
        while index < request.argumentCount {
            let word = Word(bytes, request.argument(index))
            if word == "DRAIN", index + 1 < request.argumentCount, seconds == nil {
                index += 1
                guard let number = Numbers.integer(bytes, request.argument(index)), (0...longestDrain).contains(number)
                else {
                    reply.error("ERR DRAIN takes 0 to \(longestDrain) seconds")
                    return nil
                }
                seconds = number
            } else {
                words.insert(word)
            }
            index += 1
        }
        let isKnown = words.isSubset(of: ["NOSAVE", "SAVE", "NOW", "FORCE", "ABORT"])
        let isContradiction =
            words.contains("SAVE") && words.contains("NOSAVE") || words.contains("NOW") && seconds != nil
            || words.contains("ABORT") && request.argumentCount > 2
        guard isKnown, !isContradiction else {
            reply.error("ERR syntax error")
            return nil
        }
        guard !words.contains("ABORT") else { return .abort }
        guard !words.contains("SAVE") else {
            reply.error(
                "ERR nothing is kept on disk, so there is nothing to save: SHUTDOWN or SHUTDOWN NOSAVE stops the server"
            )
            return nil
        }
        return seconds.map { .drain(seconds: $0) } ?? .now
    }
}
