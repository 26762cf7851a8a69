import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Strings between stores: what they tell each other, and what a merge does and announces.
@Suite("Strings between stores")
struct StringReplicaTests: BetweenTwoStores {
    let clock = TestClock()
    let one: ShardedStore
    let two: ShardedStore

    init() {
        one = StringReplicaTests.store(1, clock)
        two = StringReplicaTests.store(2, clock)
    }

    static func store(
        _ node: UInt8, _ clock: TestClock, _ change: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) -> ShardedStore {
        MergeTests.store(node, clock) {
            $0.replicaLogEntries = 256
            change(&$0)
        }
    }

    // MARK: Writes

    @Test("Of two writes the newer holds, whichever comes last; the same one is taken once")
    func newer() throws {
        try set(one, "k", "old", end(60_000))
        let old = try image(one, "k")
        try set(two, "k", "new")
        #expect(try !two.merge(old))
        #expect(value(two, "k") == "new")
        #expect(try send("k", from: two, to: one))
        #expect(value(one, "k") == "new")
        #expect(one.timeToLiveOfString("k", at: clock.now()) == .persistent)
        #expect(try !send("k", from: two, to: one), "known already")
        #expect(try image(one, "k") == image(two, "k"))
        // What is written after it is newer, though the clock stands.
        try one.setString("k", "newest", at: clock.now())
        #expect(try send("k", from: one, to: two))
        #expect(value(two, "k") == "newest")
        #expect(one.statistics().strings == 1 && two.statistics().strings == 1)
    }

    @Test("Any key and value travel, the empty and the large ones too", arguments: [0, 1, 40, 2_000, 70_000])
    func sizes(_ count: Int) throws {
        for key in [SlowModel.Name(""), "k", .init([UInt8](repeating: 7, count: 3_000))] {
            let value = SlowModel.Name([UInt8](repeating: 9, count: count))
            try set(one, key, value, end(5_000))
            try send(key, from: one, to: two)
            #expect(self.value(two, key) == value)
            #expect(two.timeToLiveOfString(key, at: clock.now()) == .milliseconds(4_999))
        }
        clock.advance(byMilliseconds: 4_999)
        two.advance(to: clock.now())
        #expect(two.statistics().strings == 0, "its timer was armed")
        #expect(two.statistics().memory.blocks == 0)
        #expect(two.usedBytes == two.statistics().memory.total)
    }

    @Test("EXPIRE and PERSIST are writes: they move the end everywhere, and an older value does not undo them")
    func ends() throws {
        try set(one, "k", "v", end(60_000))
        let first = try image(one, "k")
        try two.merge(first)
        clock.advance(byMilliseconds: 1)
        #expect(two.persistString("k", at: clock.now()))
        #expect(try send("k", from: two, to: one))
        #expect(one.timeToLiveOfString("k", at: clock.now()) == .persistent)
        #expect(try !one.merge(first))
        clock.advance(byMilliseconds: 1)
        let deadline = clock.now().advanced(byMilliseconds: 9_000)
        try one.expireString("k", at: deadline, now: clock.now())
        #expect(try send("k", from: one, to: two))
        #expect(two.timeToLiveOfString("k", at: clock.now()) == .milliseconds(9_000))
        clock.advance(byMilliseconds: 9_000)
        two.advance(to: clock.now())
        #expect(two.statistics().strings == 0)
    }

    @Test("APPEND and INCR make a new whole")
    func changes() throws {
        try set(one, "k", "4")
        try send("k", from: one, to: two)
        clock.advance(byMilliseconds: 1)
        try one.increment("k", by: 3, at: clock.now())
        try send("k", from: one, to: two)
        #expect(value(two, "k") == "7")
        clock.advance(byMilliseconds: 1)
        try one.append("k", "0", at: clock.now())
        try send("k", from: one, to: two)
        #expect(value(two, "k") == "70")
    }

    @Test("Without other nodes nothing is left and nothing is noted")
    func alone() throws {
        let single = MergeTests.store(3, clock)
        try set(single, "k", "v", end(50))
        let before = single.fingerprint(of: .string, "k", at: clock.now())
        try single.expireString("k", at: clock.now().advanced(byMilliseconds: 49), now: clock.now())
        #expect(single.fingerprint(of: .string, "k", at: clock.now()) == before)
        delete(single, "k")
        try set(single, "k", "v", end(50))
        clock.advance(byMilliseconds: 50)
        single.advance(to: clock.now())
        #expect(single.recordsInAll() == 0)
        #expect((0..<4).allSatisfy { shard in single.withShard(shard) { $0.replicaLog.end } == 0 })
        // It may still merge what it is handed.
        try set(one, "k", "v")
        try single.merge(try image(one, "k"))
        #expect(value(single, "k") == "v")
        delete(one, "k")
        try single.merge(try image(one, "k"))
        #expect(value(single, "k") == nil && single.recordsInAll() == 0)
    }

