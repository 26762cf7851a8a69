import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import PresenceTesting

/// Several nodes, a network that fails and people who use them, on one thread and from one seed.
///
/// All time is simulated: an event happens, the nodes that it concerns say what they have to say, and what they say arrives later. The types are those of
/// the service; only sockets and clocks are not. What people do is in `Workload`, what must hold in `Checkers`, what goes wrong in `Chaos`.
final class Simulation {
    static let margin: Int64 = 2_000
    static let hardLimit: Int64 = 60_000
    static let policy: Policy = {
        var policy = Policy()
        policy.heartbeatHardLimit = hardLimit
        policy.idleAfter = 12_000
        policy.awayAfter = 24_000
        policy.lostGrace = 2_000
        return policy
    }()
    /// Between two ticks of a node, in nanoseconds.
    private static let tickInterval: Int64 = 20_000_000

    enum Event {
        case tick(Int)
        case deliver(connection: Int, to: Int, [UInt8])
        /// The other end has closed.
        case closed(connection: Int, to: Int)
        case connect(from: Int, to: Int)
        case dialFailed(from: Int, to: Int)
        case act
        case beat(Int)
        case renew(Int)
        case chaos
        case heal(String, [[Int]])
        case resume(Int)
        case restart(Int)
        case left(Int)
        case look
    }

    let seed: UInt64
    let scale: Scale
    /// What people do follows from this, what goes wrong from another one, and from a third how bytes travel: a node that tells more or less has the same life.
    var random: SeededRandom
    var failures: SeededRandom
    var queue = EventQueue<Event>()
    /// Nanoseconds since the beginning.
    var world: Int64 = 0
    var nodes: [SimulatedNode] = []
    var network: SimulatedNetwork
    var workload: Workload
    var checkers: Checkers
    var receipts = BlockReceipts()
    /// What the nodes' fault points decide with.
    let faults: Faults
    /// What happened: the same seed gives the same.
    var trace = Trace()
    /// What nodes were sent that was no frame, as they say it.
    private(set) var frameErrors: [String] = []
    /// When anything was last not as it should be, in nanoseconds.
    var lastTrouble: Int64 = 0
    var isChaotic: Bool

    init(seed: UInt64, scale: Scale = Scale()) throws {
        self.seed = seed
        self.scale = scale
        random = SeededRandom(seed: seed)
        failures = SeededRandom(seed: seed ^ 0xFA11)
        network = SimulatedNetwork(random: SeededRandom(seed: seed ^ 0xBE7))
        faults = Faults(seed: seed, isOn: scale.hasChaos && scale.hasFaults)
        isChaotic = scale.hasChaos || scale.outage != nil
        workload = Workload(users: scale.users)
        workload.addGateways(scale.gateways, nodes: scale.nodes)
        if scale.asksForKnowledge { workload.knowledge = Knowledge(users: workload.users, Simulation.policy) }
        checkers = Checkers(
            nodes: scale.nodes + scale.followers, hearsAll: !scale.hasChaos && scale.outage == nil && scale.flaw == nil)
        let lines = try (1...scale.nodes + scale.followers).map { number in
            try ClusterNode(
                number: number, name: "n\(number)",
                resp: number <= scale.nodes ? ClusterAddress(host: "127.0.0.1", port: 6398 + number) : nil,
                peer: ClusterAddress(host: "127.0.0.1", port: 7398 + number))
        }
        var settings = ReplicatorSettings()
        settings.digestInterval = 4_000
        settings.digestRecheck = 500
        settings.joinTimeout = 1_000
        settings.changesAtOnce = 64
        settings.frameBytes = 600
        let faults = faults
        settings.fault = { faults.fails($0) }
        for index in lines.indices {
            if scale.flaw == .deaf, index == Flaw.node {
                settings.fault = { $0 == .refusedImage || faults.fails($0) }
            }
            defer { settings.fault = { faults.fails($0) } }
            let cluster = try ClusterConfiguration(name: "simulated", own: "n\(index + 1)", nodes: lines)
            let skew = scale.hasChaos ? Int64.random(in: -200_000_000...200_000_000, using: &failures) : 0
            let node = SimulatedNode(
                index: index, cluster: cluster, settings: settings, world: world, skew: skew,
                stallHold: scale.stallHold)
            nodes.append(node)
            try node.watch(workload.users)
            queue.add(.tick(index), at: Int64(index) * 3_000_000)
        }
        queue.add(.act, at: 100_000_000)
        queue.add(.look, at: 500_000_000)
        for gateway in workload.gateways.indices { queue.add(.renew(gateway), at: 200_000_000 + Int64(gateway)) }
        if isChaotic { queue.add(.chaos, at: 2_000_000_000) }
    }

