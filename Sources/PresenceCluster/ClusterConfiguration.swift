/// A cluster as its configuration names it: its name, its nodes, and which of them this one is. Valid by construction.
public struct ClusterConfiguration: Equatable, Sendable {
    /// 1 to 64 bytes of letters, digits, `.`, `_` and `-`.
    public let name: String
    /// 1 to 255 nodes by rising numbers; names, numbers and addresses are all different, however an address is spelt.
    public let nodes: [ClusterNode]
    /// This node, one of ``nodes``.
    public let own: ClusterNode

    /// Nodes that a cluster may have: as many as there are numbers.
    public static let maximumNodes = 255

    /// A cluster of these nodes. O(n²) comparisons.
    ///
    /// - Parameters:
    ///   - own: the name of this node.
    ///   - origin: where that name comes from, for the error.
    /// - Throws: ``ClusterError``: the first thing that is wrong.
    public init(
        name: String, own: String, origin: String = "node-name", nodes: [ClusterNode]
    ) throws(ClusterError) {
        guard ClusterNode.isName(name) else { throw .clusterName(name) }
        for index in nodes.indices { try Self.check(nodes[index], beside: nodes[..<index]) }
        guard let node = nodes.first(where: { $0.name == own }) else {
            throw .unknownSelf(own, origin: origin, nodes: nodes.map(\.name))
        }
        self.name = name
        self.nodes = nodes.sorted { $0.number < $1.number }
        self.own = node
    }

    /// Whether a node may stand beside others that are valid. O(n).
    ///
    /// - Throws: ``ClusterError``: there is no room, or a name, a number or an address that another one has.
    public static func check(_ node: ClusterNode, beside others: some Collection<ClusterNode>) throws(ClusterError) {
        guard others.count < maximumNodes else { throw .tooManyNodes(node.name) }
        let own = node.addresses
        for first in own.indices {
            for second in own.indices where second > first && own[first].address.isSamePlace(as: own[second].address) {
                throw .sameAddress(
                    own[second].address, node.name, own[second].role, other: node.name, own[first].role,
                    spelt: own[first].address)
            }
        }
        for other in others {
            guard other.name != node.name else { throw .sameName(node.name) }
            guard other.number != node.number else {
                throw .sameNumber(Int(node.number), node.name, other: other.name)
            }
            for (role, address) in own {
                for (otherRole, otherAddress) in other.addresses where otherAddress.isSamePlace(as: address) {
                    throw .sameAddress(address, node.name, role, other: other.name, otherRole, spelt: otherAddress)
                }
            }
        }
    }

    /// The nodes beside this one.
    public var others: [ClusterNode] { nodes.filter { $0.number != own.number } }

    /// The nodes that take writes and that clients are sent to: all but followers.
    public var servers: [ClusterNode] { nodes.filter { !$0.isFollower } }

    /// The node of that number, or nil. O(n).
    public func node(_ number: UInt8) -> ClusterNode? { nodes.first { $0.number == number } }

    /// The 40 hexadecimal digits that name a node to clients of Redis Cluster. They come from the names of cluster and node alone, so they are
    /// the same on every node and after every start.
    public func id(of node: ClusterNode) -> String {
        var digits = ""
        for part in 0..<3 as Range<UInt64> {
            // FNV-1a over both names, from three beginnings, then mixed.
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ Rendezvous.mix(part)
            for byte in Array(name.utf8) + [0] + Array(node.name.utf8) {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
            let word = String(Rendezvous.mix(hash), radix: 16)
            digits += String(repeating: "0", count: 16 - word.count) + word
        }
        return String(digits.prefix(40))
    }
}

/// What is wrong with a cluster's configuration, with what to do about it.
public enum ClusterError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A cluster's name that is out of bounds.
    case clusterName(String)
    /// A node's name that is out of bounds.
    case nodeName(String)
    /// A node's number that is out of bounds.
    case nodeNumber(Int, node: String)
    /// What is no address.
    case address(String)
    /// A line that says no node, in words.
    case line(String)
    /// Two nodes have this name.
    case sameName(String)
    /// Two nodes have this number.
    case sameNumber(Int, String, other: String)
    /// Two nodes, or two listeners of one, have this address, which may be spelt in another way at the other.
    case sameAddress(ClusterAddress, String, String, other: String, String, spelt: ClusterAddress)
    /// One node more than there may be.
    case tooManyNodes(String)
    /// No node has the name that this one goes by.
    case unknownSelf(String, origin: String, nodes: [String])

    /// One line: what is wrong, what is allowed.
    public var description: String {
        switch self {
        case .clusterName(let name):
            "'\(name)' cannot name a cluster; allowed: \(Self.names)"
        case .nodeName(let name):
            "'\(name)' cannot name a node; allowed: \(Self.names)"
        case .nodeNumber(let number, let node):
            "\(number) cannot be the number of node \(node); allowed: 1 to 255"
        case .address(let text):
            "'\(text)' is not an address such as 10.0.0.1:6399, host.example:6399 or [::1]:6399"
        case .line(let text): text
        case .sameName(let name):
            "two nodes have the name \(name): give each a name of its own"
        case .sameNumber(let number, let name, let other):
            "node \(name) has number \(number) as node \(other) has: give one of them another with 'number N'"
        case .sameAddress(let address, let name, let role, let other, let otherRole, let spelt):
            "\(role) \(address) of node \(name) is also \(otherRole) of node \(other)"
                + (address == spelt ? "" : ", as \(spelt)") + ": give each an address of its own"
        case .tooManyNodes(let name):
            "node \(name) is one too many; allowed: 1 to \(ClusterConfiguration.maximumNodes) nodes"
        case .unknownSelf(let name, let origin, let nodes):
            "which node is this? \(origin) says '\(name)', and the nodes are \(nodes.joined(separator: ", ")): "
                + "start it with --node NAME, or set node-name or PRESENCED_NODE"
        }
    }

    private static let names = "1 to 64 letters, digits, '.', '_' and '-'"
}
