/// Asks whether the peer is there, and what time it is.
public struct Ping: Sendable, Equatable {
    /// t0: when it was sent, by the sender's clock, in microseconds since 1970.
    public var sent: Int64

    /// A ping sent at an instant.
    public init(sent: Int64) {
        self.sent = sent
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        sent = try reader.instant(.sent, upTo: FrameLimits.microseconds, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.instant(sent, .sent, upTo: FrameLimits.microseconds, to: &output)
    }
}

/// The answer to a ping: with the instant at which it arrives, `ClockOffset` has what it needs.
public struct Pong: Sendable, Equatable {
    /// t0: as the ping said it.
    public var sent: Int64
    /// t1: when the ping was received, by the clock of who answers, in microseconds since 1970.
    public var received: Int64
    /// t2: when this was sent, by the same clock.
    public var answered: Int64

    /// A pong of three instants.
    public init(sent: Int64, received: Int64, answered: Int64) {
        self.sent = sent
        self.received = received
        self.answered = answered
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        sent = try reader.instant(.sent, upTo: FrameLimits.microseconds, in: bytes)
        received = try reader.instant(.received, upTo: FrameLimits.microseconds, in: bytes)
        answered = try reader.instant(.answered, upTo: FrameLimits.microseconds, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.instant(sent, .sent, upTo: FrameLimits.microseconds, to: &output)
        try writer.instant(received, .received, upTo: FrameLimits.microseconds, to: &output)
        try writer.instant(answered, .answered, upTo: FrameLimits.microseconds, to: &output)
    }
}
