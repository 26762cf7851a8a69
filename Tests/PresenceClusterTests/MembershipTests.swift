import PresenceTesting
import Testing

@testable import PresenceCluster

@Suite("Membership")
struct MembershipTests {
    private func begin(_ own: String = "a") throws -> Membership {
        try Membership(ConfigurationTests.three(own: own), at: 10_000)
    }

    /// One in which all were heard at 10 000.
    private func allAlive() throws -> Membership {
        var membership = try begin()
        _ = membership.heard(from: 2, at: 10_000)
        _ = membership.heard(from: 3, at: 10_000)
        return membership
    }

    /// What a change says, in short.
    private func words(_ changes: [Membership.Change]) -> [String] {
        changes.map { "\($0.node.number) \($0.before) -> \($0.node.state): \($0.node.cause)" }
    }

    @Test("begins with this node alone")
    func beginning() throws {
        let membership = try begin("b")
        #expect(membership.nodes.map(\.state) == [.down, .alive, .down])
        #expect(membership.node(2)?.cause == .itself)
        #expect(membership.node(1)?.cause == .notHeardYet)
        #expect(membership.owners == [2])
        #expect(membership.node(9) == nil)
    }

    @Test("hears of a node once that it is there")
    func heard() throws {
        var membership = try begin()
        let changeInput = membership.heard(from: 2, at: 10_100)
        let change = try #require(changeInput)
        #expect(words([change]) == ["2 down -> alive: heard"])
        #expect(change.node.since == 10_100)
        #expect(membership.heard(from: 2, at: 10_200) == nil)
        #expect(membership.node(2)?.since == 10_100)
        #expect(membership.node(2)?.lastHeard == 10_200)
        #expect(membership.heard(from: 1, at: 10_200) == nil, "of itself nothing is heard")
        #expect(membership.heard(from: 77, at: 10_200) == nil, "nor of a number that nobody has")
        #expect(membership.owners == [1, 2])
    }

    @Test("says of who is silent that he is suspect, then down, when and why; and that he returned")
    func silence() throws {
        var membership = try allAlive()
        #expect(membership.tick(at: 10_400).isEmpty)
        _ = membership.heard(from: 3, at: 10_500)
        #expect(membership.tick(at: 10_699).isEmpty)
        #expect(words(membership.tick(at: 10_700)) == ["2 alive -> suspect: silent for 700 ms"])
        #expect(membership.tick(at: 10_701).isEmpty, "told once")
        #expect(membership.owners == [1, 2, 3], "who is suspect keeps what he owns")
        #expect(words([membership.heard(from: 2, at: 10_750)].compactMap { $0 }) == ["2 suspect -> alive: heard"])
        for instant in stride(from: Int64(10_800), through: 12_500, by: 100) {
            _ = membership.heard(from: 3, at: instant)
            _ = membership.tick(at: instant)
        }
        #expect(membership.node(2)?.state == .suspect)
        _ = membership.heard(from: 3, at: 12_550)
        #expect(words(membership.tick(at: 12_550)) == ["2 suspect -> down: silent for 1800 ms"])
        #expect(membership.node(2)?.since == 12_550)
        #expect(membership.owners == [1, 3])
        let backInput = membership.heard(from: 2, at: 15_000)
        let back = try #require(backInput)
        #expect(words([back]) == ["2 down -> alive: returned after 2450 ms"])
        #expect(membership.owners == [1, 2, 3])
    }

    @Test("takes nothing from who drains, unless there is nobody else")
    func draining() throws {
        var membership = try allAlive()
        let changeInput = membership.setDraining(2, true, at: 10_100)
        let change = try #require(changeInput)
        #expect(change.node.isDraining && !change.wasDraining && change.before == .alive)
        #expect(membership.setDraining(2, true, at: 10_100) == nil)
        #expect(membership.owners == [1, 3])
        _ = membership.setDraining(1, true, at: 10_100)
        #expect(membership.owners == [3], "this node may drain too")
        _ = membership.setDraining(3, true, at: 10_100)
        #expect(membership.owners == [1, 2, 3])
        let staysInput = membership.setDraining(2, false, at: 10_200)
        let stays = try #require(staysInput)
        #expect(stays.wasDraining)
        #expect(membership.owners == [2])
        #expect(membership.setDraining(9, true, at: 10_200) == nil)
        var alone = try begin()
        #expect(alone.setDraining(2, true, at: 10_200) == nil, "who was not heard does not drain")
    }

