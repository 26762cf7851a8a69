import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Changes, images, digests, homes and margins between stores.
@Suite("Replication in the store")
struct ReplicationTests {
    private func read(
        _ store: ShardedStore, _ shard: Int, from: UInt64, limit: Int = 1_000, room: Int = .max, at now: Timestamp
    ) -> (read: ReplicaLogRead, images: [[UInt8]], beats: [ReplicaBeat]) {
        var images: [[UInt8]] = []
        var beats: [ReplicaBeat] = []
        let read = store.readReplicaLog(
            shard: shard, from: from, limit: limit, at: now,
            image: { image in
                guard images.count < room else { return false }
                images.append(image.withUnsafeBufferPointer { Array($0) })
                return true
            }, beat: { beats.append($0) })
        return (read, images, beats)
    }

    private func shard(of user: String, _ store: ShardedStore) -> Int {
        store.shardIndex(store.userHash(user.utf8.span))
    }

    // MARK: The log

    @Test("Every write of a user is told, a key that changed twice once; what has no room is told next time")
    func log() throws {
        let mesh = ReplicaMesh(1) { $0.shards = 1 }
        let (store, now) = (mesh.stores[0], mesh.clock.now())
        var position: UInt64 = 0
        func told(_ what: String, _ users: Int = 1, _ write: () throws -> Void) throws {
            try write()
            let found = read(store, 0, from: position, at: now)
            #expect(found.images.count == users && found.beats.isEmpty, "\(what)")
            if case .upTo(let end, _) = found.read { position = end }
        }
        try told("connect") { try store.connect("alice", session: "phone") }
        try told("beat", 0) { store.beat("alice", session: "phone") }
        try told("first activity") { store.beat("alice", session: "phone", isActive: true) }
        try told("activity", 0) { store.beat("alice", session: "phone", isActive: true) }
        try told("manual status") { try store.set("alice", UserSettings(status: .some(.dnd))) }
        try told("visibility") { try store.set("alice", UserSettings(visibility: .nobody)) }
        try told("a block, and whom it names", 2) { try store.relate("alice", .block, to: "bob") }
        try told("the same block", 0) { try store.relate("alice", .block, to: "bob") }
        try told("another TTL") {
            try store.expire(.presence, "alice".utf8.span, at: now.advanced(byMilliseconds: 60_000), now: now)
        }
        try told("the same TTL", 0) {
            try store.expire(.presence, "alice".utf8.span, at: now.advanced(byMilliseconds: 60_000), now: now)
        }
        try told("goodbye") { store.disconnect("alice", session: "phone") }
        try told("no session", 0) { store.disconnect("alice", session: "phone") }
        try store.connect("alice", session: "phone")
        try told("deletion") { store.remove(.presence, "alice") }
        // Twice, with another one between.
        try store.connect("alice", session: "phone")
        try store.connect("bob", session: "phone")
        try store.connect("alice", session: "laptop")
        let narrow = read(store, 0, from: position, room: 1, at: now)
        #expect(narrow.read == .upTo(position + 1, isEnd: false) && narrow.images.count == 1)
        let rest = read(store, 0, from: position + 1, limit: 1, at: now)
        #expect(rest.read == .upTo(position + 2, isEnd: false) && rest.images.count == 1)
        #expect(read(store, 0, from: position, at: now).images.count == 2)
        #expect(store.replicaLogEnd(shard: 0) == position + 3)
    }

