import Presence
import PresenceTesting
import Testing

@testable import PresenceReplication

@Suite("What is written is read again, however the network cuts it")
struct RoundTripTests {
    @Test("each frame of the protocol's document", arguments: SampleFrames.all.indices)
    func samples(_ index: Int) throws {
        let sample = SampleFrames.all[index]
        let isGreeting = sample.frame.type.isGreeting
        let version = isGreeting ? nil : sample.version
        let bytes = try written([sample.frame], version: version)
        for cut in 0...bytes.count {
            let reading = reading(bytes, cuts: [cut], version: version)
            #expect(reading == Reading(frames: [sample.frame]), "cut at \(cut)")
        }
        #expect(reading(bytes, cuts: Array(0..<bytes.count), version: version).frames == [sample.frame])
    }

    @Test("there is a sample of every type")
    func everyType() {
        #expect(Set(SampleFrames.all.map(\.frame.type)) == Set(FrameType.allCases))
    }

    @Test("random links of all versions, from the greeting on, in random pieces")
    func links() throws {
        for seeded in SeededRandom.cases(400) {
            var random = seeded
            let version = UInt16.random(in: ProtocolVersions.spoken, using: &random)
            let made = RandomFrames(version: version, longest: random.pick([3, 20, 300]))
            var frames: [Frame] = [
                Bool.random(using: &random)
                    ? .hello(Hello(versions: 1...version, identity: made.identity(&random)))
                    : .welcome(Welcome(version: version, identity: made.identity(&random)))
            ]
            for _ in 0..<Int.random(in: 0...8, using: &random) { frames.append(made.frame(&random)) }
            let bytes = try written(frames, version: nil)
            let whole = reading(bytes, version: nil)
            #expect(whole == Reading(frames: frames), "\(seeded)")
            let count = Int.random(in: 1...20, using: &random)
            let places = cuts(count, of: bytes.count, &random)
            #expect(reading(bytes, cuts: places, version: nil) == whole, "\(seeded)")
            guard whole.frames == frames else { return }
        }
    }

    @Test("greetings")
    func greetings() throws {
        for seeded in SeededRandom.cases(300) {
            var random = seeded
            let frame = RandomFrames().greeting(&random)
            let bytes = try written([frame], version: nil)
            #expect(reading(bytes, version: nil) == Reading(frames: [frame]), "\(seeded)")
            #expect(bytes.count <= FrameLimits.header + FrameLimits.greetingPayload)
        }
    }

    @Test("a frame of the largest payload, in reads of 16 KiB")
    func largest() throws {
        let limits = FrameLimits()
        var images = Images()
        let image = [UInt8](repeating: 7, count: 65_536)
        while images.append(copy: image, limits: limits) == .added {}
        let rest = limits.imageRoom - images.byteCount - Images.prefixBytes
        let added = images.append(copy: Array(image[..<rest]), limits: limits)
        #expect(added == .added)
        let frame = Frame.records(
            RecordSlice(token: 1, range: .everything, isLast: false, done: 0, total: 0, images: images))
        let bytes = try written([frame])
        #expect(bytes.count == FrameLimits.header + limits.maximumPayload)
        let whole = reading(bytes, cuts: Array(stride(from: 16_384, to: bytes.count, by: 16_384)))
        #expect(whole == Reading(frames: [frame]))
        // Nothing more than the frame is kept while it comes, and little once it has come.
        #expect(whole.capacity <= bytes.count + bytes.count / 4)
        let changes = Frame.changes(Changes(shard: 0, before: 0, after: 0, images: images))
        #expect(try reading(written([changes])).frames == [changes])
    }

    @Test("numbers of frames go round, without zero")
    func sequence() throws {
        let last = FrameSequence(next: .max)
        var writer = FrameWriter(limits: FrameLimits(), sequence: last)
        writer.open(version: 2)
        var reader = FrameReader(limits: FrameLimits(), sequence: last)
        reader.open(version: 2)
        var bytes: [UInt8] = []
        for second in UInt32(0)..<3 { try writer.write(.drain(seconds: second), to: &bytes) }
        let claimed = (0..<3).map { Array(bytes[$0 * 20 + 8..<$0 * 20 + 12]) }
        #expect(claimed == [number(UInt32.max), number(UInt32(1)), number(UInt32(2))])
        var position = 0
        for second in UInt32(0)..<3 {
            let frame = try reader.next(of: bytes, from: &position)
            #expect(frame == .drain(seconds: second))
        }
    }

    @Test("a reader keeps little memory once a large frame has come")
    func retains() throws {
        var images = Images()
        for _ in 0..<10 {
            _ = images.append(copy: [UInt8](repeating: 1, count: 60_000))
        }
        let bytes = try written([.changes(Changes(shard: 0, before: 0, after: 1, images: images))])
        var reader = FrameReader()
        reader.open(version: 2)
        var position = 0
        let none = try reader.next(of: Array(bytes[..<1000]), from: &position)
        #expect(none == nil)
        #expect(position == 1000)
        #expect(reader.pendingBytes == 1000)
        #expect(reader.capacity < 4096)
        let one = try reader.next(of: bytes, from: &position)
        #expect(one != nil)
        #expect(reader.pendingBytes == 0)
        #expect(reader.capacity <= 65_536)
    }
}
