/// Of a node that copies: what it has of each part of the hash order. Peers hand over different parts; together they are everything.
///
/// A part that one node hands over has what that node had merged of all others until then, and told (`positions`): so it need not come again from those
/// others, whose changes go on from there. `Replicator+Copying.swift` says what must have come.
///
/// Memory: for each part, which is one of 64, a position for each shard of each node; it is given back once everything has come.
struct CopyPlan {
    /// Leading bits of a part's hashes: few enough that a part is worth its frames, many enough that peers are done at nearly the same time.
    static let bits: UInt8 = 6
    /// How many parts there are.
    static let count = 1 << Int(bits)
    /// Parts that a peer is asked for at a time: it hands over one while the word that another one has come is on its way.
    static let partsAtOnce = 2

    /// A part.
    struct Part {
        /// Who was asked for it, and how far he had everybody's changes before he began to hand it over, once he has.
        var asked: (node: UInt8, asOf: [NodePositions]?)?
        /// Who has handed it over, by the link that is open to him.
        var givers: Set<UInt8> = []
        /// How far the changes of nodes in this part are here.
        var reached: [UInt8: NodePositions] = [:]

        /// All of it has come from who was asked.
        mutating func finish() {
            guard let asked else { return }
            for entry in asked.asOf ?? [] { reached[entry.node] = reached[entry.node]?.joined(entry) ?? entry }
            givers.insert(asked.node)
            self.asked = nil
        }
    }

    var parts = [Part](repeating: Part(), count: CopyPlan.count)
    /// The nodes with links when it was last looked at what has come.
    var linked: Set<UInt8> = []

    /// Parts that a node was asked for and has not handed over.
    func asked(of node: UInt8) -> Int { parts.count { $0.asked?.node == node } }

    /// A link is gone: who was asked by it will not answer.
    mutating func forget(_ node: UInt8) {
        for index in parts.indices {
            if parts[index].asked?.node == node { parts[index].asked = nil }
            parts[index].givers.remove(node)
        }
    }

    static func range(of part: Int) -> HashRange {
        HashRange(containing: UInt64(part) << (64 - UInt64(bits)), bits: bits)
    }

    /// The part that a range is; nil if it is another one.
    static func part(_ range: HashRange) -> Int? {
        range.bits == bits ? Int(range.start >> (64 - UInt64(bits))) : nil
    }

    /// The parts that a shard has hashes of, at a node with so many of them.
    static func parts(ofShard shard: Int, of shards: Int) -> Range<Int> {
        shards <= count ? shard * (count / shards)..<(shard + 1) * (count / shards) : parts(beside: shard, of: shards)
    }

    private static func parts(beside shard: Int, of shards: Int) -> Range<Int> {
        let part = shard / (shards / count)
        return part..<part + 1
    }

    /// How far the changes of a node are here in all parts; nil if of one of them nothing is known, or another start.
    func reached(_ node: UInt8) -> NodePositions? {
        guard var least = parts[0].reached[node], !least.positions.isEmpty else { return nil }
        for part in parts.dropFirst() {
            guard let reached = part.reached[node], reached.incarnation == least.incarnation,
                reached.positions.count == least.positions.count
            else { return nil }
            least.positions = zip(least.positions, reached.positions).map(min)
        }
        return least
    }
}
