import PresenceRESP

/// Long work goes in slices, so that nobody waits for it but the client that asked for it.
extension ServerLoop {
    /// Runs `step` once sockets and timers have had their turn.
    func afterOthers(_ step: @escaping () -> Void) {
        // Not `execute`: NIO runs what is executed meanwhile before it looks at sockets again.
        eventLoop.assumeIsolated().scheduleTask(in: .microseconds(200), step)
    }

    /// Runs `slice` until it says that it is done, then answers the client with `write`.
    ///
    /// The first slice runs at once: work that fits it waits for nothing. Within EXEC all of it does, since its shards are held. A client that is
    /// gone meanwhile ends the work, unless it `outlivesClient`: a flush that began is finished.
    ///
    /// - Parameters:
    ///   - slice: does a part, about a millisecond of it, and returns whether it was the last. `loop.now` is its time.
    ///   - write: writes the reply.
    func inSlices(
        for client: Client, outlivesClient: Bool = false, _ reply: inout ReplyBuffer, _ slice: @escaping () -> Bool,
        _ write: @escaping (inout ReplyBuffer) -> Void
    ) {
        var isDone = slice()
        while isExecuting, !isDone { isDone = slice() }
        guard !isDone else {
            write(&reply)
            return
        }
        let handler = client.handler
        handler.suspend()
        goOn(handler, client, outlivesClient, slice, write)
    }

    private func goOn(
        _ handler: ClientHandler, _ client: Client, _ outlivesClient: Bool, _ slice: @escaping () -> Bool,
        _ write: @escaping (inout ReplyBuffer) -> Void
    ) {
        afterOthers { [self] in
            guard outlivesClient || clients[client.id] === client else { return }
            beginTurn(isTimed: true)
            readTime()
            let isDone = slice()
            deliverEvents(current: nil, &self.reply)
            finishBatch()
            endTurn()
            if isDone {
                handler.resume(write)
            } else {
                goOn(handler, client, outlivesClient, slice, write)
            }
        }
    }
}
