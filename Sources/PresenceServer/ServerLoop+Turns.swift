import PresenceStore

/// For how long a loop does one thing while all else waits.
///
/// A turn is what a read of a socket brought, a tick, a slice of long work, a delivery for another loop. Reads of one small command take microseconds
/// and are not timed, unless that command's work grows with what it is given; all other turns are.
extension ServerLoop {
    /// Bytes of a read from which on its turn is timed.
    static let timedReadBytes = 512

    /// A turn begins.
    @inline(__always)
    func beginTurn(isTimed: Bool) {
        if isTimed { turnStart = Stopwatch.microseconds() }
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
