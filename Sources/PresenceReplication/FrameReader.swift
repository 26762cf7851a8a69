/// Finds the frames of one direction of one link in bytes that come in any pieces.
///
/// ```swift
/// var position = 0
/// while let frame = try reader.next(in: bytes, from: &position) {
///     act(on: frame)                                 // a greeting that is accepted: reader.open(version: ...)
/// }
/// // All of `bytes` was taken; what is no whole frame yet is kept.
/// ```
///
/// What must stay true: it owns at most the bytes of one frame, and sets memory aside for what has come, never for what is claimed. Until the link is
/// open a payload has 4 KiB at most. After an error it is dead: it throws the same one again, and looks at nothing more.
///
/// **Cost.** A frame that lies whole in `bytes` is read where it lies. One that is cut is copied once. Each byte is looked at once for the checksum.
public struct FrameReader: ~Copyable {
    /// How far the link has come.
    public private(set) var stage = LinkStage.greeting

    /// The bounds of the link.
    public let limits: FrameLimits

    /// Frames of unknown types that were skipped.
    public private(set) var skipped: UInt64 = 0

    /// The first bytes of a frame that has not come whole.
    private var pending: [UInt8] = []

    /// The header of the frame that is awaited, and its type, nil for one that is skipped. Nil until 16 bytes have come.
    private var awaited: (header: FrameHeader, type: FrameType?)?

    private var sequence: FrameSequence
    private var failure: FrameError?

    /// A reader for a link on which nothing was received.
    public init(limits: FrameLimits = FrameLimits()) {
        self.init(limits: limits, sequence: FrameSequence())
    }

    /// A reader that expects a certain number of the first frame on the open link.
    init(limits: FrameLimits, sequence: FrameSequence) {
        self.limits = limits
        self.sequence = sequence
    }

    /// Bytes of a frame that has not come whole.
    public var pendingBytes: Int { pending.count }

    /// Bytes of memory that it keeps.
    public var capacity: Int { pending.capacity }

    /// The greeting was accepted: frames of a version may come, and greetings no more.
    ///
    /// - Parameter version: what `Hello.version` or `Welcome.version` gave; it must be one that this code speaks.
    public mutating func open(version: UInt16) {
        precondition(ProtocolVersions.spoken.contains(version), "version \(version) is not spoken here")
        stage = .open(version: version)
    }

    /// The next frame; nil if all bytes were taken and the next frame is not whole.
    ///
    /// - Parameters:
    ///   - bytes: what the peer sent.
    ///   - position: where to go on in `bytes`; it is moved behind what was taken.
    /// - Throws: what ends the link. The same error again from then on.
    public mutating func next(in bytes: Span<UInt8>, from position: inout Int) throws(FrameError) -> Frame? {
        if let failure { throw failure }
        do throws(FrameError) {
            while try isWhole(bytes, &position) {
                if let frame = try finish(bytes, &position) { return frame }
                skipped += 1
            }
            return nil
        } catch {
            failure = error
            pending = []
            throw error
        }
    }

    /// Whether a whole frame is there, in `pending` or in `bytes`. If not, all of `bytes` is taken.
    private mutating func isWhole(_ bytes: Span<UInt8>, _ position: inout Int) throws(FrameError) -> Bool {
        if awaited == nil {
            if pending.isEmpty, bytes.count - position >= FrameLimits.header {
                try expect(FrameHeader(bytes, at: position))
            } else {
                guard take(FrameLimits.header, bytes, &position) else { return false }
                try expect(FrameHeader(pending.span, at: 0))
            }
        }
        guard let awaited else { return false }
        let count = FrameLimits.header + awaited.header.length
        if pending.isEmpty, bytes.count - position >= count { return true }
        return take(count, bytes, &position)
    }

    private mutating func expect(_ header: FrameHeader) throws(FrameError) {
        awaited = (header, try header.check(at: stage, limits))
    }

    /// Moves bytes to `pending` until it has `count`; false if there are too few.
    private mutating func take(_ count: Int, _ bytes: Span<UInt8>, _ position: inout Int) -> Bool {
        let taken = min(count - pending.count, bytes.count - position)
        let wanted = pending.count + taken
        if pending.capacity < wanted {
            // Twice what has come, so that small pieces are not copied again and again, and never more than the frame.
            pending.reserveCapacity(min(count, max(2 * wanted, 64)))
        }
        pending.append(block: bytes.extracting(position..<position + taken))
        position += taken
        return pending.count == count
    }

    /// Reads the frame that is whole; nil if it is to be skipped.
    private mutating func finish(_ bytes: Span<UInt8>, _ position: inout Int) throws(FrameError) -> Frame? {
        guard let (header, type) = awaited else { return nil }
        let count = FrameLimits.header + header.length
        let frame: Frame?
        if pending.isEmpty {
            frame = try read(bytes, position..<position + count, header, type)
            position += count
        } else {
            frame = try read(pending.span, 0..<count, header, type)
            pending.removeAll(keepingCapacity: pending.capacity <= FrameLimits.retained)
        }
        awaited = nil
        if type?.isGreeting == true { stage = .greeted } else { sequence.advance() }
        return frame
    }

    private func read(
        _ bytes: Span<UInt8>, _ place: Range<Int>, _ header: FrameHeader, _ type: FrameType?
    ) throws(FrameError) -> Frame? {
        let checksum = CRC32C.ofFrame(bytes, place)
        guard header.checksum == checksum else {
            throw .wrongChecksum(type: header.type, claimed: header.checksum, computed: checksum)
        }
        let expected = type?.isGreeting == true ? 0 : sequence.next
        guard header.sequence == expected else {
            throw .wrongSequence(type: header.type, claimed: header.sequence, expected: expected)
        }
        guard let type else { return nil }
        var reader = PayloadReader(
            type, place.lowerBound + FrameLimits.header..<place.upperBound,
            version: stage.version ?? ProtocolVersions.current, flags: FrameFlags(rawValue: header.flags),
            limits: limits)
        return try Frame(&reader, in: bytes)
    }
}
