import Presence

/// Heartbeats that the receiver must know of before the deadlines that it knows.
///
/// Their instants are ages, counted back from one instant of the sender's clock: so they are the same at all who hear of them, and what time makes of them
/// has one version everywhere. How far ahead of the receiver's clock that instant may be is `max-clock-offset`, as for images.
public struct Beats: Sendable, Equatable {
    /// The payload's bytes before the first heartbeat.
    static let headBytes = 10

    /// What ages are counted back from, from 1970 to 2527.
    public var asOf: Timestamp
    /// 1 to 4096 of them.
    public var all: [Beat]

    /// Heartbeats as of an instant. The writer throws if there are none, or too many.
    public init(asOf: Timestamp, _ all: [Beat]) {
        self.asOf = asOf
        self.all = all
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        asOf = Timestamp(milliseconds: try reader.instant(.asOf, upTo: FrameLimits.clock, in: bytes))
        all = try Beat.read(&reader, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.instant(asOf.milliseconds, .asOf, upTo: FrameLimits.clock, to: &output)
        try Beat.write(all, writer, to: &output)
    }
}

/// A session's newest heartbeat.
public struct Beat: Sendable, Equatable {
    /// Bytes on the wire.
    static let bytes = 24
    /// On the wire, the age of an activity that never was.
    static let none = UInt32.max
    /// The greatest age, in milliseconds: 49 days. What is older counts as that old.
    public static let maximumAge = UInt32.max - 1

    /// The user's name, hashed with the cluster's secret.
    public let user: UInt64
    /// The session's id, hashed likewise.
    public let session: UInt64
    /// Milliseconds since the heartbeat, as of the frame's instant.
    public let heartbeatAge: UInt32
    /// Milliseconds since the last activity, likewise; nil if there was none.
    public let activityAge: UInt32?

    /// A heartbeat; ages are held to `maximumAge`.
    public init(user: UInt64, session: UInt64, heartbeatAge: UInt32, activityAge: UInt32?) {
        self.user = user
        self.session = session
        self.heartbeatAge = min(heartbeatAge, Beat.maximumAge)
        self.activityAge = activityAge.map { min($0, Beat.maximumAge) }
    }

    static func read(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) -> [Beat] {
        let count = try reader.count(of: Beat.bytes, upTo: FrameLimits.beats, in: bytes)
        var beats: [Beat] = []
        beats.reserveCapacity(count)
        for _ in 0..<count {
            let user = try reader.word64(.user, in: bytes)
            let session = try reader.word64(.session, in: bytes)
            let heartbeat = try reader.word32(.heartbeatAge, in: bytes)
            try reader.hold(UInt64(heartbeat), in: 0...UInt64(Beat.maximumAge), .heartbeatAge)
            let activity = try reader.word32(.activityAge, in: bytes)
            beats.append(
                Beat(
                    user: user, session: session, heartbeatAge: heartbeat,
                    activityAge: activity == Beat.none ? nil : activity))
        }
        return beats
    }

    static func write(_ beats: [Beat], _ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.count(beats.count, upTo: FrameLimits.beats, to: &output)
        for beat in beats {
            output.append(number: beat.user)
            output.append(number: beat.session)
            output.append(number: beat.heartbeatAge)
            output.append(number: beat.activityAge ?? Beat.none)
        }
    }
}
