/// A permutation of all numbers of so many bits that looks like chance, and can be undone: names are made of it, and orders.
///
/// Each step can be undone: a shift by at least half of the bits undoes itself, an odd factor has an inverse.
struct BitMixer: Sendable {
    private let mask: UInt64
    private let shift: UInt64
    private let factors: (UInt64, UInt64)
    private let inverses: (UInt64, UInt64)

    /// - Parameter seed: other seeds give other permutations.
    init(bits: Int, seed: UInt64) {
        precondition((1...63).contains(bits))
        mask = 1 << UInt64(bits) - 1
        shift = UInt64(bits + 1) / 2
        // Odd, and without a pattern in their bits.
        factors = (
            0x9E37_79B9_7F4A_7C15 &* (2 &* seed &+ 1), 0xC2B2_AE3D_27D4_EB4F &* (2 &* (seed >> 7) &+ 1)
        )
        inverses = (BitMixer.inverse(factors.0), BitMixer.inverse(factors.1))
    }

    @inline(__always)
    func mixed(_ number: UInt64) -> UInt64 { stirred(number, factors.0, factors.1) }

    func unmixed(_ number: UInt64) -> UInt64 { stirred(number, inverses.1, inverses.0) }

    @inline(__always)
    private func stirred(_ number: UInt64, _ first: UInt64, _ second: UInt64) -> UInt64 {
        var word = number
        word ^= word >> shift
        word = word &* first & mask
        word ^= word >> shift
        word = word &* second & mask
        return word ^ word >> shift
    }

    /// The number that an odd one must be multiplied by to give 1 modulo 2^64: each round of Newton's doubles the bits that are right.
    private static func inverse(_ factor: UInt64) -> UInt64 {
        var inverse = factor
        for _ in 0..<6 { inverse = inverse &* (2 &- factor &* inverse) }
        return inverse
    }
}
