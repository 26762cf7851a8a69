import PresenceRESP
import PresenceStore

/// Long work goes in slices, so that nobody waits for it but the client that asked for it.
extension ServerLoop {
    /// For how long steps may run between two looks at sockets, in microseconds; the last one goes on to its end.
    private static let stepsMicroseconds: Int64 = 1_000
    /// How long the loop needs, once it has nothing to do, until it looks at its sockets.
    private static let lookMicroseconds: Int64 = 50

    /// Runs `step` once sockets and timers have had their turn, behind the steps that wait already.
    ///
    /// All steps of the loop are one line, so that those of two clients do not follow each other for ever: NIO runs whatever is due before it looks at
    /// sockets again, also what became due meanwhile.
    func afterOthers(_ step: @escaping () -> Void) {
        waitingSteps.append(step)
        guard !areStepsPlanned else { return }
        areStepsPlanned = true
        planSteps(inMicroseconds: ServerLoop.lookMicroseconds)
    }

    private func planSteps(inMicroseconds delay: Int64) {
        let planned = eventLoop.assumeIsolated().scheduleTask(in: .microseconds(delay)) { self.runSteps() }
        // The event loop ends: nobody will run them, and they know this object.
        planned.futureResult.whenFailure { _ in self.waitingSteps = WaitingSteps() }
    }

    private func runSteps() {
        let start = Stopwatch.microseconds()
        var elapsed: Int64 = 0
        // What a step leaves for later waits for the next look, too.
        var count = waitingSteps.count
        repeat {
            waitingSteps.removeFirst()()
            count -= 1
            elapsed = Stopwatch.microseconds() - start
        } while count > 0 && elapsed < ServerLoop.stepsMicroseconds
        guard !waitingSteps.isEmpty else {
            areStepsPlanned = false
            return
        }
        // After a step that took long a tick is due, and runs before sockets are looked at: the next step leaves room for both.
        let tookLong = elapsed > 2 * ServerLoop.stepsMicroseconds
        planSteps(inMicroseconds: tookLong ? elapsed : ServerLoop.lookMicroseconds)
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
