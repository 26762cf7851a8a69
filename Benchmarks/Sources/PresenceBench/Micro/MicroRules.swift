import Presence

/// A user's status as a function of facts and time.
enum MicroRules {
    private static let repeats = 200_000
    private static let now = Crowd.start

    static var works: [MicroCommand.Work] {
        [1, 3].map { sessions in
            (
                "rules", "status and next change of a user with \(sessions) session\(sessions == 1 ? "" : "s")",
                { try judge(sessions) }
            )
        }
    }

    private static func judge(_ count: Int) throws -> Double {
        let sessions = (0..<count).map {
            Session(
                incarnation: .zero, heartbeat: now, ttlMilliseconds: 60_000 + Int64($0), activity: now,
                brought: nil)
        }
        let policy = Policy()
        var online = 0
        var horizon = Timestamp.distantFuture
        let time = MicroCommand.time(repeats) {
            for round in 0..<repeats {
                let present = now.advanced(byMilliseconds: Int64(round & 1023))
                var evidence = Evidence(
                    at: present, policy: policy, announced: .online, manual: nil, manualUntil: nil)
                for session in sessions { evidence.add(session, policy) }
                if evidence.verdict(at: present).publicStatus == .online { online += 1 }
                horizon = min(horizon, evidence.nextTransition(after: present))
            }
        }
        guard online == repeats, horizon > now else { throw BenchError("\(online) of \(repeats) were online") }
        return time
    }
}
