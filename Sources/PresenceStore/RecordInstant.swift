import Presence

/// Instants of a record: the low 40 bits of the milliseconds since 1970, five bytes.
///
/// Forty bits wrap every 34.8 years, next in September 2039. An instant is therefore read as the one nearest to a time that the reader gives, as TCP
/// reads its sequence numbers (RFC 1982): right for 17 years on either side of it.
enum RecordInstant {
    static let byteCount = 5
    /// How far from now an instant may lie when it is written, eight years and a half: as many are left until it could be misread.
    static let reach: Int64 = 1 << 38
    /// How far from now an instant may lie that somebody gives, in milliseconds: eight years. What nodes tell each other reaches farther, by more than their
    /// clocks differ.
    static let bound: Int64 = 2_922 * 86_400_000

    @inline(__always)
    static func load(_ address: UnsafeRawPointer, near now: Timestamp) -> Timestamp {
        let low = UInt64(address.loadUnaligned(as: UInt32.self))
        let high = UInt64(address.load(fromByteOffset: 4, as: UInt8.self))
        return instant(low | (high << 32), near: now)
    }

    /// How long ago the instant was, in milliseconds; negative if it is to come.
    @inline(__always)
    static func age(_ address: UnsafeRawPointer, at now: Timestamp) -> Int64 {
        now.milliseconds &- load(address, near: now).milliseconds
    }

    /// The instant that the low 40 of some bits stand for.
    @inline(__always)
    static func instant(_ bits: UInt64, near now: Timestamp) -> Timestamp {
        let distance = bits &- UInt64(bitPattern: now.milliseconds)
        let signed = Int64(bitPattern: distance &<< 24) &>> 24
        return Timestamp(milliseconds: now.milliseconds &+ signed)
    }

    /// The instant that the low 39 of some bits stand for, if it lies no more than two years ahead: right for 15 years before that.
    @inline(__always)
    static func pastInstant(_ bits: UInt64, near now: Timestamp) -> Timestamp {
        let latest = UInt64(bitPattern: now.milliseconds) &+ 1 << 36
        return Timestamp(milliseconds: Int64(bitPattern: latest &- (latest &- bits) & (1 << 39 - 1)))
    }

    @inline(__always)
    static func store(_ instant: Timestamp, to address: UnsafeMutableRawPointer) {
        let bits = UInt64(bitPattern: instant.milliseconds)
        address.storeBytes(of: UInt32(truncatingIfNeeded: bits), as: UInt32.self)
        address.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 32), toByteOffset: 4, as: UInt8.self)
    }
}
