import PresenceRESP

/// Clients who come while this server should not serve them: it drains, or has not copied yet what the other nodes hold, and would show people offline who
/// are there.
extension ServerLoop {
    /// Whether a client who connects now is one of them.
    var isUntimely: Bool { server.drain.isOn || isCopying }

    private var isCopying: Bool { server.replication.map { !$0.isReady } ?? false }

    /// Refuses what such a client sends, but for what operators need: the commands that Redis takes while it loads, and of a node that copies those that
    /// Redis takes of a replica that is not in step, `CLUSTER NODES` among them.
    ///
    /// - Returns: whether it was refused.
    func refusesUntimely(_ client: Client, _ flags: CommandFlags, _ reply: inout ReplyBuffer) -> Bool {
        guard isUntimely else {
            client.traits.remove(.cameUntimely)
            return false
        }
        let allowed: CommandFlags = server.drain.isOn ? .loading : [.loading, .stale]
        guard flags.isDisjoint(with: allowed) || flags.contains(.pubsub) else { return false }
        // A connection that ends is what all client libraries take for a node that is gone, and turn to another one; of error replies each makes
        // something else. Where there is no other node a word is more use.
        if server.drain.isOn {
            if server.replication == nil { reply.error("LOADING this server drains: it ends soon") }
            client.closesAfterReply = true
        } else if server.replication?.report().replicas.isEmpty == false {
            client.closesAfterReply = true
        } else {
            reply.error("LOADING this node waits for the other nodes, to copy what they hold")
        }
        return true
    }
}
