/// Records of one shard that changed, from the sender's ring, and how far the receiver comes by merging them.
///
/// A record that changed twice since `before` is there once, as it is now.
public struct Changes: Sendable, Equatable {
    /// The payload's bytes before the first image.
    static let headBytes = 22

    /// The sender's shard, below 1024.
    public var shard: UInt16
    /// The sender's ring position up to which the receiver has everything already.
    public var before: UInt64
    /// The position up to which he has everything then; not less than `before`.
    public var after: UInt64
    /// The records.
    public var images: Images

    /// Changes of these parts. The writer throws if one is out of its bounds.
    public init(shard: UInt16, before: UInt64, after: UInt64, images: Images = Images()) {
        self.shard = shard
        self.before = before
        self.after = after
        self.images = images
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        shard = try reader.word16(.shard, in: bytes)
        try reader.hold(UInt64(shard), in: 0...UInt64(FrameLimits.shards - 1), .shard)
        before = try reader.word64(.before, in: bytes)
        after = try reader.word64(.after, in: bytes)
        try reader.hold(after, in: before...UInt64.max, .after)
        images = try Images(&reader, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.hold(UInt64(shard), in: 0...UInt64(FrameLimits.shards - 1), .shard)
        try writer.hold(after, in: before...UInt64.max, .after)
        output.append(number: shard)
        output.append(number: before)
        output.append(number: after)
        try images.write(writer, to: &output)
    }
}

/// How far the changes of one shard were merged.
public struct ShardPosition: Sendable, Equatable {
    /// Bytes on the wire.
    static let bytes = 10

    /// The shard, by the number that it has at the node whose changes they are; below 1024.
    public var shard: UInt16
    /// That node's ring position.
    public var position: UInt64

    /// A position in a shard's ring.
    public init(shard: UInt16, position: UInt64) {
        self.shard = shard
        self.position = position
    }

    static func read(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) -> [ShardPosition] {
        let count = try reader.count(of: ShardPosition.bytes, upTo: FrameLimits.shards, in: bytes)
        var positions: [ShardPosition] = []
        positions.reserveCapacity(count)
        for _ in 0..<count {
            let shard = try reader.word16(.shard, in: bytes)
            try reader.hold(UInt64(shard), in: 0...UInt64(FrameLimits.shards - 1), .shard)
            positions.append(ShardPosition(shard: shard, position: try reader.word64(.position, in: bytes)))
        }
        return positions
    }

    static func write(
        _ positions: [ShardPosition], _ writer: PayloadWriter, to output: inout [UInt8]
    ) throws(FrameError) {
        try writer.count(positions.count, upTo: FrameLimits.shards, to: &output)
        for position in positions {
            try writer.hold(UInt64(position.shard), in: 0...UInt64(FrameLimits.shards - 1), .shard)
            output.append(number: position.shard)
            output.append(number: position.position)
        }
    }
}
