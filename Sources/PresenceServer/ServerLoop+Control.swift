/// What the server as a whole asks of a loop.
extension ServerLoop {
    /// Puts changed settings in force for this loop and its clients.
    func apply(_ changed: ServerConfiguration) {
        let hadOtherNotifications = changed.keyspaceNotifications != configuration.keyspaceNotifications
        configuration = changed
        password = Password(changed.password)
        server.slowLog.setLimit(changed.slowLogLength)
        updateScrutiny()
        for client in clients.values { client.handler.limitsChanged() }
        if hadOtherNotifications { updatePublisher() }
    }

    /// Closes all clients once their replies have left.
    func closeClients() {
        for client in Array(clients.values) { client.handler.closeGracefully() }
    }

    /// Asks every loop something and hands the answers, in the order of the loops, to `completion` on this one.
    func askPeers<Answer: Sendable>(
        _ question: @escaping @Sendable (ServerLoop) -> Answer, _ completion: @escaping ([Answer]) -> Void
    ) {
        askPeersInTurns({ peer, answer in answer(question(peer)) }, completion)
    }

    /// The same where a loop takes several turns for its answer, which it hands to the closure that it is given.
    func askPeersInTurns<Answer: Sendable>(
        _ question: @escaping @Sendable (ServerLoop, @escaping @Sendable (Answer) -> Void) -> Void,
        _ completion: @escaping ([Answer]) -> Void
    ) {
        let answers = PendingAnswers<Answer>(count: peers.count, completion)
        for (place, peer) in peers.enumerated() {
            peer.eventLoop.execute {
                question(peer) { answer in self.eventLoop.execute { answers.take(answer, place) } }
            }
        }
    }

    /// Does on another thread what must wait, and hands its result to `completion` on this loop.
    func besides<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, _ completion: @escaping (Result) -> Void
    ) {
        let answers = PendingAnswers<Result>(count: 1) { completion($0[0]) }
        let eventLoop = eventLoop
        Task.detached {
            let result = work()
            eventLoop.execute { answers.take(result, 0) }
        }
    }

    /// Sets the counters of all loops to zero.
    func resetCounters() {
        for peer in peers {
            if peer === self {
                counters.reset()
            } else {
                peer.eventLoop.execute { peer.counters.reset() }
            }
        }
    }
}

/// Answers that come in one by one. Touched on the loop that asked only, hence `@unchecked Sendable`.
private final class PendingAnswers<Answer: Sendable>: @unchecked Sendable {
    private var answers: [Answer?]
    private var missing: Int
    private let completion: ([Answer]) -> Void

    init(count: Int, _ completion: @escaping ([Answer]) -> Void) {
        answers = Array(repeating: nil, count: count)
        missing = count
        self.completion = completion
    }

    func take(_ answer: Answer, _ place: Int) {
        answers[place] = answer
        missing -= 1
        if missing == 0 { completion(answers.compactMap { $0 }) }
    }
}
