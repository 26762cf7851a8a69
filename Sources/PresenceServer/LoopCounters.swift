import Presence
import PresenceRESP
import PresenceStore
import Synchronization

/// What one event loop counts. Written by that loop alone and read by whoever asks for `INFO`: so a count is a load and a store, never a
/// locked instruction, and each loop has an object of its own.
final class LoopCounters: Sendable {
    /// One number.
    struct Counter: ~Copyable, Sendable {
        private let number = Atomic<Int>(0)

        var value: Int { number.load(ordering: .relaxed) }

        @inline(__always)
        func add(_ amount: Int) {
            number.store(number.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
        }

        func reset() { number.store(0, ordering: .relaxed) }
    }

    let commands = Counter()
    let connections = Counter()
    let rejected = Counter()
    let bytesRead = Counter()
    let bytesWritten = Counter()
    /// Records of presences asked for and found, or not; the store counts strings itself.
    let hits = Counter()
    let misses = Counter()
    let protocolErrors = Counter()
    let outputLimitClosures = Counter()
    let queryLimitClosures = Counter()
    let idleClosures = Counter()
    let deniedPasswords = Counter()
    let messages = Counter()
    let missedEvents = Counter()
    let unknownFields = Counter()
    /// For how long the loop was busy without a look at anything else, in microseconds: see ``ServerLoop/beginTurn(isTimed:)``.
    let turns = Mutex(DurationHistogram())
    /// How much later than it should the loop looked at the time, in microseconds: what a command waits for that comes at a bad moment.
    let delays = Mutex(DurationHistogram())
    /// Errors answered, by code. The loop adds to it once a second what its replies have counted, so this lock is nobody's way.
    let errors = Mutex(ErrorTally())
    /// Commands and bytes a second, of the last seconds.
    let rates = Mutex(Rates())

    /// What happened a second, sampled each second.
    struct Rates: Sendable {
        var commands = 0
        var bytesRead = 0
        var bytesWritten = 0
        fileprivate var last: (at: Timestamp, commands: Int, bytesRead: Int, bytesWritten: Int)?
    }

    /// Adds the errors that replies have counted.
    func take(_ counted: ErrorTally) {
        if !counted.counts.isEmpty { errors.withLock { $0.add(counted) } }
    }

    /// Once a second, on the loop: how much has happened since the last time.
    func sample(at now: Timestamp) {
        rates.withLock { rates in
            let present = (now, commands.value, bytesRead.value, bytesWritten.value)
            if let last = rates.last {
                let elapsed = Int(now.milliseconds(since: last.at))
                // Less than none happened when the counters were set to zero meanwhile.
                func rate(_ new: Int, _ old: Int) -> Int { elapsed > 0 ? max(0, new - old) * 1000 / elapsed : 0 }
                rates.commands = rate(present.1, last.commands)
                rates.bytesRead = rate(present.2, last.bytesRead)
                rates.bytesWritten = rate(present.3, last.bytesWritten)
            }
            rates.last = present
        }
    }

    /// Sets to zero what `CONFIG RESETSTAT` resets. Called on the loop.
    func reset() {
        commands.reset()
        connections.reset()
        rejected.reset()
        bytesRead.reset()
        bytesWritten.reset()
        hits.reset()
        misses.reset()
        protocolErrors.reset()
        outputLimitClosures.reset()
        queryLimitClosures.reset()
        idleClosures.reset()
        deniedPasswords.reset()
        messages.reset()
        missedEvents.reset()
        unknownFields.reset()
        errors.withLock { $0 = ErrorTally() }
        turns.withLock { $0 = DurationHistogram() }
        delays.withLock { $0 = DurationHistogram() }
    }
}
