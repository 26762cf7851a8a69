import Presence
import PresenceStore
import PresenceTesting

/// People and what they do: they come, beat, act, set, block and go, at whatever node they reach. It keeps what is true.
struct Workload {
    static let beatInterval: Int64 = 5_000
    static let ttl: Int64 = 20_000

    /// One client: it beats where it is connected, and goes to another node when that one is gone.
    struct Client {
        let user: String
        let session: String
        var node: Int
        var isConnected = false
        /// When a node last took its beat, or opened its session, in milliseconds of simulated time.
        var lastBeat: Int64 = 0
        /// The node that took that.
        var beatNode = 0
        /// When a node last took that a person did something, and which; nil if nobody did since the session was opened.
        var lastAct: (at: Int64, node: Int)?
        /// Since when it has been connected without a break.
        var since: Int64 = 0
        var isPassive = false
        /// The gateway that keeps it alive, by its place; nil if it beats.
        var gateway: Int?
    }

    let users: [String]
    var clients: [Client] = []
    var gateways: [Gateway] = []
    /// Whether nobody does anything but beat.
    var isQuiet = false
    /// What is true of the users.
    var truth: Truth
    /// What each node can know of it; nil where nobody asks.
    var knowledge: Knowledge?
    /// Users of whom somebody has ended something: a node may have heard of that, and his clients not yet.
    var unsure: [String: Int64] = [:]
    /// The last instant at which any node took a sign of life of a user.
    var lastSign: [String: Int64] = [:]

    init(users count: Int) {
        users = (0..<count).map { "user-\($0)" }
        truth = Truth(users: users, Simulation.policy)
        for user in users {
            for session in ["phone", "web"] { clients.append(Client(user: user, session: session, node: 0)) }
        }
    }

    /// The clients of a user, by his place.
    func clients(ofUser index: Int) -> ArraySlice<Client> { clients[2 * index..<2 * index + 2] }

    // MARK: - Beating

    mutating func beat(_ index: Int, _ simulation: Simulation) {
        var client = clients[index]
        guard client.isConnected else { return }
        defer { clients[index] = client }
        if !reaches(client.node, simulation) || simulation.random.chance(oneIn: 40) {
            guard let node = anyNode(simulation) else {
                simulation.later(.beat(index), milliseconds: 500)
                return
            }
            client.node = node
        }
        // Beats that divide the TTL evenly are saved by the margin where a node takes the last of them with it.
        let jitter: Int64 = simulation.scale.outage == .leave ? 2_500 : 300
        simulation.later(
            .beat(index),
            milliseconds: Workload.beatInterval + Int64.random(in: -jitter...jitter, using: &simulation.random))
        let node = simulation.nodes[client.node]
        // What is told of activity brings heartbeats with it.
        let isActive = simulation.random.chance(oneIn: simulation.scale.outage == .leave ? 50 : 3)
        if node.store.beat(
            client.user.utf8.span, session: client.session.utf8.span, isActive: isActive, at: node.clock.now())
        {
            signed(&client, simulation)
            if isActive { client.lastAct = (simulation.milliseconds, client.node) }
            note(
                .sign(client, server: server(of: client), isActive: isActive, isLeased: false), of: client.user,
                at: client.node, simulation)
        } else {
            open(&client, simulation)
        }
        simulation.settle(node)
    }

    /// What a client's session names as its server: its gateway, if it has one.
    func server(of client: Client) -> String { client.gateway.map { gateways[$0].name } ?? "gate" }

    func reaches(_ node: Int, _ simulation: Simulation) -> Bool {
        let node = simulation.nodes[node]
        // The service lets nobody in who would be shown less than there is.
        let mustBeReady = simulation.scale.outage == .kill || simulation.scale.outage == .leave
        return node.isUp && !node.isPaused && !node.isLeaving && (!mustBeReady || node.replicator.isReady)
    }

    func anyNode(_ simulation: Simulation) -> Int? {
        let there = simulation.servers.filter { reaches($0, simulation) }
        return there.isEmpty ? nil : simulation.random.pick(there)
    }

    mutating func signed(_ client: inout Client, _ simulation: Simulation) {
        client.lastBeat = simulation.milliseconds
        client.beatNode = client.node
        lastSign[client.user] = simulation.milliseconds
    }

    mutating func open(_ client: inout Client, _ simulation: Simulation) {
        let node = simulation.nodes[client.node]
        let options = ConnectOptions(ttlMilliseconds: Workload.ttl, isPassive: client.isPassive)
        let server = server(of: client)
        do throws(StoreError) {
            try node.store.connect(
                client.user.utf8.span, session: client.session.utf8.span, device: "mobile".utf8.span,
                platform: "ios".utf8.span, server: server.utf8.span, options, at: node.clock.now())
            client.isConnected = true
            client.since = simulation.milliseconds
            client.lastAct = nil
            signed(&client, simulation)
            note(.open(client, server: server), of: client.user, at: client.node, simulation)
        } catch {
            simulation.checkers.fail(simulation, "\(client.user) cannot connect: \(error)")
        }
    }

    // MARK: - Doing

