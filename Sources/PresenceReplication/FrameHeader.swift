/// The 16 bytes before every payload, little endian:
///
///     0        4    5     6         8          12         16
///     | length |type|flags|reserved | sequence | checksum | payload ...
///     |   4    | 1  |  1  |    2    |    4     |    4     |
///
/// The length is the payload's, in bytes. `reserved` is zero. The checksum is the CRC-32C of the first 12 bytes and the payload.
struct FrameHeader: Sendable, Equatable {
    var length: Int
    var type: UInt8
    var flags: UInt8
    var reserved: UInt16
    var sequence: UInt32
    var checksum: UInt32

    /// The header at `index`, whatever it claims.
    init(_ bytes: Span<UInt8>, at index: Int) {
        length = Int(bytes.word32(at: index))
        type = bytes[index + 4]
        flags = bytes[index + 5]
        reserved = bytes.word16(at: index + 6)
        sequence = bytes.word32(at: index + 8)
        checksum = bytes.word32(at: index + 12)
    }

    /// What the frame is; nil if it is unknown and may be skipped.
    ///
    /// Everything is checked that can be before the payload has come: a link is ended by its first wrong header, not by what it would have cost.
    func check(at stage: LinkStage, _ limits: FrameLimits) throws(FrameError) -> FrameType? {
        let longest = stage.version == nil ? FrameLimits.greetingPayload : limits.maximumPayload
        guard length <= longest else {
            throw .lengthOutOfBounds(type: type, length: length, allowed: 0...longest)
        }
        guard reserved == 0 else { throw .reservedBits(type: type, flags: flags, reserved: reserved) }
        guard let known = FrameType(rawValue: type) else {
            guard type >= FrameType.firstSkippable else { throw .unknownType(type) }
            guard stage.version != nil else { throw .outOfTurn(type: type, stage: stage) }
            return nil
        }
        guard stage.version.map({ known.isKnown(in: $0) }) ?? true else { throw .unknownType(type) }
        guard known.isGreeting ? stage == .greeting : stage.version != nil else {
            throw .outOfTurn(type: type, stage: stage)
        }
        guard known.flags.isSuperset(of: FrameFlags(rawValue: flags)) else {
            throw .reservedBits(type: type, flags: flags, reserved: reserved)
        }
        let payloads = known.payloads(version: stage.version ?? ProtocolVersions.current, limits: limits)
        guard payloads.contains(length) else {
            throw .lengthOutOfBounds(type: type, length: length, allowed: payloads)
        }
        return known
    }
}

/// The numbers of an open link's frames: 1, 2, 3, ... and after 2^32 - 1 again 1. Greetings have 0.
struct FrameSequence: Sendable {
    private(set) var next: UInt32 = 1

    init() {}

    /// A sequence that goes on from a number, for tests.
    init(next: UInt32) { self.next = next }

    mutating func advance() {
        next = next == .max ? 1 : next + 1
    }
}
