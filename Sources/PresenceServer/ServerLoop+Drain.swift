import PresenceStore

/// An event loop's part in a drain: see ``Drain``.
extension ServerLoop {
    /// Begins to close this loop's connections, as the drain of that number.
    func drain(_ number: Int, milliseconds: Int64) {
        let now = server.clock.now()
        let clients = clients.values.filter { !($0.wait is DrainWait) }
            .map { (id: $0.id, idle: now.milliseconds(since: $0.lastCommandAt)) }
        planDrain(number, DrainPlan(clients, milliseconds: milliseconds))
    }

    private func planDrain(_ number: Int, _ plan: DrainPlan) {
        guard !plan.isDone else { return }
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(DrainPlan.stepMilliseconds)) { [self] in
            guard server.drain.isOn(number) else { return }
            var plan = plan
            for id in plan.next() {
                guard let client = clients[id], !(client.wait is DrainWait) else { continue }
                if client.isSuspended, client.wait == nil {
                    // Its command is on its way between event loops: it is answered first.
                    plan.postpone(id)
                } else {
                    client.handler.closeGracefully()
                }
            }
            planDrain(number, plan)
        }
    }

    /// Tells this loop's clients that wait for the end of the server that it stays.
    func endDrainWaits() {
        for client in Array(clients.values) { (client.wait as? DrainWait)?.end() }
    }
}

/// A client that waits for the end of the server. Touched on its event loop only.
final class DrainWait: ClientWait {
    private let client: Client

    private init(_ client: Client) { self.client = client }

    /// Lets the client wait: the end of its connection is the reply.
    static func begin(for client: Client) {
        client.wait = DrainWait(client)
        client.handler.wait()
    }

    func cancel() { client.wait = nil }

    /// The server stays.
    func end() {
        cancel()
        client.handler.resume { $0.error("ERR SHUTDOWN ABORT has ended the drain: the server stays") }
    }
}
