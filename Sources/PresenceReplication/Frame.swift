import Presence

/// One message of the peers' wire, as a value. `docs/PROTOCOL.md` draws the bytes of each.
public enum Frame: Sendable, Equatable {
    /// Who dials, and which versions he speaks.
    case hello(Hello)
    /// Who answers, and which version is spoken.
    case welcome(Welcome)
    /// Why there will be no link.
    case refuse(Refusal)
    /// Are you there?
    case ping(Ping)
    /// Yes, and this is my clock.
    case pong(Pong)
    /// What changed in a shard.
    case changes(Changes)
    /// How far shards were merged, 1 to 1024 of them.
    case acknowledge([ShardPosition])
    /// Heartbeats that matter.
    case beats(Beats)
    /// What ranges come to, 1 to 1024 of them.
    case digest([RangeDigest])
    /// Ranges that are wanted whole.
    case request(RecordRequest)
    /// Records of a range.
    case records(RecordSlice)
    /// What has an older stamp is gone.
    case flush(Stamp)
    /// The sender leaves within so many seconds, at most a day.
    case drain(seconds: UInt32)
    /// The settings in which nodes should agree, as they are at the sender from now on.
    case settings(SharedSettings)
    /// The sender closes the link.
    case goodbye(Goodbye)
    /// What changed in shards, 1 to 1024 times.
    case news([Changes])
    /// How far the sender has the changes of nodes, itself among them, 1 to 255 of them.
    case positions([NodePositions])

    /// The type byte.
    public var type: FrameType {
        switch self {
        case .hello: .hello
        case .welcome: .welcome
        case .refuse: .refuse
        case .ping: .ping
        case .pong: .pong
        case .changes: .changes
        case .acknowledge: .acknowledge
        case .beats: .beats
        case .digest: .digest
        case .request: .request
        case .records: .records
        case .flush: .flush
        case .drain: .drain
        case .settings: .settings
        case .goodbye: .goodbye
        case .news: .news
        case .positions: .positions
        }
    }

    /// The flag bits.
    var flags: FrameFlags {
        if case .records(let slice) = self, slice.isLast { .last } else { [] }
    }

    /// The frame of a payload.
    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        switch reader.type {
        case .hello: self = .hello(try Hello(&reader, in: bytes))
        case .welcome: self = .welcome(try Welcome(&reader, in: bytes))
        case .refuse: self = .refuse(try Refusal(&reader, in: bytes))
        case .ping: self = .ping(try Ping(&reader, in: bytes))
        case .pong: self = .pong(try Pong(&reader, in: bytes))
        case .changes: self = .changes(try Changes(&reader, in: bytes))
        case .acknowledge: self = .acknowledge(try ShardPosition.read(&reader, in: bytes))
        case .beats: self = .beats(try Beats(&reader, in: bytes))
        case .digest: self = .digest(try RangeDigest.read(&reader, in: bytes))
        case .request: self = .request(try RecordRequest(&reader, in: bytes))
        case .records: self = .records(try RecordSlice(&reader, in: bytes))
        case .flush: self = .flush(Stamp(rawValue: try reader.word64(.stamp, in: bytes)))
        case .drain:
            let seconds = try reader.word32(.seconds, in: bytes)
            try reader.hold(UInt64(seconds), in: 0...UInt64(FrameLimits.drainSeconds), .seconds)
            self = .drain(seconds: seconds)
        case .settings: self = .settings(try SharedSettings(&reader, in: bytes))
        case .goodbye: self = .goodbye(try Goodbye(&reader, in: bytes))
        case .news: self = .news(try Changes.readNews(&reader, in: bytes))
        case .positions: self = .positions(try NodePositions.read(&reader, in: bytes))
        }
        try reader.finish()
    }

    /// Appends the payload.
    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        switch self {
        case .hello(let hello): try hello.write(writer, to: &output)
        case .welcome(let welcome): try welcome.write(writer, to: &output)
        case .refuse(let refusal): try refusal.write(writer, to: &output)
        case .ping(let ping): try ping.write(writer, to: &output)
        case .pong(let pong): try pong.write(writer, to: &output)
        case .changes(let changes): try changes.write(writer, to: &output)
        case .acknowledge(let positions): try ShardPosition.write(positions, writer, to: &output)
        case .beats(let beats): try beats.write(writer, to: &output)
        case .digest(let digests): try RangeDigest.write(digests, writer, to: &output)
        case .request(let request): try request.write(writer, to: &output)
        case .records(let slice): try slice.write(writer, to: &output)
        case .flush(let stamp): output.append(number: stamp.rawValue)
        case .drain(let seconds):
            try writer.hold(UInt64(seconds), in: 0...UInt64(FrameLimits.drainSeconds), .seconds)
            output.append(number: seconds)
        case .settings(let settings): try settings.write(writer, to: &output)
        case .goodbye(let goodbye): try goodbye.write(writer, to: &output)
        case .news(let news): try Changes.writeNews(news, writer, to: &output)
        case .positions(let all): try NodePositions.write(all, writer, to: &output)
        }
    }
}
