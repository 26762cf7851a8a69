import PresenceRESP
import PresenceStore

/// What looks at commands from outside: monitors, the slow log, the pause. All of it costs an ordinary command two loads and a branch.
extension ServerLoop {
    /// Whether commands of `client` go the short way.
    @inline(__always)
    func isPlain(_ client: Client) -> Bool {
        scrutiny.isEmpty && client.traits.isDisjoint(with: .closerLook)
    }

    /// Takes over what the settings say of scrutiny.
    func updateScrutiny() {
        let threshold = configuration.slowLogThresholdMicroseconds
        if threshold >= 0, threshold < ServerLoop.quickestTimed {
            scrutiny.insert(.timed)
        } else {
            scrutiny.remove(.timed)
        }
    }

    /// Microseconds: above it only commands whose work grows with something are timed, since no other takes as long.
    static let quickestTimed = 1_000

    // MARK: - Pause

    /// Whether the command must wait for the end of a pause; then the client is suspended until then.
    @inline(__always)
    func holds(_ number: Int, _ client: Client) -> Bool {
        scrutiny.contains(.paused) && hold(number, client)
    }

    private func hold(_ number: Int, _ client: Client) -> Bool {
        guard number >= 0, pause.holds(number, client) else { return false }
        client.handler.suspend()
        heldClients[client.id] = client
        return true
    }
}
