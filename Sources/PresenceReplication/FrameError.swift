/// Why bytes are no frame, or no frame of ours: what ends a link. It names what was wrong, for the log and for the counter of its kind.
///
/// The writer throws the same errors for values that a reader would not take, so that no node sends what ends its links.
public enum FrameError: Error, Sendable, Equatable {
    /// The header claims a payload that the type cannot have, in bytes; found before any of it was read.
    case lengthOutOfBounds(type: UInt8, length: Int, allowed: ClosedRange<Int>)
    /// A bit is set that has no meaning.
    case reservedBits(type: UInt8, flags: UInt8, reserved: UInt16)
    /// The type must be understood, and is not.
    case unknownType(UInt8)
    /// The type may not come at this stage of a link.
    case outOfTurn(type: UInt8, stage: LinkStage)
    /// Header and payload do not give the checksum that the header claims.
    case wrongChecksum(type: UInt8, claimed: UInt32, computed: UInt32)
    /// A frame is missing, or came twice.
    case wrongSequence(type: UInt8, claimed: UInt32, expected: UInt32)
    /// The payload ends within a field.
    case endsWithin(type: FrameType, field: FrameField)
    /// The payload goes on after its last field for so many bytes.
    case trailingBytes(type: FrameType, count: Int)
    /// A number is none that the field can have.
    case outOfBounds(type: FrameType, field: FrameField, value: UInt64, allowed: ClosedRange<UInt64>)
    /// A text is not UTF-8, or has control characters.
    case notText(type: FrameType, field: FrameField)
    /// A hello does not begin with the protocol's name: another protocol speaks here.
    case wrongMagic(UInt64)
    /// Names of settings do not rise, so that one may be there twice.
    case unordered(type: FrameType, field: FrameField)

    /// The errors without what they were about: one counter, and one file of the corpus, for each.
    public enum Kind: String, Sendable, CaseIterable {
        /// See the error of that name.
        case lengthOutOfBounds, reservedBits, unknownType, outOfTurn, wrongChecksum, wrongSequence
        /// See the error of that name.
        case endsWithin, trailingBytes, outOfBounds, notText, wrongMagic, unordered
    }

    /// Which error it is.
    public var kind: Kind {
        switch self {
        case .lengthOutOfBounds: .lengthOutOfBounds
        case .reservedBits: .reservedBits
        case .unknownType: .unknownType
        case .outOfTurn: .outOfTurn
        case .wrongChecksum: .wrongChecksum
        case .wrongSequence: .wrongSequence
        case .endsWithin: .endsWithin
        case .trailingBytes: .trailingBytes
        case .outOfBounds: .outOfBounds
        case .notText: .notText
        case .wrongMagic: .wrongMagic
        case .unordered: .unordered
        }
    }
}

extension FrameError: CustomStringConvertible {
    /// One sentence for the log: the frame, the field, what was there and what may be.
    public var description: String {
        switch self {
        case .lengthOutOfBounds(let type, let length, let allowed):
            "\(FrameError.name(type)) claims a payload of \(length) bytes; it has \(FrameError.words(allowed))"
        case .reservedBits(let type, let flags, let reserved):
            "\(FrameError.name(type)) sets bits that have no meaning (flags \(flags), reserved \(reserved))"
        case .unknownType(let type):
            "frame type \(type) is unknown and may not be skipped; is the peer's protocol version the one agreed?"
        case .outOfTurn(let type, let stage):
            "\(FrameError.name(type)) came while \(stage.words)"
        case .wrongChecksum(let type, let claimed, let computed):
            "\(FrameError.name(type)) claims checksum \(FrameError.hex(claimed)), its bytes give \(FrameError.hex(computed))"
        case .wrongSequence(let type, let claimed, let expected):
            "\(FrameError.name(type)) has sequence \(claimed) where \(expected) comes: a frame is missing, or came twice"
        case .endsWithin(let type, let field):
            "\(type) ends within \(field.rawValue)"
        case .trailingBytes(let type, let count):
            "\(type) goes on for \(count) bytes after its last field"
        case .outOfBounds(let type, let field, let value, let allowed):
            "\(field.rawValue) of \(type) is \(value); it is from \(allowed.lowerBound) to \(allowed.upperBound)"
        case .notText(let type, let field):
            "\(field.rawValue) of \(type) is not UTF-8 without control characters"
        case .wrongMagic:
            "the peer's first bytes are not those of this protocol; is its address a peer port?"
        case .unordered(let type, let field):
            "\(field.rawValue) of \(type) does not rise"
        }
    }

    private static func name(_ type: UInt8) -> String {
        FrameType(rawValue: type).map { "\($0)" } ?? "frame type \(type)"
    }

    private static func words(_ allowed: ClosedRange<Int>) -> String {
        allowed.count == 1 ? "\(allowed.lowerBound)" : "\(allowed.lowerBound) to \(allowed.upperBound)"
    }

    private static func hex(_ word: UInt32) -> String {
        let digits = String(word, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// The fields of payloads, as errors name them.
public enum FrameField: String, Sendable {
    /// Of `hello`.
    case magic = "the magic", lowestVersion = "the lowest version", highestVersion = "the highest version"
    /// Of `hello` and `welcome`.
    case version = "the version", node = "the node number", cluster = "the cluster's name", nodeName = "the node's name"
    /// Of `hello` and `welcome`.
    case incarnation = "the incarnation", clock = "the clock", settings = "the number of settings"
    /// Of `hello` and `welcome`.
    case settingName = "a setting's name", settingValue = "a setting's value"
    /// Of `refuse` and `goodbye`.
    case reason = "the reason", text = "the text"
    /// Of `ping` and `pong`.
    case sent = "the instant of sending", received = "the instant of receipt", answered = "the instant of the answer"
    /// Of `changes` and `acknowledge`.
    case shard = "a shard's number", before = "the position before", after = "the position after"
    /// Of `acknowledge` and `positions`.
    case position = "a position"
    /// Of `positions`.
    case shards = "the number of shards"
    /// Of lists.
    case count = "the number of elements", images = "the images", imageLength = "an image's length"
    /// Of `beats`.
    case asOf = "the instant of the heartbeats"
    /// Of `beats`.
    case user = "a user's hash", session = "a session's hash", heartbeatAge = "the age of a heartbeat"
    /// Of `beats`.
    case activityAge = "the age of an activity"
    /// Of `digest`, `request` and `records`.
    case rangeStart = "a range's start", rangeBits = "a range's bits", digest = "a digest", rangeCount =
        "a range's count"
    /// Of `request` and `records`.
    case token = "the token", done = "the records done", total = "the records in all"
    /// Of `flush` and `drain`.
    case stamp = "the stamp", seconds = "the seconds"
}
