/// The name of a record while one operation looks for it: the caller's bytes, a packed form of them, and their hash.
///
/// User and session ids are UUIDs as a rule. In its canonical spelling (36 characters, lower case) one is kept as 16 bytes; any other bytes are kept
/// as they are, so that every id comes back exactly as it was given.
///
/// The pointer is valid only inside the `withUnsafeBytes` of the operation that made the key.
struct BytesKey {
    /// The longest id of a user or session: its length is one byte of a record.
    static let maximumIDLength = 255

    let bytes: UnsafeRawBufferPointer
    /// The sixteen bytes of a UUID; zero when `isPacked` is false.
    let first: UInt64
    let second: UInt64
    let isPacked: Bool

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        if bytes.count == PackedUUID.textLength, let packed = PackedUUID(text: bytes.baseAddress!) {
            first = packed.first
            second = packed.second
            isPacked = true
        } else {
            first = 0
            second = 0
            isPacked = false
        }
    }

    /// A key that was made before: of the same bytes, with the words that it was packed into.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, first: UInt64, second: UInt64, isPacked: Bool) {
        self.bytes = bytes
        self.first = first
        self.second = second
        self.isPacked = isPacked
    }

    /// A key as a record or an image stores it. Of a packed one the text is not at hand: it finds and names records, and no more.
    init(stored bytes: UnsafeRawBufferPointer, isPacked: Bool) {
        self.isPacked = isPacked
        self.bytes = isPacked ? UnsafeRawBufferPointer(start: nil, count: 0) : bytes
        first = isPacked ? bytes.loadUnaligned(as: UInt64.self) : 0
        second = isPacked ? bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self) : 0
    }

    /// A key that is never packed: the name of a string.
    init(verbatim bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        first = 0
        second = 0
        isPacked = false
    }

    /// The bytes that it takes in a record.
    var storedCount: Int { isPacked ? PackedUUID.packedLength : bytes.count }

    /// Whether the id stored at `address` is this one.
    @inline(__always)
    func matches(_ address: UnsafeRawPointer, storedCount: Int, isPacked: Bool) -> Bool {
        guard isPacked == self.isPacked else { return false }
        if isPacked {
            return address.loadUnaligned(as: UInt64.self) == first
                && address.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == second
        }
        return storedCount == bytes.count && BytesKey.equal(address, bytes.baseAddress, bytes.count)
    }

    /// Writes the stored form to `address`.
    func store(to address: UnsafeMutableRawPointer) {
        if isPacked {
            address.storeBytes(of: first, as: UInt64.self)
            address.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
        } else if bytes.count > 0 {
            address.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        }
    }

    /// Equality by eight bytes at a time, the last of which overlap those before; `memcmp` without leaving the module.
    @inline(__always)
    static func equal(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer?, _ count: Int) -> Bool {
        guard count > 0, let right else { return count == 0 }
        guard count >= 8 else { return equalShort(left, right, count) }
        var offset = 0
        while offset < count &- 8 {
            guard areSame(left, right, offset, as: UInt64.self) else { return false }
            offset &+= 8
        }
        return areSame(left, right, count &- 8, as: UInt64.self)
    }

    /// The same of one to seven bytes.
    @inline(__always)
    private static func equalShort(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Bool {
        if count >= 4 {
            return areSame(left, right, 0, as: UInt32.self) && areSame(left, right, count &- 4, as: UInt32.self)
        }
        return areSame(left, right, 0, as: UInt8.self) && areSame(left, right, count >> 1, as: UInt8.self)
            && areSame(left, right, count &- 1, as: UInt8.self)
    }

    @inline(__always)
    private static func areSame<Word: FixedWidthInteger & BitwiseCopyable>(
        _ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ offset: Int, as: Word.Type
    ) -> Bool {
        left.loadUnaligned(fromByteOffset: offset, as: Word.self)
            == right.loadUnaligned(fromByteOffset: offset, as: Word.self)
    }
}

/// A canonical UUID in sixteen bytes, both ways: read sixteen hexadecimal digits at a time, written eight.
struct PackedUUID {
    static let textLength = 36
    static let packedLength = 16

    let first: UInt64
    let second: UInt64

    init(first: UInt64, second: UInt64) {
        self.first = first
        self.second = second
    }