    var milliseconds: Int64 { world / 1_000_000 }

    /// The places of the nodes that serve people; followers come behind them.
    var servers: Range<Int> { 0..<scale.nodes }

    func later(_ event: Event, milliseconds: Int64) {
        queue.add(event, at: world + milliseconds * 1_000_000)
    }

    /// Runs until an instant, in milliseconds.
    func run(until end: Int64) throws {
        while let next = queue.nextTime, next <= end * 1_000_000, let (at, event) = queue.next() {
            world = max(world, at)
            for node in nodes { node.clock.set(world: world) }
            try perform(event)
        }
        world = end * 1_000_000
        for node in nodes { node.clock.set(world: world) }
    }

    /// Chaos, then healing, then quiet: in the end all is equal.
    func run() throws {
        try run(until: scale.chaos)
        endChaos()
        // A session that runs out just now runs out elsewhere a little later: equal once within the time is equal.
        var differences: [String] = []
        for part in 1...40 {
            try run(until: scale.chaos + scale.quiet * Int64(part) / 40)
            differences = Checkers.differences(in: self)
            equalAfter = milliseconds - scale.chaos
            if differences.isEmpty, part >= 20 { break }
        }
        checkers.look(at: self)
        checkers.compareAnnouncements(in: self)
        for difference in differences { checkers.fail(self, difference) }
    }

    /// How long after the end of chaos all was equal, in milliseconds.
    private(set) var equalAfter: Int64 = 0

    private func endChaos() {
        isChaotic = false
        workload.isQuiet = true
        faults.end()
        network.loss = 0
        network.delay = 0...2
        heal(network.cuts)
        for node in nodes {
            if node.isPaused { resume(node.index) }
            if !node.isUp { restart(node.index) }
        }
        lastTrouble = world
    }

    func note(_ word: String) {
        trace.add(word.utf8)
        trace.add(world)
    }

    // MARK: - Events

    private func perform(_ event: Event) throws {
        switch event {
        case .tick(let index):
            queue.add(.tick(index), at: world + Simulation.tickInterval)
            let node = nodes[index]
            guard node.isUp, !node.isPaused else { return }
            node.tick()
            for peer in node.replicator.peersToDial(at: node.now) {
                later(.connect(from: index, to: Int(peer.number) - 1), milliseconds: travel())
            }
            settle(node)
        case .connect(let from, let to): connect(from, to)
        case .dialFailed(let from, let to):
            guard nodes[from].isUp else { return }
            nodes[from].replicator.dialFailed(UInt8(to + 1), at: nodes[from].now)
        case .deliver(let number, let to, let bytes): deliver(number, to, bytes)
        case .closed(let number, let to): closed(number, to)
        case .act:
            workload.act(self)
            later(.act, milliseconds: Int64.random(in: 1...(2 * scale.pace), using: &random))
        case .beat(let session): workload.beat(session, self)
        case .renew(let gateway): workload.renew(gateway, self)
        case .chaos:
            guard isChaotic else { return }
            misbehave()
            later(.chaos, milliseconds: Int64.random(in: scale.chaosPause, using: &failures))
        case .heal(let name, let cuts):
            note("heal \(name)")
            heal(Set(cuts))
        case .resume(let index): resume(index)
        case .restart(let index): restart(index)
        case .left(let index): left(index)
        case .look:
            checkers.look(at: self)
            later(.look, milliseconds: 250)
        }
    }

    func travel() -> Int64 { Int64.random(in: network.delay, using: &network.random) }

