import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// What is left of a string that is gone.
@Suite("Tombstones of strings")
struct TombstoneTests: BetweenTwoStores {
    let clock = TestClock()
    let one: ShardedStore
    let two: ShardedStore

    init() {
        one = StringReplicaTests.store(1, clock)
        two = StringReplicaTests.store(2, clock)
    }

    /// The ways in which a string can go.
    enum Departure: CaseIterable {
        case deleted, taken, expiredByCommand, setDead, ranOut
    }

    @Test("What is gone stays gone, however old writes come; nobody sees what is left", arguments: Departure.allCases)
    func departures(_ way: Departure) throws {
        try set(one, "k", "v", end(1_000))
        let old = try image(one, "k")
        try set(one, "k", "v", end(500))
        let key = SlowModel.Name("k")
        clock.advance(byMilliseconds: 1)
        switch way {
        case .deleted: one.remove(.string, "k", at: clock.now())
        case .taken: _ = one.takeString(key, at: clock.now())
        case .expiredByCommand: try one.expireString(key, at: clock.now(), now: clock.now())
        case .setDead: try one.setString("k", "w", end(0), at: clock.now())
        case .ranOut:
            clock.advance(byMilliseconds: 500)
            one.advance(to: clock.now())
        }
        #expect(one.statistics().stringTombstones == 1)
        #expect(try !one.merge(old))
        #expect(value(one, "k") == nil)
        #expect(one.timeToLiveOfString(key, at: clock.now()) == .missing)
        #expect(!one.exists(.string, key, at: clock.now()))
        #expect(one.memoryUsage(.string, key, at: clock.now()) == nil)
        #expect(one.fingerprint(of: .string, key, at: clock.now()) == 0)
        #expect(one.stringLength(key, at: clock.now()) == nil)
        #expect(!one.persistString(key, at: clock.now()))
        #expect(one.keyCount() == 0 && one.statistics().strings == 0 && one.statistics().stringsWithEnd == 0)
        #expect(one.allKeys(at: clock.now()).isEmpty)
        // Elsewhere the same, in both orders.
        try two.merge(old)
        #expect(value(two, "k") == "v")
        #expect(try send("k", from: one, to: two))
        #expect(value(two, "k") == nil && two.statistics().stringTombstones == 1)
        #expect(try !two.merge(old))
        #expect(value(two, "k") == nil)
        // A newer write takes the place of what is left.
        try set(two, "k", "again")
        #expect(two.statistics().stringTombstones == 0 && two.statistics().strings == 1)
        try send("k", from: two, to: one)
        #expect(value(one, "k") == "again")
        #expect(one.statistics().stringTombstones == 0 && one.statistics().strings == 1)
    }

    @Test("A string that ran out on its way is a tombstone, and one that is here goes by it")
    func expiredOnTheWay() throws {
        try set(two, "k", "old")
        let old = try image(two, "k")
        try set(one, "k", "new", end(100))
        let image = try image(one, "k")
        clock.advance(byMilliseconds: 100)
        #expect(try two.merge(image))
        #expect(value(two, "k") == nil)
        #expect(two.statistics().stringTombstones == 1)
        #expect(try !two.merge(old))
        #expect(value(two, "k") == nil)
        // Of a string whose time is over, but at which nobody has looked, the same is told.
        #expect(try self.image(one, "k") == self.image(two, "k"))
    }

    @Test("Links are told of what is gone, by the log and by whoever walks the hash order; a digest does not count it")
    func links() throws {
        try set(two, "k", "old")
        try set(one, "k", "v")
        delete(one, "k")
        var told: [[UInt8]] = []
        for shard in 0..<one.shardCount {
            _ = one.readReplicaLog(
                shard: shard, from: 0, limit: 100, at: clock.now(),
                image: { image in
                    told.append(Array(copying: image))
                    return true
                }, beat: { _ in })
        }
        #expect(told.count == 1, "as it is now, once")
        var walked: [[UInt8]] = []
        let next = one.readImages(from: 0, through: .max, room: 1_000_000, at: clock.now()) {
            walked.append(Array(copying: $0))
        }
        #expect(next == nil && walked == told)
        #expect(one.recordCount() == 1)
        #expect(one.digest(start: 0, bits: 0, at: clock.now()).count == 0)
        #expect(two.digest(start: 0, bits: 0, at: clock.now()).count == 1)
        for image in told { try two.merge(image) }
        #expect(value(two, "k") == nil)
        #expect(two.digest(start: 0, bits: 0, at: clock.now()) == one.digest(start: 0, bits: 0, at: clock.now()))
    }