    /// Reads 36 characters; nil unless they are lower-case hexadecimal digits with dashes at 8, 13, 18 and 23.
    @inline(__always)
    init?(text: UnsafeRawPointer) {
        let dash = UInt8(ascii: "-")
        guard text.load(fromByteOffset: 8, as: UInt8.self) == dash,
            text.load(fromByteOffset: 13, as: UInt8.self) == dash,
            text.load(fromByteOffset: 18, as: UInt8.self) == dash,
            text.load(fromByteOffset: 23, as: UInt8.self) == dash
        else { return nil }
        let left = PackedUUID.decode(text.loadUnaligned(as: UInt64.self), PackedUUID.join(text, 9, 14))
        let right = PackedUUID.decode(
            PackedUUID.join(text, 19, 24), text.loadUnaligned(fromByteOffset: 28, as: UInt64.self))
        let faults = unsafeBitCast(left.faults | right.faults, to: SIMD2<UInt64>.self)
        guard faults.x | faults.y == 0 else { return nil }
        first = left.bytes
        second = right.bytes
    }

    /// Writes the 36 characters.
    func write(to text: UnsafeMutableRawPointer) {
        let dash = UInt8(ascii: "-")
        let b = PackedUUID.encode(first >> 32)
        let c = PackedUUID.encode(second)
        text.storeBytes(of: PackedUUID.encode(first), as: UInt64.self)
        text.storeBytes(of: dash, toByteOffset: 8, as: UInt8.self)
        text.storeBytes(of: UInt32(truncatingIfNeeded: b), toByteOffset: 9, as: UInt32.self)
        text.storeBytes(of: dash, toByteOffset: 13, as: UInt8.self)
        text.storeBytes(of: UInt32(truncatingIfNeeded: b >> 32), toByteOffset: 14, as: UInt32.self)
        text.storeBytes(of: dash, toByteOffset: 18, as: UInt8.self)
        text.storeBytes(of: UInt32(truncatingIfNeeded: c), toByteOffset: 19, as: UInt32.self)
        text.storeBytes(of: dash, toByteOffset: 23, as: UInt8.self)
        text.storeBytes(of: UInt32(truncatingIfNeeded: c >> 32), toByteOffset: 24, as: UInt32.self)
        text.storeBytes(of: PackedUUID.encode(second >> 32), toByteOffset: 28, as: UInt64.self)
    }

    @inline(__always)
    private static func join(_ text: UnsafeRawPointer, _ low: Int, _ high: Int) -> UInt64 {
        UInt64(text.loadUnaligned(fromByteOffset: low, as: UInt32.self))
            | UInt64(text.loadUnaligned(fromByteOffset: high, as: UInt32.self)) << 32
    }

    /// Sixteen digits, the first in the lowest byte, to their eight bytes, and what is wrong with each of them: 0 of a lower-case digit.
    @inline(__always)
    private static func decode(_ low: UInt64, _ high: UInt64) -> (bytes: UInt64, faults: SIMD16<UInt8>) {
        let digits = unsafeBitCast(SIMD2(low, high), to: SIMD16<UInt8>.self)
        let values = digits & SIMD16(repeating: 0x0f) &+ ifSet(digits &>> 6, SIMD16(repeating: 9))
        // Spelled again they must be the same characters: that is the whole test of validity.
        let letters = ifSet((values &+ SIMD16(repeating: 6)) &>> 4, SIMD16(repeating: 0x27))
        let spelled = values &+ SIMD16(repeating: 0x30) &+ letters
        let pairs = unsafeBitCast(values, to: SIMD8<UInt16>.self)
        let bytes = SIMD8<UInt8>(truncatingIfNeeded: pairs &<< 4 | pairs &>> 8)
        return (unsafeBitCast(bytes, to: UInt64.self), spelled ^ digits | values & SIMD16(repeating: 0xf0))
    }

    /// `value` where the lowest bit is set, else 0: comparisons of vectors would be loops.
    @inline(__always)
    private static func ifSet(_ bits: SIMD16<UInt8>, _ value: SIMD16<UInt8>) -> SIMD16<UInt8> {
        (SIMD16() &- (bits & SIMD16(repeating: 1))) & value
    }

    @inline(__always)
    private static func encode(_ bytes: UInt64) -> UInt64 {
        var pairs = bytes & 0xffff_ffff
        pairs = (pairs | pairs << 16) & 0x0000_ffff_0000_ffff
        pairs = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff
        return spell((pairs >> 4 | pairs << 8) & 0x0f0f_0f0f_0f0f_0f0f)
    }

    /// Eight values below 16 to their characters.
    @inline(__always)
    private static func spell(_ values: UInt64) -> UInt64 {
        let letters = ((values &+ 0x0606_0606_0606_0606) & 0x1010_1010_1010_1010) >> 4
        return values &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }
}
