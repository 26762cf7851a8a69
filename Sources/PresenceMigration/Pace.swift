import Presence

/// Holds the copying back to so many keys a second. A value: it is handed the time.
struct Pace: Sendable {
    /// Keys a second; 0 for as fast as it goes.
    let rate: Int
    private var next = Timestamp.distantPast

    init(rate: Int) {
        self.rate = rate
    }

    /// How many keys to read at once: fewer at a low rate, so that it can be stopped, and tells how far it is.
    var batch: Int { rate == 0 ? 500 : min(max(rate / 4, 1), 500) }

    /// Milliseconds to wait before `keys` more keys are read.
    mutating func wait(before keys: Int, at now: Timestamp) -> Int64 {
        guard rate > 0 else { return 0 }
        let start = max(next, now)
        next = start.advanced(byMilliseconds: (Int64(keys) * 1000 + Int64(rate) - 1) / Int64(rate))
        return start.milliseconds(since: now)
    }
}

/// How long to wait before the next attempt to connect: 100 ms, doubled up to 5 s.
struct Backoff: Sendable {
    /// How many attempts without success there may be in a row.
    let limit: Int
    /// How many there were.
    private(set) var attempts = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// Milliseconds to wait before one more attempt; nil if there were enough.
    mutating func next() -> Int64? {
        guard attempts < limit else { return nil }
        defer { attempts += 1 }
        return min(100 << min(attempts, 10), 5_000)
    }

    /// Everything was copied once: the next loss counts anew.
    mutating func succeed() {
        attempts = 0
    }
}
