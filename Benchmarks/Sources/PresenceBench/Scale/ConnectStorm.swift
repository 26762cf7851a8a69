import Foundation

/// Users who connect as fast as they go over many connections, with lifetimes such that all of them end within one window.
struct ConnectStorm {
    var port: Int
    var users: Int
    /// Milliseconds.
    var window: Int

    private static let connections = 50
    /// Commands a write.
    private static let pipeline = 16
    /// What a lifetime has at least, since it has five digits.
    private static let shortest: Int64 = 10_000

    struct Outcome: Sendable {
        /// When the first session ends, in epoch milliseconds.
        var end: Int64
        var seconds = 0.0
        fileprivate var moments: [BeatLedger.Moment]
        fileprivate var lifetimes: [Int32]

        /// How many ends were heard of twice, or at an instant that the sender's time and the lifetime do not explain.
        func strangeEnds(_ ends: [HeardEnd]) -> Int {
            var seen = [Bool](repeating: false, count: lifetimes.count * ConnectStorm.pipeline)
            var strange = 0
            for end in ends {
                let user = Int(end.user)
                guard user < seen.count, !seen[user] else {
                    strange += 1
                    continue
                }
                seen[user] = true
                let batch = user / ConnectStorm.pipeline
                let begun = end.instant - Int64(lifetimes[batch])
                if begun < moments[batch].sent - 1 || begun > moments[batch].answered + 1 { strange += 1 }
            }
            return strange
        }
    }

    func run() throws -> Outcome {
        var driver = try BatchDriver(port: port, connections: ConnectStorm.connections, depth: 1)
        var form = BatchForm.connect(ConnectStorm.pipeline)
        let batches = (users + form.limit - 1) / form.limit
        let began = WallClock.milliseconds()
        // 50 000 a second is slow; whoever is faster waits for the end.
        var outcome = Outcome(
            end: began + ConnectStorm.shortest + 2_000 + Int64(users / 50),
            moments: Array(repeating: .init(sent: 0, answered: 0), count: batches),
            lifetimes: Array(repeating: 0, count: batches))
        var progress = PhaseProgress("storms: connects", of: users)
        var next = 0
        while next < batches {
            guard driver.hasRoom else {
                try driver.receive(nanoseconds: 1_000_000_000) {
                    outcome.moments[$0].answered = WallClock.milliseconds()
                }
                progress.tell(next * form.limit)
                continue
            }
            let now = WallClock.milliseconds()
            let lifetime = outcome.end + Int64(next * window / batches) - now
            guard lifetime >= ConnectStorm.shortest else {
                throw BenchError("connecting took too long for its lifetimes")
            }
            outcome.moments[next].sent = now
            outcome.lifetimes[next] = Int32(lifetime)
            let first = next * form.limit
            try driver.send(&form, users: min(form.limit, users - first), lifetime: Int(lifetime), tag: next) {
                first + $0
            }
            next += 1
        }
        try driver.drain { outcome.moments[$0].answered = WallClock.milliseconds() }
        outcome.seconds = Double(WallClock.milliseconds() - began) / 1_000
        return outcome
    }
}
