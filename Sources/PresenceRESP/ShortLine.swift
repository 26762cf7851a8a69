/// A well-formed line of one to three digits that lies whole in the bytes: nearly every line there is. Read as one
/// word, so that marker and line end are one comparison.
struct ShortLine {
    /// The largest number of three digits.
    static let maximum = 999

    var number: Int
    /// Bytes of the line with its marker and line end.
    var width: Int

    /// Needs eight bytes behind `line`. Nil too for a number with a leading zero, which is none.
    @inline(__always)
    init?(_ line: UnsafePointer<UInt8>, marker: UInt8) {
        let word = UInt64(littleEndian: UnsafeRawPointer(line).loadUnaligned(as: UInt64.self))
        let first = (word >> 8 & 0xFF) &- 0x30
        let second = (word >> 16 & 0xFF) &- 0x30
        if word & 0xFF_FF00_00FF == 0x0A_0D00_0000 | UInt64(marker) {
            guard first &- 1 <= 8, second <= 9 else { return nil }
            number = Int(truncatingIfNeeded: first &* 10 &+ second)
            width = 5
        } else if word & 0xFFFF_00FF == 0x0A0D_0000 | UInt64(marker) {
            guard first <= 9 else { return nil }
            number = Int(truncatingIfNeeded: first)
            width = 4
        } else {
            let third = (word >> 24 & 0xFF) &- 0x30
            guard word & 0xFFFF_0000_00FF == 0x0A0D_0000_0000 | UInt64(marker), first &- 1 <= 8, second <= 9,
                third <= 9
            else { return nil }
            number = Int(truncatingIfNeeded: (first &* 10 &+ second) &* 10 &+ third)
            width = 6
        }
    }
}
