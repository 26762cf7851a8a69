/// A line every ten seconds of a long phase.
struct PhaseProgress {
    private let name: String
    private let whole: Int
    private var told = MonotonicClock.nanoseconds()
    private var done = 0

    init(_ name: String, of whole: Int) {
        self.name = name
        self.whole = whole
    }

    mutating func tell(_ now: Int) {
        let elapsed = MonotonicClock.nanoseconds() - told
        guard elapsed >= 10_000_000_000 else { return }
        let rate = Double(now - done) / (Double(elapsed) / 1e9)
        let part = whole > 0 ? " of \(grouped(whole))" : ""
        Progress.say("\(name): \(grouped(now))\(part), \(fixed(rate, 0)) a second")
        told += elapsed
        done = now
    }
}
