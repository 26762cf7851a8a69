import Foundation
import PresenceTesting
import Testing

@testable import PresenceReplication

/// Links made, broken and cut at random. `PRESENCE_FUZZ_SECONDS` makes the run as long as one likes, and `PRESENCE_SEED` repeats the one that failed.
@Suite("No bytes break the reader of frames")
struct FrameFuzzTests {
    private static let seconds = ProcessInfo.processInfo.environment["PRESENCE_FUZZ_SECONDS"].flatMap { Double($0) }

    @Test(
        "broken links, from the greeting on or open, are read alike in any pieces, within bounds, and written back as they were"
    )
    func mutations() throws {
        let corpus = try FrameCorpus.read()
        for random in SeededRandom.cases(2000) {
            guard try check(random, corpus) else { return }
        }
        guard let seconds = Self.seconds else { return }
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            guard try check(SeededRandom.fromEnvironment(), corpus) else { return }
        }
    }

    private func check(_ seeded: SeededRandom, _ corpus: [FrameCorpus]) throws -> Bool {
        var random = seeded
        let limits = random.chance(oneIn: 4) ? FrameLimits(maximumPayload: 65_536, maximumImage: 64) : FrameLimits()
        let version = random.pick([nil, 1, 2, 3] as [UInt16?])
        let bytes = try broken(link(version, corpus, &random), &random)
        let whole = reading(bytes, version: version, limits: limits)
        let count = random.pick([0, 1, 3, 20])
        let pieces = reading(bytes, cuts: cuts(count, of: bytes.count, &random), version: version, limits: limits)
        let bytewise = reading(bytes, cuts: Array(0..<bytes.count), version: version, limits: limits)
        // Memory is only for what has come: twice as much at most, and up to a quarter more where an allocator rounds up to a class of sizes.
        let most = (2 * bytes.count + 64) * 5 / 4 + 64
        let capacity = max(whole.capacity, pieces.capacity, bytewise.capacity)
        let isBounded = capacity <= most
        let isBack = isWrittenBack(whole, bytes, version, limits)
        #expect(whole == pieces, "\(seeded)")
        #expect(whole == bytewise, "\(seeded)")
        #expect(isBounded, "\(seeded): \(capacity) bytes kept of \(bytes.count), which is more than \(most)")
        #expect(isBack, "\(seeded)")
        return whole == pieces && whole == bytewise && isBounded && isBack
    }

    /// Whether what was read gives the same bytes when it is written: there is one way to say each thing.
    private func isWrittenBack(
        _ reading: Reading, _ bytes: [UInt8], _ version: UInt16?, _ limits: FrameLimits
    ) -> Bool {
        // Frames that were skipped are not there to be written.
        guard reading.skipped == 0 else { return true }
        guard let back = try? written(reading.frames, version: version, limits: limits) else { return false }
        return bytes.starts(with: back)
    }

    /// A whole link of a few frames, or one of the corpus.
    private func link(_ version: UInt16?, _ corpus: [FrameCorpus], _ random: inout SeededRandom) throws -> [UInt8] {
        if random.chance(oneIn: 5) { return random.pick(corpus).bytes }
        let made = RandomFrames(version: version ?? 1, longest: random.pick([2, 10, 40]))
        var frames: [Frame] = version == nil ? [made.greeting(&random)] : []
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            if case .refuse = frames.last { break }
            if case .welcome(let welcome) = frames.last, !ProtocolVersions.spoken.contains(welcome.version) { break }
            if case .hello(let hello) = frames.last, !ProtocolVersions.spoken.overlaps(hello.versions) { break }
            frames.append(made.frame(&random))
        }
        return try written(frames, version: version)
    }

    /// Bytes with a few changed, lost, added or repeated; half of the time every frame gets a checksum that fits, so that what lies behind it is reached.
    private func broken(_ whole: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = whole
        for _ in 0..<random.pick([0, 1, 1, 2, 5, 20]) where !bytes.isEmpty {
            let near = Bool.random(using: &random) ? min(bytes.count, 64) : bytes.count
            let at = Int.random(in: 0..<near, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[at] = random.pick([0, 1, 4, 63, 64, 65, 127, 128, 254, 255])
            case 1: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 3: bytes.remove(at: at)
            case 4: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: at)
            default: bytes.insert(contentsOf: bytes[at..<min(at + 24, bytes.count)], at: at)
            }
        }
        if Bool.random(using: &random) { seal(&bytes) }
        return bytes
    }

    private func seal(_ bytes: inout [UInt8]) {
        var start = 0
        while bytes.count - start >= 16 {
            let length = Int(bytes[start]) | Int(bytes[start + 1]) << 8 | Int(bytes[start + 2]) << 16
            guard bytes[start + 3] == 0, start + 16 + length <= bytes.count else { return }
            let end = start + 16 + length
            bytes.overwrite(CRC32C.ofFrame(bytes.span, start..<end), at: start + 12)
            start = end
        }
    }
}