    /// Has a node say what it has to say, and obeys it.
    func settle(_ node: SimulatedNode) {
        guard node.isUp, !node.isPaused else { return }
        node.wake()
        var closing: [LinkID] = []
        for action in node.replicator.takeActions() {
            switch action {
            case .close(let link): closing.append(link)
            case .refused(let peer, let reason):
                note("n\(node.index) refused \(peer) \(reason.prefix(20))")
                noteFrameError(reason, at: node)
            case .lost(_, _, let reason): noteFrameError(reason, at: node)
            case .membership(let change): note("n\(node.index) \(change.node.number) \(change.node.state)")
            default: break
            }
        }
        for number in network.connections.keys.sorted() { pump(number, from: node) }
        for link in closing { close(link, at: node) }
    }

    private func noteFrameError(_ reason: String, at node: SimulatedNode) {
        guard reason.contains("what is no frame") else { return }
        frameErrors.append("at \(milliseconds) ms: n\(node.index + 1): \(reason)")
    }

    private func pump(_ number: Int, from node: SimulatedNode) {
        guard var connection = network.connections[number], connection.isOpen,
            let side = connection.ends.firstIndex(where: { $0.node == node.index }),
            let link = connection.ends[side].link
        else { return }
        let room = SimulatedNetwork.window - connection.ends[side].inFlight
        guard room > 0 else { return }
        var bytes: [UInt8] = []
        node.replicator.pull(link, room: room, into: &bytes, at: node.now)
        guard !bytes.isEmpty else { return }
        connection.ends[side].inFlight += bytes.count
        network.connections[number] = connection
        // A socket hands bytes on in pieces of its own.
        var start = 0
        while start < bytes.count {
            let isPart = network.random.chance(oneIn: 3)
            let count = isPart ? Int.random(in: 1...bytes.count, using: &network.random) : bytes.count
            let end = min(start + count, bytes.count)
            send(number, side, Array(bytes[start..<end]))
            start = end
        }
    }

    private func send(_ number: Int, _ side: Int, _ piece: [UInt8]) {
        guard var connection = network.connections[number] else { return }
        let (from, to) = (connection.ends[side].node, connection.ends[1 - side].node)
        if network.isCut(from: from, to: to) {
            connection.ends[side].held.append(piece)
            network.connections[number] = connection
            return
        }
        var arrival = max(world + travel() * 1_000_000, connection.ends[side].lastArrival)
        if network.loss > 0, network.random.chance(oneIn: network.loss) {
            note("loss \(from) \(to)")
            switch Int.random(in: 0..<3, using: &network.random) {
            case 0: return
            case 1: queue.add(.deliver(connection: number, to: 1 - side, piece), at: arrival)
            default: arrival = world + Int64.random(in: 0...50, using: &network.random) * 1_000_000
            }
        }
        queue.add(.deliver(connection: number, to: 1 - side, piece), at: arrival)
        connection.ends[side].lastArrival = max(connection.ends[side].lastArrival, arrival)
        network.connections[number] = connection
    }

    private func deliver(_ number: Int, _ side: Int, _ bytes: [UInt8]) {
        guard var connection = network.connections[number], connection.isOpen else { return }
        let node = nodes[connection.ends[side].node]
        guard node.isUp else { return }
        if node.isPaused {
            connection.ends[side].arrived.append(bytes)
            network.connections[number] = connection
            return
        }
        connection.ends[1 - side].inFlight -= min(bytes.count, connection.ends[1 - side].inFlight)
        network.connections[number] = connection
        guard let link = connection.ends[side].link else { return }
        trace.add(Int64(connection.ends[1 - side].node << 8 | node.index))
        trace.add(world)
        trace.add(bytes)
        let arriving = connection.flawed?.pass(bytes, fromDialer: side == 1, to: node) ?? bytes
        node.replicator.received(arriving.span, on: link, at: node.now)
        receipts.take(at: node)
        settle(node)
        let other = nodes[connection.ends[1 - side].node]
        if other.isUp, !other.isPaused { pump(number, from: other) }
    }

    // MARK: - Connections

