import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// One change has one version and one reason at every node, where what each of them waits for lies close together.
@Suite("One change at several nodes")
struct SameChangeTests {
    /// Stores that tell each other everything, and who listens to each.
    private struct Run {
        var mesh: ReplicaMesh
        let readers: [EventReader]
        let start: Timestamp

        init(_ stores: Int) {
            let mesh = ReplicaMesh(stores) {
                $0.policy.idleAfter = 20_000
                $0.policy.awayAfter = 40_000
                $0.policy.lostGrace = 0
            }
            self.mesh = mesh
            readers = mesh.stores.map { $0.makeReader { _ in } }
            start = mesh.clock.now()
        }

        /// Time goes on in tenths of a second. Without links nothing is told.
        mutating func run(to milliseconds: Int64, linked: Bool = true) throws {
            while mesh.clock.now() < start.advanced(byMilliseconds: milliseconds) {
                mesh.clock.advance(byMilliseconds: 100)
                for store in mesh.stores { store.advance(to: mesh.clock.now()) }
                if linked { try mesh.exchange() }
            }
        }

        /// What each store has told since this was asked last.
        func told() -> [[StatusChange]] {
            events().map { $0.compactMap { if case .status(let change) = $0 { change } else { nil } } }
        }

        func events() -> [[StoreEvent]] {
            zip(mesh.stores, readers).map { store, reader in
                var events: [StoreEvent] = []
                for shard in 0..<store.shardCount { reader.read(shard: shard, limit: 1_000, into: &events) }
                return events
            }
        }

        func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }

