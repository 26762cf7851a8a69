import Presence
import PresenceStore
import PresenceTesting

/// Gateways: each holds clients that do not beat themselves, and keeps them alive with one lease at the node that it reaches.
///
/// It goes to another node when its own is gone, and now and then without a reason, also to the other side of a cut. It dies, which its lease tells, or
/// whoever watches over it drops it at some node, and it comes back.
extension Workload {
    struct Gateway {
        let name: String
        var node: Int
        var isUp = true
        /// Whether it died and has not reached a node since.
        var beginsAnew = false
    }

    /// How long a lease lasts, and how often it is renewed, in milliseconds. Cuts last longer at times.
    static let lease: Int64 = 6_000
    static let renewalInterval: Int64 = 2_000

    /// Has as many gateways hold the second client of every user.
    mutating func addGateways(_ count: Int, nodes: Int) {
        gateways = (0..<count).map { Gateway(name: "gate-\($0)", node: $0 % nodes) }
        for index in clients.indices where index % 2 == 1 && count > 0 { clients[index].gateway = index / 2 % count }
    }

    /// A gateway renews its lease, and opens anew whatever the node does not know.
    mutating func renew(_ number: Int, _ simulation: Simulation) {
        simulation.later(
            .renew(number),
            milliseconds: Workload.renewalInterval + Int64.random(in: -200...200, using: &simulation.random))
        guard gateways[number].isUp else {
            // It is set up again a while after its sessions have ended.
            if simulation.random.chance(oneIn: 10) || isQuiet { gateways[number].isUp = true }
            return
        }
        if !isQuiet, simulation.random.chance(oneIn: 60) { return end(number, simulation) }
        if !reaches(gateways[number].node, simulation) || !isQuiet && simulation.random.chance(oneIn: 12) {
            guard let node = anyNode(simulation) else { return }
            gateways[number].node = node
        }
        let node = simulation.nodes[gateways[number].node]
        // Its lease would be one for sessions of before as well, where the node that knew of their end was lost.
        if gateways[number].beginsAnew, simulation.scale.outage != nil { drop(number, at: node, simulation) }
        gateways[number].beginsAnew = false
        do throws(StoreError) {
            try node.store.lease(
                gateways[number].name.utf8.span, forMilliseconds: Workload.lease, at: node.clock.now())
        } catch {
            simulation.checkers.fail(simulation, "\(gateways[number].name) has no lease: \(error)")
        }
        note(.lease(gateways[number].name), of: nil, at: node.index, simulation)
        // A lease takes sessions over in slices.
        node.store.advance(to: node.clock.now())
        for index in clients.indices where clients[index].gateway == number && clients[index].isConnected {
            var client = clients[index]
            client.node = gateways[number].node
            let known = node.store.sessions(of: client.user.utf8.span, at: node.clock.now())
            if known.contains(where: { $0.id == Array(client.session.utf8) && $0.status != .offline }) {
                signed(&client, simulation)
                note(
                    .sign(client, server: server(of: client), isActive: false, isLeased: true), of: client.user,
                    at: node.index, simulation)
            } else {
                open(&client, simulation)
            }
            clients[index] = client
        }
        simulation.settle(node)
    }

    /// It dies, and nobody but its lease tells; or somebody sees it die.
    private mutating func end(_ number: Int, _ simulation: Simulation) {
        gateways[number].isUp = false
        gateways[number].beginsAnew = true
        simulation.note("\(gateways[number].name) ends")
        for index in clients.indices where clients[index].gateway == number && clients[index].isConnected {
            clients[index].isConnected = false
            doubt(clients[index].user, simulation)
        }
        guard simulation.random.chance(oneIn: 2), let at = anyNode(simulation) else { return }
        let node = simulation.nodes[at]
        drop(number, at: node, simulation)
        simulation.settle(node)
    }

    private mutating func drop(_ number: Int, at node: SimulatedNode, _ simulation: Simulation) {
        do throws(StoreError) {
            try node.store.drop(gateways[number].name.utf8.span, at: node.clock.now())
            note(.drop(gateways[number].name), of: nil, at: node.index, simulation)
        } catch {
            simulation.checkers.fail(simulation, "\(gateways[number].name) cannot be dropped: \(error)")
        }
    }
}
