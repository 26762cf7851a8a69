/// Certificates that are taken back while a connection lives.
extension TLSHandler {
    /// Whether the peer's certificate, or one of those that it follows from, was taken back since: it is looked up in the lists of a context that was made later.
    /// Whatever else may be wrong with it by now is not looked at: a connection keeps what it began with.
    ///
    /// On the connection's event loop. Costs what verifying it costs in a handshake, some 100 us.
    public func isPeerRevoked(by context: TLSContext) -> Bool {
        !context.configuration.revocationFile.isEmpty && connection.isPeerRevoked(by: context)
    }

    /// Whether it began with another context and the handshake is not over yet: the peer's certificate will be looked up in the lists of that one.
    public func isShakingHands(otherThanBy context: TLSContext) -> Bool {
        connection.isShakingHands && !connection.isOf(context)
    }
}
