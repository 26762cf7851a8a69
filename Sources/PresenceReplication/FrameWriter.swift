/// Writes the frames of one direction of one link.
///
/// It numbers them, and holds every value to the bounds that the peer's reader holds it to: what it would not take is not sent.
///
/// ```swift
/// var writer = FrameWriter()
/// var output: [UInt8] = []
/// try writer.write(.hello(hello), to: &output)
/// // ... the peer's welcome has come:
/// writer.open(version: welcome.version)
/// try writer.write(.ping(Ping(sent: now)), to: &output)
/// ```
///
/// **Cost.** One pass over the frame and one over its bytes for the checksum; nothing is allocated but what `output` needs.
public struct FrameWriter: ~Copyable {
    /// How far the link has come.
    public private(set) var stage = LinkStage.greeting

    /// The bounds of the link.
    public let limits: FrameLimits

    private var sequence: FrameSequence

    /// A writer for a link on which nothing was sent.
    public init(limits: FrameLimits = FrameLimits()) {
        self.init(limits: limits, sequence: FrameSequence())
    }

    /// A writer whose first frame on the open link has a certain number.
    init(limits: FrameLimits, sequence: FrameSequence) {
        self.limits = limits
        self.sequence = sequence
    }

    /// The link is open: frames of a version may be sent, and greetings no more.
    ///
    /// - Parameter version: what `Hello.version` or `Welcome.version` gave; it must be one that this code speaks.
    public mutating func open(version: UInt16) {
        precondition(ProtocolVersions.spoken.contains(version), "version \(version) is not spoken here")
        stage = .open(version: version)
    }

    /// Appends a frame.
    ///
    /// - Throws: what the peer's reader would, if a value is out of bounds or the frame out of turn. Nothing is appended then, and no number used.
    public mutating func write(_ frame: Frame, to output: inout [UInt8]) throws(FrameError) {
        let type = frame.type
        guard type.isGreeting ? stage == .greeting : stage.version != nil else {
            throw .outOfTurn(type: type.rawValue, stage: stage)
        }
        let version = stage.version ?? ProtocolVersions.current
        guard type.isKnown(in: version) else { throw .unknownType(type.rawValue) }
        let start = output.count
        output.append(number: UInt32(0))
        output.append(type.rawValue)
        output.append(frame.flags.rawValue)
        output.append(number: UInt16(0))
        output.append(number: type.isGreeting ? 0 : sequence.next)
        output.append(number: UInt32(0))
        do throws(FrameError) {
            try frame.write(PayloadWriter(type: type, version: version, limits: limits), to: &output)
            let length = output.count - start - FrameLimits.header
            let payloads = type.payloads(version: version, limits: limits)
            guard payloads.contains(length) else {
                throw .lengthOutOfBounds(type: type.rawValue, length: length, allowed: payloads)
            }
            output.overwrite(UInt32(truncatingIfNeeded: length), at: start)
        } catch {
            output.removeSubrange(start...)
            throw error
        }
        output.overwrite(CRC32C.ofFrame(output.span, start..<output.count), at: start + 12)
        if type.isGreeting { stage = .greeted } else { sequence.advance() }
    }
}
