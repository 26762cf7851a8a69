import Presence
import Synchronization

/// When a loss of many sessions counts as a storm, and what is done then.
public struct StormSettings: Sendable, Hashable {
    /// The share of all sessions, passive ones aside, that must be lost within the window, in percent; 0 never holds anything.
    public var sharePercent = 10
    /// The window, in milliseconds.
    public var windowMilliseconds: Int64 = 10_000
    /// The least number of sessions.
    public var minimum = 1_000
    /// For how long announcements are held after the last loss that belongs to it, in milliseconds; 0 never holds anything, and tells of no storm.
    public var holdMilliseconds: Int64 = 30_000
    /// Held announcements a second, once they are made.
    public var pace = 20_000

    /// Whether they ever hold anything.
    var holdsAnything: Bool { sharePercent > 0 && holdMilliseconds > 0 }

    /// The defaults.
    public init() {}
}

/// A storm, when it begins and when it is over: the event.
public struct StormReport: Sendable, Hashable {
    /// Whether it is over.
    public var isOver: Bool
    /// When the first of these losses was seen: at most a tenth of a second after it, if time is advanced as often.
    public var began: Timestamp
    /// When announcements begin, as far as is known now.
    public var heldUntil: Timestamp
    /// Sessions lost since it began. Passive ones are none: they make nobody present.
    public var lost: Int
    /// Sessions that are left, passive ones aside.
    public var sessions: Int
}

/// Looks at what all shards lose, ten times a second and whenever time has ended many sessions since, and declares storms.
///
/// The lock is taken before those of shards, by whoever advances time or is about to drop a server; nobody waits for it but another one who does.
final class StormWatch: Sendable {
    private struct State {
        var settings: StormSettings
        /// Losses that were counted at instants of the last window, oldest first.
        var samples: [(at: Timestamp, losses: UInt64)] = []
        var storm: Storm?
        /// When shards may forget the storm that is over; nil if they have.
        var forgetAt: Timestamp?
        /// Losses that were counted when it began.
        var lossesAtBegin: UInt64 = 0
        /// When the last of the losses was.
        var lastLoss = Timestamp.distantPast
    }

    private static let interval: Int64 = 100
    /// For how long shards know of a storm after it is over, in milliseconds.
    private static let margin: Int64 = 60_000
    /// A storm that goes on and on is held for so many times `hold` at most.
    private static let mostHolds: Int64 = 10

    private let state: Lock<State>
    private let nextLook = Atomic<Int64>(.min)
    /// Somebody lost sessions and could not look.
    private let isHastened = Atomic(false)
    /// Losses that time has brought since the last look, and how many of them are worth one.
    private let unseen = Atomic(0)
    private let worthALook: Atomic<Int>
    /// Storms since the start, and whether one is on: read by who may hold shards.
    private let count = Atomic(0)
    private let isOn = Atomic(false)

    init(_ settings: StormSettings) {
        state = Lock(State(settings: settings))
        worthALook = Atomic(StormWatch.worthALook(settings))
    }

    /// A quarter of the least storm; a look costs as much as some ten losses.
    private static func worthALook(_ settings: StormSettings) -> Int { max(settings.minimum / 4, 64) }

    /// Storms since the start, and whether one is on.
    var numbers: (count: Int, isOn: Bool) { (count.load(ordering: .relaxed), isOn.load(ordering: .relaxed)) }

    func update(_ settings: StormSettings, _ store: ShardedStore, at now: Timestamp) {
        state.withLock { state in
            state.settings = settings
            if !settings.holdsAnything, var storm = state.storm, storm.heldUntil > now {
                storm.heldUntil = now
                state.storm = storm
                store.endHold(of: storm)
            }
        }
        worthALook.store(StormWatch.worthALook(settings), ordering: .relaxed)
    }

    /// Time has ended sessions that had been kept alive. Many run out in one millisecond where a gateway beats for all of its users at once.
    func note(_ losses: Int, _ store: ShardedStore, at now: Timestamp) {
        guard unseen.add(losses, ordering: .relaxed).newValue >= worthALook.load(ordering: .relaxed) else { return }
        _ = withState(for: store) { look(&$0, store, at: now, expecting: 0) }
    }

    /// Looks if it is time. Anybody may call it as often as he likes.
    @inline(__always)
    func look(_ store: ShardedStore, at now: Timestamp) {
        if isDue(at: now) { lookAsDue(store, at: now) }
    }

