import Presence
import Testing

@testable import PresenceReplication
@testable import PresenceStore

/// More changes than a link takes: whose turn it is.
@Suite("Shards take turns on a link that takes less than there is")
struct FairTurnTests {
    private let shards = 8

    /// One user for each of a store's shards, so many times.
    private func users(_ store: ShardedStore, each count: Int) -> [[String]] {
        var users = [[String]](repeating: [], count: store.shardCount)
        var number = 0
        while users.contains(where: { $0.count < count }) {
            let user = "user-\(number)"
            let shard = store.shardIndex(store.userHash(user.utf8.span))
            if users[shard].count < count { users[shard].append(user) }
            number += 1
        }
        return users
    }

    private func mesh() throws -> Mesh {
        let mesh = try Mesh(
            2,
            store: {
                $0.shards = 8
                $0.replicaLogEntries = 16_384
            })
        mesh.run(milliseconds: 1_000)
        #expect(mesh.peer(2, of: 0)?.hasCopy == true)
        return mesh
    }

    /// Changes everybody and carries what a link takes, again and again.
    private func press(_ mesh: Mesh, _ users: [[String]], rounds: Int, room: Int) throws {
        for round in 0..<rounds {
            mesh.clock.advance(byMilliseconds: 1)
            for user in users.joined() {
                try mesh.stores[0].set(user, UserSettings(activity: .some(Array("round \(round)".utf8))))
            }
            for shard in 0..<shards { mesh.nodes[0].woke(shard: shard) }
            var bytes: [UInt8] = []
            mesh.nodes[0].pull(mesh.wires[0].dialed, room: room, into: &bytes, at: mesh.now)
            mesh.nodes[1].received(bytes.span, on: mesh.wires[0].answered, at: mesh.now)
        }
    }

    @Test("and none waits for ever: of each about as much is told")
    func fair() throws {
        let mesh = try mesh()
        let users = users(mesh.stores[0], each: 40)
        try press(mesh, users, rounds: 40, room: 4_096)
        let peer = try #require(mesh.nodes[0].peer(2))
        let told = (0..<shards).map { peer.shards[$0].sent }
        #expect(told.reduce(0, +) < 8 * 41 * 40, "the link takes less than there is")
        #expect((told.min() ?? 0) * 2 > told.max() ?? 0, "\(told)")
        #expect(peer.counters.shardsResent == 0)
        mesh.carry()
        for user in users.joined() {
            #expect(mesh.stores[1].describe(user.utf8.span, at: mesh.clock.now())?.activity == Array("round 39".utf8))
        }
    }

    @Test("and a copy ends however much changes")
    func copy() throws {
        let mesh = try mesh()
        let users = users(mesh.stores[0], each: 40)
        try press(mesh, users, rounds: 1, room: 1_000_000)
        let peer = try #require(mesh.nodes[0].peer(2))
        peer.resend(shards - 1, at: mesh.now)
        #expect(!peer.hasCopy)
        try press(mesh, users, rounds: 20, room: 4_096)
        #expect(peer.hasCopy && peer.counters.shardsResent == 1)
    }
}
