import Presence

@testable import PresenceStore

/// What a node had taken, and not told, when it was stopped or killed: nobody else can show what follows from it.
///
/// Three things are not told at once, and each matters until a limit. That a session beat: the others end it too early, until its TTL is over. That a person
/// did something who was not idle: they call him idle or away too early, until he is. And the lease of a gateway that is lost as well: the others end its
/// sessions too late, when their TTL is over. All else is told when it is written, and insisted on.
extension Simulation {
    /// Whether what is true of a user may follow from what a lost node alone knew.
    func mayFollowFromWhatIsLost(ofUser index: Int) -> Bool {
        workload.clients(ofUser: index).contains { hasLostBeat(of: $0) || hasLostAct(of: $0) }
    }

    /// Until when what is told late is waited for, in milliseconds behind a limit.
    private static let patience = margin + 500

    /// Its last sign of life was taken by a node that was lost, and is known to nobody; of a lease nobody else knows.
    private func hasLostBeat(of client: Workload.Client) -> Bool {
        guard isLost(client.beatNode, since: client.lastBeat),
            milliseconds <= client.lastBeat + Workload.ttl + Simulation.patience
        else { return false }
        return client.gateway != nil || !isKnown(of: client) { $0.heartbeat >= instant(client.lastBeat) }
    }

    /// Whether a beat that a lost node had told another one is not known at a node: what one of the others tells is not told on, and found by comparing once
    /// they differ.
    func mayBeFoundByComparing(ofUser index: Int, at node: SimulatedNode) -> Bool {
        workload.clients(ofUser: index).contains { client in
            isLost(client.beatNode, since: client.lastBeat)
                && !isKnown(of: client, at: node) { $0.heartbeat >= instant(client.lastBeat) }
        }
    }

    /// How long comparing takes to mend what differs, in milliseconds: a pass, a second look, and messages.
    static let comparing: Int64 = 5_000

    private func hasLostAct(of client: Workload.Client) -> Bool {
        guard let act = client.lastAct, isLost(act.node, since: act.at),
            milliseconds <= act.at + Simulation.policy.awayAfter + Simulation.patience
        else { return false }
        return !isKnown(of: client) { $0.activity ?? .distantPast >= instant(act.at) }
    }

    /// Whether a node that took something then cannot tell of it.
    private func isLost(_ node: Int, since milliseconds: Int64) -> Bool {
        // What a node had taken when it left in good order it has told.
        if nodes[node].leftAt >= milliseconds { return false }
        return !nodes[node].isUp || nodes[node].isPaused || nodes[node].restartedAt > milliseconds
    }

    /// Whether any node that is there knows something of a client's session.
    private func isKnown(of client: Workload.Client, _ isKnown: (Session) -> Bool) -> Bool {
        nodes.contains { $0.isUp && !$0.isPaused && self.isKnown(of: client, at: $0, isKnown) }
    }

    private func isKnown(
        of client: Workload.Client, at node: SimulatedNode, _ isKnown: (Session) -> Bool
    ) -> Bool {
        node.store.explain(client.user.utf8.span, for: nil, at: node.clock.now()).sessions
            .contains { $0.id == Array(client.session.utf8) && isKnown($0.facts) }
    }

    /// An instant of simulated time by the clocks of nodes, none of which is off.
    private func instant(_ milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: SimulatedClock.epoch / 1_000_000 + milliseconds)
    }
}
