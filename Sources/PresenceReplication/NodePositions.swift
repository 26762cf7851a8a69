/// How far a node has another one's changes: everything that was written there before these positions, in that start of it. The elements of `positions`.
///
/// The sender's own entry says how far its own changes go. What is said once stays true: a node's records only come to hold more.
public struct NodePositions: Sendable, Equatable {
    /// Bytes on the wire without the positions: node, incarnation, number of shards.
    static let headBytes = 11

    /// Whose changes: 1 to 255.
    public var node: UInt8
    /// In which start of it.
    public var incarnation: UInt64
    /// By that node's shards, at most 1024. Empty: the sender has heard of it, and cannot say how much of it he has.
    public var positions: [UInt64]

    /// An entry of these parts. The writer throws if one is out of its bounds.
    public init(node: UInt8, incarnation: UInt64, positions: [UInt64]) {
        self.node = node
        self.incarnation = incarnation
        self.positions = positions
    }

    /// Whether it says everything that the other one does, which is of the same node: then who has what this says lacks nothing of that.
    func reaches(_ other: NodePositions) -> Bool {
        isOfSameStart(as: other) && zip(positions, other.positions).allSatisfy { $0 >= $1 }
    }

    /// What is had by who has both, of the same node: of different starts only the newer one is known further.
    func joined(_ other: NodePositions) -> NodePositions {
        guard incarnation == other.incarnation else { return incarnation > other.incarnation ? self : other }
        guard isOfSameStart(as: other) else { return positions.isEmpty ? other : self }
        return NodePositions(node: node, incarnation: incarnation, positions: zip(positions, other.positions).map(max))
    }

    /// Whether both tell positions of one start.
    func isOfSameStart(as other: NodePositions) -> Bool {
        incarnation == other.incarnation && !positions.isEmpty && positions.count == other.positions.count
    }

    static func read(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) -> [NodePositions] {
        let count = Int(try reader.word16(.count, in: bytes))
        try reader.hold(UInt64(count), in: 1...UInt64(FrameLimits.nodes), .count)
        guard reader.remaining >= count * headBytes else { throw .endsWithin(type: reader.type, field: .count) }
        var all: [NodePositions] = []
        all.reserveCapacity(count)
        for _ in 0..<count {
            let node = try reader.byte(.node, in: bytes)
            try reader.hold(UInt64(node), in: 1...255, .node)
            let incarnation = try reader.word64(.incarnation, in: bytes)
            let shards = Int(try reader.word16(.shards, in: bytes))
            try reader.hold(UInt64(shards), in: 0...UInt64(FrameLimits.shards), .shards)
            guard reader.remaining >= shards * 8 else { throw .endsWithin(type: reader.type, field: .position) }
            var positions: [UInt64] = []
            positions.reserveCapacity(shards)
            for _ in 0..<shards { positions.append(try reader.word64(.position, in: bytes)) }
            all.append(NodePositions(node: node, incarnation: incarnation, positions: positions))
        }
        return all
    }

    static func write(
        _ all: [NodePositions], _ writer: PayloadWriter, to output: inout [UInt8]
    ) throws(FrameError) {
        try writer.count(all.count, upTo: FrameLimits.nodes, to: &output)
        for entry in all {
            try writer.hold(UInt64(entry.node), in: 1...255, .node)
            try writer.hold(UInt64(entry.positions.count), in: 0...UInt64(FrameLimits.shards), .shards)
            output.append(entry.node)
            output.append(number: entry.incarnation)
            output.append(number: UInt16(entry.positions.count))
            for position in entry.positions { output.append(number: position) }
        }
    }
}
