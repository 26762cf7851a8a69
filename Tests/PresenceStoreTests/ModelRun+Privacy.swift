import Presence
import PresenceStore
import PresenceTesting
import Synchronization

/// A rule of the embedder: enemies in a game.
final class ModelRule: Sendable {
    private let hidden = Mutex<[SlowModel.Name: Set<SlowModel.Name>]>([:])

    func hides(_ target: Span<UInt8>, from viewer: Span<UInt8>) -> Bool {
        let (target, viewer) = (SlowModel.Name(Array(copying: target)), SlowModel.Name(Array(copying: viewer)))
        return hidden.withLock { $0[target]?.contains(viewer) == true }
    }

    func set(_ hidden: [SlowModel.Name: Set<SlowModel.Name>]) { self.hidden.withLock { $0 = hidden } }
}

/// Privacy, done to both, and every look of everybody at everybody.
extension ModelRun {
    /// Now and then, and right before all must agree, the rule says something else of one user.
    mutating func changeRule() {
        guard hasRule, step % 50 == 49 || ruleRandom.chance(oneIn: 10) else { return }
        let (user, viewer) = (ruleRandom.pick(users), ruleRandom.pick(users))
        let hides = ruleRandom.chance(oneIn: 2)
        note("rule hides \(user) from \(viewer): \(hides)")
        if hides {
            model.hiddenByRule[user, default: []].insert(viewer)
        } else {
            model.hiddenByRule[user]?.remove(viewer)
        }
        rule.set(model.hiddenByRule)
        store.viewsChanged(of: user.bytes.span)
    }

    mutating func relate(_ user: Name) throws(Difference) {
        let change = random.pick(RelationChange.allCases)
        var others: [Name] = []
        for _ in 0..<Int.random(in: 1...3, using: &random) { others.append(random.pick(users)) }
        note("\(change) \(user) \(others)")
        let (bytes, ranges) = ModelRun.joined(others)
        guard !others.contains(user) else {
            var refusal: StoreError?
            do throws(StoreError) {
                try store.relate(user.bytes.span, change, to: bytes.span, ranges.span, at: now)
            } catch {
                refusal = error
            }
            try agree(refusal, .selfRelation, "error")
            return
        }
        var expected = 0
        for other in others
        where model.relate(
            user, to: other, isFriendship: change == .friend || change == .unfriend, holds: change.holds, among: users)
        {
            expected += 1
        }
        if change.holds { known.formUnion(others + [user]) }
        var found: Int?
        do throws(StoreError) {
            found = try store.relate(user.bytes.span, change, to: bytes.span, ranges.span, at: now)
        } catch {
            throw difference("\(error)")
        }
        try agree(found, expected, "changed edges")
    }

    mutating func setPrivacy(_ user: Name) throws(Difference) {
        let visibility = random.chance(oneIn: 3) ? nil : random.pick(Visibility.allCases)
        let lastSeen = visibility != nil && random.chance(oneIn: 2) ? nil : random.pick(LastSeenVisibility.allCases)
        note("privacy \(user) \(visibility as Any) \(lastSeen as Any)")
        model.setPrivacy(user, visibility: visibility, lastSeen: lastSeen, among: users)
        known.insert(user)
        do throws(StoreError) {
            try store.set(user.bytes.span, UserSettings(visibility: visibility, lastSeen: lastSeen), at: now)
        } catch {
            throw difference("\(error)")
        }
    }

    /// One viewer looks at everyone, one by one and in a batch.
    func compareSights(_ viewer: Name) throws(Difference) {
        for user in users {
            let found = store.view(of: user.bytes.span, for: viewer.bytes.span, at: now)
            let sight = SlowModel.Sight(
                status: found.status, lastSeen: found.lastSeen, activity: found.activity.map { Name($0) })
            try agree(sight, model.sight(of: user, for: viewer), "what \(viewer) sees of \(user)")
        }
        let (bytes, ranges) = ModelRun.joined(users)
        var statuses: [Status] = []
        store.views(for: viewer.bytes.span, bytes.span, ranges.span, at: now) { _, status in statuses.append(status) }
        try agree(
            statuses, users.map { model.sight(of: $0, for: viewer).status }, "what \(viewer) sees in a batch")
        let relations = store.relations(of: viewer.bytes.span, at: now)
        let expected = model.relations(of: viewer)
        try agree(Set(relations.friends.map { Name($0) }), expected.friends, "friends of \(viewer)")
        try agree(Set(relations.blocked.map { Name($0) }), expected.blocked, "whom \(viewer) blocked")
    }

    static func joined(_ names: [Name]) -> (bytes: [UInt8], ranges: [KeyRange]) {
        var bytes: [UInt8] = []
        var ranges: [KeyRange] = []
        for name in names {
            ranges.append(KeyRange(offset: bytes.count, length: name.bytes.count))
            bytes += name.bytes
        }
        return (bytes, ranges)
    }
}
