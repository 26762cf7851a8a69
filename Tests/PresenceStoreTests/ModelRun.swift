import Presence
import PresenceStore
import PresenceTesting

/// Where and how model and store run side by side.
struct ModelPlan: Sendable, CustomStringConvertible {
    var name: String
    var shards = 1
    /// Where time begins; a place just before a wrap, as a rule.
    var start = Timestamp(milliseconds: 1_767_225_600_000)
    var tick = WheelTick.tenMilliseconds
    /// The wheel turns only now and then, and a step looks at one user at most: reads must be right by themselves.
    var isLate = false
    var steps = 1_000
    /// Every so many steps time leaps by one of these, in milliseconds.
    var pauses: [Int64] = [60_000, 700_000]
    var pauseEvery = 250
    /// The longest ordinary step of time.
    var longestStep: Int64 = 2_500

    var description: String { isLate ? name + ", late wheel" : name }
}

/// Model and store under the same operations. The first difference ends the run and tells its seed and last steps.
struct ModelRun {
    struct Difference: Error, CustomStringConvertible {
        var description: String
    }

    typealias Name = SlowModel.Name

    struct Words: Equatable {
        var device: Name = ""
        var platform: Name = ""
        var server: Name = ""
    }

    let plan: ModelPlan
    let store: ShardedStore
    let reader: EventReader
    var random: SeededRandom
    /// Draws what the rule of an embedder says, so that runs which found something go on as they did without one.
    var ruleRandom: SeededRandom
    let rule = ModelRule()
    let hasRule: Bool
    var model: SlowModel
    let users: [Name]
    let sessions: [Name]
    let keys: [Name]
    /// Users that the store must know.
    var known: Set<Name> = []
    var words: [Name: [Name: Words]] = [:]
    var log: [String] = []
    var step = 0
    /// What the operation under way tells of keys, beside their coming and going.
    var told: [(Key, KeyEvent)] = []
    /// Whether the operation under way ends keys of which nobody is told.
    var isFlush = false
    /// When leases end that were given.
    var leaseEnds: Set<Timestamp> = []
    /// Keys that were written since they were looked at.
    var touched: Set<Key> = []
    var looks: [Key: Look] = [:]

    /// What a service knows that asks for changes, and where it stands.
    var changed: [Name: ModelViewer.Known] = [:]
    var changeCursor = ShardedStore.ChangeCursor.oldest
    /// What viewers were told.
    var viewers: [Name: ModelViewer] = [:]

    private var expected: [Name: [SlowModel.Event]] = [:]
    private var expectedTexts: [Name: [SlowModel.ActivityEvent]] = [:]
    private var heardTexts: [Name: [SlowModel.ActivityEvent]] = [:]
    private var heard: [Name: [SlowModel.Event]] = [:]
    private var lastVersion: [Name: Stamp] = [:]
    private var expectedKeyEvents: [Key: [KeyEvent]] = [:]
    private var heardKeyEvents: [Key: [KeyEvent]] = [:]

    struct Key: Hashable {
        var kind: KeyKind
        var name: Name
    }

    var now: Timestamp { model.now }

    init(_ plan: ModelPlan, _ random: SeededRandom) {
        var other = random
        ruleRandom = SeededRandom(seed: ~other.next())
        var random = random
        self.plan = plan
        var policy = Policy()
        policy.heartbeatHardLimit = 20_000
        policy.idleAfter = random.pick([3_000, 7_000])
        policy.awayAfter = random.pick([9_000, 16_000])
        policy.disconnectGrace = random.pick([0, 0, 1_500])
        policy.lostGrace = random.pick([0, 2_500])
        if random.chance(oneIn: 3) {
            let length = random.pick([20_000, 100_000, Int64.max / 4])
            policy.storm = Storm(
                began: plan.start, heldUntil: plan.start.advanced(byMilliseconds: length), spreadMilliseconds: 0)
        }
        let most = random.pick([3, 8])
        let hidesBoth = random.chance(oneIn: 2)
        model = SlowModel(
            at: plan.start, policy: policy, sessionTTLMilliseconds: 8_000, maxSessionsPerUser: most,
            blockHidesBoth: hidesBoth)
        var configuration = ShardedStore.Configuration()
        configuration.shards = plan.shards
        configuration.policy = policy
        configuration.sessionTTLMilliseconds = 8_000
        configuration.maxSessionsPerUser = most
        configuration.blockHidesBoth = hidesBoth
        configuration.changeRingBytes = 16_384
        configuration.statusChangesPerMinute = 0
        configuration.hashSecret = (random.next(), random.next())
        configuration.clock = TestClock(plan.start)
        configuration.wheelTick = plan.tick
        hasRule = ruleRandom.chance(oneIn: 2)
        if hasRule {
            configuration.viewFilter = { [rule] target, viewer in rule.hides(target, from: viewer) }
        }
        store = ShardedStore(configuration)
        store.setKeyspaceInterest([.expired, .new, .generic, .string, .evicted])
        reader = store.makeReader { _ in }
        users = [
            "alice", "0f8fad5b-d9cb-469f-a165-70867728950e", Name([1, 255, 64]), "b",
            Name([UInt8](repeating: 120, count: 255)), "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        ]
        sessions = [
            "phone", "ws-conn-abc123def456", "16fd2706-8baf-433b-82eb-8c7fada847da", "2",
            Name([UInt8](repeating: 122, count: 200)),
        ]
        keys = ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "alice", Name([UInt8](repeating: 107, count: 500)), ""]
        self.random = random
    }

