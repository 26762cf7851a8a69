/// A cluster as it is shown to its clients at one moment: every node, how it is, and the slots that it is shown as master of. Followers are not shown:
/// nobody is sent to them.
public struct ClusterView: Equatable, Sendable {
    /// The names and addresses.
    public let configuration: ClusterConfiguration
    /// How each node is that is no follower, in the order of ``ClusterConfiguration/nodes``.
    public let members: [Membership.Node]
    /// Who is shown as master of which slots.
    public let shares: SlotShares

    /// What a membership comes to. Nodes of which it knows nothing are not shown. O(1024 n).
    public init(_ configuration: ClusterConfiguration, _ membership: Membership) {
        self.configuration = configuration
        members = membership.nodes.filter { configuration.node($0.number)?.isFollower == false }
        shares = SlotShares(of: membership.owners)
    }

    /// Each node beside how it is.
    public var nodes: [(node: ClusterNode, member: Membership.Node)] {
        members.compactMap { member in configuration.node(member.number).map { ($0, member) } }
    }

    /// Slots whose masters are in a state. O(1024 n).
    public func slots(in state: Membership.State) -> Int {
        members.filter { $0.state == state }.reduce(0) { $0 + shares.count(of: $1.number) }
    }
}
