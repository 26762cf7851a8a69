import PresenceStore

/// What `CLIENT PAUSE` asked for.
struct ClientPause {
    /// Whether reads wait too.
    var holdsReads = false
    /// When it ends, in the stopwatch's milliseconds.
    var end: Int64 = 0
    /// The next look whether that has come: one, however often a pause is asked for.
    var look: ServerLoop.Planned?

    /// Whether the command with this number waits.
    func holds(_ number: Int, _ client: Client) -> Bool {
        if holdsReads { return true }
        let table = CommandTable.shared
        let flags = table.entry(number).flags
        return flags.contains(.write) || flags.contains(.mayReplicate)
            || number == table.exec && client.transaction.writes
    }
}

/// The pause of one event loop's clients. Time goes on meanwhile: sessions expire, and subscribers are told.
extension ServerLoop {
    /// Lets commands wait for so long. Of two pauses at once, the longer and the stricter hold, as in Redis.
    func pauseClients(holdsReads: Bool, milliseconds: Int64) {
        let (end, isTooLate) = ServerLoop.milliseconds.addingReportingOverflow(milliseconds)
        pause.holdsReads = pause.holdsReads || holdsReads
        pause.end = max(pause.end, isTooLate ? .max : end)
        scrutiny.insert(.paused)
        waitForEndOfPause()
    }

    /// Ends the pause at once; the commands that wait are run.
    func endPause() {
        guard scrutiny.contains(.paused) else { return }
        scrutiny.remove(.paused)
        pause.look?.cancel()
        pause = ClientPause()
        let held = heldClients
        heldClients = [:]
        for client in held.values.sorted(by: { $0.id < $1.id }) { client.handler.release() }
    }

    private func waitForEndOfPause() {
        let rest = pause.end - ServerLoop.milliseconds
        // An hour at most at a time: the event loop's clock has an end, and a pause need not have one.
        pause.look?.cancel()
        pause.look = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(min(max(rest, 0), 3_600_000))) {
            [self] in
            guard scrutiny.contains(.paused) else { return }
            if pause.end <= ServerLoop.milliseconds { endPause() } else { waitForEndOfPause() }
        }
    }

    private static var milliseconds: Int64 { Stopwatch.microseconds() / 1000 }
}
