import PresenceTesting
import Testing

@testable import PresenceCluster

@Suite("Rendezvous")
struct RendezvousTests {
    private static let keys = (0..<20_000).map { Rendezvous.mix(UInt64($0)) }

    @Test("chooses one of the nodes, whatever their order, and none of none")
    func choice() {
        for key in Self.keys.prefix(2_000) {
            let owner = Rendezvous.owner(of: key, among: [1, 2, 9])
            #expect(owner == 1 || owner == 2 || owner == 9)
            #expect(owner == Rendezvous.owner(of: key, among: [9, 1, 2]))
            #expect(Rendezvous.owner(of: key, among: [7, 7]) == 7)
        }
        #expect(Rendezvous.owner(of: 1, among: []) == nil)
    }

    @Test("gives every node an even share", arguments: [2, 3, 5, 16])
    func even(count: UInt8) {
        var owned = [UInt8: Int]()
        for key in Self.keys { owned[Rendezvous.owner(of: key, among: 1...count) ?? 0, default: 0] += 1 }
        let fair = Self.keys.count / Int(count)
        #expect(owned.count == Int(count))
        #expect(owned.values.allSatisfy { abs($0 - fair) < fair / 8 }, "\(owned)")
    }

    @Test("moves only what a node that goes had, and only to a node that comes")
    func minimalMovement() {
        var random = SeededRandom(seed: 6)
        for _ in 0..<40 {
            var nodes = Array(
                Set((0..<Int.random(in: 2...9, using: &random)).map { _ in UInt8.random(in: 1...255, using: &random) }))
            if nodes.count < 2 { nodes = [1, 2] }
            let before = nodes
            let gone = nodes.removeLast()
            var moved = 0
            for key in Self.keys.prefix(4_000) {
                let first = Rendezvous.owner(of: key, among: before)
                let second = Rendezvous.owner(of: key, among: nodes)
                if first == gone { moved += 1 } else { #expect(first == second) }
            }
            #expect(moved > 0)
        }
    }

    @Test("weighs alike everywhere: these are part of what a version promises")
    func constants() {
        #expect(Rendezvous.mix(0) == 0xE220_A839_7B1D_CDAF, "the first output of SplitMix64 from 0")
        let owners = (0..<16).compactMap { Rendezvous.owner(of: $0, among: [1, 2, 3]) }
        #expect(owners == Self.firstOwners)
    }

    private static let firstOwners: [UInt8] = [2, 3, 2, 2, 3, 3, 3, 1, 2, 3, 3, 1, 3, 2, 3, 1]

    @Test("of slots covers them all, in ranges that are as long as they can be")
    func shares() {
        for nodes in [[1], [1, 2, 3], [3, 200, 7, 9], Array(1...255)] as [[UInt8]] {
            let shares = SlotShares(of: nodes)
            let ranges = shares.ranges
            #expect(ranges.first?.slots.lowerBound == 0)
            #expect(ranges.last?.slots.upperBound == KeySlot.count - 1)
            for (range, next) in zip(ranges, ranges.dropFirst()) {
                #expect(range.slots.upperBound + 1 == next.slots.lowerBound)
                #expect(range.owner != next.owner)
            }
            for slot in stride(from: 0, to: KeySlot.count, by: 7) {
                #expect(shares.owner(of: slot) == Rendezvous.owner(ofSlot: slot, among: nodes))
            }
            #expect(nodes.reduce(0) { $0 + shares.count(of: $1) } == KeySlot.count)
            for node in nodes {
                #expect(shares.ranges(of: node).reduce(0) { $0 + $1.count } == shares.count(of: node))
            }
        }
        let three = SlotShares(of: [1, 2, 3])
        #expect([1, 2, 3].allSatisfy { abs(three.count(of: $0) - 5_461) < 600 })
        #expect(SlotShares(of: [5]).ranges(of: 5) == [0...16_383])
        #expect(SlotShares(of: []).ranges.isEmpty)
        #expect(SlotShares(of: []).owner(of: 0) == nil)
        #expect(three.owner(of: KeySlot.count) == nil)
        #expect(three.owner(of: -1) == nil)
    }
}