    mutating func act(_ simulation: Simulation) {
        guard !isQuiet, let at = anyNode(simulation) else { return }
        let node = simulation.nodes[at]
        let index = Int.random(in: clients.indices, using: &simulation.random)
        let user = clients[index].user
        let other = simulation.random.pick(users)
        let now = node.clock.now()
        do throws(StoreError) {
            // Where nodes stop, what they announce is followed: nobody does what makes it unsure.
            let deeds =
                switch simulation.scale.outage {
                case .stop, .leave: [0, 0, 0, 11, 14, 16, 19]
                case .kill: [0, 0, 0, 0, 9, 11, 12, 14, 16, 19]
                case nil: Array(0..<24)
                }
            switch simulation.random.pick(deeds) {
            case 0..<9:
                guard !clients[index].isConnected else { return }
                clients[index].node = at
                if let gateway = clients[index].gateway {
                    guard gateways[gateway].isUp, reaches(gateways[gateway].node, simulation) else { return }
                    clients[index].node = gateways[gateway].node
                }
                clients[index].isPassive = simulation.random.chance(oneIn: 12)
                var client = clients[index]
                open(&client, simulation)
                clients[index] = client
                if client.gateway == nil { simulation.later(.beat(index), milliseconds: Workload.beatInterval) }
            case 9, 10:
                guard clients[index].isConnected, reaches(clients[index].node, simulation) else { return }
                clients[index].isConnected = false
                doubt(user, simulation)
                let home = simulation.nodes[clients[index].node]
                let reason = simulation.random.pick([Reason.disconnect, .wsDisconnect])
                home.store.disconnect(
                    user.utf8.span, session: clients[index].session.utf8.span, reason: reason, at: home.clock.now())
                note(.close(clients[index], reason), of: user, at: home.index, simulation)
                simulation.settle(home)
            case 11:
                // It vanishes without a word. A gateway would notice.
                guard clients[index].gateway == nil else { return }
                clients[index].isConnected = false
            case 12, 13:
                var change = UserSettings()
                if simulation.random.chance(oneIn: 2) {
                    change.status = .some(simulation.random.pick([nil, nil, .dnd, .away, .invisible]))
                }
                if simulation.random.chance(oneIn: 2) { change.activity = .some(Array("reading".utf8)) }
                guard change.changesSomething else { return }
                doubt(user, simulation)
                try node.store.set(user.utf8.span, change, at: now)
                if let status = change.status { note(.set(status), of: user, at: at, simulation) }
            case 14, 15:
                guard user != other else { return }
                let change = simulation.random.pick(RelationChange.allCases)
                let range = [KeyRange(offset: 0, length: other.utf8.count)]
                _ = try node.store.relate(user.utf8.span, change, to: other.utf8.span, range.span, at: now)
                simulation.receipts.wrote(user, other, at: node, of: simulation.nodes)
            case 16..<19:
                let key = "key-\(Int.random(in: 0..<20, using: &simulation.random))"
                let options = StringSetOptions(
                    expiry: simulation.random.chance(oneIn: 2)
                        ? .at(now.advanced(byMilliseconds: Int64.random(in: 1...20_000, using: &simulation.random)))
                        : .none)
                _ = try node.store.setString(
                    key.utf8.span, "value-\(simulation.milliseconds)".utf8.span, options, at: now)
            case 19:
                let key = "key-\(Int.random(in: 0..<20, using: &simulation.random))"
                node.store.remove(.string, key.utf8.span, at: now)
            case 20: delete(user, at: node, simulation)
            case 21:
                guard simulation.random.chance(oneIn: 30) else { return }
                for user in users { doubt(user, simulation) }
                let stamp = node.store.beginRemoveAll(at: now)
                var cursor: UInt64 = 0
                repeat { cursor = node.store.removeAll(from: cursor, upTo: stamp, at: now) } while cursor != 0
                node.replicator.flushed(stamp)
                note(.removeAll, of: nil, at: at, simulation)
                simulation.note("flush \(at)")
            default: return
            }
        } catch {
            simulation.checkers.fail(simulation, "\(user): \(error)")
        }
        simulation.settle(node)
    }

    /// `DEL` of a user's key.
    mutating func delete(_ user: String, at node: SimulatedNode, _ simulation: Simulation) {
        doubt(user, simulation)
        let unheard = sessionsUnheard(of: user, at: node, simulation)
        node.store.remove(.presence, user.utf8.span, at: node.clock.now())
        note(.remove(unheard: unheard), of: user, at: node.index, simulation)
    }

    /// Sessions that were opened, or opened anew, where a node has not heard of it yet.
    private func sessionsUnheard(
        of user: String, at node: SimulatedNode, _ simulation: Simulation
    ) -> Set<String> {
        let heard = node.incarnations(of: user)
        var unheard: Set<String> = []
        for other in simulation.nodes where other.isUp {
            for (session, incarnation) in other.incarnations(of: user) where incarnation > heard[session] ?? .zero {
                unheard.insert(session)
            }
        }
        return unheard
    }

    /// Somebody did something, and a node took it.
    mutating func note(_ kind: Deed.Kind, of user: String?, at node: Int, _ simulation: Simulation) {
        let deed = Deed(kind: kind, user: user, at: simulation.milliseconds, node: node)
        truth.take(deed)
        knowledge?.take(deed)
        simulation.checkers.take(deed)
    }

    /// That a user who beats is shown is not insisted on for a while: until what was done has come to all, and his clients have noticed.
    mutating func doubt(_ user: String, _ simulation: Simulation) {
        unsure[user] = simulation.milliseconds
    }
}
