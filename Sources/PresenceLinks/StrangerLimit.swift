/// Bounds the connections that have come and not said yet who they are: in all, and of one address.
///
/// Whoever holds the secret is no stranger for long; the bounds are for those who do not. Connections from the addresses of nodes have room of their own, so
/// that others, however many, keep no node out. A value; constant time.
struct StrangerLimit {
    private let maximum: Int
    private let maximumOfAddress: Int
    /// Those that are not from the address of a node.
    private var others = 0
    /// All of them.
    private(set) var count = 0
    /// Only addresses that have one.
    private var ofAddress: [String: Int] = [:]
    private var nodes: Set<String>
    private let maximumNodes: Int

    /// - Parameters:
    ///   - maximum: of all that are not from the address of a node.
    ///   - ofAddress: of each address, also of a node's.
    ///   - nodes: addresses of nodes, as far as they are known.
    ///   - maximumNodes: of these, with those that become known.
    init(maximum: Int, ofAddress: Int, nodes: Set<String> = [], maximumNodes: Int = 0) {
        self.maximum = maximum
        maximumOfAddress = ofAddress
        self.nodes = nodes
        self.maximumNodes = maximumNodes
    }

    /// Lets one in; false if there is no room.
    mutating func enter(_ address: String) -> Bool {
        let isOfNode = nodes.contains(address)
        guard isOfNode || others < maximum, ofAddress[address, default: 0] < maximumOfAddress else { return false }
        count += 1
        if !isOfNode { others += 1 }
        ofAddress[address, default: 0] += 1
        return true
    }

    /// One that was let in is gone, or known.
    mutating func leave(_ address: String) {
        guard let present = ofAddress[address] else { return }
        count -= 1
        if !nodes.contains(address) { others -= 1 }
        ofAddress[address] = present == 1 ? nil : present - 1
    }

    /// A node has come from an address. Its name, which other addresses may have, was looked up by nobody here.
    mutating func know(_ address: String) {
        guard nodes.count < maximumNodes, nodes.insert(address).inserted else { return }
        others -= ofAddress[address, default: 0]
    }
}
