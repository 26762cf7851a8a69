import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// What edges take, and that the forms they are kept in say what was put in.
@Suite("Edges and what they take")
struct EdgeTests {
    private static let start = Timestamp(milliseconds: 1_767_225_600_000)
    private let others = (0..<1_000).map { "00000000-0000-4000-8000-\(100_000_000_000 + $0)" }

    // MARK: Bytes

    private func store(hidesBoth: Bool = false) -> ShardedStore {
        var configuration = ShardedStore.Configuration()
        configuration.clock = TestClock(EdgeTests.start)
        configuration.shards = 1
        configuration.blockHidesBoth = hidesBoth
        return ShardedStore(configuration)
    }

    private func relate(
        _ store: ShardedStore, _ change: RelationChange, _ others: ArraySlice<String>, at now: Timestamp
    ) throws -> Int {
        let (bytes, ranges) = ModelRun.joined(others.map { SlowModel.Name(Array($0.utf8)) })
        return try store.relate("alice".utf8.span, change, to: bytes.span, ranges.span, at: now)
    }

    /// Says something of all thousand, one thing after the other.
    private func relateAll(_ store: ShardedStore, _ changes: [RelationChange]) throws {
        for change in changes {
            let changed = try relate(store, change, others[...], at: EdgeTests.start)
            #expect(changed == others.count)
        }
    }

    /// Alice does something.
    private func see(_ store: ShardedStore, at now: Timestamp) throws {
        try store.connect("alice", session: "s", at: now)
        store.beat("alice", session: "s", isActive: true, at: now)
    }

    /// Bytes an edge of a user whose privacy is set, after `body` has made a thousand of them.
    private func bytesPerEdge(hidesBoth: Bool = false, _ body: (ShardedStore) throws -> Void) throws -> Double {
        let store = store(hidesBoth: hidesBoth)
        try see(store, at: EdgeTests.start)
        try store.set("alice".utf8.span, UserSettings(visibility: .everyone), at: EdgeTests.start)
        let before = store.statistics().memory.blocks
        #expect(before == RelationsRecord.headerBytes)
        try body(store)
        #expect(store.usedBytes == store.statistics().memory.total)
        return Double(store.statistics().memory.blocks - before) / Double(others.count)
    }

    /// Blocks the thousand one after the other, a minute apart, each so many milliseconds after alice was last seen.
    private func block(_ store: ShardedStore, afterSeen gaps: ClosedRange<Int64>) throws {
        var random = SeededRandom.fromEnvironment()
        var seen = EdgeTests.start
        var readings: Set<Timestamp> = []
        for index in others.indices {
            seen = seen.advanced(byMilliseconds: 60_000)
            try see(store, at: seen)
            let now = seen.advanced(byMilliseconds: Int64.random(in: gaps, using: &random))
            _ = try relate(store, .block, others[index...index], at: now)
            seen = now
        }
        for other in others {
            let view = store.view(of: "alice".utf8.span, for: other.utf8.span, at: seen)
            guard case .exact(let instant) = view.lastSeen else { throw Unexpected.noReading }
            readings.insert(instant)
        }
        #expect(readings.count == others.count)
    }

    private enum Unexpected: Error { case noReading }

    @Test("Friends, blocks and edges that ended take at most 16 bytes each, also if all that was read differs")
    func sixteen() throws {
        let friends = try bytesPerEdge { try relateAll($0, [.friend]) }
        #expect(friends >= 14 && friends <= 16, "\(friends) bytes a friend")
        let blocks = try bytesPerEdge { try relateAll($0, [.block]) }
        #expect(blocks <= 16, "\(blocks) bytes a block")
        let differing = try bytesPerEdge { try block($0, afterSeen: 0...65_000) }
        #expect(differing <= 16, "\(differing) bytes a block soon after another time")
        let unfriended = try bytesPerEdge { try relateAll($0, [.friend, .unfriend]) }
        // The place of the last friend is left over.
        #expect(unfriended <= 16.014, "\(unfriended) bytes a friendship that ended")
        let unblocked = try bytesPerEdge { try relateAll($0, [.block, .unblock]) }
        #expect(unblocked <= 16, "\(unblocked) bytes a block that ended")
    }

    @Test("An hour after the user was last seen one instant is kept for all; 21 bytes if each has another")
    func distant() throws {
        let later = EdgeTests.start.advanced(byMilliseconds: 3_600_000)
        let shared = try bytesPerEdge { _ = try relate($0, .block, others[...], at: later) }
        #expect(shared <= 16 + Double(RelationsRecord.readingBytes) / 1_000, "\(shared) bytes")
        let own = try bytesPerEdge { try block($0, afterSeen: 70_000...100_000) }
        #expect(own <= 21, "\(own) bytes")
    }

    @Test("A friend who is blocked too, and a block that hides both, take 32 bytes and room to grow")
    func long() throws {
        let friends = try bytesPerEdge { try relateAll($0, [.friend, .block]) }
        #expect(friends <= 36, "\(friends) bytes")
        let both = try bytesPerEdge(hidesBoth: true) { try relateAll($0, [.block]) }
        #expect(both <= 36, "\(both) bytes")
    }

    @Test("Hiding from thousands with edges that ended adds one instant")
    func hiding() throws {
        let bytes = try bytesPerEdge { store in
            try relateAll(store, [.friend, .unfriend])
            let later = EdgeTests.start.advanced(byMilliseconds: 900_000)
            try see(store, at: later)
            try store.set("alice".utf8.span, UserSettings(visibility: .nobody), at: later)
            for other in others {
                let view = store.view(of: "alice".utf8.span, for: other.utf8.span, at: later)
                #expect(view.status == .offline)
                #expect(view.lastSeen == .exact(later))
            }
        }
        #expect(bytes <= 16 + Double(RelationsRecord.readingBytes) / 1_000, "\(bytes) bytes")
    }

