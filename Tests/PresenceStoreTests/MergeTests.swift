import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Facts between stores: joins, bytes, and what a merge announces.
@Suite("Merging")
struct MergeTests {
    private let clock = TestClock()
    private let one: ShardedStore
    private let two: ShardedStore

    init() {
        one = MergeTests.store(1, clock)
        two = MergeTests.store(2, clock)
    }

    static func store(
        _ node: UInt8, _ clock: TestClock, _ change: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) -> ShardedStore {
        var configuration = ShardedStore.Configuration(clock: clock)
        configuration.wheelTick = .tenMilliseconds
        configuration.node = node
        configuration.shards = 4
        configuration.hashSecret = (1, 2)
        change(&configuration)
        return ShardedStore(configuration)
    }

    private func image(_ user: String, _ store: ShardedStore) throws -> [UInt8] {
        let image = store.image(of: user)
        return try #require(image)
    }

    @discardableResult
    private func send(_ user: String, from: ShardedStore, to: ShardedStore) throws -> Bool {
        try to.merge(try image(user, from))
    }

    private func events(_ store: ShardedStore, _ reader: EventReader) -> [StatusChange] {
        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { reader.read(shard: shard, limit: 1_000, into: &events) }
        return events.compactMap { event in
            guard case .status(let change) = event else { return nil }
            return change
        }
    }

    @Test("A session is known with all that it has; the change has one version and one reason at both nodes")
    func session() throws {
        let readers = [one.makeReader { _ in }, two.makeReader { _ in }]
        try one.connect(
            "alice", session: "phone", device: "mobile", platform: "ios", server: "gateway-1",
            ConnectOptions(brought: .dnd))
        #expect(try send("alice", from: one, to: two))
        #expect(two.sessions(of: "alice") == one.sessions(of: "alice"))
        #expect(two.describe("alice") == one.describe("alice"))
        #expect(two.status(of: "alice") == .dnd)
        #expect(two.statistics().sessions == 1)
        let told = zip([one, two], readers).map { events($0, $1) }
        #expect(told[0] == told[1] && told[0].count == 1)
        #expect(try !send("alice", from: one, to: two), "known already")
        #expect(try !send("alice", from: two, to: one))
        #expect(events(two, readers[1]).isEmpty)
    }

    @Test("An end wins over heartbeats that come late, a newer incarnation over the end")
    func incarnations() throws {
        try one.connect("alice", session: "phone")
        try send("alice", from: one, to: two)
        let before = try image("alice", two)
        clock.advance(byMilliseconds: 1_000)
        one.disconnect("alice", session: "phone")
        try send("alice", from: one, to: two)
        #expect(two.status(of: "alice") == .offline)
        clock.advance(byMilliseconds: 1_000)
        #expect(!two.beat("alice", session: "phone"))
        #expect(try !one.merge(before))
        #expect(one.status(of: "alice") == .offline)
        try two.connect("alice", session: "phone")
        try send("alice", from: two, to: one)
        #expect(one.status(of: "alice") == .online)
        try send("alice", from: one, to: two)
        #expect(two.sessions(of: "alice").count == 1)
    }

    @Test(
        "Sessions that were opened on both sides of a cut all live; the last that ends ends the user, once at each node"
    )
    func cut() throws {
        try one.connect("alice", session: "phone")
        try two.connect("alice", session: "laptop")
        try send("alice", from: one, to: two)
        try send("alice", from: two, to: one)
        #expect(one.sessions(of: "alice").map(\.id) == two.sessions(of: "alice").map(\.id))
        #expect(one.sessions(of: "alice").count == 2)
        let readers = [one.makeReader { _ in }, two.makeReader { _ in }]
        one.disconnect("alice", session: "phone")
        try send("alice", from: one, to: two)
        two.disconnect("alice", session: "laptop")
        try send("alice", from: two, to: one)
        let told = zip([one, two], readers).map { events($0, $1) }
        #expect(told[0].map(\.new) == [.offline] && told[1].map(\.new) == [.offline])
        #expect(told[0].map(\.version) == told[1].map(\.version))
        #expect(told.map { $0.map(\.reason) } == [[.disconnect], [.disconnect]])
    }

