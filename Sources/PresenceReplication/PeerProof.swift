/// What the carrier of a link has proven of who is at its other end: the nodes whose certificate was shown there.
///
/// A link that says nothing of it is as good as its secret: whoever has that may be any node.
public struct PeerProof: Sendable, Equatable {
    /// The numbers of the nodes that the certificate is for; empty if it is for none of the cluster.
    public let nodes: Set<UInt8>
    /// The names in the certificate, for texts.
    public let names: String

    /// A proof of these parts.
    public init(nodes: Set<UInt8>, names: String) {
        self.nodes = nodes
        self.names = names
    }
}
