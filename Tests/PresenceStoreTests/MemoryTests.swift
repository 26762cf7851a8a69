import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

@Suite("Memory and its limit")
struct MemoryTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(
        limit: Int = 0, words: Int = 16_384, _ change: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) -> ShardedStore {
        .standing(at: now) {
            $0.changeRingBytes = 16_384
            $0.maxMemoryBytes = limit
            $0.maxWords = words
            change(&$0)
        }
    }

    /// Opens sessions of new users until memory is out; how many there are then.
    private func fill(_ store: ShardedStore, _ prefix: String, at now: Timestamp) -> Int {
        for number in 0..<100_000 {
            do {
                try store.connect(.init("\(prefix)\(number)"), session: "phone", at: now)
            } catch {
                #expect(error == .outOfMemory)
                return number
            }
        }
        Issue.record("the limit was never reached")
        return 0
    }

    @Test("The bytes counted are those of the parts, whatever is done")
    func sum() throws {
        let store = store()
        var random = SeededRandom.fromEnvironment()
        for step in 0..<1_500 {
            let user = SlowModel.Name("user-\(Int.random(in: 0...600, using: &random))")
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                let server = SlowModel.Name("server-\(step % 97)")
                _ = try? store.connect(
                    user, session: .init(random.bytes(1...250)), device: "web", server: server, at: now)
            case 2: try store.setString(user, .init(random.bytes(0...5_000)), at: now)
            case 3: store.remove(.string, user, at: now)
            case 4: store.remove(.presence, user, at: now)
            default:
                let text = random.bytes(0...128).map { 32 + $0 % 95 }
                try store.set(user.bytes.span, UserSettings(status: .some(.dnd), activity: .some(text)), at: now)
            }
            check(store.usedBytes == store.statistics().memory.total, "step \(step), \(random)")
        }
        store.advance(to: now.advanced(byMilliseconds: 1_000_000))
        #expect(store.usedBytes == store.statistics().memory.total)
    }

    @Test("What is given back is not counted any more, and a store that is gone counts nothing")
    func givenBack() throws {
        let store = store()
        let empty = store.statistics().memory
        for number in 0..<3_000 {
            let length = number.isMultiple(of: 2) ? 300 : 3_000
            try store.setString(.init("key-\(number)"), .init([UInt8](repeating: 1, count: length)), at: now)
        }
        let full = store.statistics().memory
        #expect(full.blocks > 0)
        for number in 0..<3_000 { store.remove(.string, .init("key-\(number)"), at: now) }
        let after = store.statistics().memory
        #expect(after.blocks == 0 && after.slabsInUse == 0)
        // One chunk a class may stay, and the tables that find chunks.
        #expect(after.slabs - empty.slabs < (full.slabs - empty.slabs) / 4)
        let text = [UInt8](repeating: 1, count: 3_000)
        try store.setString("one", .init(text), at: now)
        #expect(store.statistics().memory.blocks == 3_003)
        try store.setString("one", "short", at: now)
        #expect(store.statistics().memory.blocks == 0)
    }

    @Test("At the limit new users and strings are refused with nothing half done; beats of known users work")
    func refused() throws {
        let store = store(limit: 400_000)
        let count = fill(store, "a", at: now)
        #expect(count > 1_000)
        #expect(store.usedBytes <= 400_000 + 4 * 1_240)
        let text = [UInt8](repeating: 66, count: 128)
        let before = store.statistics()
        let value = SlowModel.Name([UInt8](repeating: 7, count: 400))
        #expect(throws: StoreError.outOfMemory) { try store.setString("key", value, at: now) }
        #expect(throws: StoreError.outOfMemory) {
            try store.connect("zzzzz", session: "phone", device: "unheard-of", at: now)
        }
        #expect(throws: StoreError.outOfMemory) {
            try store.set(SlowModel.Name("zzzzz").bytes.span, UserSettings(activity: .some(text)), at: now)
        }
        let after = store.statistics()
        #expect(after.refusedForMemory >= before.refusedForMemory + 3)
        #expect(after.users == before.users && after.sessions == before.sessions && after.strings == 0)
        #expect(after.memory.total == before.memory.total)
        #expect(after.words == 0)
        #expect(store.usedBytes == after.memory.total)
        #expect(store.status(of: "zzzzz", at: now) == .offline)
        #expect(!store.exists(.string, "key", at: now))
        for number in 0..<count {
            let user = SlowModel.Name("a\(number)")
            check(store.beat(user, session: "phone", isActive: true, at: now))
            check(store.status(of: user, at: now) == .online)
        }
        #expect(store.disconnect("a0", session: "phone", at: now))
    }

    @Test("The limit can be raised and lowered while the store runs")
    func raised() throws {
        let store = store(limit: 200_000)
        let first = fill(store, "a", at: now)
        store.setMaxMemory(400_000)
        let second = fill(store, "b", at: now)
        #expect(second > first / 2)
        store.setMaxMemory(0)
        try store.connect("c", session: "phone", at: now)
        store.setMaxMemory(1)
        #expect(throws: StoreError.outOfMemory) {
            try store.setString("key", .init([UInt8](repeating: 7, count: 4_000)), at: now)
        }
        #expect(store.beat("c", session: "phone", at: now))
        #expect(store.statistics().memory.limit == 1)
    }

    @Test(
        "Who has just left is forgotten for room, with all that is known of him; but not in a grace, nor where other nodes may take him for live",
        arguments: [(0, false), (60_000, false), (0, true)] as [(Int64, Bool)])
    func evictionOfEnds(grace: Int64, hasPeers: Bool) throws {
        let store = store(limit: 600_000) {
            $0.policy.disconnectGrace = grace
            $0.replicaLogEntries = hasPeers ? 64 : 0
        }
        let kept = fill(store, "a", at: now)
        for number in stride(from: 1, to: kept, by: 2) {
            check(store.disconnect(.init("a\(number)"), session: "phone", at: now))
        }
        let later = now.advanced(byMilliseconds: 10_000)
        store.advance(to: later)
        let more = fill(store, "b", at: later)
        let after = store.statistics()
        #expect(store.usedBytes == after.memory.total)
        guard grace == 0, !hasPeers else {
            #expect(after.evictedUsers == 0 && more < kept / 20)
            return
        }
        #expect(more > kept / 3, "there is room where they were: \(more) after \(kept)")
        #expect(Int(after.evictedUsers) > kept / 3 && after.users == kept + more - Int(after.evictedUsers))
        for number in stride(from: 0, to: kept, by: 2) {
            check(store.status(of: .init("a\(number)"), at: later) == .online, "a\(number)")
        }
        for number in 0..<more { check(store.status(of: .init("b\(number)"), at: later) == .online, "b\(number)") }
        // Timers that they left behind find nobody.
        store.advance(to: now.advanced(byMilliseconds: 400_000))
        #expect(store.statistics().sessions == 0 && store.statistics().presentUsers == 0)
    }

    @Test("Offline users of whom nothing is set are forgotten first; those with settings, sessions and strings stay")
    func eviction() throws {
        let store = store(limit: 600_000)
        var value = [UInt8](repeating: 1, count: 90)
        for number in 0..<300 {
            value[0] = UInt8(number % 256)
            try store.setString(.init("string-\(number)"), .init(value), at: now)
            let user = SlowModel.Name("set-\(number)")
            try store.set(user.bytes.span, UserSettings(status: .some(.dnd), activity: .some([65])), at: now)
        }
        let count = fill(store, "a", at: now)
        // All go offline, but some of them.
        var later = now.advanced(byMilliseconds: 100_000)
        for number in stride(from: 0, to: count, by: 50) {
            check(store.beat(.init("a\(number)"), session: "phone", at: later))
        }
        later = later.advanced(byMilliseconds: 30_000)
        store.advance(to: later)
        let before = store.statistics()
        #expect(before.evictedUsers == 0)
        let more = fill(store, "b", at: later)
        let after = store.statistics()
        #expect(more > count / 2, "there is room where offline users were: \(more) after \(count)")
        #expect(after.evictedUsers > UInt64(count / 2))
        #expect(after.users == before.users + more - Int(after.evictedUsers))
        #expect(store.usedBytes == after.memory.total)
        for number in stride(from: 0, to: count, by: 50) {
            check(store.status(of: .init("a\(number)"), at: later) == .online, "a\(number)")
        }
        for number in 0..<more { check(store.status(of: .init("b\(number)"), at: later) == .online, "b\(number)") }
        for number in 0..<300 {
            value[0] = UInt8(number % 256)
            check(store.string(.init("string-\(number)"), at: later)?.bytes == value, "string-\(number)")
            let description = store.describe(SlowModel.Name("set-\(number)").bytes.span, at: later)
            check(description?.activity == [65], "set-\(number)")
        }
        // And all of them still end on time.
        store.advance(to: later.advanced(byMilliseconds: 200_000))
        #expect(store.statistics().presentUsers == 0)
    }

    @Test("Room is never made out of the record that it is for")
    func spared() throws {
        var evicted: UInt64 = 0
        for var random in SeededRandom.cases(4) {
            let store = store(limit: 150_000)
            var time = now
            for step in 0..<2_000 {
                let user = SlowModel.Name("user-\(Int.random(in: 0...1_500, using: &random))")
                let session = SlowModel.Name([UInt8](repeating: 1, count: .random(in: 1...200, using: &random)))
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    _ = try? store.setString(user, .init(random.bytes(0...400)), at: time)
                case 1:
                    let text = random.bytes(0...128).map { 32 + $0 % 95 }
                    if random.chance(oneIn: 9) {
                        try? store.set(user.bytes.span, UserSettings(activity: .some(text)), at: time)
                    }
                default:
                    if (try? store.connect(user, session: session, at: time)) != nil {
                        check(store.status(of: user, at: time) == .online, "step \(step), \(random)")
                        check(store.beat(user, session: session, at: time), "step \(step), \(random)")
                    }
                }
                if random.chance(oneIn: 30) {
                    time = time.advanced(byMilliseconds: 20_000)
                    store.advance(to: time)
                }
            }
            let statistics = store.statistics()
            evicted += statistics.evictedUsers
            check(store.usedBytes == statistics.memory.total, "\(random)")
            let keys = store.allKeys(at: time).count
            check(store.keyCount() == keys, "\(store.keyCount()) keys, \(keys) walked, \(random)")
        }
        // In one of many cases strings take all the room before anybody is offline; never in all of them.
        #expect(evicted > 0, "nobody evicted")
    }

    // MARK: Words

    @Test("Words are bounded; the error names the setting, and nothing is half done")
    func words() throws {
        let store = store(words: 4)
        for number in 0..<4 {
            try store.connect(.init("u\(number)"), session: "s", device: .init("d\(number)"), at: now)
        }
        let before = store.statistics()
        #expect(throws: StoreError.tooManyWords(limit: 4)) {
            try store.connect("new", session: "s", device: "d0", server: "fits", at: now)
            try store.connect("other", session: "s", device: "d9", at: now)
        }
        #expect(StoreError.tooManyWords(limit: 4).message.contains("max-words"))
        var after = store.statistics()
        #expect(after.refusedWords == before.refusedWords + 1)
        #expect(after.users == before.users + 1 && after.words == before.words + 1)
        // A refusal of the last word gives the others back.
        for number in 0..<3 {
            try store.connect("new", session: .init("\(number)"), server: .init("s\(number)"), at: now)
        }
        #expect(throws: StoreError.tooManyWords(limit: 4)) {
            try store.connect("new", session: "x", platform: "unheard-of", server: "s9", at: now)
        }
        after = store.statistics()
        #expect(after.words == 8)
        #expect(store.usedBytes == after.memory.total)
        #expect(store.countSessions(by: .platform).isEmpty)
        store.setMaxWords(5)
        try store.connect("other", session: "s", device: "d9", at: now)
    }

    @Test("Words that nobody uses any more make room for others, without end")
    func wordsAgain() throws {
        let store = store(words: 3)
        var time = now
        for round in 0..<200 {
            for number in 0..<3 {
                let server = SlowModel.Name("server-\(round)-\(number)")
                try store.connect(.init("u\(number)"), session: "s", server: server, at: time)
                // The words that a session had are free once it is opened anew, so there are never more than three.
                check(
                    store.sessions(of: "u\(number)").isEmpty
                        || store.sessions(of: SlowModel.Name("u\(number)").bytes.span, at: time).count == 1)
            }
            time = time.advanced(byMilliseconds: 130_000)
            store.advance(to: time)
        }
        #expect(store.statistics().words == 0)
        #expect(store.statistics().memory.words == 0)
    }
}
