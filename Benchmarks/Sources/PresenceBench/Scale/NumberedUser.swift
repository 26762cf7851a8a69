/// Users by number: the UUID and the session of a user follow from his number, and the number from the UUID, so that
/// nobody needs to keep 30 million names.
///
///     7c0de1a4-93f0-4b1d-52c8-0e9a61d3f7b5      session: conn 16 digits
///     `--+---´ `-------- 22 digits -------´
///     the number, permuted     follow from it
enum NumberedUser {
    static let userLength = 36
    static let sessionLength = 20
    static let userForm = "00000000-0000-4000-0000-000000000000"
    static let sessionForm = "conn0000000000000000"

    private static let mixer = BitMixer(bits: 32, seed: 11)

    /// Writes the UUID over one that has its dashes already.
    @inline(__always)
    static func writeUser(_ number: Int, to place: UnsafeMutableRawPointer) {
        let first = mixer.mixed(UInt64(number))
        let (middle, end) = words(first)
        place.storeBytes(of: digits(UInt32(truncatingIfNeeded: first)), as: UInt64.self)
        let inner = digits(UInt32(truncatingIfNeeded: middle))
        place.storeBytes(of: UInt32(truncatingIfNeeded: inner), toByteOffset: 9, as: UInt32.self)
        // Three digits, and the dash that the fourth stood on.
        let third = UInt32(truncatingIfNeeded: inner >> 32) & 0x00FF_FFFF | 0x2D00_0000
        place.storeBytes(of: third, toByteOffset: 15, as: UInt32.self)
        let outer = digits(UInt32(truncatingIfNeeded: middle >> 32))
        place.storeBytes(of: UInt32(truncatingIfNeeded: outer), toByteOffset: 19, as: UInt32.self)
        place.storeBytes(of: UInt32(truncatingIfNeeded: outer >> 32), toByteOffset: 32, as: UInt32.self)
        place.storeBytes(of: digits(UInt32(truncatingIfNeeded: end)), toByteOffset: 24, as: UInt64.self)
    }

    /// Writes the session over one that has its letters already.
    @inline(__always)
    static func writeSession(_ number: Int, to place: UnsafeMutableRawPointer) {
        let word = words(mixer.mixed(UInt64(number))).1
        place.storeBytes(of: digits(UInt32(truncatingIfNeeded: word >> 32)), toByteOffset: 4, as: UInt64.self)
        place.storeBytes(of: digits(UInt32(truncatingIfNeeded: word >> 16)), toByteOffset: 12, as: UInt64.self)
    }

    /// The number of the user whose UUID stands there; nil if it is none of ours.
    static func number(at place: UnsafeRawPointer) -> Int? {
        var first: UInt64 = 0
        for index in 0..<8 {
            guard let digit = Character(UnicodeScalar(place.load(fromByteOffset: index, as: UInt8.self))).hexDigitValue
            else { return nil }
            first |= UInt64(digit) << UInt64(4 * index)
        }
        let number = Int(mixer.unmixed(first))
        let isWhole = withBytes(number) { user in
            (0..<userLength).allSatisfy { user[$0] == place.load(fromByteOffset: $0, as: UInt8.self) }
        }
        return isWhole ? number : nil
    }

    static func user(_ number: Int) -> String { withBytes(number) { String(decoding: $0, as: UTF8.self) } }

    static func key(_ number: Int) -> String { Heartbeat.key(user(number)) }

    private static func withBytes<Result>(_ number: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var bytes = Array(userForm.utf8)
        return bytes.withUnsafeMutableBytes { bytes in
            writeUser(number, to: bytes.baseAddress!)
            return body(UnsafeRawBufferPointer(bytes))
        }
    }

    @inline(__always)
    private static func words(_ first: UInt64) -> (UInt64, UInt64) {
        var word = (first &+ 0x51ED_270B) &* 0xA24B_AED4_963E_E407
        word ^= word >> 29
        let middle = word &* 0x9FB2_1C65_1E98_DF25
        let end = (middle ^ middle >> 31) &* 0xD6E8_FEB8_6659_FD93
        return (middle ^ middle >> 32, end ^ end >> 32)
    }

    /// Eight hexadecimal digits in ASCII, that of the lowest four bits first in memory.
    @inline(__always)
    private static func digits(_ word: UInt32) -> UInt64 {
        // The eight fours of bits are set apart, one a byte; those above 9 lie 39 further on in ASCII.
        var spread = UInt64(word)
        spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
        spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
        spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F
        let isLetter = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ isLetter &* 39
    }
}