    /// Runs all steps.
    mutating func run() throws(Difference) {
        defer { reader.cancel() }
        for step in 1...plan.steps {
            self.step = step
            try apply()
            changeRule()
            try hear()
            if plan.isLate {
                if random.chance(oneIn: 2) { try compareOne(random.pick(users)) }
                if random.chance(oneIn: 3) { try lookAgain(randomKey()) }
                if random.chance(oneIn: 10) { try takeFrames() }
                if random.chance(oneIn: 60) { store.advance(to: now, budget: random.pick([1, 8, .max])) }
            } else {
                for user in users { try compare(user) }
                for key in keys { try compare(string: key) }
                for _ in 0..<3 { try lookAgain(randomKey()) }
                try compareSights(random.pick(users))
                if random.chance(oneIn: 3) { try takeFrames() }
            }
            try hear()
            try passTime()
            if step % 50 == 0 || step == plan.steps { try settle() }
        }
    }

    // MARK: Time

    private mutating func passTime() throws(Difference) {
        if step % plan.pauseEvery == 0, !plan.pauses.isEmpty {
            try go(by: random.pick(plan.pauses) + Int64.random(in: 0...20, using: &random))
        } else if random.chance(oneIn: 3) {
            let wait = model.nextChange.milliseconds(since: now)
            if wait < 30_000 { try go(by: max(0, wait - (random.chance(oneIn: 3) ? 1 : 0))) }
        } else if random.chance(oneIn: 2) {
            try go(by: Int64.random(in: 0...plan.longestStep, using: &random))
        }
    }

    mutating func go(by interval: Int64) throws(Difference) {
        log.append("+\(interval) ms")
        let before = existing()
        model.advance(byMilliseconds: interval)
        note(before, .expired)
        if !plan.isLate { store.advance(to: now) }
        try hear()
    }

    /// Waits for an instant around which nothing happens: then all that may lag by a tick must agree too.
    mutating func settle() throws(Difference) {
        while model.nextChange.milliseconds(since: now) < 30 { try go(by: 10) }
        try go(by: 20)
        store.advance(to: now)
        try hear()
        for user in Set(expected.keys).union(heard.keys) {
            try agree(heard[user] ?? [], expected[user] ?? [], "events of \(user)")
        }
        for user in Set(expectedTexts.keys).union(heardTexts.keys) {
            try agree(heardTexts[user] ?? [], expectedTexts[user] ?? [], "events of the text of \(user)")
        }
        try takeFrames()
        try compareViewers()
        try askForChanges()
        let keys = Set(expectedKeyEvents.keys).union(heardKeyEvents.keys)
        for key in keys {
            try agree(heardKeyEvents[key] ?? [], expectedKeyEvents[key] ?? [], "key events of \(key)")
        }
        expected = [:]
        heard = [:]
        expectedTexts = [:]
        heardTexts = [:]
        expectedKeyEvents = [:]
        heardKeyEvents = [:]
        for user in users { try compare(user) }
        for user in users { try compareSights(user) }
        for key in self.keys { try compare(string: key) }
        try compareCounts()
    }

