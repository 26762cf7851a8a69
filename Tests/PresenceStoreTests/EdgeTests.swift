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
        .standing(at: EdgeTests.start) { $0.blockHidesBoth = hidesBoth }
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

    /// Bytes an edge of a user whose privacy is set, after `body` has made so many of them.
    private func bytesPerEdge(
        of edges: Int = 1_000, hidesBoth: Bool = false, visibility: Visibility = .everyone,
        _ body: (ShardedStore) throws -> Void
    ) throws -> Double {
        let store = store(hidesBoth: hidesBoth)
        try see(store, at: EdgeTests.start)
        try store.set("alice".utf8.span, UserSettings(visibility: visibility), at: EdgeTests.start)
        let before = store.statistics().memory.blocks
        #expect(before == RelationsRecord.headerBytes)
        try body(store)
        #expect(store.usedBytes == store.statistics().memory.total)
        return Double(store.statistics().memory.blocks - before) / Double(edges)
    }

    /// Changes the edges to others one after the other, a minute apart, each so many milliseconds after alice was last seen: each other goes on reading
    /// another instant, to the millisecond.
    private func relate(
        _ store: ShardedStore, _ changes: [RelationChange], _ others: ArraySlice<String>,
        afterSeen gaps: ClosedRange<Int64>
    ) throws {
        var random = SeededRandom.fromEnvironment()
        var now = EdgeTests.start
        var readings: [LastSeen] = []
        for index in others.indices {
            now = now.advanced(byMilliseconds: 60_000)
            try see(store, at: now)
            readings.append(.exact(now))
            now = now.advanced(byMilliseconds: Int64.random(in: gaps, using: &random))
            for change in changes { _ = try relate(store, change, others[index...index], at: now) }
            expectReadings(readings.suffix(1), of: others[index...index], store, at: now)
        }
        try see(store, at: now.advanced(byMilliseconds: 60_000))
        expectReadings(readings[...], of: others, store, at: now.advanced(byMilliseconds: 60_000))
    }

    private func expectReadings(
        _ readings: ArraySlice<LastSeen>, of others: ArraySlice<String>, _ store: ShardedStore, at now: Timestamp
    ) {
        for (other, reading) in zip(others, readings) {
            let view = store.view(of: "alice".utf8.span, for: other.utf8.span, at: now)
            check(view.status == .offline && view.lastSeen == reading, "\(view.lastSeen), not \(reading)")
        }
    }

    @Test("Friends, blocks and edges that ended take at most 16 bytes each, also if all that was read differs")
    func sixteen() throws {
        let friends = try bytesPerEdge { try relateAll($0, [.friend]) }
        #expect(friends >= 14 && friends <= 16, "\(friends) bytes a friend")
        let blocks = try bytesPerEdge { try relateAll($0, [.block]) }
        #expect(blocks <= 16, "\(blocks) bytes a block")
        let differing = try bytesPerEdge { try relate($0, [.block], others[...], afterSeen: 0...65_000) }
        #expect(differing <= 16, "\(differing) bytes a block soon after another time")
        let unfriended = try bytesPerEdge { try relateAll($0, [.friend, .unfriend]) }
        // The place of the last friend is left over.
        #expect(unfriended <= 16.014, "\(unfriended) bytes a friendship that ended")
        let unblocked = try bytesPerEdge { try relateAll($0, [.block, .unblock]) }
        #expect(unblocked <= 16, "\(unblocked) bytes a block that ended")
    }

    @Test(
        "Sixteen also long after the user was last seen, each time another, and all of it is read to the millisecond",
        arguments: [65_530...65_540, 66_000...100_000, 3_600_000...7_200_000, 86_400_000...100_000_000])
    func distant(gaps: ClosedRange<Int64>) throws {
        let blocks = try bytesPerEdge { try relate($0, [.block], others[...], afterSeen: gaps) }
        #expect(blocks <= 16, "\(blocks) bytes")
        let later = EdgeTests.start.advanced(byMilliseconds: gaps.upperBound)
        let shared = try bytesPerEdge { _ = try relate($0, .block, others[...], at: later) }
        #expect(shared <= 16, "\(shared) bytes")
        // Hidden from strangers: who is none any more goes on reading what he did.
        let ended = try bytesPerEdge(visibility: .friends) {
            try relate($0, [.friend, .unfriend], others[...], afterSeen: gaps)
        }
        #expect(ended <= 16.014, "\(ended) bytes")
    }

    @Test("Sixteen after months and years", arguments: [(30, 90), (365, 8)])
    func years(days: Int64, edges: Int) throws {
        let gaps = days * 86_400_000 - 500_000...days * 86_400_000
        let bytes = try bytesPerEdge(of: edges) { try relate($0, [.block], others.prefix(edges), afterSeen: gaps) }
        #expect(bytes <= 16, "\(bytes) bytes")
    }

    @Test(
        "Who takes distant blocks back and makes them again pays no more, and no stamp runs far ahead",
        arguments: [3, 20])
    func again(rounds: Int) throws {
        let later = EdgeTests.start.advanced(byMilliseconds: 86_400_000)
        let others = others.prefix(50)
        let bytes = try bytesPerEdge(of: 50) { store in
            for _ in 0..<rounds {
                #expect(try relate(store, .block, others, at: later) == 50)
                #expect(try relate(store, .unblock, others, at: later) == 50)
            }
            #expect(try relate(store, .block, others, at: later) == 50)
            try see(store, at: later)
            for other in others {
                let view = store.view(of: "alice".utf8.span, for: other.utf8.span, at: later)
                check(view.status == .offline && view.lastSeen == .exact(EdgeTests.start), "\(view.lastSeen)")
            }
            let image = store.image(of: "alice".utf8.span, at: later)
            let bytes = try #require(image)
            let facts = try UserImage.facts(in: bytes.span)
            #expect(facts.edges.count == 50)
            let ahead = facts.edges.values.map { $0.blockStamp.at.milliseconds(since: later) }.max() ?? 0
            #expect(ahead <= EdgeDistance.lead(for: 86_500_000) + 2 * Int64(rounds), "\(ahead) ms")
        }
        // Within a minute and a half there are five instants to choose from; then what was read has an entry of its own.
        #expect(bytes <= (rounds < 4 ? 16 : 32), "\(bytes) bytes")
    }

    @Test("A friend who is blocked is two edges, and a block that hides both hides two ways: sixteen bytes each")
    func two() throws {
        let friends = try bytesPerEdge(of: 2_000) { try relateAll($0, [.friend, .block]) }
        #expect(friends <= 16, "\(friends) bytes")
        let blocks = try bytesPerEdge(of: 2_000) { try relateAll($0, [.block, .friend]) }
        #expect(blocks <= 16, "\(blocks) bytes")
        let distant = try bytesPerEdge(of: 2_000) {
            try relate($0, [.friend, .block], others[...], afterSeen: 80_000...5_000_000)
        }
        #expect(distant <= 16, "\(distant) bytes")
        let ended = try bytesPerEdge(of: 2_000) { try relateAll($0, [.friend, .block, .unblock, .unfriend]) }
        #expect(ended <= 16.007, "\(ended) bytes")
        let both = try bytesPerEdge(of: 2_000, hidesBoth: true) { try relateAll($0, [.block]) }
        #expect(both <= 16, "\(both) bytes")
        let bothDistant = try bytesPerEdge(of: 2_000, hidesBoth: true) {
            try relate($0, [.block], others[...], afterSeen: 80_000...5_000_000)
        }
        #expect(bothDistant <= 16, "\(bothDistant) bytes")
    }

    @Test(
        "Writes of fifteen nodes take sixteen bytes; of further ones sixteen, too, and as many for an instant they keep"
    )
    func nodes() {
        let now = EdgeTests.start
        func bytes(_ nodes: ClosedRange<UInt8>, _ read: LastSeen?) -> Int {
            var record = RelationsRecord.make()
            defer { record.destroy() }
            for index in 0..<255 {
                let node = nodes.lowerBound + UInt8(index % nodes.count)
                let relation = Relation(isBlocked: true, blockStamp: EdgeStamp(at: now, node: node), read: read)
                let rooms = record.rooms(toStore: relation, to: UInt64(index))
                let copy = record.copy(rooms)
                record.destroy()
                record = copy
                record.store(relation, to: UInt64(index))
                check(record.relation(to: UInt64(index), near: now) == relation, "\(node)")
            }
            return record.byteCount - RelationsRecord.headerBytes
        }
        let instant = now.advanced(byMilliseconds: -1_000)
        #expect(bytes(240...254, .exact(instant)) == 255 * 16)
        #expect(bytes(1...255, .unknown) == 255 * 16)
        #expect(bytes(1...255, .exact(instant)) == 15 * 16 + 240 * 32)
    }

    @Test("Hiding from thousands with edges that ended adds nothing")
    func hiding() throws {
        let bytes = try bytesPerEdge { store in
            try relateAll(store, [.friend, .unfriend])
            let later = EdgeTests.start.advanced(byMilliseconds: 900_000)
            try see(store, at: later)
            for visibility in [Visibility.nobody, .friends, .everyone, .nobody] {
                try store.set("alice".utf8.span, UserSettings(visibility: visibility), at: later)
            }
            try see(store, at: later.advanced(byMilliseconds: 900_000))
            for other in others {
                let view = store.view(
                    of: "alice".utf8.span, for: other.utf8.span, at: later.advanced(byMilliseconds: 900_000))
                check(view.status == .offline && view.lastSeen == .exact(later), "\(view.lastSeen)")
            }
        }
        #expect(bytes <= 16.014, "\(bytes) bytes")
    }

    @Test("What a merge brings that no write has room for takes sixteen bytes more, and goes on as it came")
    func foreign() throws {
        let store = store()
        let now = EdgeTests.start
        var user = ReplicaFacts(id: Array("alice".utf8))
        user.privacy = ReplicaFacts.PrivacyRegisters()
        for index in 0..<1_000 {
            let distance = 86_400_001 + 2 * Int64(index)
            user.edges[UInt64(index)] = Relation(
                isBlocked: true, blockStamp: EdgeStamp(at: now, node: 3),
                read: .exact(now.advanced(byMilliseconds: -distance)))
        }
        let image = UserImage.bytes(of: user)
        let isNews = [try store.merge(image.span, at: now), try store.merge(image.span, at: now)]
        #expect(isNews == [true, false])
        let same = store.image(of: "alice".utf8.span, at: now)
        #expect(same == image)
        #expect(store.statistics().memory.blocks == RelationsRecord.headerBytes + 1_000 * 32)
    }

    @Test("An edge may be a day ahead for what is kept with it, and no more")
    func ahead() throws {
        let (one, two) = (store(), store())
        let later = EdgeTests.start.advanced(byMilliseconds: 365 * 86_400_000)
        try see(one, at: EdgeTests.start)
        #expect(try relate(one, .block, others.prefix(1), at: later) == 1)
        #expect(try relate(one, .unblock, others.prefix(1), at: later) == 1)
        #expect(try relate(one, .friend, others.prefix(1), at: later) == 1)
        let made = one.image(of: "alice".utf8.span, at: later)
        let image = try #require(made)
        let ahead = try UserImage.facts(in: image.span).edges.values.map { $0.blockStamp.at.milliseconds(since: later) }
        #expect(ahead.count == 1 && ahead[0] > 1_000 && ahead[0] < 4_300_000)
        let isNews = try two.merge(image.span, at: later)
        #expect(isNews)
        let same = two.image(of: "alice".utf8.span, at: later)
        #expect(same == image)
        var facts = try UserImage.facts(in: image.span)
        for other in facts.edges.keys {
            facts.edges[other]?.blockStamp.at = later.advanced(byMilliseconds: EdgeDistance.greatestLead + 1_001)
        }
        let early = UserImage.bytes(of: facts)
        #expect(throws: MergeError.fromTheFuture(milliseconds: 1_001)) { _ = try two.merge(early.span, at: later) }
    }

    // MARK: Distances

    @Test("A distance is held as it is up to 65 seconds, beyond as the next one of 13 significant bits")
    func distances() {
        var random = SeededRandom.fromEnvironment()
        for _ in 0..<4_000 {
            let distance = Int64.random(in: 0...1 << Int64.random(in: 0...39, using: &random), using: &random)
            let held = EdgeDistance.held(notBelow: distance)
            check(held >= distance && held - distance <= distance >> 12, "\(distance) \(random)")
            check(EdgeDistance.held(notBelow: held) == held, "\(distance) \(random)")
            check(EdgeDistance.held(notBelow: held + 1) > held, "\(distance) \(random)")
            if held > EdgeDistance.greatestNear {
                let code = EdgeDistance.code(of: held)
                check(code.map { EdgeDistance.distance(of: $0) } == held && code ?? 0 < 1 << 17, "\(held) \(random)")
                check(held == distance || EdgeDistance.code(of: distance) == nil, "\(distance) \(random)")
            } else {
                check(held == distance && EdgeDistance.code(of: distance) == nil, "\(distance) \(random)")
            }
        }
    }

    @Test("The stamp of a write is never before now, nor before the edge's last, and has room for what was read")
    func stamps() {
        var random = SeededRandom.fromEnvironment()
        for _ in 0..<4_000 {
            let now = EdgeTests.start
            let distance = Int64.random(in: -1_000...1 << Int64.random(in: 0...38, using: &random), using: &random)
            let read = LastSeen.exact(now.advanced(byMilliseconds: -distance))
            let last = EdgeStamp(
                at: now.advanced(byMilliseconds: -Int64.random(in: 0...1_000, using: &random)), node: 2)
            let stamp = last.next(at: now, node: 1, keeping: read)
            let ahead = stamp.at.milliseconds(since: now)
            check(ahead >= 0 && stamp.at > last.at && stamp.node == 1, "\(distance) \(random)")
            check(ahead <= max(-distance, (distance + 1) >> 12) + 1, "\(distance) \(random)")
            check(stamp.hasRoom(for: read), "\(distance) \(random)")
        }
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
        // Fifteen nodes have places in a record, of forty some have none.
        nodes = Array(1...self.random.pick([1, 15, 40]))
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
        check(record.rooms == rooms, "\(random)")
        model[hash] = relation
    }

    private mutating func dropOldest() {
        let instant = random.chance(oneIn: 2) ? .distantFuture : now.advanced(byMilliseconds: -50_000_000)
        let ended = model.filter {
            let last = max($0.value.friendStamp.at, $0.value.blockStamp.at)
            return $0.value.hasEnded && $0.value.read == nil && $0.value.othersRead == nil && last < instant
        }
        check(record.forgettableCount(endedBefore: instant, near: now) == ended.count, "\(random)")
        let oldest = ended.map { max($0.value.friendStamp.at, $0.value.blockStamp.at) }.min()
        check(record.forgetEnded(before: instant, near: now) == (oldest != nil), "\(random)")
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
        var order: [UInt64] = []
        record.forEach(near: now) { hash, relation in
            order.append(hash)
            check(relation == model[hash], "\(random)")
        }
        check(order == model.keys.sorted(), "\(random)")
        for hash in hashes { check(record.relation(to: hash, near: now) == model[hash], "\(random)") }
        let ended = model.values.count { $0.hasEnded }
        check(record.edgeCounts == (model.count - ended, ended), "\(random)")
        check(record.edgeCount == model.count && record.hasEdges != model.isEmpty, "\(random)")
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
        if random.chance(oneIn: 20) { relation = Relation() }
        return relation
    }

    private mutating func stamp() -> EdgeStamp {
        let age = Int64.random(in: -100_000...1_000_000_000, using: &random)
        return EdgeStamp(at: now.advanced(byMilliseconds: -age), node: random.pick(nodes))
    }

    private mutating func reading(before at: Timestamp) -> LastSeen {
        let distance = random.pick([
            0, 65_533, 65_534, 65_535, 65_536, -1, Int64.random(in: 0...100_000, using: &random),
            EdgeDistance.held(notBelow: Int64.random(in: 0...1 << 38, using: &random)),
        ])
        let far = now.advanced(byMilliseconds: -1_000_000_000 * Int64.random(in: 0...9, using: &random))
        let instant = random.chance(oneIn: 3) ? far : at.advanced(byMilliseconds: -distance)
        return random.pick([.unknown, .exact(instant), .exact(instant), .coarse(instant)])
    }
}
