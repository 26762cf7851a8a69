import PresenceRESP

/// The commands between MULTI and EXEC, as the client sent them, one behind the other.
///
/// They were looked up and counted when they were queued, so that EXEC runs what it can run; what else is wrong with them shows in their
/// replies, as in Redis. Their bytes are bounded by `client-query-buffer-limit`, as those of one command are.
struct Transaction {
    /// The requests in the protocol's form.
    private(set) var bytes: [UInt8] = []
    /// How many.
    private(set) var count = 0
    /// Whether one of them writes: then `CLIENT PAUSE WRITE` holds their EXEC.
    private(set) var writes = false
    /// How many walks over all keys are queued.
    var walks = 0
    /// Whether a command was refused: then EXEC refuses all.
    var isBroken = false

    /// Queues a command; false, and nothing is queued, if that takes the transaction above `limit` bytes.
    mutating func append(
        _ request: borrowing RequestReader, _ source: Span<UInt8>, _ flags: CommandFlags, limit: Int
    ) -> Bool {
        var size = 16
        for index in 0..<request.argumentCount { size += request.argument(index).count + 16 }
        guard bytes.count + size <= limit else { return false }
        line(UInt8(ascii: "*"), request.argumentCount)
        for index in 0..<request.argumentCount {
            let range = request.argument(index)
            line(UInt8(ascii: "$"), range.count)
            bytes.append(copying: source.extracting(range))
            bytes.append(13)
            bytes.append(10)
        }
        count += 1
        if flags.contains(.write) { writes = true }
        return true
    }

    private mutating func line(_ marker: UInt8, _ number: Int) {
        bytes.append(marker)
        bytes.append(contentsOf: String(number).utf8)
        bytes.append(13)
        bytes.append(10)
    }

    /// Calls `body` with each command in order. `bytes` must be those of a transaction: every request is whole.
    static func forEach(_ bytes: Span<UInt8>, _ body: (borrowing RequestReader) -> Void) {
        var limits = RequestLimits()
        limits.maxBulkLength = .max
        limits.maxCommandBytes = .max
        var reader = RequestReader(limits: limits)
        var position = 0
        while position < bytes.count, reader.next(in: bytes, from: position) == .command {
            body(reader)
            position += reader.consumed
        }
    }
}

/// A key that a client watches: its EXEC does nothing if the key has changed since.
struct WatchedKey {
    let key: [UInt8]
    /// Of the key's state when it was watched. The store tells what goes into it.
    let fingerprint: UInt64
}