    private func compareCounts() throws(Difference) {
        let statistics = store.statistics()
        let live = users.reduce(0) { $0 + model.liveSessions(of: $1).count }
        try agree(statistics.sessions, live, "sessions")
        try agree(statistics.presentUsers, model.presentUserCount, "present users")
        try agree(statistics.strings, model.stringCount, "strings")
        try agree(statistics.stringsWithEnd, model.stringsWithEndCount, "strings with an end")
        try agree(statistics.users, known.count, "users")
        try agree(store.keyCount(), model.presentUserCount + model.stringCount, "keys")
        for (status, count) in store.countByStatus() {
            try agree(count, known.count { model.status(of: $0) == status }, "users that are \(status)")
        }
        var devices: [Name: Int] = [:]
        for user in users {
            for session in model.liveSessions(of: user) {
                let device = words[user]?[session]?.device ?? ""
                if device != "" { devices[device, default: 0] += 1 }
            }
        }
        let counted = store.countSessions(by: .device).map { (Name($0.word), $0.count) }
        try agree(Dictionary(uniqueKeysWithValues: counted), devices, "sessions by device")
        try agree(store.usedBytes, store.statistics().memory.total, "bytes")
        let keys = store.allKeys(count: 1 + step % 20, at: now).map { Key(kind: $0.kind, name: $0.key) }
        try agree(Set(keys), existing(), "all keys")
        try agree(keys.count, Set(keys).count, "keys handed out twice")
    }

    // MARK: Comparing

    /// One look at one user, by any of the ways to read.
    private mutating func compareOne(_ user: Name) throws(Difference) {
        switch Int.random(in: 0..<9, using: &random) {
        case 8: try compareSights(user)
        case 0: try agree(store.status(of: user, at: now), model.status(of: user), "status of \(user)")
        case 1: try compareDescription(user)
        case 2: try agree(store.exists(.presence, user, at: now), model.exists(user: user), "existence of \(user)")
        case 3: try compareTimeToLive(user)
        case 4: try compareSessions(user)
        case 5: try compareRecord(user)
        case 6: try compareBatch()
        default: try compare(string: random.pick(keys))
        }
    }

    private func compare(_ user: Name) throws(Difference) {
        try agree(store.status(of: user, at: now), model.status(of: user), "status of \(user)")
        try agree(store.exists(.presence, user, at: now), model.exists(user: user), "existence of \(user)")
        try compareDescription(user)
        try compareTimeToLive(user)
        try compareSessions(user)
        try compareRecord(user)
    }

    private func compareDescription(_ user: Name) throws(Difference) {
        let description = store.describe(user.bytes.span, at: now)
        try agree(description != nil, known.contains(user), "\(user) is known")
        guard let description else { return }
        try agree(description.id, user.bytes, "id of \(user)")
        try agree(description.status, model.status(of: user), "described status of \(user)")
        try agree(description.lastSeen, model.lastSeen(of: user), "lastSeen of \(user)")
        try agree(description.lastStatusChange, model.lastStatusChange(of: user), "lastStatusChange of \(user)")
        try agree(description.activity, model.activity(of: user)?.bytes, "activity of \(user)")
        try agree(description.isPresent, model.exists(user: user), "described existence of \(user)")
    }

    private func compareTimeToLive(_ user: Name) throws(Difference) {
        let expected = model.timeToLive(user: user).map { TimeToLive.milliseconds($0) } ?? .missing
        try agree(store.timeToLive(.presence, user.bytes.span, at: now), expected, "TTL of \(user)")
    }

    private func compareSessions(_ user: Name) throws(Difference) {
        let list = store.sessions(of: user.bytes.span, at: now)
        try agree(Set(list.map { Name($0.id) }), model.liveSessions(of: user), "sessions of \(user)")
        try agree(list.count, model.liveSessions(of: user).count, "number of sessions of \(user)")
        for session in list {
            let found = Words(
                device: Name(session.device ?? []), platform: Name(session.platform ?? []),
                server: Name(session.server ?? []))
            try agree(found, words[user]?[Name(session.id)] ?? Words(), "words of \(Name(session.id)) of \(user)")
        }
    }

    private func compareRecord(_ user: Name) throws(Difference) {
        let fields = store.recordFields(of: user.bytes.span, at: now)
        try agree(fields != nil, model.exists(user: user), "record of \(user)")
        guard let fields else { return }
        try agree(fields.status, model.status(of: user), "status in the record of \(user)")
        try agree(fields.lastSeen, model.lastSeen(of: user), "lastSeen in the record of \(user)")
        let connection = Name(fields.connectionID ?? [])
        let live = model.liveSessions(of: user)
        if !live.isEmpty { try agree(live.contains(connection), true, "record of \(user) is of a live session") }
    }

