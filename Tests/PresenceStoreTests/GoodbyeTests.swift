import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// A goodbye that comes when a session was lost already, and others are not told of that yet: it is not waited for whether somebody comes back who has left.
@Suite("Goodbyes after a loss")
struct GoodbyeTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)
    private func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }
    private let alice = SlowModel.Name("alice").bytes

    /// What holds the loss back.
    enum Hold: CaseIterable {
        /// Closed for a loss, or lost with its gateway: a grace.
        case grace, gateway
        /// A storm, since it was closed for a loss; since it ran out and nobody noted that; and since it did and another session made that be noted.
        case storm, ranOut, notedRunOut
    }

    /// The ways to say it.
    enum Goodbye: CaseIterable {
        /// `SET` of the word, `SET` of a record that names the session.
        case word, record
        /// `PRESENCE.DISCONNECT`, and the same of all sessions.
        case disconnect, all
    }

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: start) {
            $0.policy.lostGrace = 15_000
            $0.sessionTTLMilliseconds = 60_000
            change(&$0)
        }
    }

    private func told(_ reader: EventReader) -> [String] {
        var events: [StoreEvent] = []
        while !reader.read(shard: 0, into: &events) {}
        return events.compactMap { event -> String? in
            guard case .status(let change) = event else { return nil }
            let session = change.connection.map { String(decoding: $0, as: UTF8.self) } ?? "none"
            return "\(change.timestamp.milliseconds(since: start)): \(change.old.word) -> \(change.new.word), "
                + "\(change.reason.word), \(session)"
        }
    }

    private func lastSeen(_ store: ShardedStore, at now: Timestamp) -> Timestamp? {
        store.describe(alice.span, at: now)?.lastSeen
    }

    private func say(_ goodbye: Goodbye, _ store: ShardedStore, at now: Timestamp) throws {
        switch goodbye {
        case .word:
            #expect(
                try store.write("alice", session: "x", RecordWrite(status: .offline, endsAllSessions: true), at: now))
        case .record: #expect(try store.write("alice", session: "s", RecordWrite(status: .offline), at: now))
        case .disconnect: #expect(store.disconnect("alice", session: "s", at: now))
        case .all:
            let hasEnded = store.disconnectAll(alice.span, at: now)
            #expect(hasEnded)
        }
    }

    /// A store in which alice's session `s`, beaten 1 s after it was opened, is lost and held; and the instant behind that.
    private func lose(_ hold: Hold, _ change: (inout ShardedStore.Configuration) -> Void = { _ in }) throws -> (
        store: ShardedStore, reader: EventReader, now: Timestamp
    ) {
        let store = store {
            if hold != .grace, hold != .gateway {
                $0.policy.lostGrace = 0
                $0.policy.storm = Storm(began: later(1_500), heldUntil: later(120_000), spreadMilliseconds: 5_000)
            }
            change(&$0)
        }
        let reader = store.makeReader { _ in }
        try store.connect("alice", session: "s", server: "gw", at: start)
        store.beat("alice", session: "s", at: later(1_000))
        switch hold {
        case .grace, .storm:
            store.disconnect("alice", session: "s", reason: .heartbeatTimeout, at: later(2_000))
            return (store, reader, later(7_000))
        case .gateway:
            try store.drop(SlowModel.Name("gw").bytes.span, at: later(2_000))
            return (store, reader, later(7_000))
        case .ranOut: return (store, reader, later(63_000))
        case .notedRunOut:
            store.advance(to: later(61_100))
            return (store, reader, later(63_000))
        }
    }

    @Test(
        "It ends the hold: she is offline, and last seen, at that instant", arguments: Hold.allCases, Goodbye.allCases)
    func endsHold(_ hold: Hold, _ goodbye: Goodbye) throws {
        let (store, reader, now) = try lose(hold)
        defer { reader.cancel() }
        #expect(store.status(of: "alice", at: now) == .online)
        #expect(store.exists(.presence, "alice", at: now))
        #expect(told(reader) == ["0: offline -> online, connect, s"])
        try say(goodbye, store, at: now)
        #expect(told(reader) == ["\(now.milliseconds(since: start)): online -> offline, disconnect, s"])
        #expect(store.status(of: "alice", at: now) == .offline)
        #expect(!store.exists(.presence, "alice", at: now))
        let left = store.timeToLive(.presence, alice.span, at: now)
        #expect(left == .missing)
        #expect(lastSeen(store, at: now) == now)
        let numbers = store.statistics()
        #expect(numbers.sessions == 0 && numbers.presentUsers == 0)
        // It was the last word.
        #expect(!store.disconnect("alice", session: "s", at: now))
        store.advance(to: now.advanced(byMilliseconds: 200_000))
        #expect(told(reader).isEmpty)
        #expect(store.statistics().sessions == 0)
    }

    @Test("Another loss is no goodbye, and the bare key that is deleted is none: she was not seen then")
    func others() throws {
        let (store, reader, now) = try lose(.grace)
        defer { reader.cancel() }
        for reason in Reason.allCases where reason.isLoss {
            #expect(!store.disconnect("alice", session: "s", reason: reason, at: now))
        }
        #expect(store.status(of: "alice", at: later(16_999)) == .online)
        #expect(store.remove(.presence, "alice", at: later(16_999)))
        #expect(lastSeen(store, at: later(16_999)) == nil)
        #expect(told(reader).last == "16999: online -> offline, deleted, none")
    }

    @Test(
        "Of two that were lost, one that says goodbye leaves the other what it has",
        arguments: [Goodbye.record, .disconnect])
    func oneOfTwo(_ goodbye: Goodbye) throws {
        let (store, reader, now) = try lose(.grace)
        defer { reader.cancel() }
        try store.connect("alice", session: "t", at: now)
        store.disconnect("alice", session: "t", reason: .dropped, at: now)
        try say(goodbye, store, at: later(8_000))
        #expect(store.status(of: "alice", at: later(21_999)) == .online)
        store.advance(to: later(22_000))
        #expect(told(reader).last == "22000: online -> offline, grace_ended, t")
    }

    @Test(
        "Who said it within the grace of a goodbye is held for that grace, from his goodbye on",
        arguments: Hold.allCases)
    func disconnectGrace(_ hold: Hold) throws {
        let (store, reader, now) = try lose(hold) { $0.policy.disconnectGrace = 3_000 }
        defer { reader.cancel() }
        #expect(store.disconnect("alice", session: "s", reason: .wsDisconnect, at: now))
        let end = now.advanced(byMilliseconds: 3_000)
        let left = store.timeToLive(.presence, alice.span, at: now)
        #expect(left == .milliseconds(3_000))
        // Said twice it is said once.
        #expect(!store.disconnect("alice", session: "s", at: end.advanced(byMilliseconds: -1)))
        #expect(store.status(of: "alice", at: end.advanced(byMilliseconds: -1)) == .online)
        store.advance(to: end)
        #expect(told(reader).last == "\(end.milliseconds(since: start)): online -> offline, grace_ended, s")
    }

    @Test(
        "Who is invisible meanwhile was not seen then, and has nothing that is held when he is seen again",
        arguments: Hold.allCases, Goodbye.allCases)
    func invisible(_ hold: Hold, _ goodbye: Goodbye) throws {
        let (store, reader, now) = try lose(hold)
        defer { reader.cancel() }
        try store.set(alice.span, UserSettings(status: .invisible), at: now)
        #expect(told(reader).last?.contains("manual") == true)
        if goodbye == .all { store.disconnectAll(alice.span, at: now) } else { try say(goodbye, store, at: now) }
        #expect(lastSeen(store, at: now) == nil)
        #expect(!store.exists(.presence, "alice", at: now))
        try store.set(alice.span, UserSettings(status: .some(nil)), at: now)
        #expect(store.status(of: "alice", at: now) == .offline)
        #expect(told(reader).isEmpty)
        // Nor what she took back while nobody saw her, when she leaves another device.
        try store.connect("alice", session: "t", at: now)
        #expect(store.disconnect("alice", session: "t", at: now))
        #expect(told(reader).last?.hasSuffix("online -> offline, disconnect, t") == true)
    }

    @Test(
        "An explanation says of each session for how long its end is held back, by whatever does",
        arguments: Hold.allCases)
    func explained(_ hold: Hold) throws {
        let (store, reader, now) = try lose(hold)
        defer { reader.cancel() }
        let explanation = store.explain(alice.span, for: nil, at: now)
        let until = try #require(explanation.held?.until)
        #expect(explanation.sessions.map(\.graceEnd) == [until])
        let line = try #require(explanation.lines.first { $0.hasPrefix("    its end is held back for ") })
        let left = line.dropFirst("    its end is held back for ".count)
        #expect(explanation.lines.last?.hasPrefix("held back: offline, for \(left), ") == true)
    }

    @Test(
        "The record of one who is held is that of the session that holds him, not of one that said goodbye or was beaten later"
    )
    func record() throws {
        let store = store()
        for (session, at) in [("phone", 2_000), ("tablet", 1_000), ("laptop", 3_000)] as [(SlowModel.Name, Int64)] {
            try store.connect("alice", session: session, at: start)
            store.beat("alice", session: session, at: later(at))
        }
        func shown(_ at: Int64) -> SlowModel.Name? {
            store.recordFields(of: alice.span, at: later(at))?.connectionID.map { SlowModel.Name($0) }
        }
        #expect(shown(3_000) == "laptop")
        store.disconnect("alice", session: "laptop", reason: .dropped, at: later(4_000))
        store.disconnect("alice", session: "tablet", reason: .dropped, at: later(5_000))
        #expect(shown(5_000) == "phone")
        store.disconnect("alice", session: "phone", at: later(6_000))
        #expect(shown(6_000) == "tablet")
        store.disconnect("alice", session: "tablet", at: later(7_000))
        #expect(shown(7_000) == "laptop")
        store.disconnect("alice", session: "laptop", at: later(8_000))
        #expect(shown(8_000) == nil)
    }

    // MARK: Between nodes

    @Test(
        "Said at another node than that which noticed the loss, also in its very millisecond: all know it, as one change",
        arguments: Hold.allCases, [Int64(0), 1, 4_000])
    func otherNode(_ hold: Hold, after milliseconds: Int64) throws {
        let clock = TestClock(start)
        let stores = [UInt8(1), 2].map { node in
            MergeTests.store(node, clock) {
                $0.shards = 1
                $0.policy.lostGrace = hold == .grace || hold == .gateway ? 15_000 : 0
                $0.sessionTTLMilliseconds = 60_000
                if hold != .grace, hold != .gateway {
                    $0.policy.storm = Storm(began: later(1_500), heldUntil: later(120_000), spreadMilliseconds: 5_000)
                }
            }
        }
        let readers = stores.map { $0.makeReader { _ in } }
        defer { for reader in readers { reader.cancel() } }
        let (one, two) = (stores[0], stores[1])
        func send(_ from: ShardedStore, _ to: ShardedStore) throws {
            let image = from.image(of: "alice")
            try to.merge(try #require(image))
        }
        try one.connect("alice", session: "s", server: "gw", at: start)
        one.beat("alice", session: "s", at: later(1_000))
        try send(one, two)
        clock.advance(byMilliseconds: 2_000)
        switch hold {
        case .grace, .storm: one.disconnect("alice", session: "s", reason: .heartbeatTimeout, at: clock.now())
        case .gateway: try one.drop(SlowModel.Name("gw").bytes.span, at: clock.now())
        case .ranOut: break
        case .notedRunOut: clock.advance(byMilliseconds: 59_100)
        }
        for store in stores { store.advance(to: clock.now()) }
        try send(one, two)
        if hold == .ranOut { clock.advance(byMilliseconds: 59_100) }
        clock.advance(byMilliseconds: milliseconds)
        for store in stores { #expect(store.status(of: "alice", at: clock.now()) == .online) }
        #expect(two.disconnect("alice", session: "s", at: clock.now()))
        for store in stores { store.advance(to: clock.now()) }
        try send(two, one)
        try send(one, two)
        clock.advance(byMilliseconds: 10)
        for (store, reader) in zip(stores, readers) {
            store.advance(to: clock.now())
            let ends = told(reader).filter { $0.contains("-> offline") }
            #expect(ends.count == 1 && ends[0].contains("online -> offline, disconnect"), "\(ends)")
            #expect(store.status(of: "alice", at: clock.now()) == .offline)
            #expect(store.statistics().presentUsers == 0)
        }
        #expect(one.describe("alice") == two.describe("alice"))
        #expect(one.image(of: "alice") == two.image(of: "alice"))
        clock.advance(byMilliseconds: 300_000)
        for (store, reader) in zip(stores, readers) {
            store.advance(to: clock.now())
            #expect(told(reader).isEmpty)
        }
    }
}
