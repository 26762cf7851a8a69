import Presence
import Testing

@testable import PresenceReplication

@Suite("Two nodes agree on a version, and the previous one keeps working")
struct VersionTests {
    private let digest = Frame.digest([RangeDigest(SampleFrames.quarter, digest: 9, count: 1000)])
    private let uncounted = Frame.digest([RangeDigest(SampleFrames.quarter, digest: 9, count: nil)])

    @Test("the highest that both speak")
    func common() throws {
        let cases: [(ClosedRange<UInt16>, ClosedRange<UInt16>, UInt16)] = [
            (1...2, 1...2, 2), (1...2, 1...1, 1), (1...1, 1...2, 1), (2...3, 1...2, 2), (1...9, 4...5, 5),
            (7...7, 1...7, 7), (1...3, 1...2, 2),
        ]
        for (ours, theirs, version) in cases {
            #expect(try ProtocolVersions.negotiate(ours: ours, theirs: theirs) == version)
            #expect(try ProtocolVersions.negotiate(ours: theirs, theirs: ours) == version)
        }
    }

    @Test("ranges that do not meet are refused with both named, and who is to be upgraded")
    func refused() {
        let newer = Refusal(
            .versions,
            "the answering node speaks protocol versions 1 to 2, the dialing node 3 to 4; upgrade the answering node")
        #expect(throws: newer) { _ = try ProtocolVersions.negotiate(ours: 1...2, theirs: 3...4) }
        let older = Refusal(
            .versions,
            "the answering node speaks protocol versions 3 to 4, the dialing node 1 to 2; upgrade the dialing node")
        #expect(throws: older) { _ = try ProtocolVersions.negotiate(ours: 3...4, theirs: 1...2) }
    }

    /// A node of a release that speaks certain versions.
    private struct Node: ~Copyable {
        var writer = FrameWriter()
        var reader = FrameReader()

        mutating func open(_ version: UInt16) {
            writer.open(version: version)
            reader.open(version: version)
        }
    }

    @Test("a node of the previous release and one of this, whoever dials", arguments: [true, false])
    func rolling(_ newDials: Bool) throws {
        let versions: [ClosedRange<UInt16>] = newDials ? [1...2, 1...1] : [1...1, 1...2]
        var dialer = Node()
        var listener = Node()
        var (there, back): ([UInt8], [UInt8]) = ([], [])
        var (read, answered) = (0, 0)
        try dialer.writer.write(
            .hello(Hello(versions: versions[0], identity: SampleFrames.alpha)), to: &there)
        guard case .hello(let hello) = try listener.reader.next(of: there, from: &read) else {
            Issue.record("no hello")
            return
        }
        let version = try hello.version(
            answeredBy: SampleFrames.beta, speaking: versions[1], maximumClockOffset: 0, delayMilliseconds: 0)
        #expect(version == 1)
        try listener.writer.write(.welcome(Welcome(version: version, identity: SampleFrames.beta)), to: &back)
        listener.open(version)
        guard case .welcome(let welcome) = try dialer.reader.next(of: back, from: &answered) else {
            Issue.record("no welcome")
            return
        }
        let agreed = try welcome.version(
            answering: hello, at: SampleFrames.clock, maximumClockOffset: 0, delayMilliseconds: 0)
        dialer.open(agreed)
        // Digests pass both ways; what version 1 cannot say is not said.
        try dialer.writer.write(digest, to: &there)
        let arrived = try listener.reader.next(of: there, from: &read)
        #expect(arrived == uncounted)
        try listener.writer.write(digest, to: &back)
        let returned = try dialer.reader.next(of: back, from: &answered)
        #expect(returned == uncounted)
    }

    @Test("a digest has 17 bytes an entry in version 1 and 21 in version 2")
    func digests() throws {
        let (first, second) = (try written([digest], version: 1), try written([digest], version: 2))
        #expect(first.count == 16 + 2 + 17)
        #expect(second.count == 16 + 2 + 21)
        #expect(reading(first, version: 1).frames == [uncounted])
        #expect(reading(second, version: 2).frames == [digest])
        // What was not counted stays so in version 2.
        #expect(try reading(written([uncounted])).frames == [uncounted])
    }

    @Test("a digest of the other version ends the link")
    func mixed() throws {
        let (first, second) = (try written([digest], version: 1), try written([digest], version: 2))
        #expect(reading(first, version: 2).failure == .lengthOutOfBounds(type: 9, length: 19, allowed: 23...21_506))
        #expect(reading(second, version: 1).failure == .trailingBytes(type: .digest, count: 4))
    }

    @Test("there is news from version 3 on, and not before", arguments: [1, 2] as [UInt16])
    func news(_ version: UInt16) throws {
        let news = Frame.news([Changes(shard: 1, before: 2, after: 3)])
        #expect(reading(try written([news])).frames == [news])
        #expect(throws: FrameError.unknownType(15)) { try written([news], version: version) }
        #expect(reading(try written([news]), version: version).failure == .unknownType(15))
    }

    @Test("there are positions from version 4 on, and not before", arguments: [1, 2, 3] as [UInt16])
    func positions(_ version: UInt16) throws {
        let positions = Frame.positions([NodePositions(node: 1, incarnation: 2, positions: [3])])
        #expect(reading(try written([positions])).frames == [positions])
        #expect(throws: FrameError.unknownType(16)) { try written([positions], version: version) }
        #expect(reading(try written([positions]), version: version).failure == .unknownType(16))
    }

    @Test("all other frames are the same in all versions", arguments: SampleFrames.all.indices)
    func same(_ index: Int) throws {
        let frame = SampleFrames.all[index].frame
        guard ![.digest, .news, .positions].contains(frame.type), !frame.type.isGreeting else { return }
        #expect(try written([frame], version: 1) == written([frame], version: 2))
        #expect(try written([frame], version: 2) == written([frame], version: 3))
        #expect(try written([frame], version: 3) == written([frame], version: 4))
    }
}
