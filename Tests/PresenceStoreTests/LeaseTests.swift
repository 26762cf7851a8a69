import Presence
import PresenceStore
import PresenceTesting
import Testing

/// Leases of gateways in the store: sweeps, slices, late wheels, words.
@Suite("Leases in the store")
struct LeaseTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)
    private func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: start, shards: 2) {
            $0.policy.lostGrace = 0
            $0.storms.sharePercent = 0
            $0.changeRingBytes = 4 << 20
            change(&$0)
        }
    }

    private func fill(_ store: ShardedStore, _ count: Int, server: SlowModel.Name = "gw") throws {
        for index in 0..<count {
            try store.connect(SlowModel.Name(stringLiteral: "user-\(index)"), session: "s", server: server, at: start)
        }
    }

    private func changes(_ reader: EventReader, _ store: ShardedStore) -> [StatusChange] {
        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { while !reader.read(shard: shard, into: &events) {} }
        return events.compactMap { if case .status(let change) = $0 { change } else { nil } }
    }

    @Test("A first lease that ends before the sessions' own time ends them on time, in slices")
    func earlier() throws {
        let store = store()
        try fill(store, 3_000)
        let reader = store.makeReader { _ in }
        #expect(try store.lease("gw".utf8Bytes.span, forMilliseconds: 1_000, at: start) == 3_000)
        // The sweep arms the timers anew, a chunk at a time.
        var steps = 0
        while store.advance(to: start, budget: 256).isBehind { steps += 1 }
        #expect(steps >= 5)
        store.advance(to: later(990))
        #expect(changes(reader, store).isEmpty)
        store.advance(to: later(1_010))
        let ends = changes(reader, store)
        #expect(ends.count == 3_000)
        #expect(ends.allSatisfy { $0.reason == .leaseLost && $0.timestamp == later(1_000) && $0.new == .offline })
        let statistics = store.statistics()
        #expect(statistics.leases == 0)
        #expect(statistics.leasesLost == 1)
        #expect(statistics.sessions == 0)
        #expect(statistics.lateness.maximum <= 10)
        store.advance(to: later(2_000))
        #expect(store.statistics().leaseSweeps == 0)
        reader.cancel()
    }

    @Test("A drop counts, however many came before it and are being carried through", arguments: [0, 1, 7, 8, 9, 12])
    func dropsDuringASweep(before count: Int) throws {
        let store = store { $0.shards = 1 }
        try fill(store, 2_000)
        for _ in 0..<count { _ = try store.drop("gw".utf8Bytes.span, at: later(1)) }
        #expect(store.advance(to: later(2), budget: 128).isBehind == (count > 0))
        let late = (0..<100).map { SlowModel.Name(stringLiteral: "late-\($0)") }
        for user in late { try store.connect(user, session: "s", server: "gw", at: later(3)) }
        #expect(try store.drop("gw".utf8Bytes.span, at: later(4)) == (count > 0 ? 100 : 2_100))
        while store.advance(to: later(5), budget: 128).isBehind {}
        #expect(late.allSatisfy { store.status(of: $0, at: later(5)) == .offline })
        #expect(store.statistics().presentUsers == 0)
        #expect(store.statistics().sessions == 0)
    }

    @Test("Whom a lower hard limit ended a renewal does not bring back, whoever of them was looked at by then")
    func renewedBehindTheLimit() throws {
        let store = store()
        try fill(store, 600)
        try store.lease("gw".utf8Bytes.span, forMilliseconds: 200_000, at: later(1))
        while store.advance(to: later(100_000), budget: 128).isBehind {}
        let new = SlowModel.Name("new")
        try store.connect(new, session: "s", server: "gw", at: later(80_000))
        var policy = Policy()
        policy.lostGrace = 0
        policy.heartbeatHardLimit = 50_000
        store.update(policy: policy, at: later(100_000))
        store.advance(to: later(100_000), budget: 128)
        let reader = store.makeReader { _ in }
        let user = SlowModel.Name("user-7")
        #expect(store.status(of: user, at: later(100_001)) == .offline)
        #expect(try store.lease("gw".utf8Bytes.span, forMilliseconds: 20_000, at: later(100_002)) == 1)
        while store.advance(to: later(100_010), budget: 128).isBehind {}
        #expect(store.status(of: user, at: later(100_010)) == .offline)
        #expect(store.status(of: new, at: later(100_010)) == .online)
        #expect(changes(reader, store).allSatisfy { $0.new == .offline })
        #expect(store.statistics().presentUsers == 1)
        reader.cancel()
    }

    @Test(
        "The end of a lease, or a drop, is told lost-grace later, however long the lease was and whatever of the TTL was left; but nobody outlives the hard limit by it",
        arguments: [
            // Lease, dropped at, told at: milliseconds after the renewal. The TTL is 120 s, the hard limit 300 s.
            (60_000, nil, 75_000), (119_999, nil, 134_999), (120_000, nil, 135_000), (200_000, nil, 215_000),
            (290_000, nil, 300_000),
            (300_000, nil, 300_000), (300_000, 110_000, 125_000), (300_000, 250_000, 265_000), (nil, 110_000, 125_000),
        ] as [(Int64?, Int64?, Int64)])
    func wholeGrace(lease: Int64?, droppedAt: Int64?, toldAt: Int64) throws {
        let store = store { $0.policy.lostGrace = 15_000 }
        try store.connect("ann", session: "s", server: "gw", at: start)
        try store.connect("bob", session: "s", server: "gw", at: start)
        if let lease { try store.lease("gw".utf8Bytes.span, forMilliseconds: lease, at: start) }
        let reader = store.makeReader { _ in }
        let end = droppedAt ?? lease ?? 0
        store.advance(to: later(end - 1))
        if droppedAt != nil { #expect(try store.drop("gw".utf8Bytes.span, at: later(end)) == 2) }
        // One comes back while it is held: he was never gone.
        if toldAt > end + 1 {
            store.advance(to: later(end + 1))
            try store.connect("bob", session: "t", server: "gw-2", at: later(toldAt - 1))
        }
        store.advance(to: later(toldAt - 1))
        #expect(changes(reader, store).isEmpty)
        #expect(store.status(of: SlowModel.Name("ann"), at: later(toldAt - 1)) == .online)
        #expect(store.status(of: SlowModel.Name("ann"), at: later(toldAt)) == .offline)
        let told = changes(reader, store)
        #expect(told.map(\.timestamp) == [later(toldAt)])
        reader.cancel()
    }

    /// Milliseconds after a renewal.
    struct Departure: Sendable {
        var lease: Int64
        var leftAt: Int64
        var reason: Reason
        var toldAt: Int64

        /// The TTL is 120 s, the hard limit 300 s, the graces are 15 s and 5 s.
        static let all = [
            Departure(lease: 300_000, leftAt: 60_000, reason: .leaseLost, toldAt: 75_000),
            Departure(lease: 300_000, leftAt: 110_000, reason: .leaseLost, toldAt: 125_000),
            Departure(lease: 300_000, leftAt: 130_000, reason: .heartbeatTimeout, toldAt: 145_000),
            Departure(lease: 300_000, leftAt: 295_000, reason: .leaseLost, toldAt: 300_000),
            Departure(lease: 130_000, leftAt: 129_999, reason: .leaseLost, toldAt: 144_999),
            Departure(lease: 300_000, leftAt: 130_000, reason: .disconnect, toldAt: 135_000),
            Departure(lease: 300_000, leftAt: 130_000, reason: .wsDisconnect, toldAt: 135_000),
            Departure(lease: 60_000, leftAt: 50_000, reason: .disconnect, toldAt: 55_000),
        ]
    }

    @Test(
        "Who leaves, or is lost, under a lease has the whole grace, however long ago its last renewal was; but nobody outlives the hard limit by it",
        // Where the lease is, and where nobody knows of it.
        arguments: Departure.all, [0, 1])
    func leftUnderLease(_ departure: Departure, node: Int) throws {
        let (leftAt, toldAt) = (departure.leftAt, departure.toldAt)
        let ann = SlowModel.Name("ann")
        var mesh = ReplicaMesh(2) {
            $0.policy.lostGrace = 15_000
            $0.policy.disconnectGrace = 5_000
            $0.storms.sharePercent = 0
        }
        let begin = mesh.clock.now()
        func instant(_ milliseconds: Int64) -> Timestamp { begin.advanced(byMilliseconds: milliseconds) }
        func wait(until milliseconds: Int64) throws {
            while mesh.clock.now() < instant(milliseconds) {
                try mesh.wait(min(instant(milliseconds).milliseconds(since: mesh.clock.now()), 1_000))
            }
        }
        let readers = mesh.stores.map { $0.makeReader { _ in } }
        let options = ConnectOptions(ttlMilliseconds: 120_000)
        try mesh.stores[0].connect("ann", session: "s", server: "gw", options)
        try mesh.stores[0].lease("gw".utf8Bytes.span, forMilliseconds: departure.lease, at: begin)
        try wait(until: leftAt)
        #expect(mesh.stores[node].disconnect("ann", session: "s", reason: departure.reason))
        try mesh.exchange()
        #expect(mesh.stores[0].exists(.presence, ann, at: instant(leftAt)))
        try mesh.exchange()
        try wait(until: toldAt - 1)
        for store in mesh.stores { #expect(store.status(of: ann, at: instant(toldAt - 1)) == .online) }
        try wait(until: toldAt + 10)
        for (store, reader) in zip(mesh.stores, readers) {
            let told = changes(reader, store).filter { $0.new == .offline }
            #expect(told.map(\.timestamp) == [instant(toldAt)])
            reader.cancel()
        }
        #expect(Set(mesh.digests).count == 1)
    }

    @Test("An explanation says that a lease keeps a session alive beyond its TTL, and until when")
    func explained() throws {
        let store = store()
        try store.connect("ann", session: "s", server: "gw", ConnectOptions(ttlMilliseconds: 10_000), at: start)
        try store.lease("gw".utf8Bytes.span, forMilliseconds: 100_000, at: start)
        let lines = store.explain(Array("ann".utf8).span, for: nil, at: later(40_000)).lines
        #expect(lines.contains { $0.contains("the lease of its server is its heartbeat") && $0.contains("in 1 min") })
        let without = store.explain(Array("ann".utf8).span, for: nil, at: later(100_000)).lines
        #expect(!without.contains { $0.contains("the lease of its server") })
    }

    @Test("Who is dropped is none of his server's sessions from then on, though no sweep has met him")
    func counted() throws {
        let store = store()
        func counts() -> [SlowModel.Name: Int] {
            Dictionary(
                uniqueKeysWithValues: store.countSessions(by: .server).map { (SlowModel.Name($0.word), $0.count) })
        }
        try fill(store, 1_000)
        try store.connect("other", session: "s", server: "gw-2", at: start)
        #expect(counts() == ["gw": 1_000, "gw-2": 1])
        #expect(try store.drop("gw".utf8Bytes.span, at: start) == 1_000)
        #expect(counts() == ["gw-2": 1])
        try store.connect("late", session: "s", server: "gw", at: start)
        #expect(counts() == ["gw": 1, "gw-2": 1])
        while store.advance(to: later(10), budget: 256).isBehind { #expect(counts() == ["gw": 1, "gw-2": 1]) }
        #expect(counts() == ["gw": 1, "gw-2": 1])
    }

    @Test("A renewal after the end brings nobody back, also if nobody has looked yet")
    func lateRenewal() throws {
        let store = store()
        try fill(store, 10)
        try store.lease("gw".utf8Bytes.span, forMilliseconds: 1_000, at: start)
        // No wheel turned since.
        try store.lease("gw".utf8Bytes.span, forMilliseconds: 1_000, at: later(1_500))
        try store.connect("late", session: "s", server: "gw", at: later(1_600))
        for index in 0..<10 {
            let user = SlowModel.Name(stringLiteral: "user-\(index)")
            #expect(!store.beat(user, session: "s", at: later(1_700)))
            #expect(store.status(of: user, at: later(1_700)) == .offline)
        }
        #expect(store.status(of: "late", at: later(2_400)) == .online)
        #expect(store.status(of: "late", at: later(2_500)) == .offline)
    }

    @Test("Who ran out before the first lease is not brought back by it")
    func ranOut() throws {
        let store = store()
        try store.connect("short", session: "s", server: "gw", ConnectOptions(ttlMilliseconds: 5_000), at: start)
        try store.connect("long", session: "s", server: "gw", at: start)
        try store.lease("gw".utf8Bytes.span, forMilliseconds: 60_000, at: later(6_000))
        #expect(store.status(of: "short", at: later(7_000)) == .offline)
        #expect(store.status(of: "long", at: later(65_999)) == .online)
        #expect(store.status(of: "long", at: later(66_000)) == .offline)
    }

    @Test("Nobody outlives the hard limit by a lease")
    func hardLimit() throws {
        let store = store()
        #expect(throws: StoreError.leaseOutOfBounds(maximum: 300_000)) {
            try store.lease("gw".utf8Bytes.span, forMilliseconds: 300_001, at: start)
        }
        try fill(store, 1)
        try store.lease("gw".utf8Bytes.span, forMilliseconds: 300_000, at: start)
        #expect(store.status(of: "user-0", at: later(299_999)) == .online)
        #expect(store.status(of: "user-0", at: later(300_000)) == .offline)
    }

    @Test("A hard limit that is lowered ends what a lease keeps: it is the reason, and an explanation says so before")
    func hardLimitLowered() throws {
        let store = store()
        // Its own TTL is below the limit, and gives way to the lease.
        let options = ConnectOptions(ttlMilliseconds: 50_000)
        try store.connect("user-0", session: "s", server: "gw", options, at: start)
        try store.lease("gw".utf8Bytes.span, forMilliseconds: 300_000, at: start)
        var policy = Policy()
        policy.heartbeatHardLimit = 60_000
        policy.lostGrace = 0
        store.update(policy: policy, at: start)
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        let lines = store.explain("user-0".utf8Bytes.span, for: nil, at: later(1_000)).lines
        #expect(lines.contains { $0.hasSuffix("TTL 50 s, heartbeat-hard-limit rules") })
        #expect(lines.contains { $0.contains("; heartbeat-hard-limit ends it before, 2026-01-01T00:01:00.000Z") })
        store.advance(to: later(60_010))
        let ends = changes(reader, store)
        #expect(ends.map(\.reason) == [.hardLimit])
        #expect(ends.map(\.timestamp) == [later(60_000)])
    }

    /// What ends two sessions of one user at one instant.
    enum End: CaseIterable { case lease, drop, silence, deletion }

    @Test(
        "Of sessions that end together an event names the one that it is about: who is gone went with a present one, whose status is another had it from one",
        arguments: End.allCases, [true, false])
    func sessionOfTheEvent(_ end: End, _ isCalendarFirst: Bool) throws {
        let store = store()
        let calendar = ConnectOptions(ttlMilliseconds: 30_000, brought: .dnd, isPassive: true)
        for user in ["gone", "stays"] as [SlowModel.Name] {
            if isCalendarFirst { try store.connect(user, session: "calendar", server: "gw", calendar, at: start) }
            try store.connect(user, session: "phone", server: "gw", ConnectOptions(ttlMilliseconds: 30_000), at: start)
            if !isCalendarFirst { try store.connect(user, session: "calendar", server: "gw", calendar, at: start) }
        }
        try store.connect("stays", session: "laptop", at: start)
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        switch end {
        case .lease: try store.lease("gw".utf8Bytes.span, forMilliseconds: 30_000, at: start)
        case .drop: try store.drop("gw".utf8Bytes.span, at: later(1_000))
        case .silence: break
        case .deletion: store.remove(.presence, "gone", at: later(1_000))
        }
        store.advance(to: later(30_010))
        let told = changes(reader, store)
        #expect(told.filter { $0.new == .offline }.map(\.connection) == ["phone".utf8Bytes])
        #expect(told.filter { $0.new == .online }.map(\.connection) == ["calendar".utf8Bytes])
    }

    @Test("A drop while a grace runs leaves that grace, and one during another drop ends who came since")
    func drops() throws {
        let store = store { $0.policy.lostGrace = 10_000 }
        let reader = store.makeReader { _ in }
        try store.connect("a", session: "s", server: "gw", at: start)
        #expect(try store.drop("gw".utf8Bytes.span, at: later(1_000)) == 1)
        #expect(store.status(of: "a", at: later(2_000)) == .online)
        try store.connect("b", session: "s", server: "gw", at: later(3_000))
        #expect(try store.drop("gw".utf8Bytes.span, at: later(4_000)) >= 1)
        store.advance(to: later(11_010))
        #expect(store.status(of: "a", at: later(11_010)) == .offline)
        #expect(store.status(of: "b", at: later(11_010)) == .online)
        store.advance(to: later(14_010))
        #expect(store.status(of: "b", at: later(14_010)) == .offline)
        #expect(changes(reader, store).filter { $0.new == .offline }.allSatisfy { $0.reason == .graceEnded })
        reader.cancel()
    }

    @Test("A lease for whose word one shard has no room is none, in no shard: sessions live on")
    func wholeOrNothing() throws {
        let store = store {
            $0.shards = 8
            $0.maxWords = 4
        }
        func connect(_ user: String, _ server: String) -> Bool {
            let (user, server) = (SlowModel.Name(stringLiteral: user), SlowModel.Name(stringLiteral: server))
            return (try? store.connect(user, session: "s", server: server, at: start)) != nil
        }
        // Until one shard has no room; then the gateway has sessions in the others alone.
        var others = 0
        while connect("other-\(others)", "server-\(others)") { others += 1 }
        let held = (0..<64).count { connect("user-\($0)", "gw") }
        #expect(held > 0 && held < 64)
        let words = store.statistics().words
        #expect(throws: StoreError.tooManyWords(limit: 4)) {
            try store.lease("gw".utf8Bytes.span, forMilliseconds: 10_000, at: start)
        }
        #expect(store.statistics().leases == 0)
        #expect(store.statistics().words == words)
        store.advance(to: later(60_000))
        #expect(store.statistics().sessions == others + held)
        #expect(store.statistics().leasesLost == 0)
    }

    @Test(
        "Who was dropped is lost once: a second drop, or a lease, before anybody looked concerns those alone who came since"
    )
    func lostOnce() throws {
        let store = store()
        try fill(store, 10)
        // One of them ran out before, and nobody saw it.
        try store.connect("short", session: "s", server: "gw", ConnectOptions(ttlMilliseconds: 5_000), at: start)
        #expect(try store.drop("gw".utf8Bytes.span, at: later(6_000)) == 11)
        #expect(try store.drop("gw".utf8Bytes.span, at: later(6_000)) == 0)
        #expect(store.statistics().losses == 11)
        #expect(try store.lease("gw".utf8Bytes.span, forMilliseconds: 60_000, at: later(6_000)) == 0)
        // Some are met one by one, and one opens the same session again.
        #expect(store.status(of: "user-0", at: later(6_001)) == .offline)
        try store.connect("user-1", session: "s", server: "gw", at: later(6_001))
        try store.connect("new", session: "s", server: "gw", at: later(6_001))
        #expect(try store.lease("gw".utf8Bytes.span, forMilliseconds: 60_000, at: later(6_002)) == 2)
        #expect(try store.drop("gw".utf8Bytes.span, at: later(6_003)) == 2)
        #expect(store.statistics().losses == 13)
        store.advance(to: later(6_020))
        #expect(store.statistics().sessions == 0)
        try store.connect("new", session: "s", server: "gw", at: later(6_030))
        #expect(try store.drop("gw".utf8Bytes.span, at: later(6_040)) == 1)
        #expect(store.statistics().losses == 14)
    }

    @Test("Leases of servers that have nothing leave nothing, and their number is bounded by max-words")
    func bound() throws {
        let store = store { $0.maxWords = 50 }
        for index in 0..<50 {
            try store.lease(Array("gw-\(index)".utf8).span, forMilliseconds: 1_000, at: start)
        }
        #expect(store.statistics().leases == 50)
        #expect(throws: StoreError.tooManyWords(limit: 50)) {
            try store.lease("gw-50".utf8Bytes.span, forMilliseconds: 1_000, at: start)
        }
        store.advance(to: later(1_500))
        #expect(store.statistics().leases == 0)
        #expect(store.statistics().words == 0)
        try store.lease("gw-50".utf8Bytes.span, forMilliseconds: 1_000, at: later(1_500))
        #expect(try store.drop("gw-50".utf8Bytes.span, at: later(1_600)) == 0)
        #expect(store.statistics().words == 0)
    }
}

extension String {
    fileprivate var utf8Bytes: [UInt8] { Array(utf8) }
}
