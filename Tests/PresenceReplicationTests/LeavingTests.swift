import Presence
import PresenceCluster
import PresenceStore
import Testing

@testable import PresenceReplication

/// What a node that ends hands over, and a flush or a welcome that comes by a clock that differs.
@Suite("Leaving")
struct LeavingTests {
    private let options = ConnectOptions(ttlMilliseconds: 10_000)

    private func beat(_ mesh: Mesh, _ users: Range<Int>) throws {
        for user in users { try #require(mesh.stores[0].beat("user-\(user)", session: "phone")) }
    }

    /// How many of the users are online at the second node.
    private func online(_ mesh: Mesh, _ users: Range<Int>) -> Int {
        users.count { mesh.stores[1].status(of: "user-\($0)") == .online }
    }

    private func end(_ mesh: Mesh) {
        mesh.nodes[0].finishHandOver(at: mesh.now)
        for _ in 0..<200 where mesh.nodes[0].isHandingOver { mesh.run(milliseconds: 10) }
        mesh.run(milliseconds: 10)
        #expect(!mesh.nodes[0].isHandingOver)
        mesh.lose(0)
    }

    /// More of them than the logs hold.
    @Test(
        "The last heartbeats are told before a node ends, whether or not it said that it leaves",
        arguments: [false, true])
    func lastHeartbeats(drains: Bool) throws {
        let mesh = try Mesh(2) { _ in
        } store: {
            $0.replicaLogEntries = 512
            $0.storms.sharePercent = 0
        }
        mesh.run(milliseconds: 50)
        let users = 0..<2_000
        for user in users {
            try mesh.stores[0].connect("user-\(user)", session: "phone", options)
            if user % 50 == 0 { mesh.run(milliseconds: 10) }
        }
        let begin = mesh.clock.now()
        mesh.run(milliseconds: 7_500)
        let images = mesh.counters(1, of: 1).imagesReceived
        try beat(mesh, users)
        if drains { mesh.nodes[0].drain(seconds: 2, at: mesh.now) }
        mesh.run(milliseconds: 1_000)
        // Some are still here, and beat.
        try beat(mesh, 0..<100)
        end(mesh)
        #expect(mesh.counters(1, of: 1).imagesReceived == images, "heartbeats, and nothing anew")
        while mesh.clock.now() < begin.advanced(byMilliseconds: 17_400) { mesh.run(milliseconds: 100) }
        #expect(online(mesh, users) == users.count, "their TTL counts from the last heartbeat")
        while mesh.clock.now() < begin.advanced(byMilliseconds: 18_400) { mesh.run(milliseconds: 100) }
        #expect(online(mesh, 0..<100) == 100)
        mesh.run(milliseconds: 4_000)
        #expect(online(mesh, users) == 0, "nobody outlives it")
    }

    @Test("A pass tells what came since the last one began, and takes its time if there is much to go through")
    func passes() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        for user in 0..<50 { try mesh.stores[0].connect("user-\(user)", session: "phone", options) }
        mesh.run(milliseconds: 3_000)
        try beat(mesh, 0..<50)
        mesh.run(milliseconds: 100)
        let before = mesh.counters(2, of: 0).beatsSent
        mesh.nodes[0].drain(seconds: 60, at: mesh.now)
        mesh.run(milliseconds: 100)
        #expect(mesh.counters(2, of: 0).beatsSent == before + 50)
        mesh.run(milliseconds: 1_500)
        #expect(mesh.counters(2, of: 0).beatsSent == before + 50)
        try beat(mesh, 10..<20)
        mesh.run(milliseconds: 1_500)
        #expect(mesh.counters(2, of: 0).beatsSent == before + 60)
        // Who stays after all hands nothing over.
        mesh.nodes[0].drain(seconds: 0, at: mesh.now)
        try beat(mesh, 0..<50)
        mesh.run(milliseconds: 1_500)
        #expect(mesh.counters(2, of: 0).beatsSent == before + 60)
    }

    @Test("A flush by a clock that is too far ahead waits for its time, and who asks for holders with it")
    func flushToCome() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        try mesh.stores[0].connect("alice", session: "phone")
        mesh.run(milliseconds: 50)
        let ahead = mesh.clock.now().advanced(byMilliseconds: 1_500)
        let stamp = mesh.stores[0].beginRemoveAll(at: ahead)
        var cursor: UInt64 = 0
        repeat { cursor = mesh.stores[0].removeAll(from: cursor, upTo: stamp, at: ahead) } while cursor != 0
        mesh.nodes[0].flushed(stamp)
        let positions = mesh.nodes[0].positions()
        mesh.run(milliseconds: 400)
        #expect(mesh.stores[1].status(of: "alice") == .online)
        #expect(mesh.nodes[0].holders(of: positions) == (0, 1))
        mesh.run(milliseconds: 200)
        #expect(mesh.stores[1].status(of: "alice") == .offline)
        #expect(mesh.nodes[0].holders(of: positions) == (1, 0))
    }

    @Test("A flush that no right clock can have told is refused, and holds nothing up")
    func flushFromNowhere() throws {
        let mesh = try Mesh(2)
        mesh.run(milliseconds: 50)
        try mesh.stores[0].connect("alice", session: "phone")
        mesh.run(milliseconds: 50)
        mesh.nodes[0].flushed(Stamp(mesh.clock.now().advanced(byMilliseconds: 60_000)))
        let positions = mesh.nodes[0].positions()
        mesh.run(milliseconds: 200)
        #expect(mesh.stores[1].status(of: "alice") == .online)
        #expect(mesh.nodes[0].holders(of: positions) == (1, 0))
        #expect(mesh.counters(1, of: 1).imagesRefused == 1)
    }

    @Test("Who dials and refuses the answer says why, and the other one does not wait for him")
    func refusedWelcome() throws {
        let mesh = try Mesh(2) { $0.joinTimeout = 2_000 }
        let (dialing, answering) = (mesh.nodes[0], mesh.nodes[1])
        let behind = mesh.now
        let now = behind.advanced(byMilliseconds: 2_000)
        func say(_ from: Replicator, _ link: LinkID, at time: PeerTime) -> [UInt8] {
            var bytes: [UInt8] = []
            from.pull(link, room: 65_536, into: &bytes, at: time)
            return bytes
        }
        for attempt in 0..<20 {
            let dialed = dialing.dialed(2, at: behind)
            let answered = try #require(answering.answered(at: now))
            // The hello may have been on its way for as long as the clocks seem to differ.
            answering.received(say(dialing, dialed, at: behind).span, on: answered, at: now)
            dialing.received(say(answering, answered, at: now).span, on: dialed, at: behind)
            answering.received(say(dialing, dialed, at: behind).span, on: answered, at: now)
            dialing.closed(dialed, at: behind)
            answering.closed(answered, at: now)
            let refusals = dialing.takeActions().compactMap { if case .refused(2, let why) = $0 { why } else { nil } }
            #expect(refusals.count == 1 && refusals[0].contains("max-clock-offset is 1000"), "\(attempt)")
            let ends = answering.takeActions().compactMap { if case .lost(_, 1, let why) = $0 { why } else { nil } }
            #expect(ends == refusals, "what was refused stands in both logs")
        }
        answering.tick(at: now.advanced(byMilliseconds: 2_010))
        #expect(answering.isReady)
    }
}
