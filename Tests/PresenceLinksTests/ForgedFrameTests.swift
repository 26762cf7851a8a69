import LoopbackPorts
import Presence
import PresenceCluster
import PresenceReplication
import PresenceStore
import PresenceTesting
import Testing

@testable import PresenceLinks

@Suite("Who has the secret and says what no node says", .serialized)
struct ForgedFrameTests {
    /// A node whose only peer is a forger.
    private func run(_ body: (LocalNode) async throws -> Void) async throws {
        // It answers no ping, and is not given up for it here.
        let patient = Membership.Limits(suspectAfter: 60_000, downAfter: 120_000)
        let node = try LocalNode(LocalNodes.clusters(LoopbackPorts.free(2))[1]) {
            $0.replicator.silence = patient ?? .usual
        }
        try await node.service.start()
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(node))
        } catch {
            outcome = .failure(error)
        }
        await node.service.stop()
        try outcome.get()
    }

    private static let ping = Frame.ping(Ping(sent: 1))

    /// What is wrong with a frame, and what the log says of it.
    struct Forgery: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var spoil: @Sendable (inout [UInt8]) -> Void
        var says: String
    }

    static let forgeries = [
        Forgery(testDescription: "a bit of its payload", spoil: { $0[$0.count - 1] ^= 1 }, says: "checksum"),
        Forgery(testDescription: "its checksum", spoil: { $0[12] ^= 1 }, says: "checksum"),
        Forgery(
            testDescription: "a length of four gigabytes", spoil: { for index in 0..<4 { $0[index] = 0xFF } },
            says: "payload"),
        Forgery(testDescription: "a length that is one less", spoil: { $0[0] -= 1 }, says: "payload"),
        Forgery(testDescription: "that it is said twice", spoil: { $0 += $0 }, says: "sequence"),
        Forgery(
            testDescription: "that the one before it is missing", spoil: { $0.removeFirst($0.count / 2) },
            says: "sequence"),
    ]

    @Test("is closed and counted, whatever is wrong, and let in again", arguments: forgeries)
    func spoilt(_ forgery: Forgery) async throws {
        try await run { node in
            let forger = try await Forger.admitted(by: node)
            try await eventually("it is let in") { node.isLinked(1) && forger.isWelcome }
            let isOfTwo = forgery.testDescription.contains("missing")
            if isOfTwo {
                try await forger.send(Self.ping, Self.ping, spoil: forgery.spoil)
            } else {
                try await forger.send(Self.ping, spoil: forgery.spoil)
            }
            try await eventually("it is gone") { !forger.isOpen }
            try await eventually("and counted") { node.peer(1)?.counters.frameErrors == 1 && !node.isLinked(1) }
            #expect(node.log.has("the peer sent what is no frame: "))
            #expect(node.log.all.contains { $0.contains("no frame") && $0.contains(forgery.says) }, "\(node.log.all)")
            let goodbyes = forger.frames.compactMap {
                if case .goodbye(let goodbye) = $0 { goodbye.reason } else { nil }
            }
            #expect(goodbyes == [.frameError], "it is told")
            await forger.leave()
            let next = try await Forger.admitted(by: node)
            try await eventually("it may come again") { node.isLinked(1) && next.isWelcome }
            try await next.send(Self.ping)
            try await eventually("and is answered") {
                next.frames.contains { if case .pong = $0 { true } else { false } }
            }
            await next.leave()
        }
    }

    @Test("acknowledges what it was never sent, and is held to hold nothing")
    func acknowledgements() async throws {
        try await run { node in
            try node.store.connect("alice", session: "s")
            let forger = try await Forger.admitted(by: node)
            try await eventually("it is let in") { node.isLinked(1) && forger.isWelcome }
            let positions = (0..<4).map { ShardPosition(shard: $0, position: .max) }
            try await forger.send(.acknowledge(positions))
            try await forger.send(.acknowledge([ShardPosition(shard: 1_000, position: 7)]))
            #expect(await node.held(by: 1, within: 300) == 0)
            #expect(forger.isOpen && node.isLinked(1), "there is nothing wrong with the frames")
            await forger.leave()
        }
    }

    @Test("speaks for the home of a session, and ends nothing")
    func home() async throws {
        try await run { node in
            try node.store.connect("alice", session: "s")
            let forger = try await Forger.admitted(by: node)
            try await eventually("it is let in") { node.isLinked(1) && forger.isWelcome }
            // All that it knows of alice is a text: no session of hers.
            let other = try LocalNode.makeStore(1)
            try other.set("alice", UserSettings(activity: .some(Array("forged".utf8))))
            var images = Images()
            let image = try #require(other.image(of: "alice"))
            _ = images.append(image.span, limits: ReplicatorSettings().limits)
            try await forger.send(.changes(Changes(shard: 0, before: 0, after: 1, images: images)))
            try await eventually("it is merged") { node.peer(1)?.counters.imagesMerged == 1 }
            #expect(node.store.status(of: "alice") == .online)
            #expect(node.store.sessions(of: "alice").map(\.home) == [2])
            await forger.leave()
        }
    }

    @Test("writes of next week, and is refused: nobody's stamps are dragged there")
    func future() async throws {
        try await run { node in
            try node.store.connect("alice", session: "s")
            let forger = try await Forger.admitted(by: node)
            try await eventually("it is let in") { node.isLinked(1) && forger.isWelcome }
            let week: Int64 = 7 * 86_400_000
            let clock = TestClock(LocalNode.clock.now().advanced(byMilliseconds: week))
            var configuration = ShardedStore.Configuration(clock: clock)
            configuration.node = 1
            configuration.hashSecret = try LocalNode.secret.hashSecret()
            let other = ShardedStore(configuration)
            try other.set("alice", UserSettings(status: .some(.invisible)))
            var images = Images()
            let image = try #require(other.image(of: "alice"))
            _ = images.append(image.span, limits: ReplicatorSettings().limits)
            try await forger.send(
                .changes(Changes(shard: 0, before: 0, after: 1, images: images)),
                .flush(Stamp(clock.now(), counter: 1, node: 1)))
            try await eventually("both are refused") { node.peer(1)?.counters.imagesRefused == 2 }
            #expect(node.store.status(of: "alice") == .online)
            try node.store.set("alice", UserSettings(status: .some(.dnd)))
            let version = try #require(node.store.describe("alice")?.version)
            #expect(version.timestamp.milliseconds(since: LocalNode.clock.now()) < 1_000)
            await forger.leave()
        }
    }
}
