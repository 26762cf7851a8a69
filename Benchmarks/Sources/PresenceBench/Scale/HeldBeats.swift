import Foundation

/// Beats all users at their interval, and lets some stop: the time in which nobody else may be announced offline.
///
///     a round as fast as it goes | rounds at the interval, users leave | the same, nobody leaves, until all who left have run out
///
/// The order is another one than that of loading: a heartbeat finds its record cold. The first round moves all from the order of loading to this one.
struct HeldBeats: Sendable {
    var port: Int
    var options: ScaleOptions
    /// When all had beaten last, by the order of loading.
    var lastBeats: BeatLedger.Moment
    /// The server, for its processor time.
    var pid: Int32
    /// Begins to ask with the first round that has a pace.
    var probe: Probe

    struct Outcome: Sendable {
        /// While users left.
        var beats = 0
        var seconds = 0.0
        /// The time between two beats of a user, on average.
        var interval = 0.0
        var serverTime: UInt64 = 0
        var ownTime: UInt64 = 0
        /// Beats of all phases, each of which was answered as it must be.
        var allBeats = 0
        var longestGap: Int64 = 0
        var leavers: [UInt32: BeatLedger.Moment] = [:]
    }

    private static let connections = 4
    private static let depth = 2
    /// Beats that are late are sent sooner, but no more than this is caught up: a machine that cannot hold the interval has a longer one.
    private static let patience: Int64 = 200_000_000

    func run() throws -> Outcome {
        var round = try Round(self)
        try round.run(paced: false, leaving: 0, until: .max, batches: round.ledger.batches)
        let interval = Double(options.interval) * 1e9
        round.pace = interval / Double(round.ledger.batches)
        round.ledger.longestGap = 0
        let before = (
            server: try ProcessorTime.ofProcess(pid), own: ProcessorTime.ofThread(), beats: round.beats,
            sent: round.sent
        )
        probe.begin()
        let began = MonotonicClock.nanoseconds()
        let end = began + Int64(options.seconds) * 1_000_000_000
        try round.run(paced: true, leaving: Double(leavingRate), until: end, batches: .max)
        var outcome = Outcome()
        outcome.seconds = Double(MonotonicClock.nanoseconds() - began) / 1e9
        outcome.beats = round.beats - before.beats
        outcome.interval = outcome.seconds * Double(round.ledger.batches) / Double(round.sent - before.sent)
        outcome.serverTime = try ProcessorTime.ofProcess(pid) - before.server
        outcome.ownTime = ProcessorTime.ofThread() - before.own
        let tail = MonotonicClock.nanoseconds() + Int64(options.ttl + 3) * 1_000_000_000
        try round.run(paced: true, leaving: 0, until: tail, batches: .max)
        try round.finish()
        outcome.allBeats = round.beats
        outcome.longestGap = round.ledger.longestGap
        outcome.leavers = round.ledger.leavers
        return outcome
    }

    /// At most half of all leave.
    var leavingRate: Int { max(1, min(options.leaving, options.users / 2 / options.seconds)) }

    /// The beats on their way, and where the round is.
    private struct Round {
        var ledger: BeatLedger
        var beats = 0
        /// Batches.
        var sent = 0
        /// Nanoseconds between two batches.
        var pace = 0.0
        private let ttl: Int64
        private var driver: BatchDriver
        private var form = BatchForm.batchOfBeats(BeatLedger.batchSize)
        private var next = 0
        private var progress = PhaseProgress("hold: beats", of: 0)

        init(_ beats: HeldBeats) throws {
            ttl = Int64(beats.options.ttl) * 1_000
            driver = try BatchDriver(port: beats.port, connections: HeldBeats.connections, depth: HeldBeats.depth)
            let users = beats.options.users
            ledger = BeatLedger(users: users, order: Shuffle(count: users, seed: 3), lastBeat: beats.lastBeats)
        }

        mutating func run(paced: Bool, leaving rate: Double, until end: Int64, batches: Int) throws {
            var due = Double(MonotonicClock.nanoseconds())
            var left = 0
            let began = MonotonicClock.nanoseconds()
            let last = batches == .max ? .max : sent + batches
            while sent < last {
                let now = MonotonicClock.nanoseconds()
                guard now < end else { return }
                if driver.hasRoom, !paced || due <= Double(now) {
                    let wanted = Int(rate * Double(now - began) / 1e9) - left
                    if wanted > 0 { left += ledger.leave(min(wanted, 50), of: next) }
                    try send()
                    due = max(due + pace, Double(now - HeldBeats.patience))
                } else {
                    let wait = driver.hasRoom ? Int64(due) - now : 50_000_000
                    try receive(nanoseconds: wait)
                }
            }
        }

        mutating func finish() throws {
            try driver.drain { [now = WallClock.milliseconds()] in ledger.answer($0, at: now) }
        }

        private mutating func receive(nanoseconds: Int64) throws {
            try driver.receive(nanoseconds: nanoseconds) { ledger.answer($0, at: WallClock.milliseconds()) }
            progress.tell(beats)
        }

        private mutating func send() throws {
            let (place, count) = ledger.places(of: next)
            let now = WallClock.milliseconds()
            let last = ledger.moments[next]
            guard last.answered != .max else { throw BenchError("a batch is due again before it was answered") }
            guard now - last.sent < ttl - 1_000 else {
                throw BenchError(
                    "a user beat only \(now - last.sent) ms after his last time, and a session lives \(ttl): this machine does not hold so many; raise --ttl, lower --users"
                )
            }
            ledger.send(next, at: now)
            let ledger = ledger
            try driver.send(&form, users: count, tag: next) { ledger.user(at: place + $0) }
            beats += count
            sent += 1
            next = (next + 1) % ledger.batches
        }
    }
}
