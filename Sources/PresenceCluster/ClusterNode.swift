/// One node of a cluster: who it is and where others reach it. Every node of the cluster has the same of each.
public struct ClusterNode: Equatable, Sendable {
    /// Names the node in the stamps of writes: 1 to 255, another one for each node, the same for life.
    public let number: UInt8
    /// 1 to 64 bytes of letters, digits, `.`, `_` and `-`.
    public let name: String
    /// Where its Redis port is reached; nil if clients come by the address that they know already.
    public let resp: ClusterAddress?
    /// Where its Redis port with TLS is reached; nil if that is not said.
    public let tls: ClusterAddress?
    /// Where other nodes reach it; nil if there are none.
    public let peer: ClusterAddress?

    /// Whether it is a copy in the process of a service: other nodes tell it everything, it tells nothing, and no client is sent to it. A node that
    /// others reach and clients do not is one; a node that is alone and has no addresses at all is none.
    public var isFollower: Bool { resp == nil && tls == nil && peer != nil }

    /// The longest name, in bytes.
    public static let maximumNameBytes = 64

    /// A node of these parts.
    ///
    /// - Throws: ``ClusterError`` if number or name is out of bounds.
    public init(
        number: Int, name: String, resp: ClusterAddress? = nil, tls: ClusterAddress? = nil,
        peer: ClusterAddress? = nil
    ) throws(ClusterError) {
        guard Self.isName(name) else { throw .nodeName(name) }
        guard let number = UInt8(exactly: number), number > 0 else { throw .nodeNumber(number, node: name) }
        self.number = number
        self.name = name
        self.resp = resp
        self.tls = tls
        self.peer = peer
    }

    /// Whether a text may name a node or a cluster.
    public static func isName(_ text: String) -> Bool {
        (1...maximumNameBytes).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Everything that is reached at an address, with the word that says it.
    var addresses: [(role: String, address: ClusterAddress)] {
        [("resp", resp), ("tls", tls), ("peer", peer)].compactMap { role, address in address.map { (role, $0) } }
    }
}
