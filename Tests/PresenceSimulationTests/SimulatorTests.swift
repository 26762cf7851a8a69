import PresenceStore
import PresenceTesting
import Testing

/// The simulator itself: a seed is a life, what is wrong on purpose is found, and what fails is made smaller.
@Suite("Simulator")
struct SimulatorTests {
    private func life(_ seed: UInt64, _ scale: Simulation.Scale) throws -> Simulation {
        let simulation = try Simulation(seed: seed, scale: scale)
        try simulation.run()
        return simulation
    }

    @Test(
        "The same seed gives the same life to the byte, and another seed another one",
        arguments: [Simulation.Life.chaos, .gateways, .follower])
    func sameSeed(life kind: Simulation.Life) throws {
        let random = SeededRandom.fromEnvironment()
        var scale = kind.scale
        scale.chaos = 15_000
        let traces = try [random.seed, random.seed, random.seed &+ 1].map { try life($0, scale).trace }
        #expect(traces[0] == traces[1], "\(random)")
        #expect(traces[0] != traces[2], "\(random)")
    }

    @Test("What becomes of bytes on their way changes nothing of what people do, nor of what else goes wrong")
    func ways() throws {
        var scale = Simulation.Life.chaos.scale
        scale.users = 4
        scale.chaos = 40_000
        var differing = 0
        for seed in 1...3 as ClosedRange<UInt64> {
            scale.spoilsBytes = true
            let spoilt = try life(seed, scale)
            scale.spoilsBytes = false
            let whole = try life(seed, scale)
            if spoilt.trace != whole.trace { differing += 1 }
            // Equally many numbers were drawn.
            #expect(spoilt.random.next() == whole.random.next(), "seed \(seed)")
            #expect(spoilt.failures.next() == whole.failures.next(), "seed \(seed)")
        }
        #expect(differing > 0)
    }

    @Test("A single bit of what a node is sent, or a change that it announced, makes another trace")
    func traceTellsApart() {
        var random = SeededRandom(seed: 1)
        let bytes = random.bytes(40...40)
        func trace(_ bytes: [UInt8]) -> Trace {
            var trace = Trace()
            trace.add(bytes)
            return trace
        }
        var traces: Set = [trace(bytes), trace(bytes + [0]), trace(Array(bytes.dropLast()))]
        for bit in 0..<320 {
            var other = bytes
            other[bit / 8] ^= 1 << (bit % 8)
            traces.insert(trace(other))
        }
        #expect(traces.count == 323)
    }

    @Test("A wrong merge of one node is found out", arguments: Flaw.allCases)
    func flawed(flaw: Flaw) throws {
        var scale = Simulation.Life.calm.scale
        scale.flaw = flaw
        // In time it shows what is not so, and in the end it differs from the others, if something is not so then.
        let shown =
            switch flaw {
            case .deaf: "is online, and offline at n2"
            case .forgetsEnds: "is offline, and online at n2"
            // He is invisible.
            case .keepsValues: "is offline, and online at n2"
            }
        var (isShown, differs) = (false, false)
        for seed in 1...8 as ClosedRange<UInt64> where !isShown || !differs {
            let simulation = try life(seed, scale)
            if simulation.checkers.failures.contains(where: { $0.contains(shown) }) { isShown = true }
            if Checkers.differences(in: simulation).contains(where: { $0.contains("differs at n2") }) { differs = true }
        }
        #expect(isShown && differs)
    }

