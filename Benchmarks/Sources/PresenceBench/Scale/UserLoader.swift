import Foundation

/// Opens the sessions of many users in the order of their numbers, as fast as it goes, and keeps those that are open beating meanwhile.
struct UserLoader {
    var port: Int
    var users: Int
    /// Seconds that a session lives after a heartbeat.
    var ttl: Int

    /// Milliseconds after which those who are open beat again: often enough to live, seldom enough to leave time for loading.
    private var interval: Int64 { Int64(ttl) * 1_000 / 3 }

    struct Outcome: Sendable {
        /// Before the first and after the last user beat last, in epoch milliseconds.
        var lastBeats: BeatLedger.Moment
        var seconds: Double
        var beats: Int
    }

    /// Batches on their way on each of the connections.
    private static let connections = 4
    private static let depth = 2

    func run() throws -> Outcome {
        var driver = try BatchDriver(
            port: port, connections: UserLoader.connections, depth: UserLoader.depth)
        var connecting = BatchForm.connect(BeatLedger.batchSize)
        var beating = BatchForm.batchOfBeats(BeatLedger.batchSize)
        let began = WallClock.milliseconds()
        var ledger = BeatLedger(users: users, order: nil, lastBeat: .init(sent: began, answered: began))
        // Who beat longest ago is first: batches in the order in which they were sent.
        var queue: [Int32] = []
        var first = 0
        var loaded = 0
        // When somebody was loaded last.
        var moved = began
        var progress = PhaseProgress("load", of: ledger.batches * BeatLedger.batchSize)
        while loaded < ledger.batches {
            while driver.hasRoom, loaded < ledger.batches {
                let now = WallClock.milliseconds()
                let oldest = first < queue.count ? Int(queue[first]) : nil
                if let oldest, now - ledger.moments[oldest].sent >= interval {
                    first += 1
                    try check(ledger.moments[oldest], now, moved)
                    try send(oldest, &beating, &ledger, &queue, &driver, now)
                } else {
                    try send(loaded, &connecting, &ledger, &queue, &driver, now)
                    loaded += 1
                    moved = now
                }
            }
            try driver.receive(nanoseconds: 50_000_000) { ledger.answer($0, at: WallClock.milliseconds()) }
            progress.tell(loaded * BeatLedger.batchSize)
        }
        try driver.drain { ledger.answer($0, at: WallClock.milliseconds()) }
        let ended = WallClock.milliseconds()
        let oldest = first < queue.count ? ledger.moments[Int(queue[first])].sent : began
        return Outcome(
            lastBeats: .init(sent: oldest, answered: ended), seconds: Double(ended - began) / 1_000,
            beats: first * BeatLedger.batchSize)
    }

    private func send(
        _ batch: Int, _ form: inout BatchForm, _ ledger: inout BeatLedger, _ queue: inout [Int32],
        _ driver: inout BatchDriver, _ now: Int64
    ) throws {
        let (place, count) = ledger.places(of: batch)
        ledger.send(batch, at: now)
        queue.append(Int32(batch))
        try driver.send(&form, users: count, lifetime: ttl * 1_000, tag: batch) { place + $0 }
    }

    private func check(_ last: BeatLedger.Moment, _ now: Int64, _ moved: Int64) throws {
        // Where the beats of those who are there take all time, nobody more comes.
        guard last.answered != .max, now - last.sent < 3 * interval - 1_000, now - moved < 3 * interval else {
            throw BenchError(
                "this machine cannot load \(grouped(users)) users and keep them beating within a TTL of \(ttl) s; raise --ttl, lower --users"
            )
        }
    }
}
