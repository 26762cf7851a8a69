import Foundation

/// A million users who connect at once, as after a deploy, and a million whose sessions end within one second; and what others wait meanwhile.
struct StormsPart {
    let server: String
    let options: ScaleOptions

    /// The one subscriber gets a million events in a second: he is let fall behind, to hear them all.
    private static let settings = ["--client-output-buffer-limit", "pubsub 0 0 0"]

    private var users: Int { min(options.storm, options.users) }

    func run() throws -> ScaleResult {
        var table = Table.ofGoals("Storms of \(grouped(users)) users")
        let heard = try Storm(RunningServer(atScale: server, settings: StormsPart.settings), users)
        defer { heard.server.stop() }
        table.add("a small command, nothing else going on", try heard.probe { sleep(3) }.waits)
        Progress.say("storms: \(grouped(users)) users connect")
        let born = try connect(heard, &table)
        try end(heard, born, &table)
        let told = try ToldLateness(heard.server.connect())
        heard.server.stop()
        Progress.say("storms: again, and nobody is subscribed")
        try endUnheard(&table)
        table.notes = [note + " " + told.text]
        return ScaleResult(table: table)
    }

    private func connect(_ storm: Storm, _ table: inout Table) throws -> ConnectStorm.Outcome {
        let before = try storm.server.processorTime()
        var born: ConnectStorm.Outcome?
        let answers = try storm.probe { born = try storm.connect(nice: options.nice) }
        guard let born else { throw BenchError("the storm did not take place") }
        let time = try storm.server.processorTime() - before
        table.add("PRESENCE.CONNECT a second, 50 connections, 16 a write", fixed(Double(users) / born.seconds, 0))
        table.add("processor time of the server a CONNECT", fixed(Double(time) / Double(users), 0) + " ns")
        table.add("a small command meanwhile", answers.waits, greatestAtMost: 10)
        table.add("of which the asking client itself was late", answers.ownLateness)
        return born
    }

    private func end(_ storm: Storm, _ born: ConnectStorm.Outcome, _ table: inout Table) throws {
        let listener = try EndListener(port: storm.server.port, expecting: users)
        Progress.say(
            "storms: all end in \((born.end - WallClock.milliseconds()) / 1_000) s, and one subscriber hears of it")
        storm.sleep(until: born.end - 200)
        let before = try storm.server.processorTime()
        let deadline = born.end + Int64(Storm.window) + 60_000
        let answers = try storm.probe {
            while listener.count < users, WallClock.milliseconds() < deadline { usleep(20_000) }
        }
        let time = try storm.server.processorTime() - before
        let heard = try listener.stop()
        let strange = born.strangeEnds(heard.ends)
        guard strange == 0 else { throw BenchError("\(strange) ends were announced twice or at a wrong instant") }
        table.add(
            "sessions that end within 1 s, announced", grouped(heard.ends.count), goal: grouped(users),
            isHeld: heard.ends.count == users)
        table.add("processor time of the server an end, announced", fixed(Double(time) / Double(users), 0) + " ns")
        table.add("lateness as the subscriber has it", Sample.of(heard.ends.map { Double($0.lateness) }))
        let told = try ToldLateness(storm.server.connect())
        table.add("lateness as the server tells it", told.percentiles + " ms")
        table.add("events that the server says it missed", told.value("events_missed"))
        table.add("a small command meanwhile", answers.waits, greatestAtMost: 10)
        table.add("of which the asking client itself was late", answers.ownLateness)
    }

    /// The same on a server of its own whose events nobody hears: what the wheel alone takes.
    private func endUnheard(_ table: inout Table) throws {
        let storm = try Storm(RunningServer(atScale: server), users)
        defer { storm.server.stop() }
        let born = try storm.connect(nice: options.nice)
        storm.sleep(until: born.end - 200)
        let before = try storm.server.processorTime()
        let deadline = born.end + Int64(Storm.window) + 60_000
        let connection = try storm.server.connect()
        let answers = try storm.probe {
            storm.sleep(until: born.end + Int64(Storm.window))
            while try connection.info("presence", "expired_sessions") < users, WallClock.milliseconds() < deadline {
                usleep(100_000)
            }
        }
        let time = try storm.server.processorTime() - before
        let ended = try connection.info("presence", "expired_sessions")
        table.add(
            "the same, nobody subscribed: sessions ended", grouped(ended), goal: grouped(users), isHeld: ended == users)
        table.add("processor time of the server an end", fixed(Double(time) / Double(users), 0) + " ns")
        table.add("lateness as the server tells it", try ToldLateness(storm.server.connect()).percentiles + " ms")
        table.add("a small command meanwhile", answers.waits, greatestAtMost: 10)
    }

    private var note: String {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        return
            "The small commands (PING, GET, PRESENCE.MGET of one) are due \(fixed(Storm.probeRate, 0)) times a second, and wait from when they are. All of it shares \(cores) cores: the server's event loops, who "
            + "connects, who asks, and the one subscriber, who reads about 380 B an event. Lateness: from the instant that the event names, held against the sender's time and TTL, to its arrival there; the "
            + "server's is p50 / p99 / greatest. Nobody is subscribed while they connect."
    }
}