    @inline(__always)
    private func isDue(at now: Timestamp) -> Bool { now.milliseconds >= nextLook.load(ordering: .acquiring) }

    @inline(never)
    private func lookAsDue(_ store: ShardedStore, at now: Timestamp) {
        // Another one may have looked, for whom this one waited: what it is to announce is judged by what was seen.
        _ = withState(for: store) { state in
            if isDue(at: now) { look(&state, store, at: now, expecting: 0) }
        }
    }

    /// Looks before so many sessions are lost, since whoever reads or announces the first of them is to know of the storm that they are.
    @inline(never)
    func look(_ store: ShardedStore, at now: Timestamp, expecting losses: Int) {
        let hasLooked = withState(for: store) { state in look(&state, store, at: now, expecting: losses) }
        guard !hasLooked else { return }
        isHastened.store(true, ordering: .sequentiallyConsistent)
        nextLook.store(.min, ordering: .sequentiallyConsistent)
    }

    /// Runs `body` under the lock. While shards are held, whose locks come behind this one, nobody waits for it: if another one looks, it is not run.
    ///
    /// - Returns: whether it was run.
    private func withState(for store: ShardedStore, _ body: (inout State) -> Void) -> Bool {
        guard store.isHeld else {
            state.withLock { body(&$0) }
            return true
        }
        return state.withLockIfAvailable { body(&$0) } != nil
    }

    private func look(_ state: inout State, _ store: ShardedStore, at now: Timestamp, expecting expected: Int) {
        isHastened.store(false, ordering: .sequentiallyConsistent)
        unseen.store(0, ordering: .relaxed)
        let counted = store.lossesAndSessions(at: now)
        let losses = counted.losses + UInt64(expected)
        let sessions = counted.sessions - expected
        let settings = state.settings
        let begin = now.advanced(byMilliseconds: -settings.windowMilliseconds)
        // One sample before the window stays: what was lost since.
        while state.samples.count > 1, state.samples[1].at <= begin { state.samples.removeFirst() }
        let before = state.samples.first?.losses ?? counted.losses
        let recent = Int(losses &- before)
        state.lastLoss = max(state.lastLoss, expected > 0 ? now : counted.lastLoss)
        // Whoever drops server after server adds no more samples than time does.
        if state.samples.last.map({ now.milliseconds(since: $0.at) >= StormWatch.interval }) ?? true {
            state.samples.append((now, counted.losses))
        }
        let isStorm =
            settings.holdsAnything && recent >= settings.minimum
            && recent * 100 >= settings.sharePercent * (sessions + recent)
        if isStorm { raise(&state, store, losses, before, recent, sessions, from: begin, at: now) }
        if let forgetAt = state.forgetAt, now >= forgetAt {
            state.forgetAt = nil
            store.setStorm(nil)
        }
        if let storm = state.storm, now >= storm.heldUntil.advanced(byMilliseconds: storm.spreadMilliseconds) {
            state.storm = nil
            // What was lost in it is not to begin another.
            state.samples = [(now, counted.losses)]
            // Wheels that are late still have to know what they announce.
            state.forgetAt = now.advanced(byMilliseconds: StormWatch.margin)
            store.tell(report(state, storm, losses, sessions, isOver: true))
        }
        // At the end: who finds that no look is due knows what came of the last.
        nextLook.store(now.milliseconds + StormWatch.interval, ordering: .sequentiallyConsistent)
        // What was lost meanwhile was not counted, or not in all shards.
        if isHastened.load(ordering: .sequentiallyConsistent) {
            nextLook.store(.min, ordering: .sequentiallyConsistent)
        }
        isOn.store(state.storm != nil, ordering: .relaxed)
    }

