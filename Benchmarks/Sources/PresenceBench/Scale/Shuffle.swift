/// The numbers below a count in an order that looks like chance, without a list of them.
struct Shuffle: Sendable {
    let count: Int
    private let mixer: BitMixer

    init(count: Int, seed: UInt64) {
        self.count = count
        mixer = BitMixer(bits: max(2, Int.bitWidth - (count - 1).leadingZeroBitCount), seed: seed)
    }

    /// The number at a place. The permutation is one of a power of two: whoever falls beyond the count goes on from there; less than two steps as a rule.
    @inline(__always)
    subscript(_ place: Int) -> Int {
        var word = UInt64(place)
        repeat { word = mixer.mixed(word) } while word >= UInt64(count)
        return Int(word)
    }

    /// Where a number stands.
    func place(of number: Int) -> Int {
        var word = UInt64(number)
        repeat { word = mixer.unmixed(word) } while word >= UInt64(count)
        return Int(word)
    }
}