    @Test("Of two texts, and of two statuses set by hand, the later stays; a cleared one does not come back")
    func registers() throws {
        try one.connect("alice", session: "phone")
        try send("alice", from: one, to: two)
        try one.set("alice", UserSettings(status: .some(.away), activity: .some(Array("reading".utf8))))
        clock.advance(byMilliseconds: 10)
        try two.set("alice", UserSettings(status: .some(.dnd), activity: .some(Array("writing".utf8))))
        try send("alice", from: one, to: two)
        try send("alice", from: two, to: one)
        for store in [one, two] {
            #expect(store.status(of: "alice") == .dnd)
            #expect(store.describe("alice")?.activity == Array("writing".utf8))
        }
        let old = try image("alice", one)
        try one.set("alice", UserSettings(status: .some(nil), activity: .some(nil)))
        try send("alice", from: one, to: two)
        try two.merge(old)
        #expect(two.status(of: "alice") == .online)
        #expect(two.describe("alice")?.activity == nil)
    }

    @Test("A block hides at every node that has it, and the viewer's list is told there")
    func block() throws {
        try one.connect("alice", session: "phone")
        try one.relate("alice", .friend, to: "carol")
        try send("alice", from: one, to: two)
        let bob = Array("bob".utf8)
        let alice = Array("alice".utf8)
        let ranges = [KeyRange(offset: 0, length: alice.count)]
        let reply = try two.watch(bob.span, since: Span(), alice.span, ranges.span, at: clock.now()) { _ in }
        #expect(reply.rows.map(\.status) == [.online])
        try one.relate("alice", .block, to: "bob")
        try send("alice", from: one, to: two)
        #expect(two.view(of: "alice", for: "bob").status == .offline)
        #expect(two.view(of: "alice", for: "bob").lastSeen == one.view(of: "alice", for: "bob").lastSeen)
        two.pumpWatches()
        #expect(two.takeFrame(of: reply.watch, at: clock.now()).frame?.rows.map(\.status) == [.offline])
        // Both nodes name those whom the edges name once they know them.
        try send("bob", from: one, to: two)
        try send("carol", from: one, to: two)
        #expect(two.relations(of: "alice") == one.relations(of: "alice"))
        clock.advance(byMilliseconds: 5)
        try two.relate("alice", .unblock, to: "bob")
        try send("alice", from: two, to: one)
        #expect(one.view(of: "alice", for: "bob").status == .online)
    }

    @Test("Who is full keeps what he can: words that have no room are none, and of sessions those stay that end last")
    func bounds() throws {
        let small = MergeTests.store(3, clock) { $0.maxWords = 1 }
        try one.connect("alice", session: "phone", device: "mobile")
        clock.advance(byMilliseconds: 1)
        try one.connect("alice", session: "laptop", device: "web")
        try small.merge(try image("alice", one))
        #expect(small.sessions(of: "alice").map(\.device).filter { $0 != nil }.count == 1)
        #expect(small.status(of: "alice") == .online)
        // Each node lets fifty in; a record takes what fits, and no list grows without end.
        let wide = (1...4).map { node in
            MergeTests.store(UInt8(node), clock) { $0.maxSessionsPerUser = 50 }
        }
        let long = String(repeating: "x", count: 240)
        for (node, store) in wide.enumerated() {
            for session in 0..<50 {
                try store.connect(
                    "bob", session: "\(node)-\(session)-" + long,
                    ConnectOptions(ttlMilliseconds: Int64(100_000 + 1_000 * session)))
            }
        }
        for store in wide[1...] { try wide[0].merge(try image("bob", store)) }
        let sessions = wide[0].sessions(of: "bob")
        #expect(sessions.count > 40 && sessions.count < 200)
        #expect((sessions.map(\.expiresAt).min() ?? .distantPast) > clock.now().advanced(byMilliseconds: 100_000))
        clock.advance(byMilliseconds: 300_000)
        wide[0].advance(to: clock.now())
        #expect(wide[0].status(of: "bob") == .offline)
        #expect(wide[0].statistics().sessions == 0)
    }

