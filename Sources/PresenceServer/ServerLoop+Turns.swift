import PresenceStore

/// For how long a loop does one thing while all else waits.
///
/// A turn is what a read of a socket brought, a tick, a slice of long work, a delivery for another loop. Reads of a small command or a few take
/// microseconds: of them one in 64 is timed, and each with a command whose work grows with what it is given; all other turns are.
///
/// A turn of commands ends after a millisecond, whatever the read brought: the rest of them has a turn of its own, behind those of others
/// (``ClientHandler``). The time is looked at after each command whose work grows, and each 64 others, which take microseconds together.
extension ServerLoop {
    /// Bytes of a read from which on its turn is timed.
    static let timedReadBytes = 512
    /// Of shorter reads one in so many is timed.
    static let readSampling: UInt32 = 64

    /// The turn of a read of so many bytes begins.
    @inline(__always)
    func beginTurn(reading count: Int) {
        beginTurn(isTimed: false)
        untilTimedRead &-= 1
        guard count > ServerLoop.timedReadBytes || untilTimedRead == 0 else { return }
        beginTimedRead()
    }

    @inline(never)
    private func beginTimedRead() {
        untilTimedRead = ServerLoop.readSampling
        turnStart = Stopwatch.microseconds()
    }

    /// A turn begins.
    @inline(__always)
    func beginTurn(isTimed: Bool) {
        isTurnOver = false
        if isTimed { turnStart = Stopwatch.microseconds() }
    }

    /// Commands between two looks at the time, where none of them takes long.
    static let commandsBetweenLooks = 64

    /// Looks whether commands have had their time. In a turn that is not timed that begins here.
    @inline(never)
    func lookAtTurn() {
        lookAtTurn(at: Stopwatch.microseconds())
    }

    /// The same, by who has looked at the stopwatch just now.
    func lookAtTurn(at microseconds: Int64) {
        guard let start = turnStart else {
            turnStart = microseconds
            return
        }
        if microseconds - start >= turnLimit { isTurnOver = true }
    }

    /// The turn ends; what it took is kept if it was timed, from its begin or from that of its first long command.
    @inline(__always)
    func endTurn() {
        if let start = turnStart { keepTurn(since: start) }
    }

    @inline(never)
    private func keepTurn(since start: Int64) {
        turnStart = nil
        let duration = Stopwatch.microseconds() - start
        counters.turns.withLock { $0.record(duration) }
    }
}
