import Foundation

/// A server with a storm's users, and a client that asks it small things meanwhile.
struct Storm {
    /// Questions a second of the client that has nothing to do with the storm.
    static let probeRate = 200.0
    /// Milliseconds within which all sessions end.
    static let window = 1_000

    let server: RunningServer
    private let questions: SmallQuestions
    private let users: Int

    init(_ server: RunningServer, _ users: Int) throws {
        self.server = server
        self.users = users
        // A user who is none of the storm's.
        questions = try SmallQuestions(server.connect(), user: users)
    }

    func connect(nice: Int) throws -> ConnectStorm.Outcome {
        let storm = ConnectStorm(port: server.port, users: users, window: Storm.window)
        return try OwnThread(nice: nice) { try storm.run() }.value()
    }

    /// Asks while something goes on.
    func probe(_ work: () throws -> Void) throws -> [Probe.Answer] {
        let probe = try Probe(port: server.port, rate: Storm.probeRate, questions)
        probe.begin()
        try work()
        return try probe.stop()
    }

    func sleep(until instant: Int64) {
        let wait = instant - WallClock.milliseconds()
        if wait > 0 { usleep(UInt32(wait) * 1_000) }
    }
}
