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
    let messages = Counter()
    let missedEvents = Counter()
    let unknownFields = Counter()

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
        messages.reset()
        missedEvents.reset()
        unknownFields.reset()
    }
}
