/// What several nodes are measured by.
enum ClusterPart: String, CaseIterable {
    /// From a change at one node to another node that shows it, and the bytes that it took.
    case lag
    /// Heartbeats that other nodes are told.
    case beats
    /// What a heartbeat costs where others must be able to hear of it.
    case heartbeat
    /// A node that comes back with nothing.
    case copy
    /// A node that dies, as a client of Redis Cluster sees it.
    case failover
}
