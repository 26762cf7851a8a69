import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// How far from now instants may lie that somebody gives: what cannot be kept is refused, and nothing else is kept in its place.
@Suite("Bounds of instants")
struct InstantBoundTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: now, shards: 4, change)
    }

    /// The numbers that an error may not change.
    private func numbers(_ store: ShardedStore) -> [Int] {
        let all = store.statistics()
        return [all.users, all.presentUsers, all.sessions, Int(all.connects), Int(all.beats), all.memory.total]
    }

    @Test("An activity before the last eight years is refused, nothing half done; who says goodbye need not be asked")
    func activityTooOld() throws {
        let store = store()
        let bound: Int64 = 8 * 31_557_600_000
        try store.connect("u", session: "s", at: now)
        let before = numbers(store)
        for age in [bound + 1, 9 * 31_557_600_000, now.milliseconds, .max] {
            for (status, session) in [(Status.online, "s"), (.idle, "t"), (.dnd, "s")] as [(Status, SlowModel.Name)] {
                let record = RecordWrite(status: status, activity: now.advanced(byMilliseconds: -age))
                #expect(throws: StoreError.activityTooOld(limit: bound)) {
                    try store.write("u", session: session, record, at: now)
                }
                #expect(throws: StoreError.activityTooOld(limit: bound)) {
                    try store.write("v", session: session, record, at: now)
                }
            }
        }
        #expect(numbers(store) == before)
        #expect(store.describe("u")?.lastSeen == nil)
        #expect(store.describe("v") == nil)
        let goodbye = RecordWrite(status: .offline, activity: Timestamp(milliseconds: 0))
        #expect(try store.write("u", session: "s", goodbye, at: now))
        #expect(!store.exists(.presence, "u", at: now))
        #expect(StoreError.activityTooOld(limit: bound).message.contains("2922 days"))
    }

    @Test("An end of what is set by hand lies within eight years of now, or there is none")
    func farEnd() throws {
        let store = store { $0.statusChangesPerMinute = 3 }
        let user = SlowModel.Name("u").bytes
        let bound: Int64 = 8 * 31_557_600_000
        for distance in [bound + 1, -bound - 1, 1 << 38, .max - now.milliseconds - 1] {
            let until = now.advanced(byMilliseconds: distance)
            for change in [UserSettings(status: .dnd, until: until), UserSettings(activity: [65], until: until)] {
                #expect(throws: StoreError.endTooFar(limit: bound)) { try store.set(user.span, change, at: now) }
            }
        }
        #expect(store.describe("u") == nil, "nothing is half done, and nothing counts")
        #expect(StoreError.endTooFar(limit: bound).message.contains("252460800 s"))

        try store.connect("u", session: "s", at: now)
        let last = now.advanced(byMilliseconds: bound)
        try store.set(user.span, UserSettings(status: .dnd, activity: [65], until: last), at: now)
        let explanation = store.explain("u")
        #expect(explanation.manual.until == last && explanation.text?.until == last)
        try store.set(user.span, UserSettings(status: .away, activity: [65], until: .distantFuture), at: now)
        #expect(store.explain("u").manual.until == nil)
        #expect(store.status(of: "u", at: now) == .away)
        #expect(store.describe("u")?.activity == [65])
        let over = now.advanced(byMilliseconds: -bound)
        try store.set(user.span, UserSettings(status: .dnd, activity: [66], until: over), at: now)
        #expect(store.status(of: "u", at: now) == .online)
        #expect(store.describe("u")?.activity == nil)
    }

    @Test("Another node whose clock differs takes what lies at the bound")
    func boundElsewhere() throws {
        #expect(RecordInstant.bound + 60_000 < RecordInstant.reach)
        let (near, far) = (now.advanced(byMilliseconds: -60_000), now.advanced(byMilliseconds: 60_000))
        var facts = ReplicaFacts(id: [65])
        facts.facts.lastSeen = now.advanced(byMilliseconds: -RecordInstant.bound)
        facts.facts.text = Register(
            stamp: Stamp(now), value: [65], until: now.advanced(byMilliseconds: RecordInstant.bound))
        #expect(facts.isWithinReach(of: near) && facts.isWithinReach(of: far))
    }

    @Test("Strings end whenever 64 bits can say, as in Redis")
    func strings() throws {
        let store = store()
        for distance: Int64 in [RecordInstant.reach + 1, 1 << 50, .max - now.milliseconds - 1] {
            let end = now.advanced(byMilliseconds: distance)
            try store.setString("k", "v", StringSetOptions(expiry: .at(end)), at: now)
            #expect(store.timeToLiveOfString("k", at: now) == .milliseconds(distance))
        }
    }
}