    @Test("says at once that a node is down which said goodbye, and forgets that it drained")
    func goodbye() throws {
        var membership = try allAlive()
        _ = membership.setDraining(2, true, at: 10_100)
        let changeInput = membership.left(2, at: 10_150)
        let change = try #require(changeInput)
        #expect(words([change]) == ["2 alive -> down: said goodbye"])
        #expect(change.wasDraining)
        #expect(membership.left(2, at: 10_160) == nil)
        #expect(membership.left(1, at: 10_160) == nil, "nobody leaves himself")
        #expect(
            words([membership.heard(from: 2, at: 10_250)].compactMap { $0 }) == [
                "2 down -> alive: returned after 100 ms"
            ])
        #expect(membership.owners == [1, 2, 3])
    }

    @Test("does not take its own absence for the silence of others")
    func pause() throws {
        var membership = try allAlive()
        _ = membership.tick(at: 10_100)
        // Sixty seconds stopped; the words of the others still lie in the sockets.
        #expect(membership.tick(at: 70_100).isEmpty)
        _ = membership.heard(from: 2, at: 70_150)
        #expect(membership.tick(at: 70_500).isEmpty)
        #expect(words(membership.tick(at: 70_700)) == ["3 alive -> suspect: silent for 700 ms"])
        #expect(membership.node(2)?.state == .alive)
    }

    @Test("knows no time that runs backwards")
    func backwards() throws {
        var membership = try allAlive()
        _ = membership.tick(at: 10_600)
        _ = membership.heard(from: 2, at: 9_000)
        #expect(membership.node(2)?.lastHeard == 10_600)
        #expect(membership.tick(at: 8_000).isEmpty)
        #expect(words(membership.tick(at: 10_700)) == ["3 alive -> suspect: silent for 700 ms"])
    }

    @Test("has limits that make sense")
    func limits() throws {
        #expect(Membership.Limits(suspectAfter: 0, downAfter: 1) == nil)
        #expect(Membership.Limits(suspectAfter: 5, downAfter: 5) == nil)
        #expect(Membership.Limits(suspectAfter: 700, downAfter: 1_800) == .usual)
    }

    @Test("agrees with its rules over random inputs", arguments: 0..<20)
    func random(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var membership = try allAlive()
        var heard: [UInt8: Int64] = [2: 10_000, 3: 10_000]
        var gone: Set<UInt8> = []
        var draining: Set<UInt8> = []
        var now: Int64 = 10_000
        for _ in 0..<3_000 {
            now += .random(in: 0...300, using: &random)
            let number = UInt8.random(in: 2...3, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0...1:
                _ = membership.heard(from: number, at: now)
                heard[number] = now
                gone.remove(number)
            case 2 where Bool.random(using: &random):
                if membership.left(number, at: now) != nil { gone.insert(number) }
            case 3:
                let value = Bool.random(using: &random)
                if membership.setDraining(number, value, at: now) != nil {
                    if value { draining.insert(number) } else { draining.remove(number) }
                }
            default: break
            }
            for change in membership.tick(at: now) where change.node.state == .down { gone.insert(change.node.number) }
            draining.subtract(gone)
            for (number, last) in heard {
                let silence = now - last
                let expected: Membership.State =
                    gone.contains(number) ? .down : silence >= 700 ? .suspect : .alive
                if silence >= 1_800 { #expect(gone.contains(number)) }
                let nodeInput = membership.node(number)
                let node = try #require(nodeInput)
                #expect(node.state == expected)
                #expect(node.isDraining == draining.contains(number))
            }
            let owners = membership.owners
            #expect(!owners.isEmpty && Set(owners).isDisjoint(with: gone))
        }
    }

    @Test("never makes a follower an owner, and shows it to nobody")
    func follower() throws {
        let nodes = try ConfigurationTests.three().nodes
        let cache = try ConfigurationTests.node(9, "cache", peer: "10.0.0.9:7399")
        #expect(cache.isFollower && !nodes[0].isFollower)
        let alone = try ConfigurationTests.node(1, "alone")
        #expect(!alone.isFollower, "a node without addresses is reached by the one that its clients know")
        let configuration = try ClusterConfiguration(name: "shop", own: "a", nodes: nodes + [cache])
        #expect(configuration.servers == nodes)
        var membership = Membership(configuration, at: 0)
        for number in [2, 3, 9] as [UInt8] { _ = membership.heard(from: number, at: 10) }
        #expect(membership.node(9)?.state == .alive)
        #expect(membership.owners == [1, 2, 3])
        #expect(ClusterView(configuration, membership).nodes.map(\.node.name) == ["a", "b", "c"])
        let own = try ClusterConfiguration(name: "shop", own: "cache", nodes: nodes + [cache])
        var following = Membership(own, at: 0)
        #expect(following.owners == [])
        _ = following.heard(from: 2, at: 10)
        #expect(following.owners == [2])
    }

    @Test("comes to what clients are shown")
    func view() throws {
        let configuration = try ConfigurationTests.three()
        var membership = try allAlive()
        let whole = ClusterView(configuration, membership)
        #expect(whole.slots(in: .alive) == KeySlot.count)
        #expect(whole.nodes.map(\.node.name) == ["a", "b", "c"])
        _ = membership.tick(at: 10_700)
        let doubtful = ClusterView(configuration, membership)
        #expect(doubtful.shares == whole.shares)
        #expect(doubtful.slots(in: .suspect) + doubtful.slots(in: .alive) == KeySlot.count)
        #expect(doubtful.slots(in: .suspect) > 9_000)
        _ = membership.left(3, at: 10_700)
        let less = ClusterView(configuration, membership)
        #expect(less.shares.count(of: 3) == 0)
        #expect(less.slots(in: .down) == 0)
    }
}
