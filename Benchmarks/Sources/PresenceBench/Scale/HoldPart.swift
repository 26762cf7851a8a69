import Foundation

/// Everybody online in one process: memory, heartbeats at their interval, who is announced offline and when, friends lists meanwhile.
struct HoldPart {
    let server: String
    let options: ScaleOptions
    /// Users that were asked for, before looking at the memory.
    let asked: Int

    func run() throws -> ScaleResult {
        let running = try RunningServer(atScale: server)
        defer { running.stop() }
        let empty = running.residentBytes
        Progress.say("hold: \(grouped(options.users)) users connect")
        let loader = UserLoader(port: running.port, users: options.users, ttl: options.ttl)
        let loaded = try OwnThread(nice: options.nice) { try loader.run() }.value()
        let resident = running.residentBytes - empty
        let listener = try EndListener(port: running.port, expecting: options.leaving * options.seconds)
        let lists = FriendsLists(users: options.users)
        let probe = try Probe(port: running.port, rate: Double(options.lists), lists)
        let beats = HeldBeats(
            port: running.port, options: options, lastBeats: loaded.lastBeats, pid: running.pid, probe: probe)
        Progress.say(
            "hold: all beat every \(options.interval) s for \(options.seconds) s, then \(options.ttl + 3) s more")
        let held = try OwnThread(nice: options.nice) { try beats.run() }.value()
        let answers = try probe.stop()
        let heard = try listener.stop()
        var check = HeldCheck(held.leavers, ttl: options.ttl, heard)
        check.check(answers, of: lists)
        let counted = try running.connect().info("presence", "beats")
        let expected = held.allBeats + loaded.beats
        guard counted == expected else {
            throw BenchError("the server took \(grouped(counted)) heartbeats, and answered \(grouped(expected))")
        }
        var table = Table.ofGoals("\(grouped(options.users)) users online on one node for \(options.seconds) s")
        fill(&table, loaded, resident)
        fill(&table, held)
        fill(&table, check, heard, answers)
        table.add("memory of the generator", grouped(ResidentMemory.bytes() >> 20) + " MB")
        table.notes = [note(held) + " " + (try ToldLateness(running.connect()).text)]
        return ScaleResult(table: table, failure: check.failure)
    }

    private func fill(_ table: inout Table, _ loaded: UserLoader.Outcome, _ resident: Int) {
        table.add(
            "users online at once", grouped(options.users), goal: grouped(asked), isHeld: options.users >= asked)
        table.add("resident bytes a user", Double(resident) / Double(options.users), atMost: 120, "B")
        let rate = Double(options.users) / loaded.seconds
        table.add(
            "loading: PRESENCE.CONNECT a second", fixed(rate, 0) + ", with \(grouped(loaded.beats)) beats meanwhile")
    }

    private func fill(_ table: inout Table, _ held: HeldBeats.Outcome) {
        let given = Double(held.beats) / held.seconds
        // Who has left does not beat: what is asked is what those who stay beat at their interval.
        let asked = given * held.interval / Double(options.interval)
        table.add(
            "beats a second, PRESENCE.MBEAT of 500", fixed(given, 0), goal: fixed(asked, 0),
            isHeld: given >= 0.98 * asked)
        table.add(
            "interval of a user's beats, on average", fixed(held.interval, 1) + " s", goal: "\(options.interval) s",
            isHeld: isInterval(held))
        table.add(
            "longest time between two beats of a user", Double(held.longestGap) / 1_000, atMost: Double(options.ttl),
            "s")
        let nanoseconds = { (time: UInt64) in fixed(Double(time) / Double(held.beats), 0) + " ns a beat, " }
        let cores = { (time: UInt64) in fixed(Double(time) / 1e9 / held.seconds, 2) + " of a core" }
        table.add("processor time of the server", nanoseconds(held.serverTime) + cores(held.serverTime))
        table.add("processor time of the generator's beats", nanoseconds(held.ownTime) + cores(held.ownTime))
    }

    private func fill(
        _ table: inout Table, _ check: HeldCheck, _ heard: EndListener.Heard, _ answers: [Probe.Answer]
    ) {
        let falseEnds = check.falseEnds.count
        table.add("announced offline though they beat", grouped(falseEnds), goal: "0", isHeld: falseEnds == 0)
        table.add(
            "stopped beating, announced offline", grouped(check.announced),
            goal: grouped(check.announced + check.missing),
            isHeld: check.missing == 0)
        let strange = check.strangeEnds.count
        table.add(
            "announced twice, or not at last beat + TTL", grouped(strange), goal: "0", isHeld: strange == 0)
        table.add("other events", grouped(heard.others), goal: "0", isHeld: heard.others == 0)
        table.add("lateness of an offline event", check.lateness, p99AtMost: 20)
        table.add("friends lists of 100", answers.waits, p99AtMost: 5)
        table.add("of which the asking client itself was late", answers.ownLateness)
        let statuses = answers.count * FriendsLists.length
        table.add(
            "wrong statuses of \(grouped(statuses)) on lists", grouped(check.wrongStatuses), goal: "0",
            isHeld: check.wrongStatuses == 0)
    }

    /// Whether the interval is as asked, but for two in a hundred.
    private func isInterval(_ held: HeldBeats.Outcome) -> Bool { held.interval <= 1.02 * Double(options.interval) }

    private func note(_ held: HeldBeats.Outcome) -> String {
        let own = Double(held.ownTime) / 1e9 / held.seconds
        let could =
            isInterval(held)
            ? "The machine gave the interval that was asked"
            : "The machine did not give the interval of \(options.interval) s: it was lengthened to \(fixed(held.interval, 1)) s"
        return
            "\(could); beating took \(fixed(own, 2)) of its \(ProcessInfo.processInfo.activeProcessorCount) cores, at nice \(options.nice). Lateness: from the instant that an event "
            + "names, which must be the user's last heartbeat, as its sender timed it, + \(options.ttl) s, to its arrival. Lists: \(options.lists) a second in an open loop, from when one "
            + "was due. Beats are in another order than that in which the users came. The server counted exactly the beats that it answered; none was of a session that it did not know."
    }
}
