import Presence

/// The first frame of a link: who dialed says which versions he speaks and who he is.
public struct Hello: Sendable, Equatable {
    /// The lowest and the highest version that the sender speaks, from 1.
    public var versions: ClosedRange<UInt16>
    /// Who the sender is.
    public var identity: NodeIdentity

    /// A hello of these parts.
    public init(versions: ClosedRange<UInt16> = ProtocolVersions.spoken, identity: NodeIdentity) {
        self.versions = versions
        self.identity = identity
    }

    /// `presence` in ASCII: the first bytes of a hello's payload, read as a number.
    static let magic: UInt64 = 0x6563_6E65_7365_7270

    /// Answers a hello: with the version of the link, or the refusal to be sent.
    ///
    /// Looked at are, in this order, versions, cluster, node number and clock. Whether the node is one of the cluster, and whether its incarnation is older
    /// than one already seen, is for who knows the members. The clock is judged roughly here, as nobody knows how long the hello travelled: one that is
    /// ahead has no excuse, one that is behind is allowed `delayMilliseconds`. `ClockOffset` measures it on the open link.
    ///
    /// - Parameters:
    ///   - own: who answers; its clock is the instant of receipt.
    ///   - spoken: the versions that the answering node speaks.
    ///   - maximumClockOffset: `max-clock-offset` in milliseconds.
    ///   - delayMilliseconds: how long the hello may have travelled.
    /// - Throws: the refusal; its text names both sides of what does not fit.
    public func version(
        answeredBy own: NodeIdentity, speaking spoken: ClosedRange<UInt16> = ProtocolVersions.spoken,
        maximumClockOffset: Int64, delayMilliseconds: Int64
    ) throws(Refusal) -> UInt16 {
        let version = try ProtocolVersions.negotiate(ours: spoken, theirs: versions)
        try NodeIdentity.check(answering: own, dialing: identity)
        let ahead = identity.clock.milliseconds(since: own.clock)
        guard ahead <= maximumClockOffset, ahead >= -maximumClockOffset - delayMilliseconds else {
            throw .clock(
                answering: own.clock, dialing: identity.clock, error: delayMilliseconds, maximum: maximumClockOffset)
        }
        return version
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        let magic = try reader.word64(.magic, in: bytes)
        guard magic == Hello.magic else { throw .wrongMagic(magic) }
        let lowest = try reader.word16(.lowestVersion, in: bytes)
        try reader.hold(UInt64(lowest), in: 1...UInt64(UInt16.max), .lowestVersion)
        let highest = try reader.word16(.highestVersion, in: bytes)
        try reader.hold(UInt64(highest), in: UInt64(lowest)...UInt64(UInt16.max), .highestVersion)
        versions = lowest...highest
        identity = try NodeIdentity(&reader, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        output.append(number: Hello.magic)
        try writer.hold(UInt64(versions.lowerBound), in: 1...UInt64(UInt16.max), .lowestVersion)
        output.append(number: versions.lowerBound)
        output.append(number: versions.upperBound)
        try identity.write(writer, to: &output)
    }
}

/// The answer to a hello that opens the link.
public struct Welcome: Sendable, Equatable {
    /// The version to be spoken from the next frame on, in both directions.
    public var version: UInt16
    /// Who the sender is.
    public var identity: NodeIdentity

    /// A welcome of these parts.
    public init(version: UInt16, identity: NodeIdentity) {
        self.version = version
        self.identity = identity
    }

    /// Takes the answer to one's own hello: the version of the link, or why there will be none. Who dialed then closes the link without a word, as
    /// there is no version in which to say it.
    ///
    /// - Parameters:
    ///   - hello: what was sent.
    ///   - now: the instant of receipt.
    ///   - maximumClockOffset: `max-clock-offset` in milliseconds.
    ///   - delayMilliseconds: how long the welcome may have travelled.
    /// - Throws: what a node that answers would have sent; its text names both sides of what does not fit.
    public func version(
        answering hello: Hello, at now: Timestamp, maximumClockOffset: Int64, delayMilliseconds: Int64
    ) throws(Refusal) -> UInt16 {
        guard hello.versions.contains(version) else {
            throw .versions(answering: version...version, dialing: hello.versions)
        }
        try NodeIdentity.check(answering: identity, dialing: hello.identity)
        let ahead = identity.clock.milliseconds(since: now)
        guard ahead <= maximumClockOffset, ahead >= -maximumClockOffset - delayMilliseconds else {
            throw .clock(answering: identity.clock, dialing: now, error: delayMilliseconds, maximum: maximumClockOffset)
        }
        return version
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        version = try reader.word16(.version, in: bytes)
        try reader.hold(UInt64(version), in: 1...UInt64(UInt16.max), .version)
        identity = try NodeIdentity(&reader, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.hold(UInt64(version), in: 1...UInt64(UInt16.max), .version)
        output.append(number: version)
        try identity.write(writer, to: &output)
    }
}