    @Test("What happened beyond the greatest offset of clocks is refused, and no clock goes on from there")
    func future() throws {
        let other = TestClock(clock.now().advanced(byMilliseconds: 5_000))
        let ahead = MergeTests.store(3, other)
        try ahead.connect("alice", session: "phone")
        let image = try #require(ahead.image(of: "alice"))
        #expect(throws: MergeError.fromTheFuture(milliseconds: 5_000)) { try one.merge(image) }
        #expect(one.describe("alice") == nil)
        other.set(to: clock.now().advanced(byMilliseconds: 900))
        let near = MergeTests.store(3, other)
        try near.connect("alice", session: "phone")
        try one.merge(try #require(near.image(of: "alice")))
        #expect(one.status(of: "alice") == .online)
        one.disconnect("alice", session: "phone")
        #expect(
            one.status(of: "alice") == .offline, "what is written here after it is newer, though this clock is behind")
    }

    @Test("An instant that a record would take for another one is refused")
    func reach() throws {
        var user = ReplicaFacts(id: Array("alice".utf8))
        let wrap: Int64 = 1 << 40
        // Of forty bits: an hour ahead, and then for ever the user of a ghost.
        let old = clock.now().advanced(byMilliseconds: 3_600_000 - wrap)
        user.facts.sessions[[1]] = Session(incarnation: Stamp(old), heartbeat: old, ttlMilliseconds: 60_000)
        #expect(throws: MergeError.outOfReach) { try one.merge(UserImage.bytes(of: user)) }
        user.facts.sessions = [:]
        user.edges[7] = Relation(isFriend: true, friendStamp: EdgeStamp(at: old, node: 1))
        #expect(throws: MergeError.outOfReach) { try one.merge(UserImage.bytes(of: user)) }
        user.edges = [:]
        user.facts.manual = Register(
            stamp: Stamp(clock.now(), node: 1), value: .dnd, until: clock.now().advanced(byMilliseconds: wrap))
        #expect(throws: MergeError.outOfReach) { try one.merge(UserImage.bytes(of: user)) }
        #expect(one.describe("alice") == nil)
    }

    @Test("No memory for it is an error, and what was known stays")
    func memory() throws {
        let small = MergeTests.store(3, clock) {
            $0.maxMemoryBytes = 1
        }
        try one.connect("alice", session: "phone")
        #expect(throws: MergeError.outOfMemory) { try small.merge(try image("alice", one)) }
        #expect(small.status(of: "alice") == .offline)
    }

    @Test(
        "Bytes that are no image are refused, whatever they are; those of an image give it back",
        arguments: ImageForm.allCases)
    func bytes(form: ImageForm) throws {
        try one.connect("alice", session: "phone", device: "mobile", server: "gateway-1")
        try one.set(
            "alice",
            UserSettings(
                status: .some(.away), activity: .some(Array("reading".utf8)),
                until: clock.now().advanced(byMilliseconds: 50)))
        try one.relate("alice", .block, to: "bob")
        try one.relate("alice", .friend, to: "carol")
        let newest = try image("alice", one)
        #expect(newest[0] == ImageForm.newest.rawValue)
        let facts = try UserImage.facts(in: newest.span)
        let image = one.image(of: "alice", form: form)
        #expect(UserImage.bytes(of: facts, form: form) == image)
        #expect(try UserImage.facts(in: image.span) == facts)
        for count in image.indices {
            #expect(throws: MergeError.self) { try UserImage.facts(in: image.span.extracting(first: count)) }
        }
        #expect(throws: MergeError.malformed(offset: image.count)) { try UserImage.facts(in: (image + [0]).span) }
        #expect(throws: MergeError.unknownForm(9)) { try UserImage.facts(in: [9].span) }
        var random = SeededRandom.fromEnvironment()
        for _ in 0..<2_000 {
            var broken = image
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                broken[Int.random(in: broken.indices, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            guard let facts = try? UserImage.facts(in: broken.span) else { continue }
            // What can be read can be written, and merged or refused.
            #expect(try UserImage.facts(in: UserImage.bytes(of: facts, form: form).span) == facts, "\(random)")
            _ = try? two.merge(broken)
        }
        clock.advance(byMilliseconds: 1_000_000)
        two.advance(to: clock.now())
        #expect(two.statistics().presentUsers == 0, "\(random)")
    }
}
