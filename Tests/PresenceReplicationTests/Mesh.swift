import Presence
import PresenceCluster
import PresenceStore
import PresenceTesting

@testable import PresenceReplication

/// Replicators and what carries their bytes: at once, in order, whole. Time goes on when a test says so.
final class Mesh {
    /// Two ends of a connection: a node, and its name for the link.
    struct Wire {
        var from: Int
        var to: Int
        var dialed: LinkID
        var answered: LinkID
    }

    let clock = TestClock()
    var stores: [ShardedStore] = []
    var nodes: [Replicator] = []
    var wires: [Wire] = []
    /// Wires that carry nothing: a cut, or a peer that does not read.
    var isCut = false
    var actions: [[ReplicatorAction]] = []
    /// Pairs of nodes between which nothing is carried, and nodes that are gone.
    var stuck: Set<Set<Int>> = []
    var gone: Set<Int> = []
    /// How often something is carried before all waits; nil for as often as there is something.
    var movesLeft: Int?
    /// Bytes that a pull may take.
    var room = 65_536
    /// The most bytes that a pull gave.
    var mostPulled = 0
    /// What the carrier proves of each node to the others; nil for carriers that prove nothing.
    var proofs: [PeerProof]?
    /// Numbers of the nodes that are followers.
    let followers: Set<Int>
    /// Is told of what a node says.
    var heard: ((_ from: Int, _ bytes: [UInt8]) -> Void)?
    private var settings = ReplicatorSettings()

    /// Nodes n1, n2, ... of one cluster.
    init(
        _ count: Int, clusters: [String]? = nil, versions: [ClosedRange<UInt16>]? = nil, followers: Set<Int> = [],
        shared: [SharedSettings]? = nil, _ configure: (inout ReplicatorSettings) -> Void = { _ in },
        store configureStore: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) throws {
        self.followers = followers
        settings.digestInterval = 2_000
        settings.digestRecheck = 200
        settings.joinTimeout = 500
        configure(&settings)
        for index in 0..<count {
            let own = try Mesh.cluster(count, own: index, name: clusters?[index] ?? "demo", followers: followers)
            let store = makeStore(UInt8(index + 1), configureStore)
            settings.versions = versions?[index] ?? ProtocolVersions.spoken
            stores.append(store)
            nodes.append(
                Replicator(
                    store: store, cluster: own, incarnation: UInt64(index + 1),
                    shared: shared?[index] ?? SharedSettings(), settings: settings, at: now))
            actions.append([])
        }
    }

    static func cluster(
        _ count: Int, own: Int, name: String = "demo", followers: Set<Int> = []
    ) throws -> ClusterConfiguration {
        let lines = try (1...count).map { number in
            try ClusterNode(
                number: number, name: "n\(number)",
                resp: followers.contains(number) ? nil : ClusterAddress(host: "127.0.0.1", port: 6_000 + number),
                peer: ClusterAddress(host: "127.0.0.1", port: 7_000 + number))
        }
        return try ClusterConfiguration(name: name, own: "n\(own + 1)", nodes: lines)
    }

    func makeStore(
        _ number: UInt8, _ configure: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) -> ShardedStore {
        var configuration = ShardedStore.Configuration(clock: clock)
        configuration.wheelTick = .tenMilliseconds
        configuration.shards = 2
        configuration.node = number
        configuration.hashSecret = (1, 2)
        configuration.replicaLogEntries = 64
        configure(&configuration)
        return ShardedStore(configuration)
    }

    var now: PeerTime { PeerTime(clock.now()) }

    /// A node that died comes back with nothing.
    func restart(
        _ index: Int, incarnation: UInt64, versions: ClosedRange<UInt16> = ProtocolVersions.spoken,
        store configure: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) throws {
        cutWires(of: index)
        gone.remove(index)
        stores[index] = makeStore(UInt8(index + 1), configure)
        settings.versions = versions
        nodes[index] = Replicator(
            store: stores[index], cluster: try Mesh.cluster(nodes.count, own: index, followers: followers),
            incarnation: incarnation,
            settings: settings, at: now)
    }

