import Presence
import PresenceTesting
import Testing

@testable import PresenceReplication

@Suite("Images lie one behind the other, and ranges within one another")
struct ListTests {
    private func all(_ images: Images) -> [[UInt8]] {
        var all: [[UInt8]] = []
        images.forEach { image in
            var copy: [UInt8] = []
            copy.append(block: image)
            all.append(copy)
        }
        return all
    }

    @Test("images come out as they went in")
    func images() {
        for seeded in SeededRandom.cases(100) {
            var random = seeded
            var images = Images()
            var model: [[UInt8]] = []
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let image = random.bytes(0...30)
                let added = images.append(copy: image)
                #expect(added == (image.isEmpty ? .outOfBounds : .added), "\(seeded)")
                if !image.isEmpty { model.append(image) }
            }
            #expect(all(images) == model, "\(seeded)")
            #expect(images.count == model.count)
            #expect(images.byteCount == model.reduce(0) { $0 + $1.count + Images.prefixBytes })
        }
    }

    @Test("an image that is made in place is taken back if it does not fit")
    func inPlace() {
        let limits = FrameLimits(maximumPayload: 65_536, maximumImage: 30_000)
        var images = Images()
        let made = [30_000, 30_001, 30_000, 30_000].map { count in
            images.append(limits: limits) { output in output += [UInt8](repeating: 1, count: count) }
        }
        #expect(made == [.added, .outOfBounds, .added, .full])
        #expect(images.count == 2)
        #expect(images.byteCount == 60_008)
        let nothing = images.append(limits: limits) { _ in }
        #expect(nothing == .outOfBounds)
        #expect(all(images).map(\.count) == [30_000, 30_000])
    }

    @Test("who goes through images may stop with an error")
    func stops() {
        struct Enough: Error {}
        var seen = 0
        #expect(throws: Enough.self) {
            try SampleFrames.images([1], [2], [3]).forEach { (_: Span<UInt8>) throws(Enough) in
                seen += 1
                if seen == 2 { throw Enough() }
            }
        }
        #expect(seen == 2)
    }

    @Test("a range holds the hashes with its leading bits")
    func ranges() {
        #expect(HashRange.everything.start == 0)
        #expect(HashRange.everything.end == .max)
        #expect(SampleFrames.quarter.start == 0x4000_0000_0000_0000)
        #expect(SampleFrames.quarter.end == 0x7FFF_FFFF_FFFF_FFFF)
        let one = HashRange(containing: 77, bits: 64)
        #expect(one.start == 77 && one.end == 77 && one.halves == nil)
        for seeded in SeededRandom.cases(200) {
            var random = seeded
            let hash = random.next()
            let range = HashRange(containing: hash, bits: UInt8.random(in: 0...63, using: &random))
            #expect(range.contains(hash), "\(seeded)")
            guard let (low, high) = range.halves else {
                Issue.record("\(range) has no halves")
                return
            }
            #expect(low.start == range.start && high.end == range.end && low.end + 1 == high.start, "\(seeded)")
            #expect(low.contains(hash) != high.contains(hash), "\(seeded)")
        }
    }

    @Test("ages and counts that are too large are the largest")
    func saturated() {
        let beat = Beat(user: 1, session: 2, heartbeatAge: .max, activityAge: .max)
        #expect(beat.heartbeatAge == .max - 1 && beat.activityAge == .max - 1)
        #expect(RangeDigest(.everything, digest: 0, count: .max).count == UInt32.max - 1)
    }
}
