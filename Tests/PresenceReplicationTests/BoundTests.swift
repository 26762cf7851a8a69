import Presence
import Testing

@testable import PresenceReplication

/// A field that is out of its bounds, as a payload that claims it, and as a frame that would.
struct OutOfBounds: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var type: FrameType
    var payload: [UInt8]
    var error: FrameError
    /// Nil where no value can say it.
    var frame: Frame?

    init(_ title: String, _ type: FrameType, _ payload: [UInt8], _ error: FrameError, _ frame: Frame? = nil) {
        testDescription = title
        self.type = type
        self.payload = payload
        self.error = error
        self.frame = frame
    }

    init(
        _ title: String, _ type: FrameType, _ payload: [UInt8], _ field: FrameField, _ value: UInt64,
        _ allowed: ClosedRange<UInt64>, _ frame: Frame? = nil
    ) {
        self.init(
            title, type, payload, .outOfBounds(type: type, field: field, value: value, allowed: allowed), frame)
    }
}

@Suite("Every bound holds, for who reads and for who writes")
struct BoundTests {
    @Test("fields", arguments: fieldsOutOfBounds)
    func fields(_ field: OutOfBounds) throws {
        let version: UInt16? = field.type.isGreeting ? nil : 4
        let bytes = sealed(field.type, field.payload)
        #expect(reading(bytes, version: version) == Reading(failure: field.error))
        #expect(reading(bytes, cuts: Array(0..<bytes.count), version: version) == Reading(failure: field.error))
        guard let frame = field.frame else { return }
        var writer = FrameWriter()
        if let version { writer.open(version: version) }
        var output: [UInt8] = [1, 2, 3]
        #expect(throws: field.error) { try writer.write(frame, to: &output) }
        #expect(output == [1, 2, 3])
    }

    @Test("lengths that no payload of the type has", arguments: FrameType.allCases)
    func lengths(_ type: FrameType) {
        let version: UInt16? = type.isGreeting ? nil : 4
        let payloads = type.payloads(version: 4, limits: FrameLimits())
        for length in [payloads.lowerBound - 1, payloads.upperBound + 1, 0x7FFF_FFFF, 0xFFFF_FFFF] {
            var header = sealed(type, [])
            header.overwrite(UInt32(length), at: 0)
            let found = reading(header, version: version)
            #expect(found.failure?.kind == .lengthOutOfBounds, "\(length)")
            // The header was enough, and nothing was set aside for the rest.
            #expect(found.capacity <= 64)
        }
    }

    @Test("payloads cut at every byte, and one byte longer", arguments: SampleFrames.all.indices)
    func cutPayloads(_ index: Int) throws {
        let sample = SampleFrames.all[index]
        let type = sample.frame.type
        let version = type.isGreeting ? nil : sample.version
        let payload = Array(try written([sample.frame], version: version)[16...])
        let kinds: Set<FrameError.Kind> = [.lengthOutOfBounds, .endsWithin, .outOfBounds, .trailingBytes]
        let flags = sample.frame.flags.rawValue
        for count in 0..<payload.count {
            let failure = reading(sealed(type, Array(payload[..<count]), flags: flags), version: version).failure
            #expect(failure.map { kinds.contains($0.kind) } == true, "\(count) bytes: \(String(describing: failure))")
        }
        let longer = reading(sealed(type, payload + [0], flags: flags), version: version).failure
        #expect(longer?.kind == .trailingBytes || longer?.kind == .lengthOutOfBounds)
    }

