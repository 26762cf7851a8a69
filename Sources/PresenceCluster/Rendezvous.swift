/// Who of several nodes is the first for something, decided by each of them alone and by all alike: highest random weight.
///
/// Every node has a weight for every key; the highest wins. If a node goes, only what it owned finds another owner; if one comes, it takes its
/// share evenly from all (D. Thaler, C. Ravishankar: "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM Transactions on Networking 6, 1998).
public enum Rendezvous {
    /// The node with the highest weight for a key, such as the hash of a user; nil if there is none. O(n). Of equal weights the lower number wins.
    public static func owner(of key: UInt64, among nodes: some Sequence<UInt8>) -> UInt8? {
        var best: (node: UInt8, weight: UInt64)?
        for node in nodes {
            let weight = weight(of: node, for: key)
            if let best, best.weight > weight || best.weight == weight && best.node <= node { continue }
            best = (node, weight)
        }
        return best?.node
    }

    /// The node that clients of Redis Cluster find a slot at; nil if there is none. O(n).
    ///
    /// Sixteen slots in a row have one owner: what clients are told is then at most 1024 ranges, and shares are even to a few percent.
    public static func owner(ofSlot slot: Int, among nodes: some Sequence<UInt8>) -> UInt8? {
        owner(of: UInt64(slot / SlotShares.runLength), among: nodes)
    }

    /// The weight of a node for a key: the same on every machine and in every version.
    public static func weight(of node: UInt8, for key: UInt64) -> UInt64 {
        mix(key &+ mix(UInt64(node) &* 0x9E37_79B9_7F4A_7C15))
    }

    /// The finaliser of SplitMix64: every bit of the input moves half of the output's.
    static func mix(_ value: UInt64) -> UInt64 {
        var word = value &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

/// Which slots each live node is shown as master of.
public struct SlotShares: Equatable, Sendable {
    /// Slots in a row that have one owner.
    public static let runLength = 16

    /// The owner of each run; empty without nodes.
    private let owners: [UInt8]

    /// The shares of these nodes. O(1024 n).
    public init(of nodes: [UInt8]) {
        owners =
            nodes.isEmpty
            ? []
            : (0..<KeySlot.count / Self.runLength).compactMap {
                Rendezvous.owner(ofSlot: $0 * Self.runLength, among: nodes)
            }
    }

    /// The owner of a slot, 0 to 16 383; nil if there are no nodes, or no such slot.
    public func owner(of slot: Int) -> UInt8? {
        guard slot >= 0, slot / Self.runLength < owners.count else { return nil }
        return owners[slot / Self.runLength]
    }

    /// How many slots a node owns. O(1024).
    public func count(of node: UInt8) -> Int { owners.count { $0 == node } * Self.runLength }

    /// All slots as ranges with one owner, as long as they can be, in their order. O(1024).
    public var ranges: [(slots: ClosedRange<Int>, owner: UInt8)] {
        var ranges: [(slots: ClosedRange<Int>, owner: UInt8)] = []
        var first = 0
        for run in owners.indices where run + 1 == owners.count || owners[run + 1] != owners[run] {
            ranges.append((first * Self.runLength...(run + 1) * Self.runLength - 1, owners[run]))
            first = run + 1
        }
        return ranges
    }

    /// The slots of a node as ranges, in their order. O(1024).
    public func ranges(of node: UInt8) -> [ClosedRange<Int>] {
        ranges.filter { $0.owner == node }.map(\.slots)
    }
}
