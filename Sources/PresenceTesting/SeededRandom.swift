#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Random numbers that can be had again: the same seed gives the same numbers, on every machine, for good.
///
/// A property test runs many cases, each with a generator of its own, and shows the generator when one fails. Its text
/// is what to set to run that case alone:
///
///     for var random in SeededRandom.cases(2_000) {
///         let facts = randomFacts(&random)
///         #expect(holds(facts), "\(random)")          // ... PRESENCE_SEED=6148914691236517205
///     }
///
/// The numbers are those of xoshiro256** by David Blackman and Sebastiano Vigna (https://prng.di.unimi.it), its state
/// filled from the seed by SplitMix64, as its authors advise. They are not for secrets. Constant time, no allocation.
public struct SeededRandom: RandomNumberGenerator, Sendable, CustomStringConvertible {
    /// The environment variable that names the seed to run again: decimal, or hexadecimal after `0x`.
    public static let environmentVariable = "PRESENCE_SEED"

    /// The environment variable from whose number the seeds of all cases follow, written like a seed: with it the same tests run again on the same
    /// cases, as they should where a change is judged. Without it every run has new ones.
    public static let originVariable = "PRESENCE_SEEDS"

    /// What all numbers follow from.
    public let seed: UInt64

    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// The generator of a seed.
    public init(seed: UInt64) {
        self.seed = seed
        var filler = seed
        state = (
            SeededRandom.splitMix(&filler), SeededRandom.splitMix(&filler), SeededRandom.splitMix(&filler),
            SeededRandom.splitMix(&filler)
        )
    }

    /// The generator of the seed in `PRESENCE_SEED`, the first one of `PRESENCE_SEEDS`, or one of a new seed if neither is set.
    public static func fromEnvironment() -> SeededRandom { cases(1)[0] }

    /// One generator for each case of a property; only that of `PRESENCE_SEED` if it is set, and always the same ones if `PRESENCE_SEEDS` is.
    ///
    /// - Parameter count: how many cases.
    public static func cases(_ count: Int) -> [SeededRandom] {
        if let seed = number(of: environmentVariable) { return [SeededRandom(seed: seed)] }
        if let origin = number(of: originVariable) {
            var seeds = SeededRandom(seed: origin)
            return (0..<count).map { _ in SeededRandom(seed: seeds.next()) }
        }
        var seeds = SystemRandomNumberGenerator()
        return (0..<count).map { _ in SeededRandom(seed: seeds.next()) }
    }

    /// What to set to have these numbers again: `PRESENCE_SEED=` and the seed.
    public var description: String { "\(SeededRandom.environmentVariable)=\(seed)" }

    /// The next number, all 64 bits random.
    public mutating func next() -> UInt64 {
        let result = SeededRandom.rotate(state.1 &* 5, by: 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = SeededRandom.rotate(state.3, by: 45)
        return result
    }

    /// True once in so many times on average.
    public mutating func chance(oneIn count: Int) -> Bool {
        Int.random(in: 0..<max(count, 1), using: &self) == 0
    }

    /// One of the elements.
    ///
    /// - Parameter elements: must not be empty.
    public mutating func pick<Elements: Collection>(_ elements: Elements) -> Elements.Element {
        precondition(!elements.isEmpty, "there is nothing to pick from")
        let offset = Int.random(in: 0..<elements.count, using: &self)
        return elements[elements.index(elements.startIndex, offsetBy: offset)]
    }

    /// Bytes of any value.
    ///
    /// - Parameter lengths: the shortest and the longest count.
    public mutating func bytes(_ lengths: ClosedRange<Int>) -> [UInt8] {
        let count = Int.random(in: lengths, using: &self)
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }

    private static func number(of variable: String) -> UInt64? {
        guard let value = getenv(variable) else { return nil }
        let text = String(cString: value)
        let number = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
        precondition(number != nil, "\(variable) is \(text), not a number of 64 bits")
        return number
    }

    private static func rotate(_ word: UInt64, by bits: UInt64) -> UInt64 {
        word << bits | word >> (64 - bits)
    }

    private static func splitMix(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
