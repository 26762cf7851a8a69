import Presence
import PresenceStore
import PresenceTesting
import Synchronization
import Testing

/// Privacy in the store: bounds, memory, and that nothing of a hidden user gets through.
@Suite("Privacy in the store")
struct PrivacyStoreTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: start, shards: 4, change)
    }

    private func name(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func relate(
        _ store: ShardedStore, _ user: String, _ change: RelationChange, _ others: [String], at now: Timestamp? = nil
    ) throws(StoreError) -> Int {
        let (bytes, ranges) = ModelRun.joined(others.map { SlowModel.Name(Array($0.utf8)) })
        return try store.relate(
            Array(user.utf8).span, change, to: bytes.span, ranges.span, at: now ?? start)
    }

    @Test("Edges are counted, repeated and taken back")
    func edges() throws {
        let store = store()
        #expect(try relate(store, "alice", .friend, ["bob", "carol", "bob"]) == 2)
        #expect(try relate(store, "alice", .block, ["bob"]) == 1)
        #expect(try relate(store, "alice", .block, ["bob"]) == 0)
        let relations = store.relations(of: name("alice").span, at: start)
        #expect(relations.friends == [Array("bob".utf8), Array("carol".utf8)])
        #expect(relations.blocked == [Array("bob".utf8)])
        #expect(try relate(store, "alice", .unfriend, ["carol", "dora"]) == 1)
        #expect(try relate(store, "nobody", .unblock, ["alice"]) == 0)
        #expect(store.describe(name("nobody").span, at: start) == nil)
    }

    @Test("At most so many relations: one more is refused whole; with those that ended there is a bound, too")
    func bound() throws {
        let store = store { $0.maxRelations = 10 }
        let names = (0..<30).map { "user-\($0)" }
        #expect(try relate(store, "alice", .friend, Array(names[0..<8])) == 8)
        #expect(throws: StoreError.tooManyRelations(limit: 10)) {
            try relate(store, "alice", .block, Array(names[8..<11]))
        }
        #expect(store.relations(of: name("alice").span, at: start).blocked.isEmpty)
        #expect(try relate(store, "alice", .block, [names[0], names[8], names[9]]) == 3)
        #expect(throws: StoreError.tooManyRelations(limit: 10)) { try relate(store, "alice", .friend, [names[10]]) }
        let before = store.statistics().memory.blocks
        for round in 0..<10 {
            for name in names[10...] {
                _ = try relate(store, "alice", .unblock, [names[9]])
                _ = try relate(store, "alice", .block, [name], at: start.advanced(byMilliseconds: Int64(round)))
                _ = try relate(store, "alice", .unblock, [name], at: start.advanced(byMilliseconds: Int64(round)))
            }
        }
        #expect(store.statistics().memory.blocks < before + 20 * 40)
    }

    @Test(
        "What a viewer could read when he was hidden stays so, however many edges end; with other nodes none that ended is forgotten for a week",
        arguments: [false, true])
    func endedEdges(hasPeers: Bool) throws {
        let store = store {
            $0.maxRelations = 2
            $0.replicaLogEntries = hasPeers ? 64 : 0
        }
        func later(_ seconds: Int64) -> Timestamp { start.advanced(byMilliseconds: 1_000 * seconds) }
        func read(at now: Timestamp) -> LastSeen {
            store.view(of: name("ann").span, for: name("bob").span, at: now).lastSeen
        }
        try store.connect(SlowModel.Name("ann"), session: "s", at: start)
        store.beat(SlowModel.Name("ann"), session: "s", isActive: true, at: start)
        #expect(try relate(store, "ann", .block, ["bob"], at: later(1)) == 1)
        store.beat(SlowModel.Name("ann"), session: "s", isActive: true, at: later(60))
        try store.set(name("ann").span, UserSettings(visibility: .nobody), at: later(61))
        #expect(try relate(store, "ann", .unblock, ["bob"], at: later(62)) == 1)
        #expect(read(at: later(62)) == .exact(start))
        var refused = 0
        for number in 0..<8 {
            do throws(StoreError) {
                _ = try relate(store, "ann", .block, ["user-\(number)"], at: later(63))
                #expect(try relate(store, "ann", .unblock, ["user-\(number)"], at: later(64)) == 1)
            } catch {
                #expect(error == .tooManyEndedRelations(limit: 2))
                refused += 1
            }
        }
        #expect(refused == (hasPeers ? 5 : 0))
        #expect(read(at: later(65)) == .exact(start))
        let week = later(7 * 86_400 + 100)
        #expect(try relate(store, "ann", .block, ["user-8", "user-9"], at: week) == 2)
        #expect(read(at: week) == .exact(start))
    }

    @Test(
        "Of several users who are to be blocked and for whom there is no memory, those who are blocked see the last of him"
    )
    func blockedBeforeTheEnd() throws {
        let store = store { $0.shards = 1 }
        let viewers = (0..<60).map { "viewer-\($0)" }
        let (bytes, ranges) = ModelRun.joined([SlowModel.Name("ann")])
        try store.connect(SlowModel.Name("ann"), session: "s", at: start)
        #expect(try relate(store, "ann", .friend, viewers) == 60)
        let lists = try viewers.map {
            try store.watch(name($0).span, since: Span(), bytes.span, ranges.span, at: start) { _ in }.watch
        }
        store.setMaxMemory(store.usedBytes + 400)
        #expect(throws: StoreError.outOfMemory) { try relate(store, "ann", .block, viewers) }
        var blocked = 0
        for (viewer, list) in zip(viewers, lists) {
            let isBlocked = store.view(of: name("ann").span, for: name(viewer).span, at: start).status == .offline
            #expect(store.takeFrame(of: list, at: start).frame?.rows.map(\.status) == (isBlocked ? [.offline] : nil))
            if isBlocked { blocked += 1 }
        }
        #expect((1..<60).contains(blocked))
    }

    @Test("Among two hundred, a friend takes at most 16 bytes with the head of all edges, a block 16 beside it")
    func memory() throws {
        for (change, most) in [(RelationChange.friend, 16.0), (.block, 16.32)] {
            let store = store { $0.shards = 1 }
            let others = (0..<200).map { "00000000-0000-4000-8000-\(100_000_000_000 + $0)" }
            _ = try relate(store, "zero", change, others)
            let before = store.statistics().memory.blocks
            for user in 0..<50 { #expect(try relate(store, "user-\(user)", change, others) == 200) }
            let perEdge = Double(store.statistics().memory.blocks - before) / (50 * 200)
            #expect(perEdge <= most, "\(perEdge) bytes")
        }
    }

    @Test("Whom an edge names stays known when memory is short")
    func naming() throws {
        let store = store { $0.shards = 1 }
        _ = try relate(store, "alice", .block, ["bob"])
        for index in 0..<3_000 {
            let guest = SlowModel.Name(stringLiteral: "guest-\(index)")
            try store.connect(guest, session: "s", at: start)
            _ = store.remove(.presence, guest, at: start)
        }
        // The ends of sessions are kept for a while.
        let later = start.advanced(byMilliseconds: 200_000)
        store.advance(to: later)
        store.setMaxMemory(store.usedBytes)
        for index in 0..<2_000 {
            _ = try? store.connect(SlowModel.Name(stringLiteral: "other-\(index)"), session: "s", at: later)
        }
        #expect(store.statistics().evictedUsers > 0)
        #expect(store.relations(of: name("alice").span, at: start).blocked == [Array("bob".utf8)])
    }

    @Test("A rule of the embedder hides, and a viewer's own blocks do where blocks hide both")
    func hooks() throws {
        let enemies = store { $0.viewFilter = { target, viewer in target.count == 5 && viewer.count == 3 } }
        try enemies.connect("alice", session: "s", at: start)
        #expect(enemies.view(of: name("alice").span, for: name("bob").span, at: start).status == .offline)
        #expect(enemies.view(of: name("alice").span, for: name("carol").span, at: start).status == .online)
        let why = enemies.explain(name("alice").span, for: name("bob").span, at: start)
        #expect(why.viewer?.rule == .refused)
        #expect(why.lines.contains("viewer bob sees offline, no last seen: refused_by_rule"))
        let both = store { $0.blockHidesBoth = true }
        try both.connect("alice", session: "s", at: start)
        #expect(try relate(both, "bob", .block, ["alice"]) == 1)
        #expect(both.view(of: name("alice").span, for: name("bob").span, at: start).status == .offline)
    }

    /// A rule that hides everybody, or nobody.
    private final class Rule: Sendable {
        let hides = Atomic<Bool>(true)
    }

    @Test(
        "What a rule of the embedder hides no block shows, nor a friendship that ends, whatever the rule says later",
        arguments: [false, true])
    func hiddenByRule(_ isFriend: Bool) throws {
        let rule = Rule()
        let store = store { $0.viewFilter = { _, _ in rule.hides.load(ordering: .relaxed) } }
        let (alice, bob) = (name("alice"), name("bob"))
        let later = start.advanced(byMilliseconds: 10)
        let lastSeen = { store.view(of: alice.span, for: bob.span, at: later).lastSeen }
        try store.connect("alice", session: "s", at: start)
        if isFriend {
            try store.set(alice.span, UserSettings(visibility: .friends), at: start)
            _ = try relate(store, "alice", .friend, ["bob"])
        }
        // He never could read this.
        store.beat("alice", session: "s", isActive: true, at: later)
        #expect(lastSeen() == .unknown)
        let hide: RelationChange = isFriend ? .unfriend : .block
        #expect(try relate(store, "alice", hide, ["bob"], at: later) == 1)
        #expect(lastSeen() == .unknown)
        rule.hides.store(false, ordering: .relaxed)
        #expect(lastSeen() == .unknown)
        #expect(try relate(store, "alice", isFriend ? .friend : .unblock, ["bob"], at: later) == 1)
        #expect(lastSeen() == .exact(later))
        // What he reads since then is kept for him, though the rule hides even that, while it does.
        #expect(try relate(store, "alice", hide, ["bob"], at: later) == 1)
        rule.hides.store(true, ordering: .relaxed)
        #expect(lastSeen() == .unknown)
        #expect(try relate(store, "alice", .block, ["bob"], at: later) == (isFriend ? 1 : 0))
        rule.hides.store(false, ordering: .relaxed)
        #expect(lastSeen() == .exact(later))
    }

    @Test(
        "Whom a viewer blocked, and who then hides from him, he reads as of his own block",
        arguments: RelationChange.allCases)
    func hiddenTwice(_ change: RelationChange) throws {
        let both = store { $0.blockHidesBoth = true }
        let (alice, bob) = (name("alice"), name("bob"))
        try both.connect("alice", session: "s", at: start)
        both.beat("alice", session: "s", isActive: true, at: start)
        #expect(try relate(both, "bob", .block, ["alice"]) == 1)
        // Nothing of this is for him.
        both.beat("alice", session: "s", isActive: true, at: start.advanced(byMilliseconds: 10))
        try both.set(alice.span, UserSettings(visibility: .friends), at: start.advanced(byMilliseconds: 20))
        if !change.holds { _ = try relate(both, "alice", change == .unfriend ? .friend : .block, ["bob"]) }
        _ = try relate(both, "alice", change, ["bob"])
        _ = try relate(both, "alice", .block, ["bob"])
        both.beat("alice", session: "s", isActive: true, at: start.advanced(byMilliseconds: 30))
        let later = start.advanced(byMilliseconds: 40)
        #expect(both.view(of: alice.span, for: bob.span, at: later).lastSeen == .exact(start))
        #expect(try relate(both, "bob", .unblock, ["alice"], at: later) == 1)
        #expect(both.view(of: alice.span, for: bob.span, at: later).lastSeen == .exact(start))
    }

    /// Two histories that differ only in what a hidden user did: everything that the viewer can read is the same.
    @Test("Nothing that a hidden user does changes what the viewer reads", arguments: [false, true])
    func nonInterference(_ hidesBoth: Bool) throws {
        for random in SeededRandom.cases(40) {
            var histories = Interference(random, hidesBoth: hidesBoth)
            try histories.run()
        }
    }
}

