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

/// Changes of several shards in one frame: `news`.
extension Changes {
    /// What one element takes at least: shard, position, step, number of images.
    static let fewestBytes = 4

    static func readNews(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) -> [Changes] {
        let count = Int(try reader.word16(.count, in: bytes))
        try reader.hold(UInt64(count), in: 1...UInt64(FrameLimits.shards), .count)
        guard reader.remaining >= count * fewestBytes else { throw .endsWithin(type: reader.type, field: .count) }
        var all: [Changes] = []
        all.reserveCapacity(count)
        for left in stride(from: count - 1, through: 0, by: -1) {
            let shard = try reader.shrunk(.shard, in: bytes)
            try reader.hold(shard, in: 0...UInt64(FrameLimits.shards - 1), .shard)
            let after = try reader.shrunk(.after, in: bytes)
            let step = try reader.shrunk(.before, in: bytes)
            try reader.hold(step, in: 0...after, .before)
            let images = try Images(shrunk: &reader, following: left * fewestBytes, in: bytes)
            all.append(Changes(shard: UInt16(shard), before: after - step, after: after, images: images))
        }
        return all
    }

    static func writeNews(
        _ news: [Changes], _ writer: PayloadWriter, to output: inout [UInt8]
    ) throws(FrameError) {
        try writer.count(news.count, upTo: FrameLimits.shards, to: &output)
        for changes in news {
            try writer.hold(UInt64(changes.shard), in: 0...UInt64(FrameLimits.shards - 1), .shard)
            try writer.hold(changes.after, in: changes.before...UInt64.max, .after)
            output.append(shrunk: UInt64(changes.shard))
            output.append(shrunk: changes.after)
            output.append(shrunk: changes.after - changes.before)
            try changes.images.write(shrunk: writer, to: &output)
        }
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
