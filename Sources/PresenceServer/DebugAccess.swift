/// Who may use commands that only tests need: `DEBUG`, `PRESENCE.ADVANCE`. The values of `enable-debug-command`.
public enum DebugAccess: String, Sendable, CaseIterable {
    /// Nobody.
    case no
    /// Clients of this machine.
    case local
    /// Everybody.
    case yes

    /// Whether this client may.
    func admits(_ client: Client) -> Bool {
        switch self {
        case .no: false
        case .local: Listener.isLoopback(client.handler.context?.channel.remoteAddress)
        case .yes: true
        }
    }
}
