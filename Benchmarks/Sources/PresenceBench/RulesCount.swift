import Presence

/// The rules on facts that are at hand, for an instruction counter.
enum RulesCount {
    private static let now = Crowd.start

    private static func session(beatAt instant: Timestamp) -> Session {
        Session(
            incarnation: Stamp(now, node: 1), heartbeat: instant, ttlMilliseconds: 60_000, activity: instant,
            brought: nil, home: 1)
    }

    /// The status of a user with one session, and when it changes next.
    static func verdicts(_ operations: Int) throws {
        let policy = Policy()
        let session = session(beatAt: now)
        var online = 0
        var horizon = Timestamp.distantFuture
        for operation in 0..<operations {
            let present = now.advanced(byMilliseconds: Int64(operation & 1_023))
            var evidence = Evidence(at: present, policy: policy, announced: .online, manual: nil, manualUntil: nil)
            evidence.add(session, policy)
            if evidence.verdict(at: present).publicStatus == .online { online += 1 }
            horizon = min(horizon, evidence.nextTransition(after: present))
        }
        guard online == operations, horizon > now else { throw BenchError("\(online) of \(operations) were online") }
    }

    /// What two nodes know of one session, joined: each time the other's is the later.
    static func merges(_ operations: Int) throws {
        var joined = session(beatAt: now)
        for operation in 1...operations {
            joined.merge(session(beatAt: now.advanced(byMilliseconds: Int64(operation))))
        }
        guard joined.heartbeat == now.advanced(byMilliseconds: Int64(operations)) else {
            throw BenchError("a later heartbeat was lost")
        }
    }
}
