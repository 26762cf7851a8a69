import Presence

/// Who a node is, as it says when a link begins: the same in a `hello` and in a `welcome`, and in all versions of the protocol.
public struct NodeIdentity: Sendable, Equatable {
    /// The cluster's name, 1 to 64 bytes: nodes of different clusters do not link.
    public var cluster: String
    /// The node's number, 1 to 255: it is in every stamp that the node gives.
    public var node: UInt8
    /// The node's name, 1 to 64 bytes: what people read.
    public var name: String
    /// Chosen anew at every start, rising: a node that died and came back is told from one that was only cut off.
    public var incarnation: UInt64
    /// The node's clock when it wrote this, from 1970 to 2527.
    public var clock: Timestamp
    /// The settings that nodes of a cluster should agree in.
    public var settings: SharedSettings

    /// An identity of these parts. The writer throws if one is out of its bounds.
    public init(
        cluster: String, node: UInt8, name: String, incarnation: UInt64, clock: Timestamp,
        settings: SharedSettings = SharedSettings()
    ) {
        self.cluster = cluster
        self.node = node
        self.name = name
        self.incarnation = incarnation
        self.clock = clock
        self.settings = settings
    }

    /// Node and name for texts: `node 2 (beta)`.
    var words: String { "node \(node) (\(name))" }

    /// Throws if two nodes cannot be of one cluster.
    static func check(answering: NodeIdentity, dialing: NodeIdentity) throws(Refusal) {
        guard answering.cluster == dialing.cluster else {
            throw .cluster(answering: answering.cluster, dialing: dialing.cluster)
        }
        guard answering.node != dialing.node else { throw .sameNode(answering: answering, dialing: dialing) }
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        node = try reader.byte(.node, in: bytes)
        try reader.hold(UInt64(node), in: 1...255, .node)
        cluster = try reader.shortText(.cluster, 1...FrameLimits.name, in: bytes)
        name = try reader.shortText(.nodeName, 1...FrameLimits.name, in: bytes)
        incarnation = try reader.word64(.incarnation, in: bytes)
        clock = Timestamp(milliseconds: try reader.instant(.clock, upTo: FrameLimits.clock, in: bytes))
        settings = try SharedSettings(&reader, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.hold(UInt64(node), in: 1...255, .node)
        output.append(node)
        try writer.shortText(cluster, .cluster, 1...FrameLimits.name, to: &output)
        try writer.shortText(name, .nodeName, 1...FrameLimits.name, to: &output)
        output.append(number: incarnation)
        try writer.instant(clock.milliseconds, .clock, upTo: FrameLimits.clock, to: &output)
        try settings.write(writer, to: &output)
    }
}
