/// What the links of a node count, since it started. What a replicator counts of each peer is in its report.
public struct LinkCounters: Sendable, Equatable {
    /// Connections that came to the peer port.
    public var accepted: UInt64 = 0
    /// Those that were closed at once: too many have not said who they are.
    public var refusedStrangers: UInt64 = 0
    /// Handshakes that failed: another secret, no TLS, or garbage.
    public var refusedHandshakes: UInt64 = 0
    /// Certificates that were refused, by either side: not good, none, or not that of the node that was dialed. If a handshake failed for it, that is counted
    /// too. A greeting that does not fit its certificate is a greeting refused.
    public var refusedCertificates: UInt64 = 0
    /// Connections that were closed since the certificate at the other end was taken back: a list was read that names it.
    public var revokedCertificates: UInt64 = 0
    /// Handshakes that took too long.
    public var lateHandshakes: UInt64 = 0
    /// Greetings that were refused, by either side.
    public var refusedGreetings: UInt64 = 0
    /// Connections that could not be made.
    public var failedDials: UInt64 = 0
    /// Connections that could not be accepted: no descriptors, as a rule.
    public var acceptErrors: UInt64 = 0
    /// Clients that were answered at once since too many waited.
    public var refusedWaiters: UInt64 = 0

    /// Nothing counted yet.
    public init() {}
}
