import Foundation
import Synchronization

/// A server that was there before the load and stays when it is over: what was made and changed there, so that it is left as it was found, at the end of the run or when that is interrupted.
///
/// What settings were is also kept as a key of the server, as long as they are changed: a run that crashed cannot put them back, and the next one finds there what they were.
final class LentServer: Sendable {
    private struct State: Sendable {
        /// Whether anything was written.
        var isTouched = false
        var settings = ChangedSettings()
        /// How what outlives `FLUSHALL` is taken back, by what made it.
        var traces: [(name: String, undo: @Sendable (Connection) throws -> Void)] = []
        var isGivenBack = false
    }

    private let address: ServerAddress
    private let name: String
    private let runID: String
    /// Whoever interrupts waits for whoever changes something.
    private let state = Mutex(State())

    /// - Parameters:
    ///   - address: where it is reached.
    ///   - name: what it is called in what is said.
    ///   - note: what an earlier run left there.
    init(_ address: ServerAddress, name: String, _ traits: ServerTraits, _ note: ChangedSettings?) {
        self.address = address
        self.name = name
        runID = traits.runID
        guard let note else { return }
        Progress.say(
            "\(name): a run that was cut off left settings changed, which this one puts back: \(note.commands)")
        state.withLock { state in
            state.settings = note
            state.isTouched = true
        }
    }

    /// Deletes what it holds, but for the note.
    func empty(_ connection: Connection) throws {
        try state.withLock { state in
            state.isTouched = true
            try connection.command(["FLUSHALL"], expecting: .simple("OK"))
            try state.settings.leaveNote(connection, runID)
        }
    }

    /// Changes settings, all at once.
    func set(_ settings: [(name: String, value: String)], _ connection: Connection) throws {
        try state.withLock { state in
            let known = state.settings.before.count
            try state.settings.remember(settings.map(\.name), connection)
            state.isTouched = true
            try state.settings.leaveNote(connection, runID)
            if state.settings.before.count > known {
                Progress.say("\(name): settings are changed, and put back at the end by \(state.settings.commands)")
            }
            try ChangedSettings.put(settings, connection)
        }
    }

    /// Remembers what outlives `FLUSHALL`, unless it is remembered by that name.
    func leavesBehind(_ name: String, _ undo: @escaping @Sendable (Connection) throws -> Void) {
        state.withLock { state in
            guard !state.traces.contains(where: { $0.name == name }) else { return }
            state.traces.append((name, undo))
        }
    }

    /// Leaves it without keys, relations and statuses of the load, and with its settings; once. What fails is said, and how it is done by hand.
    func giveBack() {
        state.withLock { state in
            guard !state.isGivenBack, state.isTouched || !state.traces.isEmpty else { return }
            state.isGivenBack = true
            let isEnding = Interruption.isEnding
            if isEnding { Progress.say("\(name): is left as it was found; a second signal ends at once") }
            do {
                let connection = try Connection(address, evenAtTheEnd: true)
                // A trace that cannot be taken back keeps no setting changed.
                var failures = state.traces.compactMap { trace in LentServer.failure { try trace.undo(connection) } }
                failures += [
                    LentServer.failure { try ChangedSettings.put(state.settings.before, connection) },
                    LentServer.failure { try LentServer.deleteAll(connection, isEnding: isEnding) },
                ].compactMap(\.self)
                if !failures.isEmpty { throw BenchError(failures.joined(separator: "; ")) }
            } catch {
                let commands = [state.settings.commands, "FLUSHALL"].filter { !$0.isEmpty }
                Progress.say(
                    "\(name) could not be left as it was: \(error). By hand: \(commands.joined(separator: "; "))")
            }
        }
    }

    private static func failure(_ body: () throws -> Void) -> String? {
        do { try body() } catch { return "\(error)" }
        return nil
    }

    /// Where a run was interrupted, the server may come only now to what was sent to it before.
    private static func deleteAll(_ connection: Connection, isEnding: Bool) throws {
        for _ in 0..<20 {
            try connection.command(["FLUSHALL"], expecting: .simple("OK"))
            guard isEnding else { return }
            usleep(50_000)
            if try connection.command("DBSIZE") == .integer(0) { return }
        }
    }

    /// The process is told to end: nobody but this may ask the server anything from now on.
    func interrupt() {
        OpenSockets.shutDown(to: address.port)
        giveBack()
    }
}