    @Test("bits without a meaning")
    func reserved() {
        let ping = number(UInt64(1))
        for bit in 0..<16 {
            let bytes = sealed(4, ping, reserved: 1 << bit)
            #expect(reading(bytes).failure == .reservedBits(type: 4, flags: 0, reserved: 1 << bit))
            let skippable = sealed(77, [], reserved: 1 << bit)
            #expect(reading(skippable).failure == .reservedBits(type: 77, flags: 0, reserved: 1 << bit))
        }
        for bit in 0..<8 {
            #expect(
                reading(sealed(.ping, ping, flags: 1 << bit)).failure
                    == .reservedBits(type: 4, flags: 1 << bit, reserved: 0))
            guard bit > 0 else { continue }
            let records = sealed(.records, [UInt8](repeating: 0, count: 33), flags: 1 << bit)
            #expect(reading(records).failure == .reservedBits(type: 11, flags: 1 << bit, reserved: 0))
        }
    }

    @Test("one wrong bit anywhere is found", arguments: SampleFrames.all.indices)
    func everyBit(_ index: Int) throws {
        let sample = SampleFrames.all[index]
        let version = sample.frame.type.isGreeting ? nil : sample.version
        let good = try written([sample.frame], version: version)
        for bit in 0..<good.count * 8 {
            var bytes = good
            bytes[bit / 8] ^= 1 << (bit % 8)
            // A length that grew waits for more: the rest of the stream, and then the checksum, or silence, ends it.
            let found = reading(bytes + [UInt8](repeating: 0, count: 4096), version: version)
            #expect(found.frames.isEmpty && (found.failure != nil || bit < 32), "bit \(bit)")
        }
    }

    @Test("before the link is open a payload has 4 KiB")
    func greetingLimit() throws {
        var header = sealed(.hello, [])
        header.overwrite(4097, at: 0)
        #expect(
            reading(header, version: nil).failure
                == .lengthOutOfBounds(type: 1, length: 4097, allowed: 0...4096))
        // The largest greeting there can be fits.
        let name = String(repeating: "n", count: 64)
        let settings = (0..<32).map { index in
            let number = index < 10 ? "0\(index)" : "\(index)"
            return SharedSettings.Setting(number + String(repeating: "s", count: 46), name)
        }
        let identity = NodeIdentity(
            cluster: name, node: 255, name: name, incarnation: .max,
            clock: Timestamp(milliseconds: FrameLimits.clock), settings: SharedSettings(settings))
        let hello = Frame.hello(Hello(versions: 1...UInt16.max, identity: identity))
        #expect(try reading(written([hello], version: nil), version: nil).frames == [hello])
    }

    @Test("bounds of a link's own")
    func ownLimits() throws {
        let narrow = FrameLimits(maximumPayload: 65_536, maximumImage: 100)
        var images = Images()
        let image = [UInt8](repeating: 1, count: 101)
        let tooLong = images.append(copy: image, limits: narrow)
        #expect(tooLong == .outOfBounds)
        #expect(images.isEmpty)
        _ = images.append(copy: image)
        let frame = Frame.changes(Changes(shard: 0, before: 0, after: 1, images: images))
        let error = FrameError.outOfBounds(type: .changes, field: .imageLength, value: 101, allowed: 1...100)
        #expect(throws: error) { try written([frame], limits: narrow) }
        #expect(try reading(written([frame]), limits: narrow).failure == error)

        while images.append(copy: image) == .added {}
        let large = Frame.changes(Changes(shard: 0, before: 0, after: 1, images: images))
        let wide = FrameLimits(maximumPayload: 65_536, maximumImage: 101)
        #expect(throws: FrameError.self) { try written([large], limits: wide) }
        #expect(try reading(written([large]), limits: wide).failure?.kind == .lengthOutOfBounds)
    }

    @Test("errors say what was wrong", arguments: fieldsOutOfBounds)
    func words(_ field: OutOfBounds) {
        #expect(field.error.description.contains("\(field.type)") || field.error.kind == .wrongMagic)
        #expect(!field.error.description.contains("Optional"))
    }

    @Test("errors of headers say what was wrong")
    func headerWords() {
        let errors: [(FrameError, String)] = [
            (
                .lengthOutOfBounds(type: 4, length: 9, allowed: 8...8),
                "ping claims a payload of 9 bytes; it has 8"
            ),
            (
                .lengthOutOfBounds(type: 99, length: 9_999_999, allowed: 0...1_048_576),
                "frame type 99 claims a payload of 9999999 bytes; it has 0 to 1048576"
            ),
            (
                .wrongChecksum(type: 6, claimed: 1, computed: 0xFF00_0000),
                "changes claims checksum 0x00000001, its bytes give 0xff000000"
            ),
            (.outOfTurn(type: 1, stage: .open(version: 1)), "hello came while the link was open"),
            (
                .wrongSequence(type: 4, claimed: 3, expected: 2),
                "ping has sequence 3 where 2 comes: a frame is missing, or came twice"
            ),
        ]
        for (error, words) in errors { #expect(error.description == words) }
    }
}
