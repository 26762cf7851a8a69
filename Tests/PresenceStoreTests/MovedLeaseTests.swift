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

    /// Whom a store has announced as offline since that was asked last.
    private func ends(told reader: EventReader, _ store: ShardedStore) -> [StatusChange] {
        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { while !reader.read(shard: shard, limit: 1_000, into: &events) {} }
        return events.compactMap { event in
            if case .status(let change) = event, change.new == .offline { change } else { nil }
        }
    }

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

    @Test(
        "What a storm held ends at one instant, and with one version, at all nodes, however far apart they look",
        arguments: [true, false])
    func oneVersion(isLeased: Bool) throws {
        var mesh = ReplicaMesh(3) {
            $0.policy.lostGrace = 0
            $0.storms.sharePercent = 10
            $0.storms.minimum = 50
            $0.storms.holdMilliseconds = 5_000
            $0.storms.pace = 100
        }
        let count = 300
        let readers = mesh.stores.map { $0.makeReader { _ in } }
        for number in 0..<count {
            try mesh.stores[isLeased ? 0 : number % 3].connect(
                "user-\(number)", session: "phone", server: "gateway", ConnectOptions(ttlMilliseconds: 10_000))
        }
        if isLeased { try mesh.stores[0].lease(Self.gateway.span, forMilliseconds: 12_000, at: mesh.clock.now()) }
        try mesh.wait(1_000)
        for number in 0..<count where !isLeased {
            if number % 60 == 0 { try mesh.wait(130) }
            #expect(mesh.stores[number % 3].beat("user-\(number)", session: "phone"))
        }
        // Each looks every 70 ms, another one in turn; and word goes round every 30 ms.
        for step in 0..<3_000 {
            mesh.clock.advance(byMilliseconds: 10)
            for (index, store) in mesh.stores.enumerated() where (step + 3 * index) % 7 == 0 {
                store.advance(to: mesh.clock.now())
            }
            if step % 3 == 0 { try mesh.exchange() }
        }
        #expect(mesh.stores.map { $0.stormNumbers.count } == [1, 1, 1])
        let versions = zip(mesh.stores, readers).map { store, reader in
            ends(told: reader, store).reduce(into: [:] as [[UInt8]: [Stamp]]) { versions, change in
                versions[change.userID, default: []].append(change.version)
            }
        }
        #expect(versions[0].count == count && versions[0].allSatisfy { $0.value.count == 1 })
        #expect(versions[1] == versions[0] && versions[2] == versions[0])
    }

    @Test("What a storm holds at one node another one that sees none tells as what it is: silence, as of then")
    func heldElsewhere() throws {
        var mesh = ReplicaMesh(2) {
            $0.storms.sharePercent = 10
            $0.storms.minimum = 5
        }
        mesh.stores[1].setStormSettings(StormSettings(), at: mesh.clock.now())
        let readers = mesh.stores.map { $0.makeReader { _ in } }
        for number in 0..<40 {
            try mesh.stores[0].connect("user-\(number)", session: "phone", ConnectOptions(ttlMilliseconds: 10_000))
        }
        try mesh.wait(1_000)
        var deadlines: [[UInt8]: Timestamp] = [:]
        for number in 0..<40 {
            // The first ten make it a storm, which holds the others.
            if number % 10 == 0 { try mesh.wait(200) }
            #expect(mesh.stores[0].beat("user-\(number)", session: "phone"))
            deadlines[Array("user-\(number)".utf8)] = mesh.clock.now().advanced(byMilliseconds: 10_000)
        }
        for _ in 0..<125 { try mesh.wait(100) }
        #expect(mesh.stores.map { $0.stormNumbers.count } == [1, 0])
        for (store, reader) in zip(mesh.stores, readers) {
            let ends = ends(told: reader, store)
            #expect(ends.count == 40)
            #expect(ends.allSatisfy { $0.reason == .heartbeatTimeout })
            #expect(ends.allSatisfy { $0.version == Stamp($0.timestamp) && deadlines[$0.userID] == $0.timestamp })
        }
    }

    @Test("Of whom another node tells that he went, while a storm holds him at his home, his home says why")
    func heldAtHome() throws {
        var mesh = ReplicaMesh(2) {
            $0.storms.sharePercent = 10
            $0.storms.minimum = 5
        }
        mesh.stores[1].setStormSettings(StormSettings(), at: mesh.clock.now())
        let reader = mesh.stores[0].makeReader { _ in }
        for number in 0..<20 {
            try mesh.stores[0].connect("user-\(number)", session: "phone", ConnectOptions(ttlMilliseconds: 10_000))
        }
        try mesh.wait(1_000)
        for number in 0..<20 { #expect(mesh.stores[0].beat("user-\(number)", session: "phone")) }
        try mesh.wait(100)
        // From here on the other one hears nothing, and gives them up before their home does.
        for step in 0..<130 {
            mesh.clock.advance(byMilliseconds: 100)
            for store in mesh.stores { store.advance(to: mesh.clock.now()) }
            for number in 0..<20 where step == 20 + 4 * (number / 10) {
                #expect(mesh.stores[0].beat("user-\(number)", session: "phone"))
            }
        }
        #expect(mesh.stores.map { $0.stormNumbers.count } == [1, 0])
        try mesh.exchange()
        let ends = ends(told: reader, mesh.stores[0])
        #expect(ends.count == 20)
        #expect(ends.allSatisfy { $0.reason == .heartbeatTimeout && $0.connection == Array("phone".utf8) })
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
        "While nobody has met those whom a lease ends, who runs out at another node, or comes home, is not taken for one of them",
        arguments: [false, true])
    func counts(isUnheard: Bool) throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        let (short, long) = (ConnectOptions(ttlMilliseconds: 5_050), ConnectOptions(ttlMilliseconds: 60_000))
        try mesh.stores[0].connect("there", session: "phone", server: "gateway", short)
        try mesh.stores[0].connect("there", session: "web", server: "other", long)
        try mesh.stores[0].connect("back", session: "phone", server: "gateway", long)
        for user in ["one", "two"] { try mesh.stores[1].connect(user, session: "phone", server: "gateway", long) }
        try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        try mesh.wait(100)
        func counted() -> [Int] {
            mesh.stores[1].countSessions(by: .server).filter { $0.word == Self.gateway }.map(\.count)
        }
        #expect(counted() == [4])
        // The lease is over, and one of two is met. Who runs out at the other node is waited for here.
        mesh.clock.advance(byMilliseconds: 5_000)
        mesh.stores[1].setHasUnheardPeer(isUnheard)
        for shard in 0..<mesh.stores[1].shardCount {
            mesh.stores[1].withShard(shard) { $0.endLeasesThatAreOver(at: mesh.clock.now()) }
        }
        #expect(counted() == [2])
        #expect(mesh.stores[1].status(of: "one") == .offline)
        #expect(counted() == [2])
        mesh.stores[0].advance(to: mesh.clock.now())
        try mesh.exchange()
        mesh.clock.advance(byMilliseconds: 2_100)
        func touch(_ user: String, at node: Int) throws {
            try mesh.stores[node].set(user, UserSettings(activity: .some(Array("reading".utf8))))
            try mesh.exchange()
        }
        try touch("there", at: 0)
        try touch("one", at: 1)
        #expect(counted() == [1], "he who is back")
        #expect(mesh.stores[1].beat("back", session: "phone"))
        #expect(mesh.stores[1].disconnect("back", session: "phone"))
        #expect(counted() == [])
        // In the same shards, so that one too many who is lost would be missing here.
        for number in 0..<20 {
            try mesh.stores[1].connect("user-\(number)", session: "phone", server: "gateway", long)
        }
        #expect(counted() == [20])
        mesh.stores[1].advance(to: mesh.clock.now())
        #expect(counted() == [20])
        mesh.stores.forEach { $0.expectAwayCounts() }
    }

    @Test("Who is at home at another node is not ended by a lease that was over when he beats here")
    func beatenBehindEnd() throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        let options = ConnectOptions(ttlMilliseconds: 60_000)
        try mesh.stores[1].connect("here", session: "phone", server: "gateway", options)
        try mesh.stores[1].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        try mesh.stores[0].connect("there", session: "phone", server: "gateway", options)
        try mesh.wait(100)
        mesh.clock.advance(byMilliseconds: 5_000)
        #expect(mesh.stores[1].beat("there", session: "phone"))
        #expect(mesh.stores[1].status(of: "there") == .online)
        for _ in 0..<3 {
            try mesh.wait(1_000)
            #expect(mesh.stores.map { $0.status(of: "there") } == [.online, .online])
            #expect(mesh.stores.map { $0.countSessions(by: .server).map(\.count) } == [[1], [1]])
            mesh.stores.forEach { $0.expectAwayCounts() }
        }
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

    @Test(
        "Who could not be heard when a lease ended brings nobody back who was at home there",
        arguments: [[], ["web"]] as [[String]])
    func unheardEnd(others: [String]) throws {
        var mesh = ReplicaMesh(3) { $0.policy.lostGrace = 0 }
        let options = ConnectOptions(ttlMilliseconds: 60_000)
        try mesh.stores[0].connect("alice", session: "phone", server: "gateway", options)
        for session in others { try mesh.stores[0].connect("alice", session: session, server: "gateway", options) }
        try mesh.stores[0].lease(Self.gateway.span, forMilliseconds: 5_000, at: mesh.clock.now())
        try mesh.exchange()
        // The third stands still, and the gateway dies.
        for store in mesh.stores { store.setHasUnheardPeer(true) }
        for _ in 0..<10 {
            mesh.clock.advance(byMilliseconds: 1_000)
            for store in mesh.stores[..<2] { store.advance(to: mesh.clock.now()) }
            try mesh.exchange(among: [0, 1])
        }
        #expect(mesh.stores[..<2].map { $0.statistics().sessions } == [0, 0])
        for store in mesh.stores { store.setHasUnheardPeer(false) }
        mesh.stores[2].advance(to: mesh.clock.now())
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline, .online])
        // They compare, and tell each other what they know.
        for image in mesh.stores[2].images(from: 0, through: .max, at: mesh.clock.now()) {
            for store in mesh.stores[..<2] { _ = try store.merge(image.span, from: 3, at: mesh.clock.now()) }
        }
        #expect(mesh.stores[0].status(of: "alice") == .offline)
        try mesh.wait(10)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline, .offline])
        #expect(Set(mesh.digests).count == 1)
        mesh.stores.forEach { $0.expectAwayCounts() }
        for _ in 0..<5 { try mesh.wait(1_000) }
        #expect(mesh.stores.map { $0.statistics().sessions } == [0, 0, 0])
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline, .offline])
        // Opened anew it is another one, which nobody takes for that.
        try mesh.stores[0].connect("alice", session: "phone", server: "gateway", options)
        try mesh.wait(10)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online, .online])
    }

    @Test(
        "Ends that nobody wrote down are remembered of so many servers, until nobody can live by a sign of life before them"
    )
    func unwrittenEnds() {
        var ends = UnwrittenEnds()
        func instant(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: 1_000_000 + milliseconds) }
        func session(_ milliseconds: Int64, heartbeat: Int64) -> Session {
            Session(incarnation: Stamp(instant(milliseconds)), heartbeat: instant(heartbeat), ttlMilliseconds: 60_000)
        }
        func note(_ server: UInt64, _ end: Int64, forgettingUpTo begin: Int64 = 0) {
            ends.note(server, Stamp(instant(end)), deadline: instant(end), forgettingUpTo: instant(begin))
        }
        note(1, 500)
        note(1, 400)
        #expect(ends.hasEnded(session(100, heartbeat: 450), of: 1))
        #expect(!ends.hasEnded(session(100, heartbeat: 500), of: 1), "beaten behind the end, elsewhere")
        #expect(!ends.hasEnded(session(501, heartbeat: 501), of: 1), "opened behind the end")
        #expect(!ends.hasEnded(session(100, heartbeat: 450), of: 2))
        for server in 2...UInt64(UnwrittenEnds.most) + 1 { note(server, 500 + Int64(server)) }
        #expect(ends.count == UnwrittenEnds.most)
        #expect(!ends.hasEnded(session(100, heartbeat: 450), of: 1), "the oldest")
        #expect(ends.hasEnded(session(100, heartbeat: 450), of: 2))
        note(1, 10_000, forgettingUpTo: 9_000)
        #expect(ends.count == 1)
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
