import Foundation
import PresenceRESP
import PresenceTesting
import Testing

/// Conversations made, broken and cut at random. `PRESENCE_FUZZ_SECONDS` makes the run as long as one likes, and
/// `PRESENCE_SEED` repeats the one that failed.
@Suite("No bytes break the reader")
struct FuzzTests {
    private static let seconds = ProcessInfo.processInfo.environment["PRESENCE_FUZZ_SECONDS"].flatMap { Double($0) }

    @Test("broken conversations are read as the plain model reads them, whole and in any pieces")
    func mutations() {
        for random in SeededRandom.cases(3000) {
            guard check(random) else { return }
        }
        guard let seconds = Self.seconds else { return }
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            guard check(SeededRandom.fromEnvironment()) else { return }
        }
    }

    /// Reads one conversation whole, in pieces and with the model.
    private func check(_ seeded: SeededRandom) -> Bool {
        var random = seeded
        let bytes = conversation(&random)
        let whole = reading(bytes)
        let cuts = (0..<Int.random(in: 0...8, using: &random))
            .map { _ in Int.random(in: 0...bytes.count, using: &random) }
            .sorted()
        let pieces = reading(bytes, Delivery(cuts: cuts, compacts: Bool.random(using: &random)))
        let model = ModelReader.read(bytes)
        let isBounded = holdsBounds(bytes)
        let isForeseen = foresees(bytes)
        #expect(whole == model, "\(seeded)")
        #expect(whole == pieces, "\(seeded)")
        #expect(isBounded, "\(seeded)")
        #expect(isForeseen, "\(seeded)")
        return whole == model && whole == pieces && isBounded && isForeseen
    }

    /// Whether what is said of commands that were read together is what is handed out, and the same as if each were read by itself.
    private func foresees(_ bytes: [UInt8]) -> Bool {
        var reader = RequestReader()
        var start = 0
        var foreseen: [[Range<Int>]] = []
        while reader.next(in: bytes.span, from: start) == .command {
            if reader.commandsRead > 0 {
                guard foreseen.isEmpty else { return false }
                foreseen = (0..<reader.commandsRead).map { [reader.command($0).name, reader.command($0).argument] }
            }
            let argument = reader.argumentCount > 1 ? reader.argument(1) : 0..<0
            guard !foreseen.isEmpty, foreseen.removeFirst() == [reader.argument(0), argument] else { return false }
            var alone = RequestReader()
            let command = Array(bytes[start..<start + reader.consumed])
            guard alone.next(in: command.span, from: 0) == .command, alone.consumed == reader.consumed,
                alone.argumentCount == reader.argumentCount
            else { return false }
            start += reader.consumed
        }
        return true
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
    private func conversation(_ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            bytes += Bool.random(using: &random) ? command(&random) : random.pick(corpus).bytes
        }
        for _ in 0..<random.pick([0, 0, 1, 1, 2, 5, 20]) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[at] = random.pick(Self.telling)
            case 1: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(random.pick(Self.telling), at: at)
            default: bytes.insert(contentsOf: bytes[at..<min(at + 12, bytes.count)], at: at)
            }
        }
        return bytes
    }

    private func command(_ random: inout SeededRandom) -> [UInt8] {
        encoded(
            (0..<Int.random(in: 1...6, using: &random)).map { _ in
                let length = random.pick([0, 1, 2, 9, 10, 36, 99, 100, 300])
                return random.bytes(length...length)
            })
    }

    /// Bytes that mean something to the protocol.
    private static let telling = Array("*$-+0129:\r\n\"' \\xn\t".utf8)
}