/// One pair of histories: `quiet`, in which the target does nothing once he is hidden, and `busy`, in which he does.
private struct Interference {
    var random: SeededRandom
    let quiet: ShardedStore
    let busy: ShardedStore
    var now = Timestamp(milliseconds: 1_767_225_600_000)
    let viewer = Array("viewer".utf8)
    let target = Array("target".utf8)
    let other = Array("other".utf8)

    enum Unexpected: Error { case listIsGone }

    init(_ random: SeededRandom, hidesBoth: Bool) {
        self.random = random
        var configuration = ShardedStore.Configuration()
        configuration.shards = 2
        configuration.clock = TestClock(now)
        configuration.blockHidesBoth = hidesBoth
        configuration.statusChangesPerMinute = 0
        quiet = ShardedStore(configuration)
        busy = ShardedStore(configuration)
    }

    mutating func run() throws {
        // Until then both are the same.
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            var same = random
            try act(quiet, &random, isHidden: false)
            try act(busy, &same, isHidden: false)
            pass()
        }
        // The viewer has the target on his list, and is told.
        let range = [KeyRange(offset: 0, length: target.count)]
        for store in [quiet, busy] {
            _ = try store.watch(viewer.span, since: Span(), target.span, range.span, at: now) { _ in }
        }
        let isBlock = random.chance(oneIn: 2)
        for store in [quiet, busy] {
            if isBlock {
                try relate(store, .block, viewer)
            } else {
                try store.set(target.span, UserSettings(visibility: .nobody), at: now)
            }
        }
        #expect(try frames(busy) == frames(quiet), "\(random)")
        for _ in 0..<60 {
            try act(busy, &random, isHidden: true)
            pass()
            try compare()
            #expect(try frames(busy) == frames(quiet), "\(random)")
        }
    }

    private mutating func pass() {
        now = now.advanced(byMilliseconds: Int64.random(in: 0...400_000, using: &random))
        quiet.advance(to: now)
        busy.advance(to: now)
    }

    private func relate(_ store: ShardedStore, _ change: RelationChange, _ whom: [UInt8]) throws {
        let range = [KeyRange(offset: 0, length: whom.count)]
        try store.relate(target.span, change, to: whom.span, range.span, at: now)
    }

    /// Something that the target does. Once he is hidden he may do all but show himself to the viewer again.
    private func act(_ store: ShardedStore, _ random: inout SeededRandom, isHidden: Bool) throws {
        switch Int.random(in: 0..<9, using: &random) {
        case 0: try store.connect(SlowModel.Name(target), session: "a", at: now)
        case 1: store.beat(SlowModel.Name(target), session: "a", isActive: true, at: now)
        case 2: store.disconnect(SlowModel.Name(target), session: "a", at: now)
        case 3: try store.set(target.span, UserSettings(status: .some(random.pick(ManualStatus.allCases))), at: now)
        case 4: try store.set(target.span, UserSettings(status: .some(nil)), at: now)
        case 5:
            try store.set(
                target.span, UserSettings(activity: .some(random.bytes(1...20).map { 65 + $0 % 26 })), at: now)
        case 6: try store.set(target.span, UserSettings(lastSeen: random.pick(LastSeenVisibility.allCases)), at: now)
        case 7: try relate(store, random.pick(RelationChange.allCases), other)
        default: try relate(store, isHidden ? .friend : random.pick([.friend, .unfriend]), viewer)
        }
    }

    /// What the viewer is told, cursors aside: they name the list.
    private func frames(_ store: ShardedStore) throws -> [[ViewRow]] {
        for shard in 0..<store.shardCount { while store.pumpWatches(shard: shard) {} }
        guard let watch = store.watch(of: viewer.span) else { throw Unexpected.listIsGone }
        let frame = store.takeFrame(of: watch, at: now).frame
        return frame.map { [$0.rows] } ?? []
    }

    private func compare() throws {
        let expected = quiet.view(of: target.span, for: viewer.span, at: now)
        let found = busy.view(of: target.span, for: viewer.span, at: now)
        #expect(found == expected, "\(random)")
        #expect(found.status == .offline, "\(random)")
        #expect(found.lastSeen.span(at: now) == expected.lastSeen.span(at: now), "\(random)")
    }
}