    @Test("Every write is noted, an end that comes by itself is not: whoever has the string knows it")
    func notes() throws {
        let store = StringReplicaTests.store(3, clock) { $0.shards = 1 }
        func noted(_ body: () throws -> Void) rethrows -> Int {
            let before = store.withShard(0) { $0.replicaLog.end }
            try body()
            let end = store.withShard(0) { $0.replicaLog.end }
            // Read, so that the next note of the same key stands for itself.
            var images = 0
            _ = store.readReplicaLog(
                shard: 0, from: before, limit: 100, at: clock.now(),
                image: { _ in
                    images += 1; return true
                },
                beat: { _ in })
            check(images == Int(end - before), "an image of each")
            return Int(end - before)
        }
        let key = SlowModel.Name("k")
        #expect(try noted { try set(store, "k", "1") } == 1)
        #expect(try noted { try set(store, "k", "2", end(90)) } == 1)
        #expect(noted { store.persistString(key, at: clock.now()) } == 1)
        #expect(noted { store.persistString(key, at: clock.now()) } == 0)
        #expect(
            try noted {
                try store.expireString(key, at: clock.now().advanced(byMilliseconds: 500), now: clock.now())
            } == 1)
        #expect(try noted { try store.increment(key, by: 1, at: clock.now()) } == 1)
        #expect(try noted { try store.append("k", "1", at: clock.now()) } == 1)
        #expect(noted { _ = value(store, "k") } == 0)
        clock.advance(byMilliseconds: 500)
        #expect(noted { store.advance(to: clock.now()) } == 0)
        #expect(try noted { try set(store, "k", "1") } == 1)
        #expect(noted { delete(store, "k") } == 1)
        #expect(noted { delete(store, "k") } == 0)
        #expect(try noted { try set(store, "k", "1", end(-1)) } == 1)
        try set(one, "k", "3")
        #expect(try noted { try store.merge(try image(one, "k")) } == 0)
    }

    // MARK: Flushes

    @Test("What is older than a flush is not taken, strings and sessions; what is newer is")
    func flush() throws {
        try set(one, "k", "v")
        try set(one, "gone", "v")
        try one.connect("alice", session: "phone")
        let (string, user) = (try image(one, "k"), try #require(one.image(of: "alice")))
        delete(one, "gone")
        let tombstone = try image(one, "gone")
        clock.advance(byMilliseconds: 1)
        #expect(two.flushStamp == .zero)
        let limit = two.beginRemoveAll(at: clock.now())
        #expect(two.flushStamp == limit)
        try set(two, "after", "v")
        #expect(!two.beginFlush(upTo: limit, at: clock.now()), "known already")
        #expect(try !two.merge(string))
        #expect(try !two.merge(tombstone))
        #expect(value(two, "k") == nil && two.statistics().stringTombstones == 0)
        let reader = two.makeReader { _ in }
        try two.merge(user)
        #expect(two.status(of: "alice") == .offline)
        #expect(two.sessions(of: "alice").isEmpty)
        // At the node that hears of it last they end by the same flush.
        #expect(one.beginFlush(upTo: limit, at: clock.now()))
        #expect(one.imageOfString("k", at: clock.now()) == nil, "what a flush ends is not told")
        #expect(!one.beginFlush(upTo: limit, at: clock.now()))
        var cursor: UInt64 = 0
        repeat { cursor = one.removeAll(from: cursor, upTo: limit, at: clock.now()) } while cursor != 0
        #expect(one.keyCount() == 0 && one.statistics().stringTombstones == 0)
        #expect(one.recordsInAll() == 1, "alice is known")
        try send("after", from: two, to: one)
        #expect(value(one, "after") == "v")
        // Both know the same of her, and her next session is online at both.
        try two.merge(try #require(one.image(of: "alice")))
        #expect(one.image(of: "alice") == two.image(of: "alice"))
        clock.advance(byMilliseconds: 1)
        try one.connect("alice", session: "phone")
        try two.merge(try #require(one.image(of: "alice")))
        #expect(two.status(of: "alice") == .online)
        var events: [StoreEvent] = []
        for shard in 0..<4 { reader.read(shard: shard, limit: 100, into: &events) }
        #expect(events.count == 1)
    }

    @Test("A flush is one write: who was known at both nodes ends at both as of one instant, in one version")
    func oneFlush() throws {
        try one.connect("alice", session: "phone")
        try two.merge(try #require(one.image(of: "alice")))
        clock.advance(byMilliseconds: 5)
        let limit = one.beginRemoveAll(at: clock.now())
        for store in [one, two] {
            clock.advance(byMilliseconds: 20)
            #expect(store === one || store.beginFlush(upTo: limit, at: clock.now()))
            var cursor: UInt64 = 0
            repeat { cursor = store.removeAll(from: cursor, upTo: limit, at: clock.now()) } while cursor != 0
            #expect(store.status(of: "alice") == .offline)
        }
        #expect(one.image(of: "alice") == two.image(of: "alice"))
        #expect(one.describe("alice")?.version == limit)
    }

    @Test("A live session that a flush of another node ended ends here as flushed; a flush from next week is refused")
    func flushOfOther() throws {
        try one.connect("alice", session: "phone")
        try two.merge(try #require(one.image(of: "alice")))
        clock.advance(byMilliseconds: 5)
        let limit = one.beginRemoveAll(at: clock.now())
        var cursor: UInt64 = 0
        repeat { cursor = one.removeAll(from: cursor, upTo: limit, at: clock.now()) } while cursor != 0
        #expect(two.beginFlush(upTo: limit, at: clock.now()))
        let reader = two.makeReader { _ in }
        // Her image comes before the slice that would end her.
        try two.merge(try #require(one.image(of: "alice")))
        var events: [StoreEvent] = []
        for shard in 0..<4 { reader.read(shard: shard, limit: 100, into: &events) }
        let reasons = events.compactMap { event -> Reason? in
            guard case .status(let change) = event else { return nil }
            return change.reason
        }
        #expect(reasons == [.flushed])
        #expect(
            !two.beginFlush(upTo: Stamp(clock.now().advanced(byMilliseconds: 604_800_000), node: 1), at: clock.now()))
        #expect(two.flushStamp == limit)
    }

    // MARK: Events

    @Test("A merge tells what the write told where it was made")
    func events() throws {
        let readers = [one, two].map { store in
            store.setKeyspaceInterest([.expired, .new, .generic, .string])
            return store.makeReader { _ in }
        }
        defer { for reader in readers { reader.cancel() } }
        func told(_ node: Int) -> [String] {
            var events: [StoreEvent] = []
            for shard in 0..<4 { readers[node].read(shard: shard, limit: 100, into: &events) }
            return events.compactMap { event in
                guard case .keyspace(let event, .string, Array("k".utf8)) = event else { return nil }
                return "\(event.word)"
            }
        }
        func expectSame(_ expected: [String], _ body: () throws -> Void) throws {
            try body()
            try send("k", from: one, to: two)
            #expect(told(0) == expected)
            #expect(told(1) == expected)
            try send("k", from: one, to: two)
            #expect(told(1) == [], "once")
        }
        let key = SlowModel.Name("k")
        try expectSame(["new", "set"]) { try set(one, "k", "v") }
        try expectSame(["set"]) { try set(one, "k", "v") }
        try expectSame(["set", "expire"]) { try set(one, "k", "v", end(9_000)) }
        try expectSame(["persist"]) { one.persistString(key, at: clock.now()) }
        try expectSame(["expire"]) {
            try one.expireString(key, at: clock.now().advanced(byMilliseconds: 7_000), now: clock.now())
        }
        try expectSame(["del"]) { delete(one, "k") }
        try expectSame(["new", "set"]) { try set(one, "k", "v") }
        // A SET whose end has passed was, here, set and over; elsewhere it was never there.
        try set(one, "k", "v", end(-1))
        try send("k", from: one, to: two)
        #expect(told(0) == ["set", "expire", "expired"])
        #expect(told(1) == ["expired"])
        try expectSame(["new", "set", "expire"]) { try set(one, "k", "v", end(50)) }
        // An end that changed together with the value, of which the other node had not heard.
        try set(one, "k", "w")
        try one.expireString(key, at: clock.now().advanced(byMilliseconds: 70), now: clock.now())
        try send("k", from: one, to: two)
        #expect(told(0) == ["set", "expire"] && told(1) == ["set", "expire"])
        clock.advance(byMilliseconds: 70)
        for store in [one, two] { store.advance(to: clock.now()) }
        #expect(told(0) == ["expired"] && told(1) == ["expired"])
        try send("k", from: one, to: two)
        #expect(told(1) == [])
    }

    // MARK: Images

    @Test("What was written ahead of this clock beyond the greatest offset is refused")
    func future() throws {
        let other = TestClock(clock.now().advanced(byMilliseconds: 5_000))
        let ahead = StringReplicaTests.store(3, other)
        try ahead.setString("k", "v", at: other.now())
        let image = try #require(ahead.imageOfString("k", at: other.now()))
        #expect(throws: MergeError.fromTheFuture(milliseconds: 5_000)) { try one.merge(image) }
        ahead.remove(.string, "k", at: other.now())
        let tombstone = try #require(ahead.imageOfString("k", at: other.now()))
        #expect(throws: MergeError.fromTheFuture(milliseconds: 5_000)) { try one.merge(tombstone) }
        let since = Tombstone(
            stamp: Stamp(clock.now(), node: 3), since: clock.now().advanced(byMilliseconds: 2_000), hasRunOut: true)
        var late: [UInt8] = []
        StringImage.append(since, hash: 5, to: &late)
        #expect(throws: MergeError.fromTheFuture(milliseconds: 2_000)) { try one.merge(late) }
        #expect(one.recordsInAll() == 0)
        #expect(one.beginRemoveAll(at: clock.now()).timestamp == clock.now(), "no clock goes on from there")
    }

    @Test("A string may be as large as nodes tell each other, and not a byte larger")
    func largest() throws {
        let store = StringReplicaTests.store(3, clock) { $0.maxReplicatedString = 1 << 20 }
        let most = (1 << 20) - 1
        try store.setString("k", .init([UInt8](repeating: 1, count: most)), at: clock.now())
        let error = StoreError.stringTooLongForOthers(limit: 1 << 20)
        #expect(throws: error) { try store.append("k", "1", at: clock.now()) }
        #expect(throws: error) {
            try store.setString("kk", .init([UInt8](repeating: 1, count: most)), at: clock.now())
        }
        #expect(throws: error) {
            try store.append("kk", .init([UInt8](repeating: 1, count: most)), at: clock.now())
        }
        #expect(store.stringLength("k", at: clock.now()) == most && store.keyCount() == 1)
        #expect(
            StoreError.stringTooLongForOthers(limit: 15 << 20).message
                == "ERR string exceeds 15mb, the most that nodes of a cluster tell each other")
        #expect(StoreError.stringTooLongForOthers(limit: 100).message.contains("100 bytes"))
    }

    @Test("No memory for it is an error, and what was known stays")
    func noMemory() throws {
        try set(two, "k", "old")
        try set(one, "k", .init([UInt8](repeating: 1, count: 100_000)))
        two.setMaxMemory(two.usedBytes)
        #expect(throws: MergeError.outOfMemory) { try send("k", from: one, to: two) }
        #expect(value(two, "k") == "old")
        two.setMaxMemory(0)
        try send("k", from: one, to: two)
        #expect(two.stringLength("k", at: clock.now()) == 100_000)
    }

    @Test("A digest differs where a value or an end does; what is gone adds nothing")
    func digests() throws {
        func digest(_ store: ShardedStore) -> [UInt64] { store.digestsOfStrings(at: clock.now()) }
        try set(one, "k", "v", end(1_000))
        try set(one, "l", "v")
        for key in [SlowModel.Name("k"), "l"] { try send(key, from: one, to: two) }
        #expect(digest(one) == digest(two) && digest(one).count == 2)
        try set(one, "l", "w")
        #expect(digest(one) != digest(two))
        delete(one, "l")
        delete(two, "l")
        #expect(digest(one) == digest(two) && digest(one).count == 1)
        clock.advance(byMilliseconds: 1_000)
        two.advance(to: clock.now())
        #expect(digest(one).isEmpty && digest(two).isEmpty)
    }

    @Test("Bytes that are no image of a string are refused, whatever they are")
    func bytes() throws {
        try set(one, "key", "value", end(500))
        try set(one, "gone", "value")
        delete(one, "gone")
        var random = SeededRandom.fromEnvironment()
        for image in [try image(one, "key"), try image(one, "gone")] {
            for count in 0..<min(image.count, 22) {
                #expect(throws: MergeError.self) { try one.merge(Array(image[..<count])) }
            }
            #expect(throws: MergeError.unknownForm(9)) { try one.merge([9] + image.dropFirst()) }
            for _ in 0..<2_000 {
                var broken = image
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let place = Int.random(in: broken.indices, using: &random)
                    broken[place] = UInt8.random(in: .min ... .max, using: &random)
                }
                if random.chance(oneIn: 4) { broken.removeLast(Int.random(in: 0...broken.count, using: &random)) }
                // Read or refused, merged or refused, and nothing beyond.
                _ = try? two.merge(broken)
            }
        }
        #expect(throws: MergeError.malformed(offset: 26)) { try two.merge(try image(one, "gone") + [0]) }
        clock.advance(byMilliseconds: 10_000_000)
        two.advance(to: clock.now())
        let counts = two.statistics()
        #expect(two.recordsInAll() == counts.strings + counts.stringTombstones, "\(random)")
    }
}
