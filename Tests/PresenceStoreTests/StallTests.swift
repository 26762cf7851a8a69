import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// What a node that stood still does when it goes on: it has heard nobody, and so it says nobody's end before the others had time to tell.
@Suite("Stalls")
struct StallTests {
    private static let ttl: Int64 = 10_000

    /// Two nodes, of which the first stands still while time goes on at the second.
    private struct Pair {
        var mesh = ReplicaMesh(2) {
            $0.stallHold = 5_000
            $0.policy.lostGrace = 0
        }
        let reader: EventReader
        let start: Timestamp

        init() {
            reader = mesh.stores[0].makeReader { _ in }
            start = mesh.clock.now()
        }

        var sleeper: ShardedStore { mesh.stores[0] }
        var other: ShardedStore { mesh.stores[1] }
        var now: Timestamp { mesh.clock.now() }

        func at(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }

        /// Time goes on at both, in steps of a second at most, and each hears of the other.
        mutating func live(_ milliseconds: Int64, beating user: String? = nil) throws {
            let end = now.advanced(byMilliseconds: milliseconds)
            while now < end {
                try mesh.wait(min(1_000, end.milliseconds(since: now)))
                if let user { #expect(other.beat(user, session: "s")) }
            }
        }

        /// Time goes on at the second alone.
        func stall(_ milliseconds: Int64, beating user: String? = nil) {
            for _ in 0..<milliseconds / 1_000 {
                mesh.clock.advance(byMilliseconds: 1_000)
                other.advance(to: now)
                if let user { #expect(other.beat(user, session: "s")) }
            }
        }

        /// Who was announced offline at the first, and as of when.
        func ends() -> [StatusChange] {
            var events: [StoreEvent] = []
            for shard in 0..<sleeper.shardCount { reader.read(shard: shard, limit: 1_000, into: &events) }
            return events.compactMap {
                if case .status(let change) = $0, change.new == .offline { change } else { nil }
            }
        }
    }

    @Test("Who beats elsewhere meanwhile is not announced offline, wherever he was at home before", arguments: [0, 1])
    func elsewhere(home: Int) throws {
        var pair = Pair()
        try pair.mesh.stores[home].connect("alice", session: "s", ConnectOptions(ttlMilliseconds: StallTests.ttl))
        try pair.live(3_000)
        pair.stall(60_000, beating: "alice")
        pair.sleeper.advance(to: pair.now)
        #expect(pair.sleeper.status(of: "alice") == .online)
        #expect(pair.sleeper.sessions(of: "alice").count == 1)
        // Until the links tell, which takes them a while.
        for _ in 0..<30 {
            pair.mesh.clock.advance(byMilliseconds: 100)
            for store in pair.mesh.stores { store.advance(to: pair.now) }
        }
        #expect(pair.sleeper.status(of: "alice") == .online)
        try pair.live(30_000, beating: "alice")
        #expect(pair.ends() == [])
        #expect(pair.sleeper.sessions(of: "alice").map(\.home) == [2])
        #expect(pair.sleeper.statistics().losses == 0)
        #expect(Set(pair.mesh.digests).count == 1)
    }

    @Test("Of whom nobody tells anything ends when the hold is over, as of his deadline, as at the others")
    func silence() throws {
        var pair = Pair()
        try pair.sleeper.connect("alice", session: "s", ConnectOptions(ttlMilliseconds: StallTests.ttl))
        try pair.live(3_000)
        pair.stall(60_000)
        #expect(pair.other.status(of: "alice") == .offline)
        pair.sleeper.advance(to: pair.now)
        #expect(pair.ends() == [])
        #expect(pair.sleeper.sessions(of: "alice").map(\.expiresAt) == [pair.at(StallTests.ttl)])
        for _ in 0..<51 {
            pair.mesh.clock.advance(byMilliseconds: 100)
            pair.sleeper.advance(to: pair.now)
        }
        let ends = pair.ends()
        #expect(ends.map(\.timestamp) == [pair.at(StallTests.ttl)])
        #expect(ends.map(\.reason) == [.heartbeatTimeout])
        try pair.mesh.exchange()
        #expect(try pair.mesh.facts(of: "alice", at: 0)?.version == pair.mesh.facts(of: "alice", at: 1)?.version)
        #expect(pair.other.status(of: "alice") == .offline)
    }

    @Test("Whose home tells that he ended ends at once")
    func told() throws {
        var pair = Pair()
        try pair.other.connect("alice", session: "s", ConnectOptions(ttlMilliseconds: StallTests.ttl))
        try pair.live(3_000)
        pair.stall(60_000)
        pair.sleeper.advance(to: pair.now)
        #expect(pair.sleeper.status(of: "alice") == .online)
        try pair.mesh.exchange()
        #expect(pair.sleeper.status(of: "alice") == .offline)
        #expect(pair.ends().map(\.timestamp) == [pair.at(StallTests.ttl)])
    }

    @Test("A beat that could not come in time is taken when the node goes on, and the others hear of it")
    func late() throws {
        var pair = Pair()
        let options = ConnectOptions(ttlMilliseconds: StallTests.ttl)
        for user in ["alice", "bob", "carol"] { try pair.sleeper.connect(user, session: "s", options) }
        try pair.live(3_000)
        pair.stall(20_000)
        #expect(pair.other.status(of: "alice") == .offline)
        pair.sleeper.advance(to: pair.now)
        let deadline = pair.now.advanced(byMilliseconds: StallTests.ttl)
        #expect(pair.sleeper.beat("alice", session: "s"))
        #expect(pair.sleeper.beat("bob", session: "s", isActive: true))
        #expect(try pair.sleeper.expire(.presence, "carol".utf8.span, at: deadline, now: pair.now))
        try pair.mesh.exchange()
        for user in ["alice", "bob", "carol"] {
            #expect(pair.mesh.stores.map { $0.status(of: user) } == [.online, .online], "\(user)")
            #expect(pair.sleeper.sessions(of: user).map(\.expiresAt) == [deadline])
        }
        #expect(pair.ends() == [])
        try pair.live(StallTests.ttl + 2_500)
        #expect(pair.ends().map(\.timestamp) == [deadline, deadline, deadline])
        #expect(pair.other.status(of: "alice") == .offline)
    }

    @Test("The hard limit holds: nobody is held past it and the margin")
    func hardLimit() throws {
        var pair = Pair()
        let limit = Policy().heartbeatHardLimit
        for (store, user) in zip(pair.mesh.stores, ["here", "there"]) {
            try store.connect(user, session: "s", ConnectOptions(ttlMilliseconds: limit))
        }
        try pair.live(3_000)
        pair.stall(limit - 3_000 + 1_000)
        pair.sleeper.advance(to: pair.now)
        #expect(pair.sleeper.status(of: "here") == .offline, "beats here are over")
        #expect(pair.sleeper.status(of: "there") == .online, "within the margin, as ever")
        pair.mesh.clock.set(to: pair.at(limit + 2_000))
        pair.sleeper.advance(to: pair.now)
        #expect(pair.sleeper.status(of: "there") == .offline)
    }

    @Test("Who had ended before, or whom somebody ended, is not held")
    func ended() throws {
        var pair = Pair()
        for user in ["before", "closed"] {
            try pair.sleeper.connect(user, session: "s", ConnectOptions(ttlMilliseconds: StallTests.ttl))
        }
        try pair.live(6_000)
        #expect(pair.sleeper.beat("closed", session: "s"))
        try pair.live(5_000)
        pair.stall(30_000)
        pair.sleeper.advance(to: pair.now)
        #expect(pair.sleeper.status(of: "before") == .offline)
        #expect(!pair.sleeper.beat("before", session: "s"))
        #expect(pair.sleeper.status(of: "closed") == .online)
        #expect(pair.sleeper.disconnect("closed", session: "s"))
        #expect(!pair.sleeper.beat("closed", session: "s"))
        #expect(pair.sleeper.sessions(of: "closed") == [])
    }

    @Test("Whoever notices it first says so; a node that is stopped again holds on; a later stall holds nobody of it")
    func again() throws {
        var pair = Pair()
        try pair.sleeper.connect("alice", session: "s", ConnectOptions(ttlMilliseconds: StallTests.ttl))
        try pair.live(3_000)
        let last = pair.now
        pair.stall(30_000)
        // A reader comes before time goes on.
        pair.sleeper.noteStall(since: last, at: pair.now)
        #expect(pair.sleeper.status(of: "alice") == .online)
        pair.sleeper.advance(to: pair.now)
        pair.stall(4_000)
        pair.sleeper.advance(to: pair.now)
        for _ in 0..<30 {
            pair.mesh.clock.advance(byMilliseconds: 100)
            pair.sleeper.advance(to: pair.now)
        }
        #expect(pair.sleeper.status(of: "alice") == .online)
        for _ in 0..<30 {
            pair.mesh.clock.advance(byMilliseconds: 100)
            pair.sleeper.advance(to: pair.now)
        }
        #expect(pair.ends().map(\.timestamp) == [pair.at(StallTests.ttl)])
        pair.stall(10_000)
        pair.sleeper.advance(to: pair.now)
        #expect(pair.sleeper.status(of: "alice") == .offline)
        #expect(!pair.sleeper.beat("alice", session: "s"))
    }

    @Test("The lease of a gateway that took it elsewhere ends no session; one that nobody renewed ends as of its time")
    func leases() throws {
        var pair = Pair()
        for (user, server) in [("moved", "gate-1"), ("lost", "gate-2")] as [(SlowModel.Name, SlowModel.Name)] {
            try pair.sleeper.connect(
                user, session: "s", server: server, ConnectOptions(ttlMilliseconds: StallTests.ttl), at: pair.now)
            try pair.sleeper.lease(server.bytes.span, forMilliseconds: 8_000, at: pair.now)
        }
        try pair.live(3_000)
        try pair.other.lease(SlowModel.Name("gate-1").bytes.span, forMilliseconds: 100_000, at: pair.now)
        pair.stall(30_000)
        #expect(pair.other.status(of: "moved") == .online && pair.other.status(of: "lost") == .offline)
        let looked = pair.sleeper.advance(to: pair.now).lookedAt
        #expect(looked < 50)
        #expect(pair.sleeper.status(of: "moved") == .online && pair.sleeper.status(of: "lost") == .online)
        try pair.mesh.exchange()
        try pair.live(10_000)
        #expect(pair.ends().map(\.timestamp) == [pair.at(8_000)])
        #expect(pair.mesh.stores.map { $0.status(of: "moved") } == [.online, .online])
        #expect(pair.mesh.stores.map { $0.status(of: "lost") } == [.offline, .offline])
    }

    @Test("Who turned idle meanwhile is held, since what he did may not be read yet; then he is idle as of his limit")
    func idle() throws {
        var pair = Pair()
        let (idle, away) = (Policy().idleAfter, Policy().awayAfter)
        let homes = [("active", pair.sleeper), ("silent", pair.sleeper), ("moved", pair.other)]
        for (user, store) in homes {
            try store.connect(user, session: "s", ConnectOptions(ttlMilliseconds: 250_000))
            #expect(store.beat(user, session: "s", isActive: true))
        }
        for milliseconds in [150_000, idle - 170_000] {
            try pair.live(milliseconds)
            for (user, store) in homes { #expect(store.beat(user, session: "s")) }
        }
        try pair.live(15_000)
        pair.stall(30_000)
        #expect(pair.other.beat("moved", session: "s", isActive: true))
        #expect(pair.other.status(of: "silent") == .idle)
        pair.sleeper.advance(to: pair.now)
        for user in ["active", "silent", "moved"] { #expect(pair.sleeper.status(of: user) == .online, "\(user)") }
        // What lay in the socket.
        #expect(pair.sleeper.beat("active", session: "s", isActive: true))
        try pair.live(4_000)
        #expect(pair.sleeper.status(of: "silent") == .online)
        try pair.live(2_000)
        var events: [StoreEvent] = []
        for shard in 0..<pair.sleeper.shardCount { pair.reader.read(shard: shard, limit: 1_000, into: &events) }
        let changes = events.compactMap {
            if case .status(let change) = $0, change.new == .idle { change } else { nil }
        }
        #expect(changes.map { String(decoding: $0.userID, as: UTF8.self) } == ["silent"])
        #expect(changes.map(\.timestamp) == [pair.at(idle)] && changes.map(\.reason) == [.inactivity])
        #expect(pair.mesh.stores.map { $0.status(of: "silent") } == [.idle, .idle])
        #expect(pair.mesh.stores.map { $0.status(of: "moved") } == [.online, .online])
        #expect(pair.mesh.stores.map { $0.status(of: "active") } == [.online, .online])
        #expect(try pair.mesh.facts(of: "silent", at: 0)?.version == pair.mesh.facts(of: "silent", at: 1)?.version)
        // Who is idle already when it begins is away in it, and a later limit is nobody's business.
        try pair.live(away - idle - 40_000, beating: "silent")
        pair.stall(60_000)
        pair.sleeper.advance(to: pair.now)
        #expect(pair.sleeper.status(of: "silent") == .away)
    }

    @Test("Each is counted once, however many notice it, with a hold and without")
    func counted() throws {
        let clock = TestClock()
        let store = MergeTests.store(1, clock)
        func isStopped(_ milliseconds: Int64, noticedBy loops: Int) {
            let last = clock.now()
            clock.advance(byMilliseconds: milliseconds)
            for loop in 0..<loops {
                store.noteStall(since: last.advanced(byMilliseconds: Int64(-loop)), at: clock.now())
                clock.advance(byMilliseconds: 3)
            }
            store.advance(to: clock.now())
        }
        isStopped(1_990, noticedBy: 1)
        #expect(store.statistics().stalls == 0)
        isStopped(60_000, noticedBy: 3)
        #expect(store.statistics().stalls == 1)
        isStopped(2_500, noticedBy: 0)
        isStopped(2_500, noticedBy: 2)
        #expect(store.statistics().stalls == 3)
        store.resetStatistics()
        #expect(store.statistics().stalls == 0)
    }

    @Test("A node without others holds nobody")
    func alone() throws {
        let clock = TestClock()
        let store = MergeTests.store(1, clock)
        try store.connect("alice", session: "s", ConnectOptions(ttlMilliseconds: StallTests.ttl))
        clock.advance(byMilliseconds: 60_000)
        store.advance(to: clock.now())
        #expect(store.status(of: "alice") == .offline)
        #expect(!store.beat("alice", session: "s"))
    }
}
