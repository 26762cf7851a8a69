import PresenceRESP
import PresenceStore

/// What keeps a client from its next command: to be forgotten when the client leaves. Touched on the client's event loop only.
protocol ClientWait: AnyObject {
    /// Ends the wait without an answer.
    func cancel()
}

/// One client that waits until other nodes hold what was written here. Touched on its event loop only, but for the port's answer.
///
/// A client that leaves is forgotten at once, here and by the port. One that waits without end asks anew once a minute.
final class HolderWait: ClientWait, @unchecked Sendable {
    /// Writes the reply, with the number of nodes that hold it; nil: that was not known when the time was over.
    typealias Answer = (Int?, inout ReplyBuffer) -> Void

    private let client: Client
    private let loop: ServerLoop
    private let answer: Answer
    private var isWaiting = true
    /// Takes back what the port was asked.
    private var takeBack: @Sendable () -> Void = {}
    /// What ends the wait; taken back with it, since it may be a year off.
    private(set) var plannedEnd: ServerLoop.Planned?

    private init(_ client: Client, _ loop: ServerLoop, _ answer: @escaping Answer) {
        self.client = client
        self.loop = loop
        self.answer = answer
        client.wait = self
        client.handler.wait()
        loop.server.blockedClients.wrappingAdd(1, ordering: .relaxed)
    }

    /// For how long the port is asked at a time, in milliseconds, while the client waits without end.
    private static let roundMilliseconds = 60_000
    /// Nobody waits longer: a year, in milliseconds.
    private static let longest: Int64 = 86_400_000 * 365

    /// Lets the client wait until `wanted` other nodes hold what was written here before, so many milliseconds at most, 0 without end.
    ///
    /// - Parameter wanted: at least 1. Where there are no other nodes, the time passes in vain.
    static func begin(
        holders wanted: Int, milliseconds: Int64, for client: Client, _ loop: ServerLoop, _ answer: @escaping Answer
    ) {
        let wait = HolderWait(client, loop, answer)
        guard let port = loop.server.replication else {
            if milliseconds > 0 { wait.end(after: milliseconds, held: 0) }
            return
        }
        guard milliseconds > 0 else {
            wait.askWithoutEnd(port, wanted)
            return
        }
        wait.takeBack = port.whenHeld(byAtLeast: wanted, timeoutMilliseconds: Int(min(milliseconds, longest))) {
            [weak wait] held in wait?.take(held)
        }
    }

    /// Lets the client wait until every node that is reachable holds what was written here before, but not longer than `limit`, in milliseconds.
    static func begin(
        allWithin limit: Int64, _ port: any ReplicationPort, for client: Client, _ loop: ServerLoop,
        _ answer: @escaping Answer
    ) {
        let wait = HolderWait(client, loop, answer)
        // Whose clock ends it is this loop's: so it is known whether all hold it.
        wait.end(after: limit, held: nil)
        wait.takeBack = port.whenHeld(byAtLeast: nil, timeoutMilliseconds: Int(limit) * 2) { [weak wait] held in
            wait?.take(held)
        }
    }

    private func askWithoutEnd(_ port: any ReplicationPort, _ wanted: Int) {
        takeBack = port.whenHeld(byAtLeast: wanted, timeoutMilliseconds: HolderWait.roundMilliseconds) {
            [weak self] held in
            self?.loop.eventLoop.execute { [weak self] in
                guard let self, isWaiting else { return }
                takeBack = {}
                if held >= wanted { finish(held) } else { askWithoutEnd(port, wanted) }
            }
        }
    }

    /// The port's answer, on any thread.
    private func take(_ held: Int) {
        loop.eventLoop.execute {
            self.takeBack = {}
            self.finish(held)
        }
    }

    private func end(after milliseconds: Int64, held: Int?) {
        let bounded = min(milliseconds, HolderWait.longest)
        plannedEnd = loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(bounded)) { [weak self] in
            self?.finish(held)
        }
    }

    private func finish(_ held: Int?) {
        guard isWaiting else { return }
        cancel()
        client.handler.resume { answer(held, &$0) }
    }

    func cancel() {
        guard isWaiting else { return }
        isWaiting = false
        takeBack()
        takeBack = {}
        plannedEnd?.cancel()
        plannedEnd = nil
        client.wait = nil
        loop.server.blockedClients.wrappingSubtract(1, ordering: .relaxed)
    }
}
