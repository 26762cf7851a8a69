import Foundation

/// A million users who connect at once, as after a deploy, and a million whose sessions end within one second; and what others wait meanwhile.
struct StormsPart {
    let server: String
    let options: ScaleOptions

    /// Questions a second of the client that has nothing to do with the storm.
    private static let probeRate = 200.0
    /// Milliseconds within which all sessions end.
    private static let window = 1_000

    private var users: Int { min(options.storm, options.users) }

    func run() throws -> ScaleResult {
        // The one subscriber gets a million events in a second: it is let fall behind, to hear them all.
        let running = try ScaleServer(server, settings: ["--client-output-buffer-limit", "pubsub 0 0 0"])
        defer { running.stop() }
        var table = Table.ofGoals("Storms of \(grouped(users)) users")
        let questions = try SmallQuestions(running.connect(), user: users)
        table.add("a small command, nothing else going on", try probe(running, questions) { sleep(3) }.waits)
        Progress.say("storms: \(grouped(users)) users connect")
        let storm = ConnectStorm(port: running.port, users: users, window: StormsPart.window)
        let before = try running.processorTime()
        var born: ConnectStorm.Outcome?
        let duringConnects = try probe(running, questions) { born = try storm.run() }
        guard let born else { throw BenchError("the storm did not take place") }
        let time = try running.processorTime() - before
        table.add("PRESENCE.CONNECT a second, 50 connections, 16 a write", fixed(Double(users) / born.seconds, 0))
        table.add("processor time of the server a CONNECT", fixed(Double(time) / Double(users), 0) + " ns")
        table.add("a small command meanwhile", duringConnects.waits, greatestAtMost: 10)
        table.add("of which the asking client itself was late", duringConnects.ownLateness)
        table.add("INFO then", try running.latenessFields())
        try ends(running, questions, born, &table)
        table.add("INFO then", try running.latenessFields())
        table.notes = [note]
        return ScaleResult(table: table)
    }

    private func ends(
        _ running: ScaleServer, _ questions: SmallQuestions, _ born: ConnectStorm.Outcome, _ table: inout Table
    ) throws {
        let listener = try EndListener(port: running.port, expecting: users)
        let wait = max(0, born.end - WallClock.milliseconds() - 200)
        Progress.say("storms: all end in \(wait / 1_000) s")
        usleep(UInt32(wait) * 1_000)
        let before = try running.processorTime()
        let deadline = born.end + Int64(StormsPart.window) + 60_000
        let answers = try probe(running, questions) {
            while listener.count < users, WallClock.milliseconds() < deadline { usleep(20_000) }
        }
        let time = try running.processorTime() - before
        let heard = try listener.stop()
        let strange = born.strangeEnds(heard.ends)
        guard strange == 0 else { throw BenchError("\(strange) ends were announced twice or at a wrong instant") }
        table.add(
            "sessions that end within 1 s, announced", grouped(heard.ends.count), goal: grouped(users),
            isHeld: heard.ends.count == users)
        table.add("processor time of the server an end, announced", fixed(Double(time) / Double(users), 0) + " ns")
        table.add("lateness of an offline event", Sample.of(heard.ends.map { Double($0.lateness) }))
        table.add("a small command meanwhile", answers.waits, greatestAtMost: 10)
        table.add("of which the asking client itself was late", answers.ownLateness)
    }

    /// Asks while something goes on.
    private func probe(
        _ running: ScaleServer, _ questions: SmallQuestions, _ work: () throws -> Void
    ) throws -> [Probe.Answer] {
        let probe = try Probe(port: running.port, rate: StormsPart.probeRate, questions)
        probe.begin()
        try work()
        return try probe.stop()
    }

    private var note: String {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        return
            "The small commands (PING, GET, PRESENCE.MGET of one) are due 200 times a second, and wait from when they are. All of it shares \(cores) cores: the server's event loops, who "
            + "connects, who asks, and the one subscriber, who reads about 380 B an event. Lateness: from the instant that the event names, held against the sender's time and TTL, to its arrival there. "
            + "Nobody is subscribed while they connect."
    }
}
