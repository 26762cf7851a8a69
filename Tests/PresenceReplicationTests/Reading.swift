import Presence
import PresenceTesting
import Testing

@testable import PresenceReplication

/// What a reader made of bytes.
struct Reading: Equatable {
    var frames: [Frame] = []
    var skipped: UInt64 = 0
    var failure: FrameError?
    /// Bytes of memory that the reader kept at most, between two pieces.
    var capacity = 0

    static func == (left: Reading, right: Reading) -> Bool {
        left.frames == right.frames && left.skipped == right.skipped && left.failure == right.failure
    }
}

/// Reads bytes in pieces. A greeting that comes opens the link, as the node that it greets would; a refusal does not.
///
/// - Parameters:
///   - cuts: where the bytes are cut, in order.
///   - version: the version of a link that is open already; nil for one that begins.
func reading(
    _ bytes: [UInt8], cuts: [Int] = [], version: UInt16? = ProtocolVersions.current,
    limits: FrameLimits = FrameLimits()
) -> Reading {
    var reader = FrameReader(limits: limits)
    if let version { reader.open(version: version) }
    var reading = Reading()
    var start = 0
    for end in cuts + [bytes.count] {
        let piece = Array(bytes[start..<end])
        start = end
        var position = 0
        do throws(FrameError) {
            while let frame = try reader.next(in: piece.span, from: &position) {
                reading.frames.append(frame)
                switch frame {
                case .hello(let hello):
                    if let version = try? ProtocolVersions.negotiate(theirs: hello.versions) {
                        reader.open(version: version)
                    }
                case .welcome(let welcome):
                    if ProtocolVersions.spoken.contains(welcome.version) { reader.open(version: welcome.version) }
                default: break
                }
            }
            #expect(position == piece.count)
        } catch {
            reading.failure = error
        }
        reading.skipped = reader.skipped
        reading.capacity = max(reading.capacity, reader.capacity)
        if reading.failure != nil { break }
    }
    return reading
}

/// The bytes of frames on a link that is open, or that begins (`version` nil).
func written(
    _ frames: [Frame], version: UInt16? = ProtocolVersions.current, limits: FrameLimits = FrameLimits()
) throws(FrameError) -> [UInt8] {
    var writer = FrameWriter(limits: limits)
    if let version { writer.open(version: version) }
    var bytes: [UInt8] = []
    for frame in frames {
        try writer.write(frame, to: &bytes)
        switch frame {
        case .hello(let hello): writer.open(version: min(hello.versions.upperBound, ProtocolVersions.current))
        case .welcome(let welcome): writer.open(version: min(welcome.version, ProtocolVersions.current))
        default: break
        }
    }
    return bytes
}

/// A frame of any header and payload, with the checksum that it should have: what a peer of bad intentions could send.
func sealed(
    _ type: UInt8, _ payload: [UInt8], sequence: UInt32 = 1, flags: UInt8 = 0, reserved: UInt16 = 0
) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(number: UInt32(payload.count))
    bytes.append(type)
    bytes.append(flags)
    bytes.append(number: reserved)
    bytes.append(number: sequence)
    bytes.append(number: UInt32(0))
    bytes += payload
    bytes.overwrite(CRC32C.ofFrame(bytes.span, 0..<bytes.count), at: 12)
    return bytes
}

func sealed(_ type: FrameType, _ payload: [UInt8], flags: UInt8 = 0) -> [UInt8] {
    sealed(type.rawValue, payload, sequence: type.isGreeting ? 0 : 1, flags: flags)
}

extension Images {
    /// Adds a copy of an image.
    mutating func append(copy image: [UInt8], limits: FrameLimits = FrameLimits()) -> Added {
        append(image.span, limits: limits)
    }
}

extension FrameReader {
    /// The next frame in bytes.
    mutating func next(of bytes: [UInt8], from position: inout Int) throws(FrameError) -> Frame? {
        try next(in: bytes.span, from: &position)
    }
}

/// The bytes of a number, the lowest first.
func number<Number: FixedWidthInteger & UnsignedInteger>(_ value: Number) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(number: value)
    return bytes
}

/// Places to cut so many bytes at, in order.
func cuts(_ count: Int, of length: Int, _ random: inout SeededRandom) -> [Int] {
    (0..<count).map { _ in Int.random(in: 0...length, using: &random) }.sorted()
}