    @Test("Who read to the end is woken by the next change; who is too far behind, or nowhere, is told so")
    func bounds() throws {
        let clock = TestClock()
        let store = MergeTests.store(1, clock) {
            $0.shards = 1
            $0.replicaLogEntries = 64
        }
        let woken = Lock(0)
        let listener = store.listenToReplicaLogs { _, _ in woken.withLock { $0 += 1 } }
        #expect(read(store, 0, from: 0, at: clock.now()).read == .upTo(0, isEnd: true))
        try store.connect("alice", session: "phone")
        #expect(woken.withLock { $0 } == 1)
        try store.connect("bob", session: "phone")
        #expect(woken.withLock { $0 } == 1, "nobody has read since")
        for number in 0..<64 { try store.connect("user-\(number)", session: "phone") }
        #expect(read(store, 0, from: 1, at: clock.now()).read == .overwritten)
        #expect(read(store, 0, from: 67, at: clock.now()).read == .overwritten)
        #expect(read(store, 0, from: 2, at: clock.now()).images.count == 64)
        #expect(store.recordCount() == 66)
        store.cancel(listener)
        let alone = MergeTests.store(1, clock)
        try alone.connect("alice", session: "phone")
        #expect((0..<4).allSatisfy { alone.replicaLogEnd(shard: $0) == 0 }, "without others nothing is kept")
    }

    // MARK: Walks and digests

    @Test("A walk hands out every key once, in pieces; who has merged them knows the same")
    func walk() throws {
        let mesh = ReplicaMesh(2)
        let (one, two, now) = (mesh.stores[0], mesh.stores[1], mesh.clock.now())
        for number in 0..<1_500 {
            try one.connect("user-\(number)", session: "phone")
            if number % 3 == 0 { one.disconnect("user-\(number)", session: "phone") }
        }
        let images = one.images(from: 0, through: .max, room: 700, at: now)
        #expect(images.count == 1_500)
        for image in images { _ = try two.merge(image.span, from: 1, at: now) }
        #expect(two.recordCount() == 1_500)
        #expect(two.statistics().presentUsers == 1_000)
        let (whole, count) = one.digest(start: 0, bits: 0, at: now)
        #expect(count == 1_000, "of whom no session lives, and nothing is set, nothing counts")
        #expect(two.digest(start: 0, bits: 0, at: now) == (whole, count))
        var (sum, parts) = (UInt64(0), 0)
        for part in 0..<64 {
            let (digest, count) = one.digest(start: UInt64(part) << 58, bits: 6, at: now)
            sum &+= digest
            parts += count
        }
        #expect(sum == whole && parts == count, "ranges add up, in shards and across them")
        let alice = one.userHash("user-1".utf8.span)
        #expect(one.digest(start: alice, bits: 64, at: now).count == 1)
        #expect(one.images(from: alice, through: alice, at: now).count == 1)
    }

    @Test("Any fact that one store has and the other has not is another digest; a heartbeat and its home are none")
    func digests() throws {
        typealias Write = (ShardedStore) throws -> Void
        let differences: [(String, Write)] = [
            ("a session", { try $0.connect("alice", session: "laptop") }),
            ("an incarnation", { try $0.connect("alice", session: "phone") }),
            ("an end", { $0.disconnect("alice", session: "phone") }),
            ("a status", { try $0.set("alice", UserSettings(status: .some(.away))) }),
            ("a status that was taken back", { try $0.set("alice", UserSettings(status: .some(nil))) }),
            ("a text", { try $0.set("alice", UserSettings(activity: .some([65]))) }),
            ("a visibility", { try $0.set("alice", UserSettings(visibility: .nobody)) }),
            ("who sees the last seen", { try $0.set("alice", UserSettings(lastSeen: .friends)) }),
            ("a friend", { try $0.relate("alice", .friend, to: "bob") }),
            ("a block", { try $0.relate("alice", .block, to: "bob") }),
            ("another user", { try $0.connect("dora", session: "phone") }),
        ]
        for (name, write) in differences {
            var mesh = ReplicaMesh(2)
            try mesh.stores[0].connect("alice", session: "phone")
            try mesh.wait(1_000)
            #expect(Set(mesh.digests).count == 1)
            mesh.stores[1].beat("alice", session: "phone", isActive: true)
            #expect(Set(mesh.digests).count == 1, "a heartbeat")
            try mesh.exchange()
            try write(mesh.stores[0])
            #expect(Set(mesh.digests).count == 2, "\(name)")
            try mesh.exchange()
            #expect(Set(mesh.digests).count == 1, "\(name), told")
        }
    }

    // MARK: Homes and margins

