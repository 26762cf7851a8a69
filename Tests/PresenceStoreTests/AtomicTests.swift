import Presence
import PresenceTesting
import Synchronization
import Testing

@testable import PresenceStore

/// Several keys at once, under all their shards' locks.
@Suite("Atomically")
struct AtomicTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(shards: Int) -> ShardedStore { .standing(at: now, shards: shards) }

    private func shards(_ store: ShardedStore, _ keys: [SlowModel.Name], _ kind: KeyKind = .string) -> ShardSet {
        var set = ShardSet()
        for key in keys { set.insert(store.shard(of: kind, key.bytes.span)) }
        return set
    }

    @Test("A set of shards holds what was inserted, and is walked in ascending order")
    func sets() {
        for var random in SeededRandom.cases(200) {
            let members = Set(
                (0..<Int.random(in: 0...40, using: &random)).map { _ in Int.random(in: 0..<1024, using: &random) })
            var set = ShardSet()
            for member in members { set.insert(member) }
            check(set.isEmpty == members.isEmpty, "\(random)")
            check((0..<1024).allSatisfy { set.contains($0) == members.contains($0) }, "\(random)")
            var walked: [Int] = []
            var next = set.first(from: 0)
            while let shard = next {
                walked.append(shard)
                next = set.first(from: shard + 1)
            }
            check(walked == members.sorted(), "\(random)")
        }
        #expect((0..<1024).allSatisfy { ShardSet(first: 1024).contains($0) })
        #expect(!ShardSet(first: 8).contains(8))
    }

    @Test(
        "What a body does through the held store is there afterwards, its result and its error come back",
        arguments: [1, 8, mostShardsHeld])
    func effects(_ count: Int) throws {
        let store = store(shards: count)
        let keys: [SlowModel.Name] = ["a", "b", "c", "d"]
        let number = store.atomically(shards(store, keys)) { held in
            for key in keys { _ = try? held.setString(key, "1", at: now) }
            return keys.reduce(0) { $0 + ((try? held.increment($1, by: 1, at: now)) ?? 0) }
        }
        #expect(number == 8)
        for key in keys { #expect(store.string(key, at: now) == "2") }
        #expect(throws: StoreError.notAnInteger) {
            try store.setString("a", "x", at: now)
            _ = try store.atomically(shards(store, ["a"])) { held throws(StoreError) in
                try held.increment("a", by: 1, at: now)
            }
        }
        // The locks were given back, whatever happened.
        try store.setString("a", "y", at: now)
        #expect(store.string("a", at: now) == "y")
        #expect(store.atomically(ShardSet()) { _ in 7 } == 7)
        #expect(store.atomically(store.allShards) { $0.keyCount() } == 4)
        #expect(store.atomically(store.allShards) { held in held.atomically(held.allShards) { $0.keyCount() } } == 4)
    }

    @Test("Both kinds of key and all parts of a presence work through a held store")
    func presences() throws {
        let store = store(shards: 8)
        let user = SlowModel.Name("alice")
        try store.atomically(shards(store, [user], .presence)) { held throws(StoreError) in
            try held.connect(user, session: "s", device: "web", at: now)
            #expect(held.beat(user, session: "s", isActive: true, at: now))
            #expect(held.status(of: user, at: now) == .online)
        }
        #expect(store.status(of: user, at: now) == .online)
        #expect(store.statistics().sessions == 1)
        #expect(store.usedBytes == store.statistics().memory.total)
    }

    @Test("Readers are woken once the locks are given back, in the order of the news, and may read at once")
    func wakes() throws {
        let store = store(shards: 8)
        let woken = Mutex<[Int]>([])
        let heard = Mutex<[StoreEvent]>([])
        let box = Mutex<EventReader?>(nil)
        let reader = store.makeReader { shard in
            woken.withLock { $0.append(shard) }
            // Takes the shard's lock: it must be free by now.
            guard let reader = box.withLock({ $0 }) else { return }
            var events: [StoreEvent] = []
            reader.read(shard: shard, into: &events)
            heard.withLock { $0 += events }
        }
        box.withLock { $0 = reader }
        store.setKeyspaceInterest(.string)
        var keys: [SlowModel.Name] = []
        var number = 0
        var seen: Set<Int> = []
        while keys.count < 5 {
            let key = SlowModel.Name("key-\(number)")
            number += 1
            if seen.insert(store.shard(of: .string, key.bytes.span)).inserted { keys.append(key) }
        }
        store.atomically(shards(store, keys)) { held in
            for key in keys { _ = try? held.setString(key, "1", at: now) }
            for key in keys.reversed() { _ = try? held.setString(key, "2", at: now) }
            #expect(woken.withLock { $0 } == [])
        }
        #expect(woken.withLock { $0 } == keys.map { store.shard(of: .string, $0.bytes.span) })
        #expect(heard.withLock { $0.count } == 10)
        reader.cancel()
        box.withLock { $0 = nil }
    }

    /// Names of keys, each in another shard.
    private func spread(_ store: ShardedStore, _ count: Int) -> [SlowModel.Name] {
        var keys: [SlowModel.Name] = []
        var taken: Set<Int> = []
        var number = 0
        while keys.count < count {
            let key = SlowModel.Name("account-\(number)")
            number += 1
            if taken.insert(store.shard(of: .string, key.bytes.span)).inserted { keys.append(key) }
        }
        return keys
    }

    @Test(
        "Threads that move amounts between keys of many shards, in any order, never block each other, and nobody sees a part of it"
    )
    func transfers() throws {
        let store = store(shards: 16)
        let keys = spread(store, 8)
        for key in keys { try store.setString(key, "100", at: now) }
        let running = Atomic<Int>(2)
        let torn = Atomic<Int>(0)
        let looks = Atomic<Int>(0)
        let moves = Atomic<Int>(0)
        let now = now
        let mover: @Sendable (Int) -> Void = { thread in
            var random = SeededRandom(seed: UInt64(thread) &+ 3)
            for _ in 0..<3_000 {
                // Named in any order: that of the locks is the store's.
                let parts = Array(keys.shuffled(using: &random).prefix(Int.random(in: 2...4, using: &random)))
                let set = shards(store, parts)
                store.atomically(set) { held in
                    for (place, key) in parts.enumerated() {
                        let step = place == 0 ? Int64(1 - parts.count) : 1
                        if (try? held.increment(key, by: step, at: now)) == nil {
                            torn.add(1, ordering: .relaxed)
                        }
                    }
                }
                moves.add(1, ordering: .relaxed)
                // Other writers take one lock at a time, and must come through, too.
                _ = try? store.append("log", ".", at: now)
                store.advance(to: now)
            }
            running.subtract(1, ordering: .releasing)
        }
        let watcher: @Sendable () -> Void = {
            while running.load(ordering: .acquiring) > 0 {
                let sum = store.atomically(shards(store, keys)) { held in
                    keys.reduce(Int64(0)) { $0 + (Int64(held.string($1, at: now)?.description ?? "") ?? .min / 16) }
                }
                if sum != 800 { torn.add(1, ordering: .relaxed) }
                looks.add(1, ordering: .relaxed)
            }
        }
        onThreads([{ mover(0) }, { mover(1) }, watcher])
        #expect(torn.load(ordering: .relaxed) == 0)
        #expect(moves.load(ordering: .relaxed) == 6_000 && looks.load(ordering: .relaxed) > 10)
        #expect(store.stringLength("log", at: now) == 6_000)
    }

    @Test("Two threads that name two shards in opposite orders see both writes of the other, or none")
    func pairs() throws {
        let store = store(shards: 2)
        let keys = spread(store, 2)
        for key in keys { try store.setString(key, "0", at: now) }
        let now = now
        let torn = Atomic<Int>(0)
        let running = Atomic<Int>(2)
        let writer: @Sendable ([SlowModel.Name]) -> Void = { order in
            for _ in 0..<5_000 {
                store.atomically(shards(store, order)) { held in
                    for key in order { _ = try? held.increment(key, by: 1, at: now) }
                }
            }
            running.subtract(1, ordering: .releasing)
        }
        let reader: @Sendable () -> Void = {
            while running.load(ordering: .acquiring) > 0 {
                let isWhole = store.atomically(shards(store, keys)) { held in
                    held.string(keys[0], at: now) == held.string(keys[1], at: now)
                }
                if !isWhole { torn.add(1, ordering: .relaxed) }
            }
        }
        onThreads([{ writer(keys) }, { writer(keys.reversed()) }, reader])
        #expect(torn.load(ordering: .relaxed) == 0)
        for key in keys { #expect(store.string(key, at: now) == "10000") }
    }
}
