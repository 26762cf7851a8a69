import PresenceRESP

/// A keyword or command name, folded to upper case and packed into three machine words: compared and looked up without a `String`.
///
/// ```
///  first (8 bytes)   second (8 bytes)   third (7 bytes, then the length)
/// +-----------------+------------------+-----------------------+---+
/// | P R E S E N C E | . C O N N E C T  | 0 0 0 0 0 0 0         | 16|
/// +-----------------+------------------+-----------------------+---+
/// ```
/// Words of more than 23 bytes are all ``none``: no keyword is that long. The length is part of the value, so a name that ends in zero
/// bytes is not taken for the shorter one.
struct Word: Hashable, Sendable, ExpressibleByStringLiteral {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var third: UInt64 = 0

    /// The longest word that can be told from others.
    static let maximumLength = 23

    /// What no keyword equals.
    static let none = Word()

    private init() {}

    /// The word in `range` of `bytes`.
    @inline(__always)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        let count = range.upperBound &- range.lowerBound
        guard count <= Word.maximumLength else { return }
        first = Word.fold(bytes.word(at: range.lowerBound, count: min(count, 8)))
        if count > 8 {
            second = Word.fold(bytes.word(at: range.lowerBound &+ 8, count: min(count &- 8, 8)))
            if count > 16 {
                third = Word.fold(bytes.word(at: range.lowerBound &+ 16, count: count &- 16))
            }
        }
        third |= UInt64(UInt8(truncatingIfNeeded: count)) << 56
    }

    /// The word that `text` spells.
    init(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span, 0..<bytes.count)
    }

    /// Computed by the compiler: the bytes of a literal are constants, and so is what becomes of them.
    @inline(__always)
    init(stringLiteral value: StaticString) {
        let count = value.utf8CodeUnitCount
        guard count <= Word.maximumLength else { return }
        for index in 0..<min(count, 8) { first |= Word.letter(value, index) &<< UInt64(index &* 8) }
        if count > 8 {
            for index in 8..<min(count, 16) { second |= Word.letter(value, index) &<< UInt64((index &- 8) &* 8) }
        }
        if count > 16 {
            for index in 16..<count { third |= Word.letter(value, index) &<< UInt64((index &- 16) &* 8) }
        }
        first = Word.fold(first)
        second = Word.fold(second)
        third = Word.fold(third) | UInt64(UInt8(truncatingIfNeeded: count)) << 56
    }

    @inline(__always)
    private static func letter(_ text: StaticString, _ index: Int) -> UInt64 { UInt64(text.utf8Start[index]) }

    /// Spreads the words over a table. Names differ in few bits, hence the multiplications.
    @inline(__always)
    var hash: UInt64 {
        let mixed =
            (first &* 0x9e37_79b9_7f4a_7c15) ^ (second &* 0xd6e8_feb8_6659_fd93) ^ (third &* 0xa076_1d64_78bd_642f)
        return mixed ^ (mixed >> 29)
    }

    /// Upper case of eight ASCII bytes at once; other bytes are left as they are.
    @inline(__always)
    private static func fold(_ word: UInt64) -> UInt64 {
        let low = word & 0x7f7f_7f7f_7f7f_7f7f
        let fromA = low &+ 0x1f1f_1f1f_1f1f_1f1f
        let pastZ = low &+ 0x0505_0505_0505_0505
        let lower = (fromA ^ pastZ) & ~word & 0x8080_8080_8080_8080
        return word ^ (lower &>> 2)
    }
}
