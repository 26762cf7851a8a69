import Foundation
import PresenceRESP
import Testing

/// Conversations made, broken and cut at random. `PRESENCE_FUZZ_SECONDS` makes the run as long as one likes, and
/// `PRESENCE_SEED` repeats the one that failed.
@Suite("No bytes break the reader")
struct FuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let firstSeed = environment["PRESENCE_SEED"].flatMap { UInt64($0) }
    private static let seconds = environment["PRESENCE_FUZZ_SECONDS"].flatMap { Double($0) }

    @Test("broken conversations are read as the plain model reads them, whole and in any pieces")
    func mutations() {
        let start = Self.firstSeed ?? .random(in: 0 ... .max / 2)
        let deadline = Self.seconds.map { Date(timeIntervalSinceNow: $0) }
        var rounds: UInt64 = 0
        repeat {
            let seed = start + rounds
            guard check(seed: seed) else { return }
            rounds += 1
            if Self.firstSeed != nil && deadline == nil { return }
        } while deadline.map { Date() < $0 } ?? (rounds < 3000)
    }

    /// Reads one conversation in three ways.
    private func check(seed: UInt64) -> Bool {
        var random = SplitMix64(state: seed)
        let bytes = conversation(&random)
        let whole = reading(bytes)
        let cuts = (0..<Int.random(in: 0...8, using: &random))
            .map { _ in Int.random(in: 0...bytes.count, using: &random) }
            .sorted()
        let pieces = reading(bytes, Delivery(cuts: cuts, compacts: Bool.random(using: &random)))
        let replay = "run again with PRESENCE_SEED=\(seed)"
        #expect(whole == ModelReader.read(bytes), "\(replay)")
        #expect(whole == pieces, "\(replay)")
        #expect(holdsBounds(bytes), "\(replay)")
        return whole == pieces
    }

    /// Whether every command lies within what was handed in, and its arguments within it and in order.
    private func holdsBounds(_ bytes: [UInt8]) -> Bool {
        var reader = RequestReader()
        var start = 0
        while true {
            switch reader.next(in: bytes.span, from: start) {
            case .command:
                guard reader.argumentCount > 0, reader.consumed > 0, start + reader.consumed <= bytes.count else {
                    return false
                }
                var behind = reader.isInlineDecoded ? 0 : start
                let end = reader.isInlineDecoded ? reader.inlineBytes.count : start + reader.consumed
                for index in 0..<reader.argumentCount {
                    let range = reader.argument(index)
                    guard range.lowerBound >= behind, range.upperBound <= end else { return false }
                    behind = range.upperBound
                }
                start += reader.consumed
            case .empty:
                guard reader.consumed > 0, start + reader.consumed <= bytes.count else { return false }
                start += reader.consumed
            case .incomplete, .failure:
                return reader.argumentCapacity <= 1024 && (0...65_536).contains(reader.bytesNeeded)
            }
        }
    }

    /// A few requests, most of them well-formed, with a few bytes changed, lost, added, or a piece repeated.
    private func conversation(_ random: inout SplitMix64) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            bytes += Bool.random(using: &random) ? command(&random) : corpus.randomElement(using: &random)?.bytes ?? []
        }
        for _ in 0..<[0, 0, 1, 1, 2, 5, 20].randomElement(using: &random, orElse: 0) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[at] = Self.telling.randomElement(using: &random, orElse: 0)
            case 1: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(Self.telling.randomElement(using: &random, orElse: 0), at: at)
            default: bytes.insert(contentsOf: bytes[at..<min(at + 12, bytes.count)], at: at)
            }
        }
        return bytes
    }

    private func command(_ random: inout SplitMix64) -> [UInt8] {
        encoded(
            (0..<Int.random(in: 1...6, using: &random)).map { _ in
                let length = [0, 1, 2, 9, 10, 36, 99, 100, 300].randomElement(using: &random, orElse: 0)
                return (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            })
    }

    /// Bytes that mean something to the protocol.
    private static let telling = Array("*$-+0129:\r\n\"' \\xn\t".utf8)
}

/// Steele, Lea and Flood's SplitMix64: a seed gives the same run on every machine.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

extension Array {
    fileprivate func randomElement(using random: inout SplitMix64, orElse fallback: Element) -> Element {
        randomElement(using: &random) ?? fallback
    }
}
