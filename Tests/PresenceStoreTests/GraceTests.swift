import Presence
import PresenceStore
import PresenceTesting
import Testing

/// What happens to a user while the end of his last session is held back.
///
/// A grace holds what was announced: somebody who is gone is not in the news but by going. So a status by hand that ends meanwhile is not told, and
/// with whom he is when he comes back is. A text is told, since it is read on its own.
@Suite("Graces")
struct GraceTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)
    private func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }
    private let user = SlowModel.Name("alice").bytes

    /// How the session ends, and whether time is only looked at in the end: what is told is the same.
    struct Way: Sendable, CustomStringConvertible {
        var reason: Reason
        var isLate: Bool
        var description: String { "\(reason.word)\(isLate ? ", late" : "")" }

        static let all = [Reason.disconnect, .leaseLost].flatMap { reason in
            [false, true].map { Way(reason: reason, isLate: $0) }
        }
    }

    /// A user whose session ended 10 s after it was opened, and whose end is held back for 30 s; and one who watches him.
    private final class Story {
        let store: ShardedStore
        private let reader: EventReader
        private let watch: Watch
        private let start: Timestamp
        private let isLate: Bool
        private var at: Int64 = 0

        init(_ start: Timestamp, isLate: Bool, grace: Int64 = 30_000) throws {
            var configuration = ShardedStore.Configuration()
            configuration.clock = TestClock(start)
            configuration.shards = 1
            configuration.policy.disconnectGrace = grace
            configuration.policy.lostGrace = grace
            store = ShardedStore(configuration)
            reader = store.makeReader { _ in }
            self.start = start
            self.isLate = isLate
            let (bytes, ranges) = ModelRun.joined(["alice"])
            watch = try store.watch(
                Array("bert".utf8).span, since: Array("".utf8).span, bytes.span, ranges.span, at: start
            ) { _ in }.watch
        }

        deinit { reader.cancel() }

        var now: Timestamp { start.advanced(byMilliseconds: at) }

        /// Lets time go by up to so many milliseconds from the start.
        func go(to milliseconds: Int64) {
            while !isLate, at + 10 <= milliseconds {
                at += 10
                store.advance(to: now)
            }
            at = milliseconds
        }

        /// What was told since: of a status, its two ends, the reason, the instant, and since when it was; of a text, itself.
        func told() -> [String] {
            store.advance(to: now)
            var events: [StoreEvent] = []
            while !reader.read(shard: 0, into: &events) {}
            return events.map { event in
                switch event {
                case .status(let change):
                    let since = change.since.map { "\($0.milliseconds(since: start))" } ?? "never"
                    return "\(change.timestamp.milliseconds(since: start)): \(change.old.word) -> \(change.new.word), "
                        + "\(change.reason.word), since \(since), version "
                        + "\(change.version.timestamp.milliseconds(since: start))"
                case .activity(let change):
                    let text = change.activity.map { String(decoding: $0, as: UTF8.self) } ?? "none"
                    return "\(change.timestamp.milliseconds(since: start)): text \(text), \(change.reason.word)"
                default: return "\(event)"
                }
            }
        }

        /// What the one who watches is sent now: status and text, as far as they differ from what he was sent.
        func seen() -> [String] {
            store.pumpWatches()
            return store.takeFrame(of: watch, at: now).frame?.rows.map { row in
                "\(row.status.word), \(row.activity.map { String(decoding: $0, as: UTF8.self) } ?? "no text")"
            } ?? []
        }
    }

    @Test(
        "A status by hand that ends in a grace is not told: he is shown as he was, until he is gone", arguments: Way.all
    )
    func statusEnds(_ way: Way) throws {
        let story = try Story(start, isLate: way.isLate)
        let store = story.store
        try store.connect("alice", session: "s", at: start)
        try store.set(user.span, UserSettings(status: .dnd, until: later(20_000)), at: start)
        _ = story.told()
        #expect(story.seen() == ["dnd, no text"])
        story.go(to: 10_000)
        store.disconnect("alice", session: "s", reason: way.reason, at: story.now)
        let before = store.describe(user.span, at: story.now)
        for at: Int64 in [19_999, 20_000, 20_001, 30_000, 39_999] {
            story.go(to: at)
            #expect(store.status(of: "alice", at: story.now) == .dnd, "\(at)")
            let described = store.describe(user.span, at: story.now)
            #expect(described?.status == .dnd && described?.isPresent == true && described == before, "\(at)")
            #expect(store.recordFields(of: user.span, at: story.now)?.status == .dnd)
            #expect(store.timeToLive(.presence, user.span, at: story.now) == .milliseconds(40_000 - at))
            #expect(store.explain(user.span, for: nil, at: story.now).verdict.rule == .grace)
            #expect(story.told() == [])
            #expect(story.seen() == [])
        }
        story.go(to: 40_000)
        #expect(store.status(of: "alice", at: story.now) == .offline)
        #expect(store.timeToLive(.presence, user.span, at: story.now) == .missing)
        #expect(story.told() == ["40000: dnd -> offline, grace_ended, since 0, version 40000"])
        #expect(story.seen() == ["offline, no text"])
        #expect(story.told() == [])
    }

    @Test("Who comes back in a grace, after that end, is what he is then, and that is one change", arguments: Way.all)
    func comesBackLater(_ way: Way) throws {
        let story = try Story(start, isLate: way.isLate)
        let store = story.store
        try store.connect("alice", session: "s", at: start)
        try store.set(user.span, UserSettings(status: .dnd, until: later(20_000)), at: start)
        _ = story.told()
        _ = story.seen()
        story.go(to: 10_000)
        store.disconnect("alice", session: "s", reason: way.reason, at: story.now)
        story.go(to: 25_000)
        try store.connect("alice", session: "t", at: story.now)
        #expect(store.status(of: "alice", at: story.now) == .online)
        #expect(story.told() == ["25000: dnd -> online, connect, since 0, version 25000"])
        #expect(story.seen() == ["online, no text"])
        story.go(to: 60_000)
        #expect(story.told() == [], "the grace is over, and nobody is gone")
    }

    @Test("Who comes back before that end is told nothing of, and its end is told on time", arguments: Way.all)
    func comesBackSooner(_ way: Way) throws {
        let story = try Story(start, isLate: way.isLate)
        let store = story.store
        try store.connect("alice", session: "s", at: start)
        try store.set(user.span, UserSettings(status: .dnd, until: later(20_000)), at: start)
        _ = story.told()
        story.go(to: 10_000)
        store.disconnect("alice", session: "s", reason: way.reason, at: story.now)
        story.go(to: 15_000)
        try store.connect("alice", session: "t", at: story.now)
        #expect(story.told() == [])
        story.go(to: 50_000)
        #expect(story.told() == ["20000: dnd -> online, manual_ended, since 0, version 20000"])
    }

    @Test("A text that ends in a grace is told at its own instant, and the status is what it was", arguments: Way.all)
    func textEnds(_ way: Way) throws {
        let story = try Story(start, isLate: way.isLate)
        let store = story.store
        try store.connect("alice", session: "s", at: start)
        let change = UserSettings(status: .dnd, activity: Array("in a game".utf8), until: later(20_000))
        try store.set(user.span, change, at: start)
        _ = story.told()
        #expect(story.seen() == ["dnd, in a game"])
        story.go(to: 10_000)
        store.disconnect("alice", session: "s", reason: way.reason, at: story.now)
        story.go(to: 19_999)
        #expect(store.describe(user.span, at: story.now)?.activity == Array("in a game".utf8))
        #expect(story.told() == [] && story.seen() == [])
        story.go(to: 20_000)
        #expect(store.describe(user.span, at: story.now)?.activity == nil)
        #expect(store.status(of: "alice", at: story.now) == .dnd)
        #expect(story.told() == ["20000: text none, manual_ended"])
        #expect(story.seen() == ["dnd, no text"])
        story.go(to: 40_000)
        #expect(story.told() == ["40000: dnd -> offline, grace_ended, since 0, version 40000"])
        #expect(story.seen() == ["offline, no text"])
    }

    @Test("The end of being invisible shows nobody who is gone, in a grace or behind it", arguments: Way.all)
    func invisibleEnds(_ way: Way) throws {
        let story = try Story(start, isLate: way.isLate)
        let store = story.store
        try store.connect("alice", session: "s", at: start)
        _ = story.told()
        #expect(story.seen() == ["online, no text"])
        story.go(to: 10_000)
        store.disconnect("alice", session: "s", reason: way.reason, at: story.now)
        try store.set(user.span, UserSettings(status: .invisible, until: later(20_000)), at: story.now)
        #expect(story.told() == ["10000: online -> offline, manual, since 0, version 10000"])
        #expect(story.seen() == ["offline, no text"])
        for at: Int64 in [19_999, 20_000, 39_999, 40_000] {
            story.go(to: at)
            #expect(store.status(of: "alice", at: story.now) == .offline, "\(at)")
            #expect(store.exists(.presence, "alice", at: story.now) == (at < 40_000), "\(at)")
            #expect(story.told() == [] && story.seen() == [])
        }
    }

    // MARK: Graces that change

    private func update(_ story: Story, grace: Int64) {
        var policy = Policy()
        policy.disconnectGrace = grace
        policy.lostGrace = grace
        story.store.update(policy: policy, at: story.now)
    }

    @Test(
        "A grace made longer brings nobody back; who is still in his, and who comes later, has the longer one",
        arguments: Way.all)
    func longer(_ way: Way) throws {
        let story = try Story(start, isLate: way.isLate, grace: 5_000)
        let store = story.store
        store.setKeyspaceInterest([.new, .expired])
        for user: SlowModel.Name in ["alice", "dora", "emil"] { try store.connect(user, session: "s", at: start) }
        story.go(to: 10_000)
        store.disconnect("alice", session: "s", reason: way.reason, at: story.now)
        story.go(to: 16_000)
        store.disconnect("dora", session: "s", reason: way.reason, at: story.now)
        if !way.isLate {
            #expect(story.told().filter { $0.contains("-> offline") }.map { $0.prefix(6) } == ["15000:"])
        }
        story.go(to: 20_000)
        update(story, grace: 60_000)
        // Late or not, he is gone since the grace of then was over, and is told so once.
        #expect(store.status(of: "alice", at: story.now) == .offline)
        #expect(!store.exists(.presence, "alice", at: story.now))
        #expect(store.timeToLive(.presence, user.span, at: story.now) == .missing)
        #expect(store.explain(user.span, for: nil, at: story.now).held == nil)
        #expect(store.status(of: "dora", at: story.now) == .online)
        let ends = story.told().filter { $0.contains("offline") && !$0.contains("offline ->") }
        #expect(ends == (way.isLate ? ["15000: online -> offline, grace_ended, since 0, version 15000"] : []))
        store.disconnect("emil", session: "s", reason: way.reason, at: story.now)
        story.go(to: 75_999)
        #expect(story.told() == [])
        for user: SlowModel.Name in ["dora", "emil"] { #expect(store.status(of: user, at: story.now) == .online) }
        story.go(to: 76_000)
        #expect(store.status(of: "dora", at: story.now) == .offline)
        story.go(to: 80_000)
        #expect(store.status(of: "emil", at: story.now) == .offline)
        #expect(
            story.told().filter { $0.contains("->") } == [
                "76000: online -> offline, grace_ended, since 0, version 76000",
                "80000: online -> offline, grace_ended, since 0, version 80000",
            ])
    }

    @Test("Whoever hears of an end only when the grace is longer holds nobody for it")
    func longerElsewhere() throws {
        let clock = TestClock(start)
        let one = MergeTests.store(1, clock)
        let two = MergeTests.store(2, clock)
        try one.connect("alice", session: "s")
        try two.merge(try #require(one.image(of: "alice")))
        #expect(two.status(of: "alice") == .online)
        clock.advance(byMilliseconds: 10_000)
        one.disconnect("alice", session: "s")
        clock.advance(byMilliseconds: 1_000)
        var policy = Policy()
        policy.disconnectGrace = 60_000
        for store in [one, two] { store.update(policy: policy) }
        clock.advance(byMilliseconds: 1_000)
        // The word of his end was on its way for two seconds.
        try two.merge(try #require(one.image(of: "alice")))
        for store in [one, two] {
            #expect(store.status(of: "alice") == .offline)
            #expect(!store.exists(.presence, "alice", at: clock.now()))
        }
        #expect(one.describe("alice") == two.describe("alice"))
    }
}
