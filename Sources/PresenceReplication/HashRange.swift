/// A part of the hash order: all hashes whose leading bits are those of its start.
public struct HashRange: Sendable, Hashable {
    /// Bytes on the wire.
    static let bytes = 9

    /// The first hash of the range; all but its leading `bits` bits are zero.
    public let start: UInt64
    /// How many leading bits are the same in the whole range: 0 (everything) to 64 (one hash).
    public let bits: UInt8

    /// All hashes.
    public static let everything = HashRange(containing: 0, bits: 0)

    /// The range of so many bits in which a hash lies.
    ///
    /// - Parameter bits: 0 to 64.
    public init(containing hash: UInt64, bits: UInt8) {
        precondition(bits <= 64, "a hash has 64 bits")
        start = hash & ~HashRange.below(bits)
        self.bits = bits
    }

    /// The last hash of the range.
    public var end: UInt64 { start | HashRange.below(bits) }

    /// Whether a hash lies in it.
    public func contains(_ hash: UInt64) -> Bool {
        (start...end).contains(hash)
    }

    /// The two halves, in order; nil if it is one hash.
    public var halves: (HashRange, HashRange)? {
        guard bits < 64 else { return nil }
        return (HashRange(containing: start, bits: bits + 1), HashRange(containing: end, bits: bits + 1))
    }

    /// The bits that a range of so many leading ones leaves open.
    private static func below(_ bits: UInt8) -> UInt64 {
        bits == 0 ? .max : 1 << (64 - UInt64(bits)) &- 1
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        start = try reader.word64(.rangeStart, in: bytes)
        bits = try reader.byte(.rangeBits, in: bytes)
        try reader.hold(UInt64(bits), in: 0...64, .rangeBits)
        // Another start would name the same range twice, or none.
        let first = start & ~HashRange.below(bits)
        try reader.hold(start, in: first...first, .rangeStart)
    }

    func write(to output: inout [UInt8]) {
        output.append(number: start)
        output.append(bits)
    }
}

/// What one range of the hash order comes to at the sender.
public struct RangeDigest: Sendable, Equatable {
    /// Bytes on the wire in a version.
    static func bytes(in version: UInt16) -> Int {
        HashRange.bytes + 8 + (version >= ProtocolVersions.countsInDigests ? 4 : 0)
    }

    /// On the wire, that the records were not counted.
    static let uncounted = UInt32.max

    /// The range.
    public let range: HashRange
    /// What its records come to: equal at two nodes that hold the same.
    public let digest: UInt64
    /// How many records it has; nil if the sender did not say. Version 1 does not say it.
    public let count: UInt32?

    /// What a range comes to.
    ///
    /// - Parameter count: held to what is below 2^32 - 1.
    public init(_ range: HashRange, digest: UInt64, count: UInt32?) {
        self.range = range
        self.digest = digest
        self.count = count.map { min($0, RangeDigest.uncounted - 1) }
    }

    static func read(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) -> [RangeDigest] {
        let size = RangeDigest.bytes(in: reader.version)
        let count = try reader.count(of: size, upTo: FrameLimits.ranges, in: bytes)
        var digests: [RangeDigest] = []
        digests.reserveCapacity(count)
        for _ in 0..<count {
            let range = try HashRange(&reader, in: bytes)
            let digest = try reader.word64(.digest, in: bytes)
            var records = RangeDigest.uncounted
            if reader.version >= ProtocolVersions.countsInDigests {
                records = try reader.word32(.rangeCount, in: bytes)
            }
            digests.append(
                RangeDigest(range, digest: digest, count: records == RangeDigest.uncounted ? nil : records))
        }
        return digests
    }

    static func write(
        _ digests: [RangeDigest], _ writer: PayloadWriter, to output: inout [UInt8]
    ) throws(FrameError) {
        try writer.count(digests.count, upTo: FrameLimits.ranges, to: &output)
        for digest in digests {
            digest.range.write(to: &output)
            output.append(number: digest.digest)
            if writer.version >= ProtocolVersions.countsInDigests {
                output.append(number: digest.count ?? RangeDigest.uncounted)
            }
        }
    }
}
