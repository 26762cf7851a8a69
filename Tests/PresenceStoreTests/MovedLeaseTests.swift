import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Gateways that go to another node: the lease that they leave behind ends nobody, and loses nobody.
@Suite("Leases between nodes")
struct MovedLeaseTests {
    private static let gateway = Array("gateway".utf8)

    /// Users behind a gateway that holds a lease at the first node, half of them as passive as a calendar.
    private func mesh(_ users: Int) throws -> ReplicaMesh {
        var mesh = ReplicaMesh(2) {
            $0.policy.lostGrace = 0
            $0.storms.sharePercent = 10
            $0.storms.minimum = 20
        }
        for number in 0..<users {
            try mesh.stores[0].connect(
                "user-\(number)", session: "phone", server: "gateway", ConnectOptions(ttlMilliseconds: 60_000))
            try mesh.stores[0].connect(
                "user-\(number)", session: "calendar", server: "gateway",
                ConnectOptions(ttlMilliseconds: 60_000, isPassive: true))
        }
        try mesh.stores[0].lease(Self.gateway.span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        return mesh
    }

    private func losses(_ mesh: ReplicaMesh) -> [UInt64] { mesh.stores.map { $0.statistics().losses } }

    @Test("Whom a gateway took to another node is not lost where its lease ends, and no storm is seen")
    func leftBehind() throws {
        var mesh = try mesh(200)
        mesh.stores.forEach { $0.expectAwayCounts() }
        for _ in 0..<30 {
            try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 20_000, at: mesh.clock.now())
            try mesh.wait(1_000)
            mesh.stores.forEach { $0.expectAwayCounts() }
        }
        #expect(mesh.stores[0].statistics().leasesLost == 1, "the one that was left")
        #expect(losses(mesh) == [0, 0])
        #expect(mesh.stores.map { $0.stormNumbers.count } == [0, 0])
        #expect(mesh.stores.map { $0.statistics().presentUsers } == [200, 200])
        // Where they are now they are lost, which both count.
        for _ in 0..<25 { try mesh.wait(1_000) }
        #expect(losses(mesh) == [200, 200])
        #expect(mesh.stores.map { $0.stormNumbers.count } == [1, 1])
        mesh.stores.forEach { $0.expectAwayCounts() }
    }

    @Test("Who stayed is lost where the lease ends, and who left for another node is not")
    func some() throws {
        var mesh = try mesh(200)
        for number in 0..<150 { #expect(mesh.stores[1].beat("user-\(number)", session: "phone")) }
        try mesh.wait(1_000)
        mesh.stores.forEach { $0.expectAwayCounts() }
        for _ in 0..<20 { try mesh.wait(1_000) }
        #expect(losses(mesh) == [50, 50])
        #expect(mesh.stores.map { $0.statistics().sessions } == [150, 150])
        mesh.stores.forEach { $0.expectAwayCounts() }
    }

    @Test("Passive sessions that are at home at another node are not counted as lost with a lease here")
    func passiveElsewhere() throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        for number in 0..<20 { try mesh.stores[1].connect("user-\(number)", session: "phone", server: "gateway") }
        try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        for number in 0..<50 {
            try mesh.stores[0].connect(
                "user-\(number)", session: "calendar", server: "gateway",
                ConnectOptions(ttlMilliseconds: 60_000, isPassive: true))
        }
        try mesh.wait(100)
        mesh.stores.forEach { $0.expectAwayCounts() }
        func counted() -> [Int] { mesh.stores[1].countSessions(by: .server).map(\.count) }
        #expect(counted() == [70])
        // The lease is over, and nobody has met those whom it ends when it is renewed.
        mesh.clock.advance(byMilliseconds: 5_000)
        try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        #expect(counted() == [50], "the calendars")
        #expect(mesh.stores[1].statistics().losses == 20)
        mesh.stores.forEach { $0.expectAwayCounts() }
    }

    @Test(
        "Who is at home at another node is not ended by a lease that was over before the next one brings him home",
        arguments: [false, true])
    func renewedBehindEnd(isPassive: Bool) throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        let options = ConnectOptions(ttlMilliseconds: 60_000, isPassive: isPassive)
        try mesh.stores[1].connect("here", session: "phone", server: "gateway", options)
        try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        try mesh.stores[0].connect("there", session: "phone", server: "gateway", options)
        try mesh.wait(100)
        mesh.clock.advance(byMilliseconds: 5_000)
        try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        for _ in 0..<3 {
            try mesh.wait(1_000)
            #expect(mesh.stores.map { $0.countSessions(by: .server).map(\.count) } == [[1], [1]])
            mesh.stores.forEach { $0.expectAwayCounts() }
            try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        }
        // It is the second node's now.
        for _ in 0..<20 { try mesh.wait(1_000) }
        #expect(mesh.stores.map { $0.countSessions(by: .server).count } == [0, 0])
    }

    @Test("That a gateway was dropped concerns all that it had, wherever they are at home")
    func dropped() throws {
        var mesh = try mesh(200)
        try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        #expect(try mesh.stores[0].drop(Self.gateway.span, at: mesh.clock.now()) == 400)
        #expect(mesh.stores[0].statistics().losses == 200)
        try mesh.wait(1_000)
        #expect(losses(mesh) == [200, 200])
        #expect(mesh.stores.map { $0.statistics().sessions } == [0, 0])
        mesh.stores.forEach { $0.expectAwayCounts() }
    }
}

extension ShardedStore {
    /// What is counted of each server's sessions is what a walk through all records finds.
    func expectAwayCounts(_ source: SourceLocation = #_sourceLocation) {
        for shard in 0..<shardCount {
            withShard(shard) { state in
                var away: [[UInt8]: Int] = [:]
                var passiveAway: [[UInt8]: Int] = [:]
                var numbers: [UInt32] = []
                var position: UInt64? = UInt64(shard) << shardShift
                while let start = position { position = state.index.numbers(around: start) { numbers.append($0) } }
                for number in numbers where RecordHeader(state.slabs.address(number)).kind == .user {
                    state.record(number).forEachSession { session in
                        guard !session.isClosed, session.home != state.stamps.node else { return }
                        let server = state.servers.bytes(session.server) ?? []
                        if session.isPassive {
                            passiveAway[server, default: 0] += 1
                        } else {
                            away[server, default: 0] += 1
                        }
                    }
                }
                state.servers.forEach { number, word, _ in
                    #expect(
                        state.servers.awayCount(number, isPassive: false) == away[word] ?? 0
                            && state.servers.awayCount(number, isPassive: true) == passiveAway[word] ?? 0,
                        "shard \(shard), \(String(decoding: word, as: UTF8.self))", sourceLocation: source)
                }
            }
        }
    }
}