    // MARK: Forms

    @Test("A record of edges says what a dictionary of them says, whatever is written in which order")
    func model() throws {
        for random in SeededRandom.cases(30) {
            var run = EdgeRun(random)
            defer { run.record.destroy() }
            for _ in 0..<300 { run.step() }
        }
    }
}

/// A record of edges and a dictionary beside it.
private struct EdgeRun {
    var random: SeededRandom
    var record = RelationsRecord.make()
    private var model: [UInt64: Relation] = [:]
    private let hashes: [UInt64]
    private let nodes: [UInt8]
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    init(_ random: SeededRandom) {
        self.random = random
        let count = self.random.pick([3, 20, 150])
        var hashes: [UInt64] = [0, .max]
        for _ in 0..<count { hashes.append(self.random.next()) }
        self.hashes = hashes
        // Of eight nodes all edges can be singles, of twelve not.
        nodes = Array(1...self.random.pick([1, 8, 12]))
    }

    mutating func step() {
        switch Int.random(in: 0..<40, using: &random) {
        case 0: dropOldest()
        case 1: rewrite()
        case 2: remake()
        default: write()
        }
        compare()
    }

    private mutating func write() {
        let hash = random.pick(hashes)
        let relation = relation()
        let rooms = record.rooms(toStore: relation, to: hash)
        if rooms != record.rooms { take(record.copy(rooms)) }
        record.store(relation, to: hash)
        model[hash] = relation
    }

    private mutating func dropOldest() {
        let ended = model.filter { $0.value.hasEnded }
        let oldest = ended.map { max($0.value.friendStamp.at, $0.value.blockStamp.at) }.min()
        check(record.dropOldestEnded(near: now) == (oldest != nil), "\(random)")
        for (hash, relation) in ended where max(relation.friendStamp.at, relation.blockStamp.at) == oldest {
            if record.relation(to: hash, near: now) == nil { model[hash] = nil }
        }
        check(record.edgeCount == model.count, "\(random)")
    }

    /// What a change of privacy does: the same reading for all whom it hides, or none.
    private mutating func rewrite() {
        let read = random.chance(oneIn: 2) ? reading(before: now) : nil
        let change: (inout Relation) -> Void = { relation in
            if !relation.isBlocked { relation.read = read }
        }
        let before = record.byteCount
        let plan = record.plan(near: now, change)
        var hasChanged = false
        for (hash, relation) in model where !relation.isPlain {
            var new = relation
            change(&new)
            hasChanged = hasChanged || new != relation
            model[hash] = new
        }
        check((plan != nil) == hasChanged, "\(random)")
        if let plan { take(RelationsRecord.make(plan)) }
        check(record.byteCount <= before + RelationsRecord.privacyChangeBytes, "\(random)")
    }

    private mutating func remake() {
        let plan = RelationsPlan(model.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        take(RelationsRecord.make(plan))
        check(record.byteCount == plan.sizes.byteCount, "\(random)")
        check(record.counts == record.rooms, "\(random)")
    }

    private mutating func take(_ new: RelationsRecord) {
        record.destroy()
        record = new
    }

    private func compare() {
        var found: [UInt64: Relation] = [:]
        record.forEach(near: now) { found[$0] = $1 }
        check(found == model, "\(random)")
        var order: [UInt64] = []
        record.forEachByHash(near: now) { hash, relation in
            order.append(hash)
            check(relation == model[hash], "\(random)")
        }
        check(order == model.keys.sorted(), "\(random)")
        for hash in hashes { check(record.relation(to: hash, near: now) == model[hash], "\(random)") }
        let ended = model.values.count { $0.hasEnded }
        check(record.edgeCounts == (model.count - ended, ended), "\(random)")
        // What no edge reads any more goes before room is made for more.
        check(record.rooms.readings <= hashes.count + 1, "\(random)")
    }

    // MARK: Random values

    private mutating func relation() -> Relation {
        var relation = Relation()
        let kind = Int.random(in: 0..<8, using: &random)
        if kind != 1 { (relation.isFriend, relation.friendStamp) = (random.chance(oneIn: 2), stamp()) }
        if kind == 1 || kind > 5 { (relation.isBlocked, relation.blockStamp) = (random.chance(oneIn: 2), stamp()) }
        let at = max(relation.friendStamp.at, relation.blockStamp.at)
        if random.chance(oneIn: 2) { relation.read = reading(before: at) }
        if kind == 7 { relation.othersRead = reading(before: at) }
        return relation
    }

    private mutating func stamp() -> EdgeStamp {
        let age = Int64.random(in: -100_000...1_000_000_000, using: &random)
        return EdgeStamp(at: now.advanced(byMilliseconds: -age), node: random.pick(nodes))
    }

    private mutating func reading(before at: Timestamp) -> LastSeen {
        let distance = random.pick([0, 65_535, 65_536, -1, Int64.random(in: 0...100_000, using: &random)])
        let far = now.advanced(byMilliseconds: -1_000_000_000 * Int64.random(in: 0...9, using: &random))
        let instant = random.chance(oneIn: 3) ? far : at.advanced(byMilliseconds: -distance)
        return random.pick([.unknown, .exact(instant), .exact(instant), .coarse(instant)])
    }
}
