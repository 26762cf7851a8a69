import Foundation
import Presence
import PresenceStore
import PresenceTesting
import Synchronization
import Testing

/// Storms: a gateway or a network dies, and not the people.
@Suite("Storms")
struct StormTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)
    private func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }
    private func user(_ index: Int) -> SlowModel.Name { SlowModel.Name(stringLiteral: "user-\(index)") }

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: start, shards: 4) {
            $0.changeRingBytes = 4 << 20
            $0.policy.lostGrace = 1_000
            $0.storms.minimum = 500
            $0.storms.pace = 1_000
            change(&$0)
        }
    }

    /// Five thousand users, two of five behind one gateway, all beating.
    private func fill(_ store: ShardedStore) throws {
        for index in 0..<5_000 {
            try store.connect(user(index), session: "s", server: index % 5 < 2 ? "gw-a" : "gw-b", at: start)
            // Clients do not beat all at once.
            store.beat(user(index), session: "s", at: later(1_000 + Int64(index) * 2))
        }
    }

    /// Lets time go by in steps of 100 ms; what is announced, and when.
    private func run(
        _ store: ShardedStore, _ reader: EventReader, from: Int64, to: Int64, _ step: (Timestamp) -> Void = { _ in }
    ) -> (changes: [(at: Timestamp, change: StatusChange)], storms: [StormReport]) {
        var changes: [(at: Timestamp, change: StatusChange)] = []
        var storms: [StormReport] = []
        var events: [StoreEvent] = []
        for time in stride(from: from, through: to, by: 100) {
            step(later(time))
            store.advance(to: later(time))
            events.removeAll()
            for shard in 0..<store.shardCount { while !reader.read(shard: shard, into: &events) {} }
            for event in events {
                if case .status(let change) = event { changes.append((later(time), change)) }
                if case .storm(let report) = event { storms.append(report) }
            }
        }
        return (changes, storms)
    }

    @Test(
        "A dropped gateway of two thousand: nothing is told while it is held, who comes back was never gone, the rest is told at a pace"
    )
    func dropped() throws {
        let store = store()
        try fill(store)
        let reader = store.makeReader { _ in }
        _ = run(store, reader, from: 11_100, to: 12_000)
        #expect(try store.drop("gw-a".utf8Bytes.span, at: later(12_000)) == 2_000)
        // Those behind the other gateway beat on; of the lost a half comes back.
        let beats: (Timestamp) -> Void = { now in
            guard now.milliseconds % 10_000 == 0 else { return }
            for index in 0..<5_000 where index % 5 >= 2 { store.beat(user(index), session: "s", at: now) }
        }
        let held = run(store, reader, from: 12_000, to: 30_000, beats)
        #expect(held.changes.isEmpty)
        #expect(held.storms.count == 1)
        #expect(held.storms.first.map { !$0.isOver && $0.lost == 2_000 } == true)
        #expect(held.storms.first?.began == later(12_000), "when the gateway was dropped, not a window before")
        #expect(store.stormNumbers == (1, true))
        let gone = (0..<5_000).filter { $0 % 5 < 2 }
        for index in gone { #expect(store.status(of: user(index), at: later(30_000)) == .online) }
        let explanation = store.explain(user(0).bytes.span, for: nil, at: later(30_000))
        #expect(explanation.held?.byStorm == true)
        #expect(explanation.lines.contains { $0.contains("by the storm that began") })
        for index in gone where index % 2 == 0 {
            try store.connect(user(index), session: "s", server: "gw-c", at: later(30_000))
        }
        let told = run(store, reader, from: 30_100, to: 70_000, beats)
        #expect(told.storms.map(\.began) == [later(12_000)])
        #expect(told.changes.count == 1_000)
        #expect(told.changes.allSatisfy { $0.change.new == .offline && $0.change.reason == .graceEnded })
        // Two thousand at a thousand a second: within two seconds, and not all at once.
        let first = try #require(told.changes.first?.at)
        let last = try #require(told.changes.last?.at)
        #expect(last.milliseconds(since: first) > 1_500)
        #expect(last.milliseconds(since: first) <= 2_100)
        #expect(first >= held.storms[0].heldUntil)
        #expect(told.storms.map(\.isOver) == [true])
        #expect(store.stormNumbers == (1, false))
        reader.cancel()
    }

    @Test("A storm whose people have a longer grace than it holds is paced all the same, and tells when")
    func longGrace() throws {
        let store = store {
            $0.policy.lostGrace = 20_000
            $0.storms.holdMilliseconds = 5_000
        }
        try fill(store)
        let reader = store.makeReader { _ in }
        _ = run(store, reader, from: 11_100, to: 12_000)
        #expect(try store.drop("gw-a".utf8Bytes.span, at: later(12_000)) == 2_000)
        let told = run(store, reader, from: 12_000, to: 40_000)
        let storm = try #require(told.storms.first)
        #expect(storm.heldUntil >= later(32_000))
        let ends = told.changes.filter { $0.change.reason == .graceEnded }
        #expect(ends.count == 2_000)
        #expect(ends.allSatisfy { $0.at >= storm.heldUntil })
        let half = ends.count { $0.at < storm.heldUntil.advanced(byMilliseconds: 1_000) }
        #expect((800...1_200).contains(half), "a thousand a second: \(half)")
        reader.cancel()
    }

    @Test("Losses that are seen when nobody of them is to be held any more are no storm")
    func seenTooLate() throws {
        let store = store { $0.storms.holdMilliseconds = 2_000 }
        try fill(store)
        let reader = store.makeReader { _ in }
        _ = run(store, reader, from: 11_100, to: 12_000)
        store.advance(to: later(200_000))
        let told = run(store, reader, from: 200_000, to: 201_000)
        #expect(told.changes.count == 5_000)
        #expect(told.storms.isEmpty)
        #expect(store.stormNumbers == (0, false))
        reader.cancel()
    }

    @Test(
        "Where nothing is to be held any more, whom a storm holds are announced from then on, at its pace, and reads agree",
        arguments: [true, false])
    func letGo(byHold: Bool) throws {
        let store = store()
        try fill(store)
        let reader = store.makeReader { _ in }
        _ = run(store, reader, from: 11_100, to: 12_000)
        #expect(try store.drop("gw-a".utf8Bytes.span, at: later(12_000)) == 2_000)
        #expect(run(store, reader, from: 12_000, to: 15_000).changes.isEmpty)
        var settings = StormSettings()
        settings.minimum = 500
        settings.pace = 1_000
        if byHold { settings.holdMilliseconds = 0 } else { settings.sharePercent = 0 }
        store.setStormSettings(settings, at: later(15_000))
        let gone = (0..<5_000).filter { $0 % 5 < 2 }
        var told = run(store, reader, from: 15_000, to: 16_000)
        let some = told.changes.count
        #expect((800...1_200).contains(some), "half of them in half of the time: \(some)")
        #expect(gone.count { store.status(of: user($0), at: later(16_000)) == .offline } - some < 20)
        told = run(store, reader, from: 16_000, to: 17_200)
        #expect(told.changes.count + some == 2_000)
        #expect(told.changes.allSatisfy { $0.change.new == .offline && $0.change.reason == .graceEnded })
        #expect(told.storms.map(\.isOver) == [true])
        #expect(store.stormNumbers == (1, false))
        reader.cancel()
    }

    @Test(
        "Who is lost with a dropped gateway is not among those that are left: a storm is seen at once, before anybody is told, also at the end of a transaction",
        arguments: [false, true])
    func countedOnce(isTransaction: Bool) throws {
        for (lost, all, share, isStorm) in [
            (20, 20, 60, true), (23, 200, 10, true), (12, 20, 60, true), (11, 20, 60, false),
        ] {
            let store = store {
                $0.policy.lostGrace = 0
                $0.storms.sharePercent = share
                $0.storms.minimum = 5
            }
            for index in 0..<all {
                try store.connect(user(index), session: "s", server: index < lost ? "gw-a" : "gw-b", at: start)
            }
            let reader = store.makeReader { _ in }
            _ = run(store, reader, from: 100, to: 1_000)
            if isTransaction {
                #expect(
                    try store.atomically(store.allShards) { try $0.drop("gw-a".utf8Bytes.span, at: later(1_010)) }
                        == lost)
            } else {
                #expect(try store.drop("gw-a".utf8Bytes.span, at: later(1_010)) == lost)
            }
            let told = run(store, reader, from: 1_020, to: 1_320)
            #expect(told.changes.count == (isStorm ? 0 : lost))
            #expect(told.storms.map(\.lost) == (isStorm ? [lost] : []))
            #expect(told.storms.map(\.sessions) == (isStorm ? [all - lost] : []))
            reader.cancel()
        }
    }

    @Test(
        "A dropped gateway is a storm before anybody is told or seen to be gone, whichever thread advances time or reads meanwhile"
    )
    func seenFirst() throws {
        let store = store {
            $0.shards = 32
            $0.policy.lostGrace = 0
            $0.storms.minimum = 20
        }
        let users = (0..<400).map { user($0) }
        for round in 0..<40 {
            let start = start.advanced(byMilliseconds: Int64(round) * 400_000)
            let now = start.advanced(byMilliseconds: 20)
            for user in users { try store.connect(user, session: "s", server: "gw", at: start) }
            let reader = store.makeReader { _ in }
            let isOver = Atomic(false)
            let seenGone = Atomic(0)
            onThreads([
                {
                    _ = try? store.drop("gw".utf8Bytes.span, at: now)
                    isOver.store(true, ordering: .releasing)
                },
                {
                    while !isOver.load(ordering: .acquiring) {
                        for shard in 0..<store.shardCount { store.advance(shard: shard, to: now) }
                        for user in users where store.status(of: user, at: now) != .online {
                            seenGone.add(1, ordering: .relaxed)
                        }
                    }
                },
            ])
            store.advance(to: now)
            var events: [StoreEvent] = []
            for shard in 0..<store.shardCount { while !reader.read(shard: shard, into: &events) {} }
            reader.cancel()
            #expect(seenGone.load(ordering: .relaxed) == 0)
            let told = events.filter { if case .status = $0 { true } else { false } }
            #expect(told.isEmpty)
            // It ends, all are told, and the next begins anew.
            for step in stride(from: Int64(0), through: 390_000, by: 1_000) {
                store.advance(to: now.advanced(byMilliseconds: step))
            }
            #expect(store.stormNumbers == (round + 1, false))
        }
    }

    @Test("Who holds all shards may ask for storms, and let time go on, while another thread looks for one")
    func askedWhileHeld() {
        let store = store()
        let isHeld = Atomic(false)
        onThreads([
            {
                store.atomically(store.allShards) { held in
                    isHeld.store(true, ordering: .releasing)
                    Thread.sleep(forTimeInterval: 0.02)
                    #expect(held.stormNumbers == (0, false))
                    held.advance(to: later(1_000))
                }
            },
            {
                while !isHeld.load(ordering: .acquiring) {}
                store.advance(to: later(1_000))
            },
        ])
    }

    @Test("Passive sessions make nobody present: to lose them is no loss, and they are no part of what a share is of")
    func passive() throws {
        let store = store {
            $0.storms.minimum = 10
            $0.storms.sharePercent = 40
        }
        let calendar = ConnectOptions(brought: .dnd, isPassive: true)
        for index in 0..<60 {
            try store.connect(user(index), session: "s", server: index < 30 ? "gw-a" : "gw-b", at: start)
            for kind in ["drop", "lease", "alone"] {
                let session = SlowModel.Name(stringLiteral: kind)
                try store.connect(user(index), session: session, server: session, calendar, at: start)
                store.beat(user(index), session: session, at: later(1_000))
            }
        }
        let reader = store.makeReader { _ in }
        _ = run(store, reader, from: 1_100, to: 2_000)
        // Dropped, lost with a lease, noticed, and run out: of 60 each.
        #expect(try store.drop("drop".utf8Bytes.span, at: later(2_000)) == 60)
        #expect(try store.lease("lease".utf8Bytes.span, forMilliseconds: 500, at: later(2_000)) == 60)
        for index in 0..<60 where index % 2 == 0 {
            store.disconnect(user(index), session: "alone", reason: .heartbeatTimeout, at: later(2_000))
        }
        for index in 0..<60 { store.beat(user(index), session: "s", at: later(100_000)) }
        let none = run(store, reader, from: 2_100, to: 125_000)
        #expect(none.storms.isEmpty)
        #expect(store.statistics().sessions == 60)
        #expect(store.statistics().losses == 0)
        // Thirty of sixty, beside 120 that make nobody present.
        for index in 0..<60 {
            try store.connect(user(index), session: "drop", calendar, at: later(125_000))
            try store.connect(user(index), session: "lease", calendar, at: later(125_000))
        }
        try store.drop("gw-a".utf8Bytes.span, at: later(125_000))
        let storm = run(store, reader, from: 125_000, to: 125_200)
        #expect(storm.storms.map(\.lost) == [30])
        #expect(storm.storms.map(\.sessions) == [30])
        reader.cancel()
    }

    @Test("Where nothing would be held, losses that go on are no storm, and nobody is told of one")
    func holdsNothing() throws {
        let store = store {
            $0.storms.holdMilliseconds = 0
            $0.storms.minimum = 3
        }
        for index in 0..<30 { try store.connect(user(index), session: "s", at: start) }
        let reader = store.makeReader { _ in }
        let told = run(store, reader, from: 100, to: 4_000) { now in
            let step = Int(now.milliseconds(since: start) / 100)
            for index in 3 * step..<3 * step + 3 where index < 30 {
                store.disconnect(user(index), session: "s", reason: .heartbeatTimeout, at: now)
            }
        }
        #expect(told.storms.isEmpty)
        #expect(store.stormNumbers == (0, false))
        #expect(told.changes.count == 27)
        reader.cancel()
    }

    @Test("A network that dies: who ran out though he was kept alive is held, but not past the hard limit")
    func ranOut() throws {
        let store = store { $0.storms.holdMilliseconds = 600_000 }
        try fill(store)
        let reader = store.makeReader { _ in }
        // Beats end; all run out 120 s after their last one.
        let held = run(store, reader, from: 12_000, to: 300_900)
        #expect(held.storms.count == 1)
        // The first runs out after 121 s; losses are looked at ten times a second.
        let began = try #require(held.storms.first?.began)
        #expect(began >= later(121_000) && began <= later(121_200))
        // What was told before anybody could know.
        let early = held.changes.count
        #expect(early < 5_000)
        #expect(held.changes.allSatisfy { $0.change.timestamp < later(301_000) })
        let lines = store.explain(user(4_999).bytes.span, for: nil, at: later(300_900)).lines
        #expect(lines.last?.hasSuffix(" ago), and no longer by heartbeat-hard-limit") == true)
        let told = run(store, reader, from: 301_000, to: 311_300)
        #expect(told.changes.count == 5_000 - early)
        #expect(told.changes.allSatisfy { $0.change.reason == .hardLimit })
        #expect(told.changes.allSatisfy { $0.change.timestamp >= later(301_000) })
        reader.cancel()
    }

    @Test(
        "Who all ran out in one millisecond, since their gateway beat for them at once, are held but for the first"
    )
    func ranOutAtOnce() throws {
        let store = store()
        let users = (0..<5_000).map { user($0) }
        for user in users { try store.connect(user, session: "s", server: "gw", at: start) }
        for user in users { store.beat(user, session: "s", at: later(1_000)) }
        let reader = store.makeReader { _ in }
        let held = run(store, reader, from: 12_000, to: 150_000)
        #expect(held.storms.map(\.began) == [later(121_000)])
        // A tenth makes a storm; it is looked for after each quarter of five hundred, between slices of 128.
        #expect(held.changes.count >= 500 && held.changes.count <= 500 + 125 + 128)
        #expect(held.changes.allSatisfy { $0.change.reason == .heartbeatTimeout })
        let told = run(store, reader, from: 150_100, to: 160_000)
        #expect(held.changes.count + told.changes.count == 5_000)
        #expect(told.changes.allSatisfy { $0.change.reason == .graceEnded })
        reader.cancel()
    }

    @Test("A gateway that dies leaves its people the whole grace and a storm, whatever of their TTL was left")
    func leaseOfAnyLength() throws {
        let leases = [(60_000, false), (119_000, false), (120_000, false), (240_000, false), (240_000, true)]
        for (lease, isDropped) in leases {
            let store = store()
            for index in 0..<2_000 { try store.connect(user(index), session: "s", server: "gw", at: start) }
            try store.lease("gw".utf8Bytes.span, forMilliseconds: Int64(lease), at: start)
            let reader = store.makeReader { _ in }
            let end = isDropped ? 200_000 : Int64(lease)
            _ = run(store, reader, from: 100, to: end - 100)
            if isDropped { #expect(try store.drop("gw".utf8Bytes.span, at: later(end)) == 2_000) }
            // The lease's end, the hold of thirty seconds from then on, and the pace.
            let held = run(store, reader, from: end, to: end + 29_900)
            #expect(held.storms.map(\.lost) == [2_000])
            #expect(held.changes.isEmpty, "a lease of \(lease) ms")
            let told = run(store, reader, from: end + 30_000, to: end + 33_000)
            #expect(told.changes.count == 2_000)
            #expect(told.changes.allSatisfy { $0.change.reason == .graceEnded })
            reader.cancel()
        }
    }

    @Test("Who was invisible when a storm took his session is held once he is seen again, and not before")
    func invisibleThen() throws {
        let store = store()
        try fill(store)
        let reader = store.makeReader { _ in }
        _ = run(store, reader, from: 11_100, to: 12_000)
        // Three of the gateway that will be dropped.
        let (back, away, gone) = (user(0), user(1), user(5))
        for user in [back, away, gone] {
            try store.set(user.bytes.span, UserSettings(status: .some(.invisible)), at: later(12_000))
        }
        try store.drop("gw-a".utf8Bytes.span, at: later(12_000))
        let shown = run(store, reader, from: 12_000, to: 20_000)
        #expect(Set(shown.changes.map(\.change.userID)) == Set([back, away, gone].map(\.bytes)))
        #expect(shown.storms.count == 1)
        // One comes back with another device and is seen again; one is seen again with none, and one says nothing.
        try store.connect(back, session: "t", server: "gw-c", at: later(20_000))
        for user in [back, away] { try store.set(user.bytes.span, UserSettings(status: .some(nil)), at: later(20_000)) }
        #expect(store.disconnect(back, session: "t", at: later(21_000)))
        let held = run(store, reader, from: 20_100, to: 30_000)
        #expect(held.changes.map(\.change.userID) == [back.bytes])
        #expect(store.status(of: back, at: later(30_000)) == .online)
        for user in [away, gone] { #expect(store.status(of: user, at: later(30_000)) == .offline) }
        let told = run(store, reader, from: 30_100, to: 70_000)
        let last = told.changes.filter { [back, away, gone].map(\.bytes).contains($0.change.userID) }
        #expect(last.map(\.change.userID) == [back.bytes])
        #expect(last.map(\.change.reason) == [.graceEnded])
        reader.cancel()
    }

    @Test(
        "Those who were opened for a time and never beat run out as they would, and so do few, and all if nothing is to be held"
    )
    func fairWeather() throws {
        for (beats, count, share) in [(false, 5_000, 10), (true, 400, 10), (true, 5_000, 0)] {
            let store = store { $0.storms.sharePercent = share }
            for index in 0..<count {
                try store.connect(user(index), session: "s", at: start)
                if beats { store.beat(user(index), session: "s", at: later(1_000)) }
            }
            let reader = store.makeReader { _ in }
            let told = run(store, reader, from: 119_000, to: 121_200)
            #expect(told.changes.count == count)
            #expect(told.storms.isEmpty)
            #expect(store.stormNumbers == (0, false))
            reader.cancel()
        }
    }
}

extension String {
    fileprivate var utf8Bytes: [UInt8] { Array(utf8) }
}