    private func connect(_ from: Int, _ to: Int) {
        let (dialer, answerer) = (nodes[from], nodes[to])
        guard dialer.isUp else { return }
        let isThrough = !network.isCut(from: from, to: to) && !network.isCut(from: to, to: from)
        guard !dialer.isPaused, answerer.isUp, isThrough else {
            later(.dialFailed(from: from, to: to), milliseconds: isThrough ? 1 : 1_000)
            return
        }
        let link = dialer.replicator.dialed(UInt8(to + 1), at: dialer.now)
        guard let answer = answerer.replicator.answered(at: answerer.now) else {
            dialer.replicator.closed(link, at: dialer.now)
            return
        }
        network.lastConnection += 1
        network.connections[network.lastConnection] = SimulatedNetwork.Connection(
            ends: [.init(node: from, link: link), .init(node: to, link: answer)],
            flawed: scale.flaw.map { FlawedConnection($0) })
        settle(dialer)
    }

    private func close(_ link: LinkID, at node: SimulatedNode) {
        node.replicator.closed(link, at: node.now)
        for number in network.connections.keys.sorted() {
            guard var connection = network.connections[number],
                let side = connection.ends.firstIndex(where: { $0.node == node.index && $0.link == link })
            else { continue }
            connection.ends[side].link = nil
            network.connections[number] = connection
            queue.add(
                .closed(connection: number, to: 1 - side),
                at: max(world + travel() * 1_000_000, connection.ends[side].lastArrival))
        }
    }

    private func closed(_ number: Int, _ side: Int) {
        guard let connection = network.connections[number] else { return }
        let (from, node) = (connection.ends[1 - side].node, nodes[connection.ends[side].node])
        if network.isCut(from: from, to: node.index) || node.isPaused {
            later(.closed(connection: number, to: side), milliseconds: 50)
            return
        }
        network.connections[number] = nil
        guard let link = connection.ends[side].link, node.isUp else { return }
        node.replicator.closed(link, at: node.now)
    }

    // MARK: - Chaos

    func heal(_ cuts: Set<[Int]>) {
        network.cuts.subtract(cuts)
        lastTrouble = world
        for number in network.connections.keys.sorted() {
            guard var connection = network.connections[number] else { continue }
            for side in 0..<2 {
                let (from, to) = (connection.ends[side].node, connection.ends[1 - side].node)
                guard !network.isCut(from: from, to: to) else { continue }
                let held = connection.ends[side].held
                connection.ends[side].held = []
                network.connections[number] = connection
                for piece in held { send(number, side, piece) }
                connection = network.connections[number] ?? connection
            }
        }
    }

    func crash(_ index: Int, isNoticed: Bool) {
        note("crash \(index)")
        nodes[index].isUp = false
        for number in network.connections.keys.sorted() {
            guard let connection = network.connections[number],
                let side = connection.ends.firstIndex(where: { $0.node == index })
            else { continue }
            if isNoticed {
                later(.closed(connection: number, to: 1 - side), milliseconds: travel())
            }
            network.connections[number]?.ends[side].link = nil
        }
    }

    private func restart(_ index: Int) {
        guard !nodes[index].isUp else { return }
        note("restart \(index)")
        for number in network.connections.keys.sorted() {
            // Whoever still thinks that it is there finds out with his next bytes.
            guard let connection = network.connections[number],
                let side = connection.ends.firstIndex(where: { $0.node == index })
            else { continue }
            later(.closed(connection: number, to: 1 - side), milliseconds: 5)
        }
        nodes[index].restart(at: milliseconds)
        receipts.forget(nodes[index])
        workload.knowledge?.forget(index)
        do { try nodes[index].watch(workload.users) } catch { checkers.fail(self, "no list: \(error)") }
        lastTrouble = world
    }

    private func resume(_ index: Int) {
        guard nodes[index].isPaused else { return }
        note("resume \(index)")
        nodes[index].isPaused = false
        lastTrouble = world
        // A loop reads the clock before it does anything, and answers anybody.
        nodes[index].tick()
        settle(nodes[index])
        for number in network.connections.keys.sorted() {
            guard let connection = network.connections[number],
                let side = connection.ends.firstIndex(where: { $0.node == index })
            else { continue }
            let arrived = connection.ends[side].arrived
            network.connections[number]?.ends[side].arrived = []
            for piece in arrived { deliver(number, side, piece) }
        }
    }
}
