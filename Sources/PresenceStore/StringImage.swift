import Presence

/// A string, or its tombstone, in bytes, little endian: what nodes tell each other of it.
/// ```
///  0      1       2       10      18         22
/// +------+-------+-------+-------+----------+-----+-------+
/// | form | flags | stamp | end   | key size | key | value |     end: the first instant at which it is gone; the greatest number is never
/// | (2)  |       | 8 B   | 8 B   | 4 B      |     |       |     flag 1: the write changed the end alone
/// +------+-------+-------+-------+----------+-----+-------+
///
///  0      1       2       10      18         26
/// +------+-------+-------+-------+----------+
/// | form | flags | stamp | since | hash of  |                   flag 2: a tombstone; flag 4 with it: it ran out
/// | (2)  |       | 8 B   | 8 B   | the key  |
/// +------+-------+-------+-------+----------+
/// ```
/// Instants are in milliseconds since 1970. Nothing is copied or allocated to read it: key and value are places in the bytes.
struct StringImage: Equatable {
    static let form: UInt8 = 2
    /// Bytes before the key.
    static let headerBytes = 22

    enum Flag {
        static let isEndAlone: UInt8 = 1
        static let isTombstone: UInt8 = 2
        static let hasRunOut: UInt8 = 4
    }

    enum Content: Equatable {
        case string(end: Timestamp, isEndAlone: Bool, key: Range<Int>, value: Range<Int>)
        case tombstone(hash: UInt64, since: Timestamp, hasRunOut: Bool)
    }

    var stamp: Stamp
    var content: Content

    /// The latest instant at which something happened, by the clock of whoever wrote it down. An end that is set lies beyond.
    var latestInstant: Timestamp {
        guard case .tombstone(_, let since, _) = content else { return stamp.timestamp }
        return max(since, stamp.timestamp)
    }

    // MARK: Writing

    /// Appends the image of a string up to its key; key and value are to follow.
    static func appendHeader(
        stamp: Stamp, end: Timestamp, isEndAlone: Bool, keyCount: Int, to bytes: inout [UInt8]
    ) {
        begin(&bytes, isEndAlone ? Flag.isEndAlone : 0, stamp, end)
        append(UInt64(keyCount), 4, to: &bytes)
    }

    /// Appends the image of a tombstone.
    static func append(_ tombstone: Tombstone, hash: UInt64, to bytes: inout [UInt8]) {
        let flags = Flag.isTombstone | (tombstone.hasRunOut ? Flag.hasRunOut : 0)
        begin(&bytes, flags, tombstone.stamp, tombstone.since)
        append(hash, 8, to: &bytes)
    }

    private static func begin(_ bytes: inout [UInt8], _ flags: UInt8, _ stamp: Stamp, _ instant: Timestamp) {
        bytes.append(form)
        bytes.append(flags)
        append(stamp.rawValue, 8, to: &bytes)
        append(UInt64(bitPattern: instant.milliseconds), 8, to: &bytes)
    }

    private static func append(_ value: UInt64, _ count: UInt64, to bytes: inout [UInt8]) {
        for place in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * place))) }
    }

    // MARK: Reading

    /// Reads an image whose first byte says that it is one.
    ///
    /// - Throws: `malformed`, with the offset at which that was seen.
    init(_ bytes: Span<UInt8>) throws(MergeError) {
        guard bytes.count > 0 else { throw .malformed(offset: 0) }
        guard bytes[0] == StringImage.form else { throw .unknownForm(bytes[0]) }
        guard bytes.count >= 2 else { throw .malformed(offset: 1) }
        let flags = bytes[1]
        stamp = Stamp(rawValue: try StringImage.number(8, bytes, 2))
        // Node 0 is time itself, which writes no strings.
        guard stamp.node != 0 else { throw .malformed(offset: 2) }
        let milliseconds = Int64(bitPattern: try StringImage.number(8, bytes, 10))
        guard milliseconds >= 0 else { throw .malformed(offset: 10) }
        let instant = Timestamp(milliseconds: milliseconds)
        if flags & Flag.isTombstone != 0 {
            guard flags & ~Flag.hasRunOut == Flag.isTombstone else { throw .malformed(offset: 1) }
            let hash = try StringImage.number(8, bytes, 18)
            guard bytes.count == 26 else { throw .malformed(offset: 26) }
            content = .tombstone(hash: hash, since: instant, hasRunOut: flags & Flag.hasRunOut != 0)
        } else {
            guard flags & ~Flag.isEndAlone == 0 else { throw .malformed(offset: 1) }
            let keyCount = Int(try StringImage.number(4, bytes, 18))
            let rest = bytes.count - StringImage.headerBytes
            guard keyCount <= rest, rest <= StringRecord.maximumByteCount else { throw .malformed(offset: 18) }
            let valueStart = StringImage.headerBytes + keyCount
            content = .string(
                end: instant, isEndAlone: flags & Flag.isEndAlone != 0,
                key: StringImage.headerBytes..<valueStart, value: valueStart..<bytes.count)
        }
    }

    private static func number(_ count: Int, _ bytes: Span<UInt8>, _ place: Int) throws(MergeError) -> UInt64 {
        guard bytes.count - place >= count else { throw .malformed(offset: place) }
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(bytes[place + index]) << (8 * UInt64(index)) }
        return value
    }
}