    @Test("What a node could know and shows otherwise has no excuse, in dense chaos neither", arguments: Flaw.allCases)
    func inexcusable(flaw: Flaw) throws {
        var scale = Simulation.Life.chaos.scale
        scale.hasFaults = false
        scale.asksForKnowledge = true
        scale.users = 16
        scale.chaos = 30_000
        func accuracy() throws -> Accuracy {
            var accuracy = Accuracy()
            for seed in 1...3 { try accuracy.add(life(UInt64(seed), scale).checkers.accuracy) }
            return accuracy
        }
        let sound = try accuracy()
        scale.flaw = flaw
        let flawed = try accuracy()
        #expect(
            flawed.inexcusableShare > max(0.001, 4 * sound.inexcusableShare), "\(sound.report), \(flawed.report)")
    }

    @Test(
        "Bytes that nothing spoils arrive in their order, also at a node that was stopped: nobody is sent what is no frame",
        arguments: [Flaw?.none, .deaf])
    func wholeFrames(flaw: Flaw?) throws {
        var scale = Simulation.Life.chaos.scale
        scale.users = 4
        scale.chaos = 40_000
        scale.flaw = flaw
        for isSpoilt in [false, true] {
            scale.spoilsBytes = isSpoilt
            let errors = try (1...3).flatMap { try life($0, scale).frameErrors }
            #expect(errors.isEmpty == !isSpoilt, "\(errors)")
        }
    }

    @Test("A block that a node has received and lost again is found out, though the node does not know of it")
    func lostBlock() throws {
        let simulation = try Simulation(seed: 1, scale: Simulation.Life.calm.scale)
        try simulation.run(until: 40_000)
        #expect(simulation.checkers.failures == [])
        let node = simulation.nodes[1]
        let edges = simulation.receipts.blocks(at: node)
        #expect(edges.count > 3)
        for edge in edges {
            _ = try node.store.relate(
                edge.user.utf8.span, .unblock, to: edge.other.utf8.span,
                [KeyRange(offset: 0, length: edge.other.utf8.count)].span, at: node.clock.now())
        }
        try simulation.run(until: 45_000)
        #expect(simulation.checkers.failures.contains { $0.contains("at n2, which had received the block") })
    }

    @Test("Nobody ends what he has not heard of: who is deleted where the word of him is under way goes on in truth")
    func endOfUnheard() throws {
        var scale = Simulation.Life.calm.scale
        scale.users = 1
        let simulation = try Simulation(seed: 1, scale: scale)
        simulation.workload.isQuiet = true
        try simulation.run(until: 5_000)
        var phone = simulation.workload.clients[0]
        simulation.workload.open(&phone, simulation)
        simulation.workload.clients[0] = phone
        simulation.later(.beat(0), milliseconds: Workload.beatInterval)
        simulation.workload.delete("user-0", at: simulation.nodes[1], simulation)
        try simulation.run(until: 9_900)
        #expect(simulation.nodes.map { $0.store.status(of: "user-0") } == [.online, .online, .online])
        // By now it is known everywhere.
        simulation.workload.delete("user-0", at: simulation.nodes[2], simulation)
        simulation.settle(simulation.nodes[2])
        try simulation.run(until: 9_950)
        #expect(simulation.nodes.map { $0.store.status(of: "user-0") } == [.offline, .offline, .offline])
        try simulation.run(until: 20_000)
        #expect(simulation.nodes.map { $0.store.status(of: "user-0") } == [.online, .online, .online])
        #expect(simulation.checkers.failures == [])
    }

    @Test("What fails is made smaller, and fails the same way when that is played again")
    func shrinks() throws {
        var scale = Simulation.Life.gateways.scale
        scale.hasChaos = false
        scale.flaw = .deaf
        let smallest = try SmallestFailure(of: life(1, scale), .gateways)
        #expect(smallest.scale.users == 4 && smallest.scale.chaos <= 10_000 && smallest.scale.gateways == 0)
        #expect(try life(1, smallest.scale).checkers.failures == smallest.failures)
        let command = smallest.command
        #expect(command.contains("PRESENCE_SEED=1 PRESENCE_LIFE='gateways users=4 chaos="), "\(command)")
    }

    @Test("A life in words is the life that was spelled", arguments: Simulation.Life.allCases)
    func spelling(life kind: Simulation.Life) {
        #expect(kind.scale.spelled(as: kind) == kind.rawValue)
        var scale = kind.scale
        scale.users = 4
        scale.chaos = 1_250
        scale.gateways = 1
        scale.followers = 2
        scale.hasFaults = false
        #expect(Simulation.Scale(scale.spelled(as: kind)) == scale)
        for words in ["", "nothing", "\(kind) users", "\(kind) users=x", "\(kind) width=1"] {
            #expect(Simulation.Scale(words) == nil)
        }
    }
}