    /// A node is gone, and the others see it.
    func lose(_ index: Int) {
        cutWires(of: index)
        gone.insert(index)
    }

    /// Both ends of a node's connections see them end.
    func cutWires(of index: Int) {
        for wire in wires where wire.from == index || wire.to == index {
            nodes[wire.from].closed(wire.dialed, at: now)
            nodes[wire.to].closed(wire.answered, at: now)
        }
        wires.removeAll { $0.from == index || $0.to == index }
    }

    /// So many milliseconds, 10 at a time, with all that they bring.
    func run(milliseconds: Int64) {
        for _ in stride(from: 0, to: milliseconds, by: 10) {
            clock.advance(byMilliseconds: 10)
            for store in stores { store.advance(to: clock.now()) }
            for index in nodes.indices where !gone.contains(index) { tick(index) }
            carry()
        }
    }

    private func tick(_ index: Int) {
        for shard in 0..<stores[index].shardCount { nodes[index].woke(shard: shard) }
        nodes[index].tick(at: now)
        for peer in nodes[index].peersToDial(at: now) {
            let other = Int(peer.number) - 1
            guard !isCut, !gone.contains(other) else {
                nodes[index].dialFailed(peer.number, at: now)
                continue
            }
            let dialed = nodes[index].dialed(peer.number, proof: proofs?[other], at: now)
            guard let answered = nodes[other].answered(proof: proofs?[index], at: now) else {
                nodes[index].closed(dialed, at: now)
                continue
            }
            wires.append(Wire(from: index, to: other, dialed: dialed, answered: answered))
        }
    }

    /// Carries until nobody has anything more to say.
    func carry() {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for wire in wires where !isCut && !stuck.contains([wire.from, wire.to]) {
                if move(wire.from, wire.dialed, wire.to, wire.answered) { hasMoved = true }
                if move(wire.to, wire.answered, wire.from, wire.dialed) { hasMoved = true }
            }
            obey()
        }
    }

    private func move(_ from: Int, _ link: LinkID, _ to: Int, _ other: LinkID) -> Bool {
        if let movesLeft {
            guard movesLeft > 0 else { return false }
            self.movesLeft = movesLeft - 1
        }
        var bytes: [UInt8] = []
        nodes[from].pull(link, room: room, into: &bytes, at: now)
        mostPulled = max(mostPulled, bytes.count)
        guard !bytes.isEmpty else { return false }
        heard?(from, bytes)
        nodes[to].received(bytes.span, on: other, at: now)
        return true
    }

    private func obey() {
        for index in nodes.indices {
            for action in nodes[index].takeActions() {
                actions[index].append(action)
                guard case .close(let link) = action,
                    let place = wires.firstIndex(where: {
                        $0.from == index && $0.dialed == link || $0.to == index && $0.answered == link
                    })
                else { continue }
                let wire = wires.remove(at: place)
                if !isCut {
                    _ =
                        wire.from == index
                        ? move(index, wire.dialed, wire.to, wire.answered)
                        : move(index, wire.answered, wire.from, wire.dialed)
                }
                nodes[wire.from].closed(wire.dialed, at: now)
                nodes[wire.to].closed(wire.answered, at: now)
            }
        }
    }

    func peer(_ number: UInt8, of index: Int) -> ReplicationReport.Peer? {
        nodes[index].report(at: now).peers.first { $0.node.number == number }
    }

    func counters(_ number: UInt8, of index: Int) -> PeerCounters {
        peer(number, of: index)?.counters ?? PeerCounters()
    }

    /// Why links were refused, as a node tells it.
    func refusals(of index: Int) -> [String] {
        actions[index].compactMap { if case .refused(_, let reason) = $0 { reason } else { nil } }
    }
}