        /// Alice acts on a tablet at the second node at the start, and on a phone at the first one at 11 s.
        mutating func beginBetweenTwoNodes(tabletTTL: Int64, phoneTTL: Int64 = 10_000) throws {
            try mesh.stores[1].connect("alice", session: "tablet", ConnectOptions(ttlMilliseconds: tabletTTL))
            mesh.stores[1].beat("alice", session: "tablet", isActive: true)
            try run(to: 11_000)
            try mesh.stores[0].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: phoneTTL))
            mesh.stores[0].beat("alice", session: "phone", isActive: true)
            try run(to: 11_100)
            #expect(mesh.stores.map { $0.status(of: "alice") }.allSatisfy { $0 == .online })
            _ = told()
        }
    }

    @Test(
        "Whose session ends a moment after another one at another node turned idle is idle as of that end, everywhere",
        arguments: [false, true], [2, 3])
    func endBehindIdleness(linked: Bool, stores: Int) throws {
        var run = Run(stores)
        try run.beginBetweenTwoNodes(tabletTTL: 60_000)
        // The tablet's activity makes her idle at 20 s; the phone runs out at 21 s.
        try run.run(to: 25_000, linked: linked)
        for (node, told) in run.told().enumerated() {
            #expect(told.map(\.new) == [.idle])
            #expect(told.map(\.reason) == [.heartbeatTimeout], "at \(node)")
            #expect(told.map(\.timestamp) == [run.later(21_000)])
            #expect(told.map(\.version) == [Stamp(run.later(21_000))])
        }
        #expect(run.mesh.stores.map { $0.statistics().sessions }.allSatisfy { $0 == 1 }, "what ran out goes then")
        try run.mesh.exchange()
        #expect(run.told().allSatisfy { $0.isEmpty })
        #expect(Set(run.mesh.digests).count == 1)
    }

    @Test(
        "Whose last session ends a moment after another one ended at another node is offline as of that end, everywhere",
        arguments: [false, true], [2, 3])
    func endBehindEnd(linked: Bool, stores: Int) throws {
        var run = Run(stores)
        try run.beginBetweenTwoNodes(tabletTTL: 20_000)
        try run.run(to: 25_000, linked: linked)
        for (node, told) in run.told().enumerated() {
            #expect(told.map(\.new) == [.offline])
            #expect(told.map(\.reason) == [.heartbeatTimeout], "at \(node)")
            #expect(told.map(\.connection) == [Array("phone".utf8)])
            #expect(told.map(\.version) == [Stamp(run.later(21_000))])
        }
        try run.run(to: 30_000)
        #expect(run.mesh.stores.map { $0.statistics().sessions }.allSatisfy { $0 == 0 })
    }

    @Test(
        "Two nodes whose sessions ran out while a third is waited for tell each other once, and not for as long as they wait"
    )
    func waitedForByTwo() throws {
        var run = Run(3)
        for (node, at) in [(2, 100), (0, 100), (1, 200)] {
            try run.mesh.stores[node].connect("alice", session: "at \(node)", ConnectOptions(ttlMilliseconds: 10_000))
            try run.run(to: Int64(at))
        }
        try run.run(to: 9_900)
        let before = run.mesh.imagesTold
        // The third is not heard of any more: a heartbeat may be on its way until its margin is over.
        while run.mesh.clock.now() < run.later(14_000) {
            run.mesh.clock.advance(byMilliseconds: 100)
            for store in run.mesh.stores[..<2] { store.advance(to: run.mesh.clock.now()) }
            try run.mesh.exchange(among: [0, 1])
        }
        for told in run.told()[..<2] { #expect(told.last?.new == .offline) }
        #expect(run.mesh.imagesTold - before <= 8)
    }

    @Test(
        "Who acts and then says what he is is called so by himself at every node, and not by his activity",
        arguments: [1, 2])
    func saidBehindActivity(sessions: Int) throws {
        var run = Run(2)
        for session in 0..<sessions {
            try run.mesh.stores[0].connect("alice", session: "s-\(session)", ConnectOptions(ttlMilliseconds: 60_000))
        }
        try run.run(to: 100)
        _ = run.told()
        for (number, status) in ([.dnd, nil, .invisible, nil] as [ManualStatus?]).enumerated() {
            run.mesh.stores[0].beat("alice", session: "s-0", isActive: true)
            try run.mesh.stores[0].set("alice", UserSettings(status: .some(status)))
            try run.run(to: Int64(1_000 + 100 * number))
            for told in run.told() {
                #expect(told.map(\.reason) == [.manual])
                #expect(told.map(\.connection) == [nil])
            }
        }
    }

    @Test("Of whom nothing was known here he lives while his home is waited for, whoever tells of him")
    func copiedBehindTheDeadline() throws {
        var run = Run(3)
        try run.mesh.stores[2].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 10_000))
        try run.mesh.exchange(among: [1, 2])
        // He beats, which his home tells behind the deadline that the others know.
        try run.run(to: 9_000, linked: false)
        #expect(run.mesh.stores[2].beat("alice", session: "phone"))
        try run.run(to: 10_300, linked: false)
        let image = try #require(run.mesh.stores[1].image(of: "alice"))
        _ = try run.mesh.stores[0].merge(image.span, from: 2, at: run.mesh.clock.now())
        #expect(run.mesh.stores[0].status(of: "alice") == .online)
        try run.run(to: 15_000)
        #expect(run.told()[0].map(\.new) == [.online])
        // Of whom it was known that he went nobody else says that he is here.
        try run.run(to: 19_100)
        #expect(run.told().map { $0.map(\.new) } == [[.offline], [.offline], [.offline]])
        _ = try run.mesh.stores[0].merge(image.span, from: 2, at: run.mesh.clock.now())
        #expect(run.told()[0].isEmpty)
    }

    @Test("A change has the instant of its write at every node, however late it is heard of")
    func instantOfTheWrite() throws {
        var run = Run(2)
        try run.mesh.stores[0].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        try run.run(to: 1_000)
        _ = run.events()
        try run.mesh.stores[0].set("alice", UserSettings(activity: .some(Array("in a call".utf8))))
        try run.run(to: 2_000, linked: false)
        try run.mesh.stores[0].connect("bob", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        try run.run(to: 5_000, linked: false)
        try run.mesh.exchange()
        for (node, events) in run.events().enumerated() {
            #expect(events.count == 2)
            for event in events {
                switch event {
                case .activity(let change): #expect(change.timestamp == run.later(1_000), "at \(node)")
                case .status(let change): #expect(change.timestamp == run.later(2_000), "at \(node)")
                default: Issue.record("\(event)")
                }
            }
        }
    }

    @Test(
        "Who was idle at one node when another one that waited for it took his session has there the version of that write, behind the idleness"
    )
    func openedWhileIdleElsewhere() throws {
        var run = Run(2)
        try run.mesh.stores[1].connect("alice", session: "tablet", ConnectOptions(ttlMilliseconds: 60_000))
        run.mesh.stores[1].beat("alice", session: "tablet", isActive: true)
        try run.run(to: 20_200)
        #expect(run.told()[1].map(\.new) == [.online, .idle])
        try run.mesh.stores[0].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        let write = run.mesh.clock.now()
        try run.run(to: 20_300)
        let told = run.told()
        #expect(told[0].isEmpty, "who waits has not heard that she was idle")
        #expect(told[1].map(\.new) == [.online])
        #expect(told[1].map(\.timestamp) == [write])
        #expect(told[1].map(\.version.timestamp) == [write])
        #expect(told[1].map(\.version.node) == [1])
        try run.mesh.exchange()
        #expect(Set(run.mesh.digests).count == 1)
    }

    @Test(
        "A goodbye behind an idleness that another node knows of is a change of then, everywhere, and what follows says since when",
        arguments: [2, 3])
    func goodbyeBehindIdleness(stores: Int) throws {
        var run = Run(stores)
        try run.beginBetweenTwoNodes(tabletTTL: 60_000, phoneTTL: 30_000)
        try run.run(to: 21_000)
        #expect(run.told().allSatisfy { $0.isEmpty })
        // At the last of three it is neither's home.
        #expect(run.mesh.stores[stores == 3 ? 2 : 0].disconnect("alice", session: "phone"))
        let goodbye = run.mesh.clock.now()
        try run.run(to: 25_000)
        for (node, told) in run.told().enumerated() {
            #expect(told.map(\.new) == [.idle])
            #expect(told.map(\.reason) == [.disconnect], "at \(node)")
            #expect(told.map(\.connection) == [Array("phone".utf8)])
            #expect(told.map(\.version) == [Stamp(goodbye)], "no older than the write")
        }
        #expect(run.mesh.stores[1].beat("alice", session: "tablet", isActive: true))
        try run.run(to: 25_100)
        for told in run.told() { #expect(told.map(\.since) == [goodbye]) }
    }

    @Test("An idleness that its home tells of within the margin is told as there", arguments: [2, 3])
    func idlenessThatIsTold(stores: Int) throws {
        var run = Run(stores)
        try run.mesh.stores[0].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        run.mesh.stores[0].beat("alice", session: "phone", isActive: true)
        try run.run(to: 20_500)
        #expect(run.told().map { $0.last?.new } == [.idle] + Array(repeating: .online, count: stores - 1))
        // A beat behind the limit says that no activity came before it, and a write brings it to the others.
        #expect(run.mesh.stores[0].beat("alice", session: "phone"))
        try run.mesh.stores[0].set("alice", UserSettings(activity: .some(Array("reading".utf8))))
        try run.run(to: 20_600)
        for told in run.told().dropFirst() {
            #expect(told.map(\.new) == [.idle])
            #expect(told.map(\.reason) == [.inactivity])
            #expect(told.map(\.timestamp) == [run.later(20_000)])
            #expect(told.map(\.version) == [Stamp(run.later(20_000))])
        }
    }

    /// What ends the idleness of who was idle for half a second.
    enum EndOfIdleness: CaseIterable {
        case activity, activityToldWithBeats, status, statusAndActivity
    }

    @Test(
        "Who is idle at his home for less time than the others wait is so everywhere, as of then",
        arguments: EndOfIdleness.allCases, [2, 3])
    func shortIdleness(end: EndOfIdleness, stores: Int) throws {
        var run = Run(stores)
        let home = run.mesh.stores[0]
        try home.connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 30_000))
        try run.run(to: 10_000)
        home.beat("alice", session: "phone", isActive: true)
        try run.run(to: 20_000)
        home.beat("alice", session: "phone")
        try run.run(to: 29_000)
        _ = run.told()
        try run.run(to: 30_500, linked: end != .activityToldWithBeats)
        let before = run.told()
        #expect(before.map(\.count) == [1] + Array(repeating: 0, count: stores - 1), "the others wait")
        #expect(before[0].map(\.version) == [Stamp(run.later(30_000))] && before[0].map(\.new) == [.idle])
        if end == .status || end == .statusAndActivity {
            try home.set("alice", UserSettings(status: .some(.dnd)))
        }
        if end != .status { home.beat("alice", session: "phone", isActive: true) }
        try run.mesh.exchange()
        let told = zip(before, run.told()).map { $0 + $1 }
        #expect(told[0].count == 2)
        for (node, changes) in told.enumerated() {
            #expect(changes.map(\.new) == told[0].map(\.new), "at \(node)")
            #expect(changes.map(\.version) == told[0].map(\.version), "at \(node)")
            #expect(changes.map(\.timestamp) == told[0].map(\.timestamp), "at \(node)")
            #expect(changes.first?.reason == .inactivity, "at \(node)")
        }
        try run.run(to: 31_000)
        #expect(run.told().allSatisfy { $0.isEmpty } && Set(run.mesh.digests).count == 1)
    }

    @Test(
        "Who is written idle on one device and acts there in the same millisecond, online by another, is idle nowhere when that one goes"
    )
    func writtenIdleAndActive() throws {
        var run = Run(2)
        let home = run.mesh.stores[0]
        try run.mesh.stores[1].connect("alice", session: "tablet", ConnectOptions(ttlMilliseconds: 5_000))
        try run.run(to: 1_000)
        try home.write(
            "alice".utf8.span, session: Array("phone".utf8).span, device: Span(), platform: Span(), server: Span(),
            RecordWrite(status: .idle, ttlMilliseconds: 60_000), at: run.mesh.clock.now())
        try run.mesh.exchange()
        #expect(home.beat("alice", session: "phone", isActive: true))
        try run.run(to: 8_000)
        #expect(run.mesh.stores.map { $0.status(of: "alice") } == [.online, .online])
        #expect(Set(run.mesh.digests).count == 1)
    }

    @Test(
        "A TTL that is lowered while a beat is about to be told ends the session then, everywhere", arguments: [1, 2])
    func loweredTTL(sessions: Int) throws {
        var run = Run(2)
        let home = run.mesh.stores[0]
        for session in ["phone", "tablet"].prefix(sessions) {
            try home.connect("alice", session: session, ConnectOptions(ttlMilliseconds: 10_000))
        }
        try run.run(to: 5_000)
        for session in ["phone", "tablet"].prefix(sessions) { home.beat("alice", session: session) }
        // The beats are noted, and nobody has read that yet.
        try run.run(to: 11_000, linked: false)
        for number in 0..<40 { try home.connect("user-\(number)", session: "phone") }
        let now = run.mesh.clock.now()
        try home.expire(.presence, "alice".utf8.span, at: now.advanced(byMilliseconds: 6_000), now: now)
        try run.mesh.exchange()
        #expect(run.mesh.beatsTold > 0)
        for store in run.mesh.stores {
            #expect(store.sessions(of: "alice").allSatisfy { $0.expiresAt.milliseconds(since: now) == 6_000 })
        }
        _ = run.told()
        try run.run(to: 18_000)
        for told in run.told() { #expect(told.map(\.version) == [Stamp(run.later(17_000))]) }
        #expect(Set(run.mesh.digests).count == 1)
    }

    @Test("Whose home knows that he was not idle is not told idle by what it writes behind the limit")
    func activityInTime() throws {
        var run = Run(2)
        let home = run.mesh.stores[0]
        try home.connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        home.beat("alice", session: "phone", isActive: true)
        try run.run(to: 19_000)
        home.beat("alice", session: "phone", isActive: true)
        // What is told from 19 s on comes late.
        try run.run(to: 20_500, linked: false)
        _ = run.told()
        try home.set("alice", UserSettings(status: .some(.dnd)))
        try home.set("alice", UserSettings(status: .some(nil)))
        try run.run(to: 20_600)
        let told = run.told()
        #expect(told[0].map(\.new) == [.dnd, .online])
        #expect(told[1].isEmpty, "what came and went on the way is not seen")
    }

    @Test("What two nodes wrote at once is a change of one version at both, and at a third")
    func atOnce() throws {
        var run = Run(3)
        // The first is told first: the second knows more than who tells it.
        try run.mesh.stores[0].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        run.mesh.clock.advance(byMilliseconds: 5)
        try run.mesh.stores[1].set("alice", UserSettings(status: .some(.dnd)))
        let last = run.mesh.clock.now()
        try run.run(to: 1_000)
        let told = run.told().map { $0.last }
        #expect(told.map { $0?.new } == [.dnd, .dnd, .dnd])
        #expect(Set(told.map { $0?.version }).count == 1)
        #expect(told[1]?.version == Stamp(last, node: 2), "that of the status by hand")
        #expect(Set(run.mesh.digests).count == 1)
    }

    @Test("A write is told with the reason that it has where it was done")
    func reasons() throws {
        var run = Run(2)
        let gateway = Array("gateway".utf8)
        func connect(_ brought: SessionStatus? = nil) throws {
            let options = ConnectOptions(ttlMilliseconds: 60_000, brought: brought)
            try run.mesh.stores[0].connect("alice", session: "phone", server: "gateway", options)
        }
        func write(_ status: Status) throws {
            let write = RecordWrite(status: status, ttlMilliseconds: 60_000)
            try run.mesh.stores[0].write(
                "alice".utf8.span, session: Array("phone".utf8).span, device: Span(), platform: Span(),
                server: gateway.span, write, at: run.mesh.clock.now())
        }
        let steps: [(Reason, () throws -> Void)] = [
            (.connect, { try connect() }), (.sessionStatus, { try connect(.dnd) }),
            (.sessionStatus, { try connect() }), (.inactivity, { try write(.idle) }),
            (.activity, { try write(.online) }),
            (.wsDisconnect, { _ = run.mesh.stores[0].disconnect("alice", session: "phone", reason: .wsDisconnect) }),
            (.connect, { try connect() }),
            (.disconnect, { _ = run.mesh.stores[0].disconnect("alice", session: "phone") }),
            (.connect, { try connect() }), (.deleted, { _ = run.mesh.stores[0].remove(.presence, "alice") }),
            (.connect, { try connect() }),
            (.dropped, { _ = try run.mesh.stores[0].drop(gateway.span, at: run.mesh.clock.now()) }),
            (.connect, { try connect() }),
            (
                .leaseLost,
                {
                    _ = try run.mesh.stores[0].lease(gateway.span, forMilliseconds: 5_000, at: run.mesh.clock.now())
                    try run.run(to: run.mesh.clock.now().milliseconds(since: run.start) + 5_100)
                }
            ),
        ]
        for (number, (reason, step)) in steps.enumerated() {
            try step()
            try run.run(to: run.mesh.clock.now().milliseconds(since: run.start) + 200)
            let told = run.told()
            #expect(told.map { $0.map(\.reason) } == [[reason], [reason]], "step \(number)")
            #expect(told[0].map(\.version) == told[1].map(\.version), "step \(number)")
            #expect(told[0].map(\.connection) == told[1].map(\.connection), "step \(number)")
        }
    }
}
