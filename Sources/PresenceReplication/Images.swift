/// Images of records, one behind the other, each behind its length of four bytes: what `changes` and `records` carry.
///
/// An image is what the store makes of a record and merges; nothing here looks into it. It has at least one byte.
///
/// **Cost.** One block of bytes however many there are; going through them allocates nothing.
public struct Images: Sendable, Equatable {
    /// What the length before an image takes, in bytes.
    public static let prefixBytes = 4

    /// How many there are.
    public private(set) var count = 0

    /// Lengths and images as they lie on the wire.
    private(set) var bytes: [UInt8] = []

    /// No images.
    public init() {}

    /// Whether there are none.
    public var isEmpty: Bool { count == 0 }

    /// What they take on the wire, their lengths included.
    public var byteCount: Int { bytes.count }

    /// What became of an image that was to be added.
    public enum Added: Sendable, Equatable {
        /// It is the last one now.
        case added
        /// The frame has no room for it: send this one, and begin another.
        case full
        /// It is empty, or longer than `FrameLimits.maximumImage`, and fits into no frame.
        case outOfBounds
    }

    /// Adds a copy of an image, if it and its frame stay within their bounds.
    public mutating func append(_ image: Span<UInt8>, limits: FrameLimits) -> Added {
        append(limits: limits) { output in output.append(block: image) }
    }

    /// Adds the image that `body` appends to the bytes it is given, where it will be sent from: no copy is made.
    ///
    /// - Parameters:
    ///   - limits: the bounds of the link. They are looked at afterwards; what exceeds them is taken back.
    ///   - body: may only append.
    public mutating func append(limits: FrameLimits, _ body: (inout [UInt8]) -> Void) -> Added {
        let start = bytes.count
        if start == 0 { bytes.reserveCapacity(128) }
        bytes.append(number: UInt32(0))
        body(&bytes)
        let length = bytes.count - start - Images.prefixBytes
        precondition(length >= 0, "an image is appended, nothing is removed")
        guard (1...limits.maximumImage).contains(length), bytes.count <= limits.imageRoom else {
            let added = (1...limits.maximumImage).contains(length) ? Added.full : .outOfBounds
            bytes.removeSubrange(start...)
            return added
        }
        bytes.overwrite(UInt32(truncatingIfNeeded: length), at: start)
        count += 1
        return .added
    }

    /// Hands out every image, in order.
    public func forEach<Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Void) throws(Failure) {
        let span = bytes.span
        var position = 0
        while position < span.count {
            let start = position + Images.prefixBytes
            position = start + Int(span.word32(at: position))
            try body(span.extracting(start..<position))
        }
    }

    /// The rest of a payload: a count of four bytes, then images. Every length is looked at before anything is copied.
    init(_ reader: inout PayloadReader, in payload: Span<UInt8>) throws(FrameError) {
        count = Int(try reader.word32(.count, in: payload))
        // An image has a length and a byte at least.
        try reader.hold(UInt64(count), in: 0...UInt64(reader.remaining / (Images.prefixBytes + 1)), .count)
        let start = reader.position
        for _ in 0..<count {
            let length = Int(try reader.word32(.imageLength, in: payload))
            try reader.hold(UInt64(length), in: 1...UInt64(reader.limits.maximumImage), .imageLength)
            _ = try reader.take(length, .images)
        }
        try reader.finish()
        bytes.append(block: payload.extracting(start..<reader.position))
    }

    /// Images of `news`: their number, and each behind its length, in as many bytes as these need.
    ///
    /// - Parameter following: the fewest bytes that the payload has behind them.
    init(
        shrunk reader: inout PayloadReader, following: Int, in payload: Span<UInt8>
    ) throws(FrameError) {
        let claimed = try reader.shrunk(.count, in: payload)
        let room = max(reader.remaining - following, 0)
        try reader.hold(claimed, in: 0...UInt64(room / 2), .count)
        count = Int(claimed)
        // What a few usual ones take, in one block.
        bytes.reserveCapacity(128 * min(count, 16))
        for _ in 0..<count {
            let length = try reader.shrunk(.imageLength, in: payload)
            try reader.hold(length, in: 1...UInt64(reader.limits.maximumImage), .imageLength)
            let start = try reader.take(Int(length), .images)
            bytes.append(number: UInt32(length))
            bytes.append(block: payload.extracting(start..<start + Int(length)))
        }
    }

    /// Appends them as `news` has them.
    func write(shrunk writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        output.append(shrunk: UInt64(count))
        let span = bytes.span
        var position = 0
        while position < span.count {
            let length = Int(span.word32(at: position))
            try writer.hold(UInt64(length), in: 1...UInt64(writer.limits.maximumImage), .imageLength)
            output.append(shrunk: UInt64(length))
            position += Images.prefixBytes
            output.append(block: span.extracting(position..<position + length))
            position += length
        }
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        output.append(number: UInt32(truncatingIfNeeded: count))
        // They may have been put together under the bounds of another link.
        let span = bytes.span
        var position = 0
        while position < span.count {
            let length = span.word32(at: position)
            try writer.hold(UInt64(length), in: 1...UInt64(writer.limits.maximumImage), .imageLength)
            position += Images.prefixBytes + Int(length)
        }
        output.append(contentsOf: bytes)
    }
}
