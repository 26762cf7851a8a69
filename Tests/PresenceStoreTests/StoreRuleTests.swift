import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// What the store does beyond the rules: bounds, ends, flushes, walks, and that errors leave nothing half done.
@Suite("Store")
struct StoreRuleTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(shards: Int = 4, _ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore
    {
        .standing(at: now, shards: shards, change)
    }

    /// The numbers that an error may not change.
    private func numbers(_ store: ShardedStore) -> [Int] {
        let all = store.statistics()
        return [
            all.users, all.presentUsers, all.sessions, all.strings, Int(all.connects), Int(all.beats), all.words,
            all.timers, Int(all.changes), all.memory.total, all.memory.slabsInUse,
        ]
    }

    @Test("A user has at most so many live sessions; ended ones make room, and the limit can be changed")
    func sessionLimit() throws {
        let store = store { $0.maxSessionsPerUser = 3 }
        for session in ["1", "2", "3"] as [SlowModel.Name] { try store.connect("u", session: session, at: now) }
        let before = numbers(store)
        #expect(throws: StoreError.tooManySessions(limit: 3)) {
            try store.connect("u", session: "4", device: "x", at: now)
        }
        #expect(numbers(store) == before)
        #expect(try store.connect("u", session: "3", at: now) == 3)
        store.setMaxSessionsPerUser(4)
        #expect(try store.connect("u", session: "4", at: now) == 4)
        store.setMaxSessionsPerUser(2)
        #expect(store.sessions(of: SlowModel.Name("u").bytes.span, at: now).count == 4, "nobody is thrown out")
        store.disconnect("u", session: "1", at: now)
        store.disconnect("u", session: "2", at: now)
        #expect(throws: StoreError.tooManySessions(limit: 2)) { try store.connect("u", session: "5", at: now) }
        store.disconnect("u", session: "3", at: now)
        #expect(try store.connect("u", session: "5", at: now) == 2)
    }

    @Test("A life that was asked for under a higher hard limit ends at the limit there is now, and says so")
    func loweredHardLimit() throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        try store.connect("long", session: "s", ConnectOptions(ttlMilliseconds: 300_000), at: now)
        try store.connect("short", session: "s", ConnectOptions(ttlMilliseconds: 60_000), at: now)
        var policy = Policy()
        policy.heartbeatHardLimit = 60_000
        store.update(policy: policy)
        let end = now.advanced(byMilliseconds: 60_000)
        #expect(store.status(of: "long", at: end.advanced(byMilliseconds: -1)) == .online)
        #expect(store.status(of: "long", at: end) == .offline)
        store.advance(to: end.advanced(byMilliseconds: 10))
        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { while !reader.read(shard: shard, into: &events) {} }
        var reasons: [[UInt8]: Reason] = [:]
        for case .status(let change) in events where change.new == .offline {
            reasons[change.userID] = change.reason
            #expect(change.timestamp == end)
        }
        // A life as long as the limit is what was asked for.
        #expect(reasons == [Array("long".utf8): .hardLimit, Array("short".utf8): .heartbeatTimeout])
    }

    @Test("Sessions come and go without end: what is over makes room in the record")
    func churn() throws {
        let store = store(shards: 1) { $0.maxSessionsPerUser = 50 }
        let id = [UInt8](repeating: 7, count: 252)
        var time = now
        for round in 0..<2_000 {
            let session = SlowModel.Name(id + [UInt8(round & 255), UInt8(round >> 8), 1])
            try store.connect("u", session: session, at: time)
            if !round.isMultiple(of: 3) { store.disconnect("u", session: session, reason: .leaseLost, at: time) }
            time = time.advanced(byMilliseconds: 1_000)
        }
        #expect(store.sessions(of: SlowModel.Name("u").bytes.span, at: time).count == 40)
        for number in 0..<10 { try store.connect("u", session: .init("more-\(number)"), at: time) }
        #expect(throws: StoreError.tooManySessions(limit: 50)) { try store.connect("u", session: "over", at: time) }
    }

    @Test("Ids, words, texts and TTLs beyond their bounds are refused with nothing half done")
    func bounds() throws {
        let store = store()
        try store.connect("u", session: "s", at: now)
        let before = numbers(store)
        let longest = SlowModel.Name([UInt8](repeating: 1, count: 255))
        let tooLong = SlowModel.Name([UInt8](repeating: 1, count: 256))
        let word = SlowModel.Name([UInt8](repeating: 66, count: 129))
        #expect(throws: StoreError.idTooLong(limit: 255)) { try store.connect(tooLong, session: "s", at: now) }
        #expect(throws: StoreError.idTooLong(limit: 255)) { try store.connect("u", session: tooLong, at: now) }
        #expect(throws: StoreError.idTooLong(limit: 255)) {
            try store.set(tooLong.bytes.span, UserSettings(status: .some(.dnd)), at: now)
        }
        #expect(throws: StoreError.idEmpty) { try store.connect("", session: "s", at: now) }
        #expect(throws: StoreError.idEmpty) { try store.connect("u", session: "", at: now) }
        #expect(throws: StoreError.idEmpty) {
            try store.write("u", session: "", RecordWrite(status: .online), at: now)
        }
        #expect(throws: StoreError.idEmpty) {
            try store.write("", session: "s", RecordWrite(status: .offline, endsAllSessions: true), at: now)
        }
        #expect(throws: StoreError.idEmpty) { try store.set("", UserSettings(status: .some(.dnd))) }
        #expect(throws: StoreError.idEmpty) { try store.relate("u", .block, to: "") }
        #expect(throws: StoreError.idEmpty) { try store.relate("", .friend, to: "u") }
        #expect(throws: StoreError.idEmpty) { try store.frames(for: "u", of: ["v", ""]) }
        #expect(throws: StoreError.idEmpty) { try store.frames(for: "", of: ["v"]) }
        // Who cannot come is unknown to everything else.
        for id: SlowModel.Name in ["", tooLong] {
            #expect(!store.beat(id, session: "s", at: now) && !store.beat("u", session: id, at: now))
            #expect(!store.disconnect("u", session: id, at: now))
            #expect(store.status(of: id, at: now) == .offline && !store.exists(.presence, id, at: now))
            #expect(!store.remove(.presence, id, at: now))
        }
        #expect(throws: StoreError.wordTooLong(limit: 128)) {
            try store.connect("u", session: "t", device: word, at: now)
        }
        #expect(throws: StoreError.wordTooLong(limit: 128)) {
            try store.connect("u", session: "t", platform: word, at: now)
        }
        #expect(throws: StoreError.wordTooLong(limit: 128)) {
            try store.connect("u", session: "t", server: word, at: now)
        }
        #expect(throws: StoreError.activityTooLong(limit: 128)) {
            try store.set(SlowModel.Name("v").bytes.span, UserSettings(activity: .some(word.bytes)), at: now)
        }
        for ttl: Int64 in [-1, 0, 4_999, 300_001, .max] {
            #expect(throws: StoreError.ttlOutOfBounds(minimum: 5_000, maximum: 300_000)) {
                try store.connect("v", session: "t", ConnectOptions(ttlMilliseconds: ttl), at: now)
            }
        }
        for ttl: Int64 in [300_001, .max] {
            #expect(throws: StoreError.ttlOutOfBounds(minimum: 1, maximum: 300_000)) {
                try store.write("v", session: "t", RecordWrite(status: .online, ttlMilliseconds: ttl), at: now)
            }
        }
        #expect(throws: StoreError.ttlOutOfBounds(minimum: 1, maximum: 300_000)) {
            let deadline = now.advanced(byMilliseconds: 300_001)
            _ = try store.expire(.presence, SlowModel.Name("u").bytes.span, at: deadline, now: now)
        }
        #expect(numbers(store) == before)
        for ttl: Int64 in [5_000, 300_000] {
            try store.connect(longest, session: longest, ConnectOptions(ttlMilliseconds: ttl), at: now)
        }
        store.setMaxActivityLength(200)
        try store.set(SlowModel.Name("u").bytes.span, UserSettings(activity: .some(word.bytes)), at: now)
        for error in [StoreError.tooManySessions(limit: 1), .tooManyWords(limit: 1), .activityTooLong(limit: 1)] {
            #expect(error.message.contains("max-"), "the remedy is named")
        }
        #expect(StoreError.ttlOutOfBounds(minimum: 1, maximum: 2).message.contains("heartbeat-hard-limit"))
        #expect(StoreError.outOfMemory.message.contains("maxmemory"))
    }

    @Test("A record with a very old activity is that of someone away, not of someone from the future")
    func oldActivity() throws {
        let store = store()
        for years: Int64 in [1, 5, 8] {
            let user = SlowModel.Name(stringLiteral: "user-\(years)")
            let activity = now.advanced(byMilliseconds: -years * 31_557_600_000)
            try store.write(user, session: "s", RecordWrite(status: .online, activity: activity), at: now)
            #expect(store.status(of: user, at: now) == .away, "\(years) years")
            #expect(store.describe(user.description)?.lastSeen == activity)
        }
    }

    @Test("Removing a presence ends its sessions and graces and keeps what else is known")
    func removed() throws {
        let store = store()
        try store.connect("u", session: "1", at: now)
        try store.connect("u", session: "2", at: now)
        try store.set(SlowModel.Name("u").bytes.span, UserSettings(status: .some(.dnd), activity: .some([65])), at: now)
        #expect(store.remove(.presence, "u", at: now))
        #expect(!store.remove(.presence, "u", at: now))
        #expect(!store.exists(.presence, "u", at: now))
        #expect(!store.beat("u", session: "1", at: now), "a late heartbeat never resurrects")
        #expect(store.describe(SlowModel.Name("u").bytes.span, at: now)?.activity == [65])
        try store.connect("u", session: "1", at: now)
        #expect(store.status(of: "u", at: now) == .dnd)
        store.disconnect("u", session: "1", reason: .leaseLost, at: now)
        #expect(store.exists(.presence, "u", at: now), "a grace runs")
        #expect(store.remove(.presence, "u", at: now))
        #expect(!store.exists(.presence, "u", at: now))
    }

    @Test("A flush ends all keys and no settings", arguments: [1, 16])
    func flush(shards: Int) throws {
        let store = store(shards: shards)
        for number in 0..<2_000 {
            let name = SlowModel.Name("n\(number)")
            try store.connect(name, session: "s", at: now)
            try store.setString(name, "value", at: now)
        }
        try store.set(SlowModel.Name("n7").bytes.span, UserSettings(activity: .some([65])), at: now)
        #expect(store.keyCount() == 4_000)
        store.removeAll(at: now)
        #expect(store.keyCount() == 0)
        #expect(store.allKeys(at: now).isEmpty)
        #expect(store.statistics().sessions == 0)
        #expect(store.describe(SlowModel.Name("n7").bytes.span, at: now)?.activity == [65])
        #expect(store.statistics().users == 2_000)
    }

    @Test("A walk hands out each key that lives through it exactly once, however the table grows and shrinks")
    func scan() throws {
        for var random in SeededRandom.cases(3) {
            let store = store(shards: random.pick([1, 4, 64]))
            var lived: Set<SlowModel.Name> = []
            for number in 0..<1_500 {
                let name = SlowModel.Name("n\(number)")
                if random.chance(oneIn: 2) {
                    try store.connect(name, session: "s", at: now)
                } else {
                    try store.setString(name, "v", at: now)
                }
                lived.insert(name)
            }
            var seen: [SlowModel.Name] = []
            var cursor: UInt64 = 0
            var next = 10_000
            repeat {
                cursor = store.scan(cursor: cursor, count: 20, at: now) { _, key in
                    seen.append(.init(Array(copying: key)))
                }
                check(cursor < 1 << 53, "\(cursor) is not exact in a double, \(random)")
                for _ in 0..<30 {
                    try store.setString(.init("n\(next)"), "v", at: now)
                    next += 1
                }
                for _ in 0..<5 {
                    let victim = SlowModel.Name("n\(Int.random(in: 0..<next, using: &random))")
                    store.remove(.string, victim, at: now)
                    store.remove(.presence, victim, at: now)
                    lived.remove(victim)
                }
            } while cursor != 0
            check(seen.count == Set(seen).count, "twice, \(random)")
            check(lived.isSubset(of: seen), "never, \(random)")
        }
    }

    @Test("A tick with nothing due looks at no record, whether a thousand users are there or thirty thousand")
    func idleTick() throws {
        for count in [1_000, 30_000] {
            let store = store(shards: 8)
            for number in 0..<count { try store.connect(.init("u\(number)"), session: "s", at: now) }
            let before = store.statistics().timersLookedAt
            var looked = 0
            for tick in Int64(1)...500 {
                looked += store.advance(to: now.advanced(byMilliseconds: tick * 10)).lookedAt
            }
            #expect(looked == 0)
            #expect(store.statistics().timersLookedAt == before)
        }
    }

    @Test("An advance keeps to its budget, says that it is behind, and ends what it began")
    func budget() throws {
        let store = store(shards: 1)
        for number in 0..<5_000 { try store.connect(.init("u\(number)"), session: "s", at: now) }
        let later = now.advanced(byMilliseconds: 130_000)
        var rounds = 0
        while true {
            let result = store.advance(to: later, budget: 100)
            check(result.lookedAt <= 106, "a node of seven is taken whole")
            rounds += 1
            if !result.isBehind { break }
        }
        #expect(rounds >= 45)
        #expect(store.statistics().presentUsers == 0)
        #expect(store.statistics().lateness.count >= 5_000)
        #expect(store.statistics().lateness.maximum == 10_000)
    }

    @Test("A changed policy shows when a record is next looked at, and heartbeats keep their place")
    func policy() throws {
        let store = store()
        try store.connect("u", session: "s", at: now)
        store.beat("u", session: "s", isActive: true, at: now)
        var policy = Policy()
        policy.idleAfter = 1_000
        store.update(policy: policy)
        #expect(store.status(of: "u", at: now.advanced(byMilliseconds: 999)) == .online)
        #expect(store.status(of: "u", at: now.advanced(byMilliseconds: 1_000)) == .idle)
        policy.heartbeatHardLimit = 2_000
        store.update(policy: policy)
        #expect(store.status(of: "u", at: now.advanced(byMilliseconds: 2_000)) == .offline)
        store.setSessionTTL(milliseconds: 1_500)
        let later = now.advanced(byMilliseconds: 5_000)
        try store.connect("u", session: "t", at: later)
        #expect(store.timeToLive(.presence, SlowModel.Name("u").bytes.span, at: later) == .milliseconds(1_500))
    }

    @Test("An end of nothing that ends is refused, and nothing of it is done or counted")
    func endOfNothing() throws {
        let store = store { $0.statusChangesPerMinute = 2 }
        let end = now.advanced(byMilliseconds: 60_000)
        let user = SlowModel.Name("u").bytes
        let refused = [
            UserSettings(status: .some(nil), until: end), UserSettings(activity: .some(nil), until: end),
            UserSettings(activity: .some([]), until: end), UserSettings(until: end),
            UserSettings(status: .some(nil), activity: .some([]), until: end, visibility: .nobody),
            UserSettings(until: end, lastSeen: .coarse),
        ]
        for change in refused {
            #expect(throws: StoreError.nothingEnds) { try store.set(user.span, change, at: now) }
        }
        #expect(store.describe(user.span, at: now) == nil, "nobody has become known")
        // What ends stands beside what does not.
        let text = UserSettings(status: .some(nil), activity: .some([65]), until: end)
        try store.set(user.span, text, at: now)
        #expect(store.describe(user.span, at: now)?.activity == [65])
        #expect(store.describe(user.span, at: end)?.activity == nil)
        try store.set(user.span, UserSettings(status: .dnd, activity: .some([]), until: end), at: now)
        try store.connect("u", session: "s", at: now)
        #expect(store.status(of: "u", at: now) == .dnd)
        #expect(store.status(of: "u", at: end) == .online)
    }

    @Test("Whatever is set by hand counts against the changes of a minute, and edges do not")
    func changesOfAMinute() throws {
        let store = store { $0.statusChangesPerMinute = 4 }
        let user = SlowModel.Name("u").bytes
        let changes = [
            UserSettings(status: .dnd), UserSettings(activity: .some([65])), UserSettings(visibility: .friends),
            UserSettings(lastSeen: .coarse),
        ]
        for change in changes { try store.set(user.span, change, at: now) }
        for change in changes + [UserSettings(visibility: .nobody)] {
            #expect(throws: StoreError.tooManyChanges(limit: 4)) { try store.set(user.span, change, at: now) }
        }
        #expect(store.relations(of: user.span, at: now).visibility == .friends)
        for other in ["a", "b", "c", "d", "e"] { try store.relate("u", .block, to: other) }
        try store.set(user.span, UserSettings(visibility: .nobody), at: now.advanced(byMilliseconds: 60_000))
    }

    @Test("A changed limit is announced without a look by anyone, for what it is, and who has ended does not come back")
    func policyAnnounced() throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        let later = { (milliseconds: Int64) in now.advanced(byMilliseconds: milliseconds) }
        /// What is announced of one, in ticks of a tenth of a second from one instant to the other.
        func told(_ user: String, from: Int64, to: Int64) -> [StatusChange] {
            var events: [StoreEvent] = []
            for time in stride(from: from, through: to, by: 100) { store.advance(to: later(time)) }
            for shard in 0..<store.shardCount { while !reader.read(shard: shard, into: &events) {} }
            return events.compactMap { if case .status(let change) = $0 { change } else { nil } }
                .filter { $0.userID == Array(user.utf8) }
        }
        var policy = Policy()
        policy.disconnectGrace = 60_000
        store.update(policy: policy)
        for user in ["limit", "grace", "idle"] {
            let options = ConnectOptions(ttlMilliseconds: 300_000)
            try store.connect(SlowModel.Name(stringLiteral: user), session: "s", options, at: now)
        }
        store.beat("idle", session: "s", isActive: true, at: now)
        store.disconnect("grace", session: "s", at: now)
        #expect(told("idle", from: 0, to: 100_000).map(\.new) == [.online])
        policy.idleAfter = 50_000
        store.update(policy: policy)
        let idle = told("idle", from: 100_100, to: 100_300)
        #expect(idle.map(\.new) == [.idle])
        #expect(idle.map(\.reason) == [.inactivity])
        policy.awayAfter = 60_000
        store.update(policy: policy)
        #expect(told("idle", from: 100_400, to: 100_600).map(\.new) == [.away])
        policy.awayAfter = 1_800_000
        store.update(policy: policy)
        policy.idleAfter = 300_000
        let lessIdle = told("idle", from: 100_700, to: 100_900)
        store.update(policy: policy)
        let active = told("idle", from: 101_000, to: 101_200)
        #expect((lessIdle + active).map(\.new) == [.idle, .online])
        #expect((lessIdle + active).map(\.reason) == [.activity, .activity], "what he did last counts again")

        try store.connect("grace", session: "t", at: later(110_000))
        store.disconnect("grace", session: "t", at: later(110_000))
        _ = told("grace", from: 110_000, to: 120_000)
        policy.disconnectGrace = 5_000
        store.update(policy: policy)
        let grace = told("grace", from: 120_100, to: 120_300)
        #expect(grace.map(\.new) == [.offline])
        #expect(grace.map(\.reason) == [.graceEnded])

        policy.heartbeatHardLimit = 110_000
        store.update(policy: policy)
        let limit = told("limit", from: 121_000, to: 121_300)
        #expect(limit.map(\.new) == [.offline])
        #expect(limit.map(\.reason) == [.hardLimit])
        #expect(limit.allSatisfy { $0.timestamp >= later(120_300) })
        policy.heartbeatHardLimit = 300_000
        store.update(policy: policy)
        #expect(told("limit", from: 122_000, to: 122_300).isEmpty)
        #expect(store.status(of: "limit", at: later(122_300)) == .offline)
        #expect(!store.beat("limit", session: "s", at: later(122_300)))
    }

    @Test("Whom a lower hard limit ended stays ended when it is raised before anyone came to him but a reader")
    func raisedAtOnce() throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        for user in ["read", "unread"] as [SlowModel.Name] {
            try store.connect(user, session: "s", ConnectOptions(ttlMilliseconds: 300_000), at: now)
        }
        let late = now.advanced(byMilliseconds: 100_000)
        var policy = Policy()
        policy.heartbeatHardLimit = 60_000
        store.update(policy: policy, at: late)
        #expect(store.status(of: "read", at: late) == .offline)
        policy.heartbeatHardLimit = 300_000
        store.update(policy: policy, at: late)
        for user in ["read", "unread"] as [SlowModel.Name] {
            #expect(store.status(of: user, at: late) == .offline)
            #expect(!store.beat(user, session: "s", at: late))
        }
        store.advance(to: late.advanced(byMilliseconds: 10))
        var events: [StoreEvent] = []
        for shard in 0..<store.shardCount { while !reader.read(shard: shard, into: &events) {} }
        let reasons = events.compactMap { if case .status(let change) = $0 { change.reason } else { nil } }
        #expect(reasons.sorted { $0.rawValue < $1.rawValue } == [.connect, .connect, .hardLimit, .hardLimit])
    }

    @Test("Who has nothing set by hand any more is read as one who never had, here and where that was merged")
    func takenBack() throws {
        let (here, there) = (store(shards: 1), store(shards: 1))
        let user = SlowModel.Name("u")
        func isPlain(_ store: ShardedStore) -> Bool {
            store.withUser(user.bytes.span, at: now) { state, key, hash, now in
                state.isPlainlyOnline(state.record(state.find(key, hash)), at: now)
            }
        }
        try here.connect(user, session: "s", at: now)
        #expect(isPlain(here))
        let changes: [(UserSettings, Bool)] = [
            (UserSettings(status: .dnd), false), (UserSettings(status: .some(nil)), true),
            (UserSettings(activity: [65, 66]), false), (UserSettings(status: .dnd), false),
            (UserSettings(activity: .some(nil)), false), (UserSettings(activity: [65]), false),
            (UserSettings(status: .some(nil)), false), (UserSettings(activity: []), true),
            (UserSettings(status: .some(nil), activity: .some(nil)), true),
        ]
        for (change, isNone) in changes {
            try here.set(user.bytes.span, change, at: now)
            #expect(isPlain(here) == isNone)
            #expect(here.status(of: user, at: now) == (here.explain("u").manual.value == nil ? .online : .dnd))
            let image = try #require(here.image(of: "u"))
            #expect(try there.merge(image))
            #expect(isPlain(there) == isNone)
        }
        let until = now.advanced(byMilliseconds: 5_000)
        try here.set(user.bytes.span, UserSettings(status: .dnd, activity: [65], until: until), at: now)
        here.advance(to: until.advanced(byMilliseconds: -10))
        #expect(!isPlain(here), "it holds")
        here.advance(to: until.advanced(byMilliseconds: 10))
        #expect(isPlain(here), "it has come to its end")
        #expect(here.status(of: user, at: until.advanced(byMilliseconds: 20)) == .online)
        #expect(here.explain("u").manual.stamp != .zero, "that it was is not forgotten")
        let image = try #require(here.image(of: "u"))
        let later = until.advanced(byMilliseconds: 20)
        #expect(try there.merge(image.span, at: later))
        there.advance(to: later)
        #expect(isPlain(there))
        #expect(there.explain("u").manual == here.explain("u").manual)
    }

    @Test("A status set and a text cleared at once leave a record's neighbours alone, however full its slot is")
    func fullSlots() throws {
        let users = (0..<100).map { "user-\(1_000 + $0)" }
        for length in 1...48 {
            let store = store(shards: 1)
            let text = [UInt8](repeating: UInt8(ascii: "a"), count: length)
            for user in users {
                try store.connect(user, session: "s")
                try store.set(user, UserSettings(activity: text))
            }
            for user in users { try store.set(user, UserSettings(status: .dnd, activity: .some(nil))) }
            for user in users {
                check(store.status(of: user) == .dnd && store.describe(user)?.activity == nil, "\(user), \(length)")
            }
        }
    }
}
