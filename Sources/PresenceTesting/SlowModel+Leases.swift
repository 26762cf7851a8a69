import Presence

/// Gateways: one sign of life for all sessions of a server.
extension SlowModel {
    /// `PRESENCE.LEASE`: whoever has a session of that server, and whoever opens one meanwhile, lives until the lease ends.
    ///
    /// - Returns: the server's live sessions.
    @discardableResult
    public mutating func lease(_ server: Name, forMilliseconds milliseconds: Int64) -> Int {
        let until = now.advanced(byMilliseconds: milliseconds)
        leases[server] = until
        let held = sessions(of: server)
        for (user, session) in held {
            users[user]?.sessions[session]?.heartbeat = now
            users[user]?.sessions[session]?.leasedUntil = until
        }
        return held.count
    }

    /// `PRESENCE.DROP`: its live sessions are lost now.
    ///
    /// - Returns: how many these were.
    @discardableResult
    public mutating func drop(_ server: Name) -> Int {
        leases[server] = nil
        let held = sessions(of: server)
        lose(held, .dropped)
        return held.count
    }

    /// Users with live sessions of a server.
    public func users(of server: Name) -> Set<Name> { Set(sessions(of: server).map(\.user)) }

    /// Leases whose time is over now end, and their sessions with them.
    mutating func endLeases() {
        for (server, until) in leases where until == now {
            leases[server] = nil
            // At the end of their lease they do not live any more, but they did until now.
            let held = users.flatMap { user, facts in
                facts.sessions.filter {
                    $0.value.closed == nil && $0.value.server == server && $0.value.leasedUntil == now
                }
                .map { (user: user, session: $0.key) }
            }
            lose(held, .leaseLost)
        }
    }

    private func sessions(of server: Name) -> [(user: Name, session: Name)] {
        users.flatMap { user, facts in
            facts.live(at: now, policy).filter { $0.value.server == server }.map { (user: user, session: $0.key) }
        }
    }

    private mutating func lose(_ held: [(user: Name, session: Name)], _ reason: Reason) {
        for (user, session) in held {
            users[user]?.sessions[session]?.endOfGateway(at: now, policy)
        }
        for user in Set(held.map(\.user)) { announce(user, reason) }
    }
}