    private mutating func compareBatch() throws(Difference) {
        var bytes: [UInt8] = []
        var ranges: [KeyRange] = []
        for user in users {
            ranges.append(KeyRange(offset: bytes.count, length: user.bytes.count))
            bytes += user.bytes
        }
        // More than are taken at a time, some of which exist; nothing may follow from it.
        let places = ranges.map {
            KeyPlace(random.chance(oneIn: 4) ? .string : .presence, $0.offset..<$0.offset + $0.length)
        }
        store.prefetch(bytes.span, places.span)
        var statuses: [Status] = []
        var positions: [Int] = []
        store.statuses(bytes.span, ranges.span, at: now) { position, status in
            positions.append(position)
            statuses.append(status)
        }
        try agree(positions, Array(users.indices), "positions of a batch")
        try agree(statuses, users.map { model.status(of: $0) }, "statuses of a batch")
    }

    private func compare(string key: Name) throws(Difference) {
        try agree(store.string(key, at: now), model.string(key), "string \(key)")
        try agree(store.exists(.string, key, at: now), model.exists(string: key), "existence of string \(key)")
        let expected: TimeToLive =
            switch model.timeToLive(string: key) {
            case nil: .missing
            case Int64.max: .persistent
            case .some(let left): .milliseconds(left)
            }
        try agree(store.timeToLive(.string, key.bytes.span, at: now), expected, "TTL of string \(key)")
    }

    private mutating func randomKey() -> Key {
        random.chance(oneIn: 3)
            ? Key(kind: .string, name: random.pick(keys)) : Key(kind: .presence, name: random.pick(users))
    }

    // MARK: Events

    /// The keys that exist for the model.
    func existing() -> Set<Key> {
        let present = users.filter { model.exists(user: $0) }.map { Key(kind: .presence, name: $0) }
        return Set(present + keys.filter { model.exists(string: $0) }.map { Key(kind: .string, name: $0) })
    }

    /// Keys that did not exist `before` are new; then comes what the operation told; keys that do not exist any more went by `end`, of which nobody
    /// is told if it is nil.
    mutating func note(_ before: Set<Key>, _ end: KeyEvent?) {
        let after = existing()
        for key in after.subtracting(before) { expectedKeyEvents[key, default: []].append(.new) }
        for (key, event) in told { expectedKeyEvents[key, default: []].append(event) }
        told = []
        guard let end else { return }
        for key in before.subtracting(after) { expectedKeyEvents[key, default: []].append(end) }
    }

    /// The operation under way tells of this.
    mutating func tell(_ kind: KeyKind, _ name: Name, _ event: KeyEvent) {
        told.append((Key(kind: kind, name: name), event))
    }

    /// The operation under way writes this key.
    mutating func touch(_ kind: KeyKind, _ name: Name) { touched.insert(Key(kind: kind, name: name)) }

    private mutating func hear() throws(Difference) {
        for event in model.takeEvents() { expected[event.user, default: []].append(event) }
        for event in model.takeActivityEvents() { expectedTexts[event.user, default: []].append(event) }
        var events: [StoreEvent] = []
        for shard in 0..<plan.shards {
            while !reader.read(shard: shard, into: &events) {}
        }
        for event in events {
            switch event {
            case .missed(let count): throw difference("missed \(count) events")
            case .storm(let report): throw difference("a storm of a few: \(report)")
            case .activity(let change):
                let user = Name(change.userID)
                heardTexts[user, default: []].append(
                    SlowModel.ActivityEvent(
                        user: user, activity: change.activity.map { Name($0) }, reason: change.reason,
                        timestamp: change.timestamp))
            case .keyspace(let event, let kind, let key):
                heardKeyEvents[Key(kind: kind, name: Name(key)), default: []].append(event)
            case .status(let change):
                let user = Name(change.userID)
                guard change.version > lastVersion[user] ?? .zero else {
                    throw difference("the version of \(user) fell to \(change.version)")
                }
                try agree(change.since, lastVersion[user]?.timestamp, "since of \(user)")
                lastVersion[user] = change.version
                heard[user, default: []].append(
                    SlowModel.Event(
                        user: user, old: change.old, new: change.new, reason: change.reason,
                        timestamp: change.timestamp))
            }
        }
        // What the store has said so far is where the model's story begins.
        for (user, events) in heard where !(expected[user] ?? []).starts(with: events) {
            throw difference("events of \(user)\n store: \(events)\n model: \(expected[user] ?? [])")
        }
    }

    func agree<Value: Equatable>(
        _ found: Value, _ expected: Value, _ what: @autoclosure () -> String
    ) throws(Difference) {
        if found != expected { throw difference("\(what()): store \(found), model \(expected)") }
    }

    func difference(_ what: String) -> Difference {
        let last = log.suffix(60).joined(separator: "\n  ")
        return Difference(description: "\(plan), step \(step), at \(now), \(random): \(what)\n  \(last)")
    }
}