    @Test("Hashes that are no names' do not make the index grow without end")
    func crowded() throws {
        let before = two.statistics().memory.index
        for number in 0..<5_000 {
            let tombstone = Tombstone(stamp: Stamp(clock.now(), node: 9), since: clock.now(), hasRunOut: false)
            var image: [UInt8] = []
            StringImage.append(tombstone, hash: 0x1234_5678_9abc_0000 + UInt64(number), to: &image)
            _ = try two.merge(image)
        }
        let counts = two.statistics()
        #expect(
            counts.stringTombstones >= 160 && counts.stringTombstones + Int(counts.droppedStringTombstones) == 5_000)
        #expect(counts.memory.index < before + 200_000)
    }

    @Test("A tombstone goes by itself, at the same instant at every node, and is told no more")
    func lifetime() throws {
        try set(one, "k", "v")
        delete(one, "k")
        let image = try image(one, "k")
        clock.advance(byMilliseconds: 400_000)
        try two.merge(image)
        clock.advance(byMilliseconds: 199_999)
        for store in [one, two] {
            store.advance(to: clock.now())
            #expect(store.statistics().stringTombstones == 1)
        }
        clock.advance(byMilliseconds: 1)
        #expect(one.imageOfString("k", at: clock.now()) == nil)
        #expect(one.advance(to: clock.now()).lookedAt == 1)
        two.advance(to: clock.now())
        for store in [one, two] {
            #expect(store.statistics().stringTombstones == 0)
            #expect(try !store.merge(image), "too old to be kept")
            #expect(store.recordsInAll() == 0)
        }
        // What is older than that and is still somewhere goes all the same.
        try set(one, "k", "v")
        delete(one, "k")
        clock.advance(byMilliseconds: 50)
        one.setStringTombstones(milliseconds: 10)
        one.advance(to: clock.now())
        #expect(one.statistics().stringTombstones == 0)
    }

    @Test("Tombstones are bounded: the oldest go first, and are counted")
    func bounds() throws {
        let small = StringReplicaTests.store(3, clock) {
            $0.shards = 1
            $0.maxStringTombstones = 10
        }
        let keys = (0..<30).map { SlowModel.Name("k\($0)") }
        for key in keys { try set(small, key, "v") }
        for key in keys { delete(small, key) }
        #expect(small.statistics().stringTombstones == 10)
        #expect(small.statistics().droppedStringTombstones == 20)
        #expect(keys.filter { small.imageOfString($0, at: clock.now()) != nil } == Array(keys[20...]))
        // One from the middle of the order, the newest and the oldest are written again.
        for key in [keys[25], keys[29], keys[20]] { try set(small, key, "w") }
        #expect(small.statistics().stringTombstones == 7)
        for key in keys[..<5] {
            try set(small, key, "v")
            delete(small, key)
        }
        let left = keys.filter { small.imageOfString($0, at: clock.now()) != nil && value(small, $0) == nil }
        #expect(left == Array(keys[..<5]) + Array(keys[23...24]) + Array(keys[26...28]))
        #expect(small.statistics().stringTombstones == 10)
        // A bound that sinks is kept as new ones come; none at all keeps nothing.
        small.setMaxStringTombstones(2)
        for key in keys[10..<20] {
            try set(small, key, "v")
            delete(small, key)
        }
        #expect(small.statistics().stringTombstones == 2)
        small.setMaxStringTombstones(0)
        for key in keys[10..<14] {
            try set(small, key, "v")
            delete(small, key)
        }
        #expect(small.statistics().stringTombstones == 0)
        clock.advance(byMilliseconds: 1_000_000)
        small.advance(to: clock.now())
        #expect(small.recordsInAll() == small.statistics().strings)
    }

    @Test("Without memory a deletion is done all the same; no user is forgotten for its tombstone")
    func memory() throws {
        let small = StringReplicaTests.store(3, clock) { $0.shards = 1 }
        for number in 0..<300 {
            try small.connect(.init("u\(number)"), session: "s", at: clock.now())
            small.disconnect(.init("u\(number)"), session: "s", at: clock.now())
        }
        clock.advance(byMilliseconds: 1_000_000)
        small.advance(to: clock.now())
        try set(small, "k", .init([UInt8](repeating: 1, count: 1_500)))
        small.setMaxMemory(small.usedBytes)
        delete(small, "k")
        #expect(value(small, "k") == nil)
        #expect(small.statistics().stringTombstones == 0)
        #expect(small.statistics().droppedStringTombstones == 1)
        #expect(small.statistics().evictedUsers == 0)
    }

    @Test("Tombstones that move when room is made keep their order")
    func moves() throws {
        let small = StringReplicaTests.store(3, clock) { $0.shards = 1 }
        // Offline users whose slots are of a tombstone's size, among tombstones.
        var keys: [SlowModel.Name] = []
        for number in 0..<600 {
            if number % 6 == 0 {
                let key = SlowModel.Name("k\(number)")
                keys.append(key)
                try set(small, key, "v")
                delete(small, key)
            } else {
                try small.connect(.init("user-with-name-\(number)"), session: "s", at: clock.now())
                small.disconnect(.init("user-with-name-\(number)"), session: "s", at: clock.now())
            }
        }
        clock.advance(byMilliseconds: 130_000)
        small.advance(to: clock.now())
        func places() -> [UInt32] {
            keys.map { key in
                small.withKey(.string, key.bytes.span, at: clock.now()) { state, _, hash, _ in
                    state.findTombstone(hash)
                }
            }
        }
        let before = places()
        small.setMaxMemory(small.usedBytes)
        for number in 0..<3_000 { _ = try? small.connect(.init("n\(number)"), session: "s", at: clock.now()) }
        #expect(small.statistics().evictedUsers > 0)
        #expect(small.statistics().stringTombstones == keys.count)
        #expect(places() != before && !places().contains(0))
        small.setMaxMemory(0)
        small.setMaxStringTombstones(keys.count)
        for (index, key) in keys.enumerated() where index < 50 {
            try set(small, .init("new\(index)"), "v")
            delete(small, .init("new\(index)"))
            check(small.imageOfString(key, at: clock.now()) == nil, "the oldest goes: \(index)")
        }
        #expect(keys[50...].allSatisfy { small.imageOfString($0, at: clock.now()) != nil })
    }
}
