import Presence

/// What happened in a life, as a number: of all that nodes were sent, byte for byte, when and by whom, of every change that they announced, and of what went
/// wrong. The same seed gives the same one.
struct Trace: Hashable, CustomStringConvertible {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    var description: String { "0x" + String(value, radix: 16) }

    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
        // A product moves no bit down.
        value ^= value >> 29
    }

    mutating func add(_ number: Int64) { add(UInt64(bitPattern: number)) }

    mutating func add(_ bytes: some Sequence<UInt8>) {
        var word: UInt64 = 0
        var count: UInt64 = 0
        for byte in bytes {
            word = word << 8 | UInt64(byte)
            count += 1
            if count % 8 == 0 { add(word) }
        }
        add(word)
        add(count)
    }

    /// A change that a node announced.
    mutating func add(_ change: StatusChange, by node: Int) {
        add(Int64(node))
        add(change.userID)
        add(UInt64(change.old.rawValue) << 8 | UInt64(change.new.rawValue))
        add(change.version.rawValue)
    }
}