    /// Declares a storm, or lets one that is on last longer.
    private func raise(
        _ state: inout State, _ store: ShardedStore, _ losses: UInt64, _ before: UInt64, _ recent: Int, _ sessions: Int,
        from begin: Timestamp, at now: Timestamp
    ) {
        var settings = state.settings
        // Whose grace lasts longer is told then: so that they are paced, too, it holds for as long.
        settings.holdMilliseconds = max(settings.holdMilliseconds, store.withShard(0) { $0.settings.policy.lostGrace })
        let first = state.samples.first { $0.losses != before }?.at ?? now
        var storm = state.storm ?? Storm(began: first, heldUntil: begin, spreadMilliseconds: 0, heldFrom: begin)
        let isNew = state.storm == nil
        let lossesBefore = isNew ? before : state.lossesAtBegin
        let latest = storm.heldFrom.advanced(
            byMilliseconds: settings.windowMilliseconds + StormWatch.mostHolds * settings.holdMilliseconds)
        let until = min(StormWatch.end(ofHoldBehind: state.lastLoss, settings), latest)
        let spread = StormWatch.spread(of: Int64(losses &- lossesBefore), settings)
        // Each change is told to all shards.
        guard isNew || until > storm.heldUntil || spread > storm.spreadMilliseconds else { return }
        // Of losses that were seen so late nobody is held any more.
        guard !isNew || until > now else { return }
        state.lossesAtBegin = lossesBefore
        storm.heldUntil = max(storm.heldUntil, until)
        storm.spreadMilliseconds = max(storm.spreadMilliseconds, spread)
        state.storm = storm
        state.forgetAt = nil
        store.setStorm(storm)
        guard isNew else { return }
        count.add(1, ordering: .relaxed)
        isOn.store(true, ordering: .relaxed)
        store.tell(report(state, storm, losses, sessions, isOver: false))
    }

    /// Behind the last loss, a hold, and up to a second more: the seconds begin at all nodes together, so that those which count a loss more or less hold for as long,
    /// and each user's end has one instant, and so one version, everywhere.
    private static func end(ofHoldBehind last: Timestamp, _ settings: StormSettings) -> Timestamp {
        let grain = min(max(settings.holdMilliseconds / 10, 1), 1_000)
        let end = last.advanced(byMilliseconds: settings.holdMilliseconds).milliseconds
        return Timestamp(milliseconds: (end + grain - 1) / grain * grain)
    }

    /// Over how long so many ends are told, in milliseconds: at the pace, or up to an eighth longer. Numbers that differ little come to the same.
    private static func spread(of lost: Int64, _ settings: StormSettings) -> Int64 {
        let least = lost * 1_000 / Int64(max(settings.pace, 1))
        var grain: Int64 = 1
        while grain * 16 <= least { grain *= 2 }
        return (least + grain - 1) / grain * grain
    }

    private func report(
        _ state: State, _ storm: Storm, _ losses: UInt64, _ sessions: Int, isOver: Bool
    ) -> StormReport {
        StormReport(
            isOver: isOver, began: storm.began, heldUntil: storm.heldUntil, lost: Int(losses &- state.lossesAtBegin),
            sessions: sessions)
    }
}

extension ShardedStore {
    /// Other rules for storms, from now on. A storm that is on goes on, but if nothing is to be held any more: then whom it holds are announced from now on, at the pace
    /// that it has.
    public func setStormSettings(_ settings: StormSettings, at now: Timestamp) {
        refuseIfHeld()
        storms.update(settings, self, at: now)
    }

    /// The same now.
    public func setStormSettings(_ settings: StormSettings) { setStormSettings(settings, at: clock.now()) }

    /// Storms since the start, and whether one is on.
    public var stormNumbers: (count: Int, isOn: Bool) { storms.numbers }

    /// What all shards have counted, the ends of leases among it that none of them has come to yet. Who was lost is not left, whether or not his record was
    /// met since.
    fileprivate func lossesAndSessions(
        at now: Timestamp
    ) -> (losses: UInt64, lastLoss: Timestamp, sessions: Int) {
        var sum: (losses: UInt64, lastLoss: Timestamp, sessions: Int) = (0, .distantPast, 0)
        for shard in 0..<shardCount {
            withShard(shard) { state in
                // A stall, which leaves leases more time, is its shard's own look to find.
                if now.milliseconds(since: state.lastAdvance) <= Stall.shortest { state.endLeasesThatAreOver(at: now) }
                sum.losses += state.counters.losses
                sum.lastLoss = max(sum.lastLoss, state.counters.lastLoss)
                sum.sessions += state.presentSessions
            }
        }
        return sum
    }

    fileprivate func setStorm(_ storm: Storm?) { updateSettings { $0.policy.storm = storm } }

    /// The same of a storm that holds for less long than timers are armed for.
    fileprivate func endHold(of storm: Storm) {
        for index in 0..<shardCount { withShard(index) { $0.endHold(of: storm) } }
    }

    /// Tells of a storm to those who read the rings, in that of the first shard.
    fileprivate func tell(_ report: StormReport) { withShard(0) { $0.ring.append(report) } }
}
