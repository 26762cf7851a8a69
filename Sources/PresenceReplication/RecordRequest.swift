/// Ranges whose records are wanted whole: by a node that holds nothing, was away past the ring, or found its digests to differ.
public struct RecordRequest: Sendable, Equatable {
    /// Chosen by who asks; every answer bears it.
    public var token: UInt32
    /// The ranges, 1 to 1024.
    public var ranges: [HashRange]

    /// A request of these parts.
    public init(token: UInt32, ranges: [HashRange]) {
        self.token = token
        self.ranges = ranges
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        token = try reader.word32(.token, in: bytes)
        let count = try reader.count(of: HashRange.bytes, upTo: FrameLimits.ranges, in: bytes)
        ranges = []
        ranges.reserveCapacity(count)
        for _ in 0..<count { ranges.append(try HashRange(&reader, in: bytes)) }
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        output.append(number: token)
        try writer.count(ranges.count, upTo: FrameLimits.ranges, to: &output)
        for range in ranges { range.write(to: &output) }
    }
}

/// Some records of a range that was asked for, as they are now.
public struct RecordSlice: Sendable, Equatable {
    /// The payload's bytes before the first image.
    static let headBytes = 33

    /// The token of the request.
    public var token: UInt32
    /// The range that was asked for.
    public var range: HashRange
    /// Whether nothing of the range follows.
    public var isLast: Bool
    /// Records of the whole request that were sent, with these.
    public var done: UInt64
    /// Records of the whole request as far as the sender knows; not less than `done`. It moves while records come and go.
    public var total: UInt64
    /// The records.
    public var images: Images

    /// A slice of these parts. The writer throws if one is out of its bounds.
    public init(
        token: UInt32, range: HashRange, isLast: Bool, done: UInt64, total: UInt64, images: Images = Images()
    ) {
        self.token = token
        self.range = range
        self.isLast = isLast
        self.done = done
        self.total = total
        self.images = images
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        token = try reader.word32(.token, in: bytes)
        range = try HashRange(&reader, in: bytes)
        isLast = reader.flags.contains(.last)
        done = try reader.word64(.done, in: bytes)
        total = try reader.word64(.total, in: bytes)
        try reader.hold(total, in: done...UInt64.max, .total)
        images = try Images(&reader, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.hold(total, in: done...UInt64.max, .total)
        output.append(number: token)
        range.write(to: &output)
        output.append(number: done)
        output.append(number: total)
        try images.write(writer, to: &output)
    }
}