    @Test("A session is at home where it was last beaten, and everybody knows where")
    func homes() throws {
        var mesh = ReplicaMesh(3)
        func homes() -> [[UInt8]] { mesh.stores.map { $0.sessions(of: "alice").map(\.home) } }
        try mesh.stores[0].connect("alice", session: "phone")
        try mesh.exchange()
        #expect(homes() == [[1], [1], [1]])
        try mesh.wait(1_000)
        let told = mesh.imagesTold
        #expect(mesh.stores[1].beat("alice", session: "phone"))
        try mesh.exchange()
        #expect(homes() == [[2], [2], [2]])
        for _ in 0..<10 {
            try mesh.wait(1_000)
            #expect(mesh.stores[1].beat("alice", session: "phone"))
        }
        #expect(mesh.imagesTold == told + 2, "only that it moved was told")
        try mesh.wait(1)
        #expect(
            try mesh.stores[2].expire(
                .presence, "alice".utf8.span, at: mesh.clock.now().advanced(byMilliseconds: 50_000),
                now: mesh.clock.now()))
        try mesh.exchange()
        #expect(homes() == [[3], [3], [3]])
    }

    @Test("Others wait a margin past the deadline, take beats in it, and announce an end as of then, as its home does")
    func margin() throws {
        var mesh = ReplicaMesh(2)
        let readers = mesh.stores.map { $0.makeReader { _ in } }
        func ends() -> [[StatusChange]] {
            readers.map { reader in
                var events: [StoreEvent] = []
                for shard in 0..<4 { reader.read(shard: shard, limit: 1_000, into: &events) }
                return events.compactMap {
                    if case .status(let change) = $0, change.new == .offline { change } else { nil }
                }
            }
        }
        let options = ConnectOptions(ttlMilliseconds: 10_000)
        for user in ["alice", "bob"] { try mesh.stores[0].connect(user, session: "phone", options) }
        try mesh.exchange()
        let start = mesh.clock.now()
        // No word from the first store comes through.
        mesh.clock.set(to: start.advanced(byMilliseconds: 11_900))
        let other = mesh.stores[1]
        other.advance(to: mesh.clock.now())
        #expect(other.status(of: "alice") == .online && other.status(of: "bob") == .online)
        #expect(other.sessions(of: "alice").map(\.expiresAt) == [start.advanced(byMilliseconds: 10_000)])
        #expect(other.timeToLive(.presence, "alice".utf8.span, at: mesh.clock.now()) == .milliseconds(1))
        #expect(other.beat("bob", session: "phone"))
        mesh.clock.set(to: start.advanced(byMilliseconds: 12_010))
        other.advance(to: mesh.clock.now())
        #expect(other.status(of: "alice") == .offline)
        #expect(!other.beat("alice", session: "phone"))
        mesh.stores[0].advance(to: mesh.clock.now())
        let told = ends()
        #expect(told[1].map(\.timestamp) == [start.advanced(byMilliseconds: 10_000)])
        #expect(told[1].map(\.reason) == [.heartbeatTimeout])
        #expect(told[0].filter { $0.userID == Array("alice".utf8) } == told[1])
        try mesh.exchange()
        #expect(mesh.stores.map { $0.status(of: "bob") } == [.online, .online])
        #expect(try mesh.facts(of: "alice", at: 0)?.version == mesh.facts(of: "alice", at: 1)?.version)
    }

    @Test("That a session ran out at its home ends the waiting for it at once")
    func endAtHome() throws {
        var mesh = ReplicaMesh(2)
        try mesh.stores[0].connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 10_000))
        try mesh.wait(9_990)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online])
        let reader = mesh.stores[1].makeReader { _ in }
        try mesh.wait(30)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline])
        var events: [StoreEvent] = []
        for shard in 0..<4 { reader.read(shard: shard, limit: 10, into: &events) }
        let change = try #require(events.compactMap { if case .status(let change) = $0 { change } else { nil } }.first)
        #expect(change.timestamp == mesh.clock.now().advanced(byMilliseconds: -20))
        #expect(change.version == Stamp(change.timestamp))
        // A beat that a third node took may still be on its way.
        try mesh.wait(2_010)
        #expect(mesh.stores[1].statistics().sessions == 0)
    }

    @Test("Who is idle is idle elsewhere a margin later, as of the same instant; activity is told in time")
    func idle() throws {
        var mesh = ReplicaMesh(2) {
            $0.policy.idleAfter = 20_000
            $0.policy.awayAfter = 40_000
        }
        try mesh.stores[0].connect("alice", session: "phone")
        let start = mesh.clock.now()
        for second in 0..<60 {
            mesh.stores[0].beat("alice", session: "phone", isActive: true)
            try mesh.wait(1_000)
            #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online], "second \(second)")
        }
        let last = start.advanced(byMilliseconds: 59_000)
        for _ in 0..<18 { try mesh.wait(1_000) }
        mesh.clock.set(to: last.advanced(byMilliseconds: 20_010))
        for store in mesh.stores { store.advance(to: mesh.clock.now()) }
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.idle, .online])
        mesh.clock.set(to: last.advanced(byMilliseconds: 22_010))
        for store in mesh.stores { store.advance(to: mesh.clock.now()) }
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.idle, .idle])
        #expect(
            mesh.stores.map { $0.describe("alice")?.version } == [
                Stamp(last.advanced(byMilliseconds: 20_000)), Stamp(last.advanced(byMilliseconds: 20_000)),
            ])
        mesh.stores[0].beat("alice", session: "phone", isActive: true)
        try mesh.exchange()
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online])
    }

    /// A heartbeat with activity of a user's only session, as it is told.
    private func activeBeat(of user: String, _ store: ShardedStore, at now: Timestamp) -> ReplicaBeat {
        var beat = ReplicaBeat(user: store.userHash(user.utf8.span), session: 0, heartbeat: now, activity: now)
        store.withShard(shard(of: user, store)) { state in
            state.record(state.find(userHash: beat.user)).forEachSession { beat.session = $0.hash(state.hash) }
        }
        return beat
    }

    @Test("A heartbeat that was told before its session was opened anew elsewhere brings it no activity")
    func beatOfBefore() throws {
        let mesh = ReplicaMesh(2)
        let (one, two) = (mesh.stores[0], mesh.stores[1])
        try one.connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 300_000))
        one.beat("alice", session: "phone", isActive: true)
        mesh.clock.advance(byMilliseconds: 1_000)
        var beat = activeBeat(of: "alice", one, at: mesh.clock.now())
        mesh.clock.advance(byMilliseconds: 1_000)
        try two.connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 300_000))
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .stale)
        mesh.clock.advance(byMilliseconds: 299_000)
        #expect(two.beat("alice", session: "phone"))
        #expect(two.status(of: "alice") == .online)
        mesh.clock.advance(byMilliseconds: 2_000)
        #expect(two.status(of: "alice") == .online, "no information is not inactivity")
        // What was done since is news.
        beat.activity = mesh.clock.now()
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .merged)
    }

    @Test("A heartbeat that overtakes its session is not known, one that is old is stale, and none resurrects")
    func beats() throws {
        let mesh = ReplicaMesh(2)
        let (one, two) = (mesh.stores[0], mesh.stores[1])
        try one.connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 10_000))
        mesh.clock.advance(byMilliseconds: 5_000)
        one.beat("alice", session: "phone", isActive: true)
        var beat = activeBeat(of: "alice", one, at: mesh.clock.now())
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .unknown)
        let image = try #require(one.image(of: "alice"))
        _ = try two.merge(image.span, from: 1, at: mesh.clock.now())
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .stale)
        mesh.clock.advance(byMilliseconds: 1_000)
        beat.heartbeat = mesh.clock.now()
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .merged)
        #expect(two.sessions(of: "alice").map(\.lastHeartbeat) == [mesh.clock.now()])
        beat.heartbeat = mesh.clock.now().advanced(byMilliseconds: 5_000)
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .stale, "from the future")
        mesh.clock.advance(byMilliseconds: 12_000)
        beat.heartbeat = mesh.clock.now().advanced(byMilliseconds: -1)
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .unknown, "over here: an image is needed")
        #expect(two.status(of: "alice") == .offline)
        try two.connect("alice", session: "phone")
        two.disconnect("alice", session: "phone")
        #expect(two.merge(beat, from: 1, at: mesh.clock.now()) == .stale, "closed here")
    }

    @Test("What a lease keeps alive is kept alive everywhere, and ends everywhere with it")
    func lease() throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        try mesh.stores[0].connect(
            "alice", session: "phone", server: "gateway", ConnectOptions(ttlMilliseconds: 10_000))
        try mesh.exchange()
        let server = Array("gateway".utf8)
        for second in 0..<100 {
            if second % 15 == 0 { try mesh.stores[0].lease(server.span, forMilliseconds: 40_000, at: mesh.clock.now()) }
            try mesh.wait(1_000)
            #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online], "second \(second)")
        }
        #expect(mesh.beatsTold <= 13, "about one a TTL")
        // The last renewal was 10 s ago.
        try mesh.wait(29_900)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online])
        try mesh.wait(200)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline])
    }

    @Test("A gateway that renews its lease at another node takes its sessions there")
    func leaseMoves() throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        let server = Array("gateway".utf8)
        try mesh.stores[0].connect(
            "alice", session: "phone", server: "gateway", ConnectOptions(ttlMilliseconds: 10_000))
        try mesh.stores[0].lease(server.span, forMilliseconds: 20_000, at: mesh.clock.now())
        for second in 0..<60 {
            try mesh.wait(1_000)
            if second % 5 == 0 { try mesh.stores[1].lease(server.span, forMilliseconds: 20_000, at: mesh.clock.now()) }
            try mesh.wait(10)
            #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online], "second \(second)")
        }
        #expect(mesh.stores[0].sessions(of: "alice").map(\.home) == [2])
        try mesh.stores[0].drop(server.span, at: mesh.clock.now())
        try mesh.wait(10)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline], "a drop is for all")
    }

    @Test(
        "A gateway that takes its sessions to the other side of a cut has them everywhere once it is healed",
        arguments: [0, 5_000] as [Int64])
    func leaseMovesThroughACut(lostGrace: Int64) throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = lostGrace }
        let server = Array("gateway".utf8)
        let users = (0..<20).map { "user-\($0)" }
        for user in users {
            try mesh.stores[0].connect(
                user, session: "phone", server: "gateway", ConnectOptions(ttlMilliseconds: 60_000))
        }
        try mesh.stores[0].lease(server.span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        for store in mesh.stores { store.setHasUnheardPeer(true) }
        for _ in 0..<30 {
            try mesh.stores[1].lease(server.span, forMilliseconds: 20_000, at: mesh.clock.now())
            mesh.clock.advance(byMilliseconds: 1_000)
            for store in mesh.stores { store.advance(to: mesh.clock.now()) }
        }
        for user in users {
            #expect(
                mesh.stores.map { $0.status(of: user) } == [.offline, .online], "\(user): its lease ended at the first")
        }
        #expect(mesh.stores[0].statistics().leasesLost == 1)
        for store in mesh.stores { store.setHasUnheardPeer(false) }
        try mesh.exchange()
        for _ in 0..<30 {
            try mesh.stores[1].lease(server.span, forMilliseconds: 20_000, at: mesh.clock.now())
            try mesh.wait(1_000)
            for user in users {
                #expect(mesh.stores.map { $0.status(of: user) } == [.online, .online], "\(user)")
            }
        }
        let isAlive = users.map { mesh.stores[1].beat($0, session: "phone") }
        #expect(!isAlive.contains(false))
        try mesh.wait(21_000)
        try mesh.wait(5_000)
        for user in users { #expect(mesh.stores.map { $0.status(of: user) } == [.offline, .offline], "\(user)") }
        #expect(mesh.stores.map { $0.statistics().sessions } == [0, 0])
    }

    @Test("That a lease ended while a third node is silent is told to those who are there, for good")
    func leaseEndsInSilence() throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        try mesh.stores[0].connect(
            "alice", session: "phone", server: "gateway", ConnectOptions(ttlMilliseconds: 60_000))
        try mesh.stores[0].lease(Array("gateway".utf8).span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.exchange()
        for store in mesh.stores { store.setHasUnheardPeer(true) }
        try mesh.wait(19_900)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online])
        try mesh.wait(200)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline])
        #expect(mesh.stores[0].explain("alice").version == mesh.stores[1].explain("alice").version)
        // What the other one tells of him next has not the deadline that it knew.
        try mesh.stores[1].set("alice", UserSettings(activity: .some(Array("reading".utf8))))
        try mesh.wait(10)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline])
        try mesh.wait(3_000)
        #expect(mesh.stores.map { $0.statistics().sessions } == [0, 0])
    }

    @Test("The lease that a gateway left behind takes nothing back, and one that goes on does")
    func leaseLeftBehind() throws {
        var mesh = ReplicaMesh(2) { $0.policy.lostGrace = 0 }
        let gateway = Array("gateway".utf8)
        try mesh.stores[0].connect(
            "alice", session: "phone", server: "gateway", ConnectOptions(ttlMilliseconds: 60_000))
        try mesh.stores[0].lease(gateway.span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        func homes() -> [UInt8] { mesh.stores.flatMap { $0.sessions(of: "alice").map(\.home) } }
        #expect(homes() == [1, 1])
        try mesh.stores[1].lease(gateway.span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        #expect(homes() == [2, 2])
        // Another server's end has the first store look at all that have a lease.
        let other = Array("other".utf8)
        try mesh.stores[0].connect("bob", session: "phone", server: "other")
        try mesh.stores[0].lease(other.span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.stores[0].drop(other.span, at: mesh.clock.now())
        try mesh.wait(1_000)
        #expect(homes() == [2, 2])
        // A beat at the first node moves it there; the lease that is renewed takes it back.
        #expect(mesh.stores[0].beat("alice", session: "phone"))
        try mesh.wait(1_000)
        #expect(homes() == [1, 1])
        try mesh.stores[1].lease(gateway.span, forMilliseconds: 20_000, at: mesh.clock.now())
        try mesh.wait(1_000)
        #expect(homes() == [2, 2])
        try mesh.wait(17_000)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.online, .online], "the lease left behind is over")
        try mesh.wait(5_000)
        #expect(mesh.stores.map { $0.status(of: "alice") } == [.offline, .offline])
    }

    @Test(
        "Who comes home in the margin behind his idleness is announced idle at once, as of when he became so",
        arguments: [false, true])
    func homeWithinMargin(byExpire: Bool) throws {
        var mesh = ReplicaMesh(2) { $0.policy.idleAfter = 20_000 }
        let (one, two, clock) = (mesh.stores[0], mesh.stores[1], mesh.clock)
        let reader = two.makeReader { _ in }
        func told() -> [StatusChange] {
            var events: [StoreEvent] = []
            for shard in 0..<two.shardCount { reader.read(shard: shard, limit: 10, into: &events) }
            return events.compactMap { if case .status(let change) = $0 { change } else { nil } }
        }
        try one.connect("alice", session: "phone", ConnectOptions(ttlMilliseconds: 60_000))
        one.beat("alice", session: "phone", isActive: true)
        let limit = clock.now().advanced(byMilliseconds: 20_000)
        try mesh.wait(20_500)
        #expect(told().map(\.new) == [.online])
        if byExpire {
            let end = clock.now().advanced(byMilliseconds: 90_000)
            #expect(try two.expire(.presence, "alice".utf8.span, at: end, now: clock.now()))
        } else {
            #expect(two.beat("alice", session: "phone"))
        }
        let changes = told()
        #expect(changes.map(\.new) == [.idle])
        #expect(changes.map(\.reason) == [.inactivity])
        #expect(changes.map(\.timestamp) == [limit])
        try mesh.wait(100)
        #expect(told().isEmpty)
        #expect(one.image(of: "alice") == two.image(of: "alice"))
    }
}
