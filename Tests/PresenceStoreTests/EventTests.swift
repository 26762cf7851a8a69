import Presence
import PresenceTesting
import Synchronization
import Testing

@testable import PresenceStore

@Suite("Events")
struct EventTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(shards: Int = 1, ring: Int = 16_384) -> ShardedStore {
        .standing(at: now, shards: shards) { $0.changeRingBytes = ring }
    }

    private func toggle(_ store: ShardedStore, _ user: SlowModel.Name, times: Int) throws {
        for _ in 0..<times {
            try store.connect(user, session: "s", at: now)
            store.disconnect(user, session: "s", at: now)
        }
    }

    @Test("A sequence hands out what is announced after it began, in order, with all that an event says")
    func sequence() async throws {
        let store = store()
        try store.connect("before", session: "s", at: now)
        var iterator = store.events().makeAsyncIterator()
        try store.set(SlowModel.Name("u").bytes.span, UserSettings(activity: .some(Array("IN_GAME".utf8))), at: now)
        try store.connect("u", session: "phone", device: "mobile", platform: "ios", server: "s-1", at: now)
        let later = now.advanced(byMilliseconds: 120_000)
        store.advance(to: later.advanced(byMilliseconds: 10))
        guard case .activity(let text) = await iterator.next(), case .status(let online) = await iterator.next(),
            case .status(let first) = await iterator.next(), case .status(let second) = await iterator.next()
        else {
            Issue.record("a change of text and three of status were announced")
            return
        }
        #expect(text.userID == Array("u".utf8) && text.activity == Array("IN_GAME".utf8) && text.status == .offline)
        #expect(text.reason == .manual && text.timestamp == now)
        let offline = first.userID == Array("u".utf8) ? first : second
        #expect(online.userID == Array("u".utf8) && online.old == .offline && online.new == .online)
        #expect(online.reason == .connect && online.timestamp == now && online.since == nil)
        #expect(online.activity == Array("IN_GAME".utf8) && online.device == Array("mobile".utf8))
        #expect(online.connection == Array("phone".utf8) && online.server == Array("s-1".utf8))
        #expect(offline.old == .online && offline.new == .offline && offline.reason == .heartbeatTimeout)
        #expect(offline.timestamp == later && offline.since == now, "of the very instant, though the wheel was late")
        #expect(offline.version > online.version)
    }

    @Test("A status and a text that change at once are two events of one version, with what is so then, at all nodes")
    func statusAndText() throws {
        let stores = (1...2).map { node in
            ShardedStore.standing(at: now, shards: 1) {
                $0.node = UInt8(node)
                $0.replicaLogEntries = 64
            }
        }
        let readers = stores.map { store in store.makeReader { _ in } }
        try stores[0].connect("u", session: "s", at: now)
        let cases: [(ManualStatus?, Status)] = [(.dnd, .dnd), (.invisible, .offline), (nil, .online)]
        for (status, expected) in cases {
            let text = Array("\(expected)".utf8)
            try stores[0].set(
                SlowModel.Name("u").bytes.span, UserSettings(status: .some(status), activity: .some(text)), at: now)
            let found = stores[0].image(of: SlowModel.Name("u").bytes.span, at: now)
            let image = try #require(found)
            try stores[1].merge(image.span, at: now)
            for reader in readers {
                var events: [StoreEvent] = []
                while !reader.read(shard: 0, into: &events) {}
                let texts = events.compactMap { if case .activity(let change) = $0 { change } else { nil } }
                let changes = events.compactMap { if case .status(let change) = $0 { change } else { nil } }
                #expect(texts.map(\.status) == [expected])
                #expect(texts.map(\.activity) == [text])
                #expect(changes.last?.new == expected && changes.last?.version == texts.last?.version)
            }
        }
        for reader in readers { reader.cancel() }
    }

    @Test("A consumer slower than the ring is told exactly how many events he missed, and goes on")
    func missed() async throws {
        let store = store()
        var iterator = store.events().makeAsyncIterator()
        try toggle(store, "first", times: 1)
        _ = await iterator.next()
        // Far more than a ring of 16 KiB holds.
        try toggle(store, "u", times: 2_000)
        try store.connect("last", session: "s", at: now)
        var missed = 0
        var seen = 1
        var wasLast = false
        while !wasLast, let event = await iterator.next() {
            switch event {
            case .missed(let count): missed += count
            case .keyspace, .activity, .storm: break
            case .status(let change):
                seen += 1
                wasLast = change.userID == Array("last".utf8)
            }
        }
        #expect(missed > 3_000)
        #expect(missed + seen == 2 + 4_000 + 1)
        try toggle(store, "after", times: 1)
        guard case .status(let next) = await iterator.next() else {
            Issue.record("the sequence goes on")
            return
        }
        #expect(next.userID == Array("after".utf8))
    }

    @Test("A consumer that waits is woken by the next event, in whatever shard")
    func woken() async throws {
        let store = store(shards: 8)
        let consumer = Task {
            var iterator = store.events().makeAsyncIterator()
            var users: Set<SlowModel.Name> = []
            while users.count < 100, let event = await iterator.next() {
                if case .status(let change) = event { users.insert(.init(change.userID)) }
            }
            return users
        }
        while store.readers.withLock({ $0.isEmpty }) { await Task.yield() }
        for number in 0..<100 {
            try store.connect(.init("u\(number)"), session: "s", at: now)
            await Task.yield()
        }
        let users = await consumer.value
        #expect(users == Set((0..<100).map { SlowModel.Name("u\($0)") }))
    }

    @Test("Cancellation ends a sequence, and the store forgets its reader")
    func cancelled() async throws {
        let store = store()
        let task = Task {
            var count = 0
            for await _ in store.events() { count += 1 }
            return count
        }
        while store.readers.withLock({ $0.isEmpty }) { await Task.yield() }
        try store.connect("u", session: "s", at: now)
        task.cancel()
        let count = await task.value
        #expect(count <= 1)
        #expect(store.readers.withLock { $0.isEmpty })
        // A task that is cancelled before it begins hears nothing.
        let other = Task {
            while !Task.isCancelled { await Task.yield() }
            var iterator = store.events().makeAsyncIterator()
            return await iterator.next() == nil
        }
        other.cancel()
        #expect(await other.value)
        #expect(store.readers.withLock { $0.isEmpty })
    }

    @Test("Several readers each get every event; one that is cancelled is not woken any more")
    func readers() throws {
        let store = store()
        let wakes = Atomic<Int>(0)
        let first = store.makeReader { _ in wakes.add(1, ordering: .relaxed) }
        let second = store.makeReader { _ in }
        try toggle(store, "u", times: 3)
        var one: [StoreEvent] = []
        var two: [StoreEvent] = []
        #expect(first.read(shard: 0, into: &one))
        #expect(second.read(shard: 0, limit: 4, into: &two) == false)
        #expect(second.read(shard: 0, limit: 4, into: &two))
        #expect(one == two && one.count == 6)
        #expect(wakes.load(ordering: .relaxed) == 1, "once until all was read")
        try toggle(store, "u", times: 1)
        #expect(wakes.load(ordering: .relaxed) == 2)
        first.cancel()
        second.read(shard: 0, into: &two)
        try toggle(store, "u", times: 1)
        #expect(wakes.load(ordering: .relaxed) == 2)
        second.cancel()
    }

    @Test("Keys tell what happened to them only to those who asked for it")
    func interest() throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        var events: [StoreEvent] = []
        func ends(_ interest: KeyspaceEvents) throws -> [StoreEvent] {
            store.setKeyspaceInterest(interest)
            try store.setString("a", "1", at: now)
            store.remove(.string, "a", at: now)
            let soon = StringSetOptions(expiry: .at(now.advanced(byMilliseconds: 1)))
            try store.setString("b", "1", soon, at: now)
            _ = store.string("b", at: now.advanced(byMilliseconds: 1))
            events = []
            reader.read(shard: 0, into: &events)
            return events
        }
        let a = Array("a".utf8)
        let b = Array("b".utf8)
        #expect(try ends([]) == [])
        #expect(try ends(.expired) == [.keyspace(.expired, .string, key: b)])
        #expect(try ends(.new) == [.keyspace(.new, .string, key: a), .keyspace(.new, .string, key: b)])
        #expect(try ends(.string) == [.keyspace(.set, .string, key: a), .keyspace(.set, .string, key: b)])
        #expect(try ends(.generic) == [.keyspace(.deleted, .string, key: a), .keyspace(.expire, .string, key: b)])
        #expect(try ends([.expired, .generic]).count == 3)
        #expect(KeyEvent.allCases.allSatisfy { !$0.kind.isEmpty })
    }

    @Test("A presence tells what happens to its key as Redis does; its heartbeats tell nothing")
    func presences() throws {
        let store = store()
        store.setKeyspaceInterest([.expired, .new, .generic, .string, .evicted])
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        let user: SlowModel.Name = "0f8fad5b-d9cb-469f-a165-70867728950e"
        func told() -> [KeyEvent] {
            var events: [StoreEvent] = []
            reader.read(shard: 0, into: &events)
            return events.compactMap { event in
                guard case .keyspace(let event, .presence, user.bytes) = event else { return nil }
                return event
            }
        }
        try store.connect(user, session: "s", at: now)
        #expect(told() == [.new])
        store.beat(user, session: "s", isActive: true, at: now)
        try store.connect(user, session: "t", at: now)
        store.disconnect(user, session: "t", at: now)
        #expect(told() == [])
        try store.write(user, session: "r", RecordWrite(status: .online), at: now)
        try store.write(user, session: "r", RecordWrite(status: .away, ttlMilliseconds: 9_000), at: now)
        #expect(told() == [.set, .set, .expire])
        try store.write(user, session: "r", RecordWrite(status: .offline), at: now)
        #expect(told() == [.set], "a session of two has ended")
        try store.write(user, session: "r", RecordWrite(status: .offline), at: now)
        #expect(told() == [], "no session has ended")
        _ = try store.expire(.presence, user.bytes.span, at: now.advanced(byMilliseconds: 5_000), now: now)
        #expect(told() == [.expire])
        store.advance(to: now.advanced(byMilliseconds: 5_010))
        #expect(told() == [.expired])
        let later = now.advanced(byMilliseconds: 6_000)
        try store.write(user, session: "r", RecordWrite(status: .online, ttlMilliseconds: 9_000), at: later)
        try store.write(user, session: "r", RecordWrite(status: .online, ttlMilliseconds: 0), at: later)
        #expect(told() == [.new, .set, .expire, .deleted])
        try store.write(user, session: "r", RecordWrite(status: .dnd), at: later)
        store.removeAll(at: later)
        #expect(told() == [.new, .set], "a flush names no key")
    }

    @Test("A user who is forgotten for room is told as evicted")
    func evicted() throws {
        let store = store(ring: 1 << 20)
        store.setKeyspaceInterest(.evicted)
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        for number in 0..<2_000 {
            let user = SlowModel.Name("user-\(number)")
            try store.connect(user, session: "s", at: now)
            store.remove(.presence, user, at: now)
        }
        store.advance(to: now.advanced(byMilliseconds: 400_000))
        store.setMaxMemory(store.usedBytes)
        let later = now.advanced(byMilliseconds: 400_000)
        for number in 0..<200 {
            try store.setString(.init("key-\(number)"), .init(String(repeating: "v", count: 100)), at: later)
        }
        var events: [StoreEvent] = []
        while !reader.read(shard: 0, into: &events) {}
        let forgotten = events.compactMap { event -> [UInt8]? in
            guard case .keyspace(.evicted, .presence, let key) = event else { return nil }
            return key
        }
        #expect(forgotten.count == Int(store.statistics().evictedUsers) && !forgotten.isEmpty)
        #expect(Set(forgotten).count == forgotten.count)
        #expect(forgotten.allSatisfy { store.describe($0.span, at: later) == nil })
    }
}
