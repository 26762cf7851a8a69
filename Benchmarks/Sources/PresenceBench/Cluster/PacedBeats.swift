import Foundation

/// Sessions that all beat once in an interval, in pipelines of 16 that are evenly apart.
struct PacedBeats {
    static let batch = 16

    let port: Int
    let sessions: Int
    /// Seconds between two beats of a session.
    let interval: Double

    /// Beats for so many seconds.
    ///
    /// - Returns: how many beats were answered, and in how many seconds.
    func run(seconds: Double) throws -> (beats: Int, seconds: Double) {
        var form = BatchForm.beats(PacedBeats.batch)
        var driver = try BatchDriver(port: port, connections: 4, depth: 64)
        let began = MonotonicClock.nanoseconds()
        let pause = interval * 1e9 * Double(PacedBeats.batch) / Double(sessions)
        var (sent, user) = (0, 0)
        while true {
            let passed = Double(MonotonicClock.nanoseconds() - began)
            guard passed < seconds * 1e9 else { break }
            if Double(sent) * pause / Double(PacedBeats.batch) <= passed, driver.hasRoom {
                let (first, count) = (user, min(PacedBeats.batch, sessions - user))
                try driver.send(&form, users: count, tag: 0) { first + $0 }
                sent += count
                user = (user + count) % sessions
            } else {
                try driver.receive(nanoseconds: 500_000) { _ in }
            }
        }
        try driver.drain { _ in }
        return (sent, Double(MonotonicClock.nanoseconds() - began) / 1e9)
    }
}
