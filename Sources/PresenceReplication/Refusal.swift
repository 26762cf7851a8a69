import Presence

/// The answer to a hello with which there will be no link: a reason for the program, a text for the log of the refused.
public struct Refusal: Error, Sendable, Equatable {
    /// Why, as a number. Numbers that are not named here are reasons too.
    public struct Reason: RawRepresentable, Sendable, Hashable {
        /// The number on the wire.
        public let rawValue: UInt16

        /// A reason of any number.
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// No version that both speak.
        public static let versions = Reason(rawValue: 1)
        /// Another cluster's name.
        public static let cluster = Reason(rawValue: 2)
        /// The node's number is that of the node it dialed.
        public static let sameNode = Reason(rawValue: 3)
        /// No node of the cluster has that number and name.
        public static let unknownNode = Reason(rawValue: 4)
        /// The node was seen in a newer incarnation.
        public static let oldIncarnation = Reason(rawValue: 5)
        /// Clocks too far apart.
        public static let clock = Reason(rawValue: 6)
        /// The node takes no link now: it starts, or leaves.
        public static let unavailable = Reason(rawValue: 7)
    }

    /// Why.
    public let reason: Reason
    /// Why, in words: at most 512 bytes, no control characters.
    public let text: String

    /// A refusal. What is too long or a control character in the text is left out.
    public init(_ reason: Reason, _ text: String) {
        self.reason = reason
        self.text = text.plain(upTo: FrameLimits.reasonText)
    }

    /// No common version.
    public static func versions(ours: ClosedRange<UInt16>, theirs: ClosedRange<UInt16>) -> Refusal {
        let older = ours.upperBound < theirs.lowerBound ? "this node" : "the dialing node"
        return Refusal(
            .versions,
            "this node speaks protocol versions \(ours.lowerBound) to \(ours.upperBound), the dialing node "
                + "\(theirs.lowerBound) to \(theirs.upperBound); upgrade \(older)")
    }

    /// Two clusters.
    public static func cluster(ours: String, theirs: String) -> Refusal {
        Refusal(
            .cluster,
            "this node is of cluster '\(ours)', the dialing node of '\(theirs)'; set 'cluster' alike, or dial another "
                + "address")
    }

    /// Two nodes of one number.
    public static func sameNode(_ own: NodeIdentity, _ other: NodeIdentity) -> Refusal {
        Refusal(
            .sameNode,
            "the dialing node calls itself \(other.words), this is \(own.words); the numbers of nodes must differ ('node' "
                + "lines)")
    }

    /// A node that no `node` line names.
    public static func unknownNode(_ other: NodeIdentity) -> Refusal {
        Refusal(
            .unknownNode, "\(other.words) is in no 'node' line of this node; have the same cluster.conf on all nodes")
    }

    /// A start of the node older than one already seen.
    public static func oldIncarnation(_ other: NodeIdentity, seen: UInt64) -> Refusal {
        Refusal(
            .oldIncarnation,
            "\(other.words) was seen in incarnation \(seen) and now says \(other.incarnation); is it running twice, or was "
                + "its clock set back?")
    }

    /// Clocks too far apart.
    ///
    /// - Parameters:
    ///   - offset: the dialing node's clock less this one's, in milliseconds.
    ///   - error: how far that may be wrong, in milliseconds.
    ///   - maximum: `max-clock-offset` in milliseconds.
    ///   - ours: this node's clock.
    public static func clock(offset: Int64, error: Int64, maximum: Int64, ours: Timestamp) -> Refusal {
        let theirs = ours.advanced(byMilliseconds: offset)
        return Refusal(
            .clock,
            "this node's clock shows \(ours) ms since 1970, the dialing node's \(theirs): \(offset) ms apart (error at most "
                + "\(error)), max-clock-offset is \(maximum); set the clock that is wrong")
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        reason = Reason(rawValue: try reader.word16(.reason, in: bytes))
        text = try reader.longText(.text, 0...FrameLimits.reasonText, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        output.append(number: reason.rawValue)
        try writer.longText(text, .text, 0...FrameLimits.reasonText, to: &output)
    }
}

/// The last frame of a link that its sender ends.
public struct Goodbye: Sendable, Equatable {
    /// Why, as a number. Numbers that are not named here are reasons too.
    public struct Reason: RawRepresentable, Sendable, Hashable {
        /// The number on the wire.
        public let rawValue: UInt16

        /// A reason of any number.
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// The node stops.
        public static let shutdown = Reason(rawValue: 1)
        /// The peer sent what is no frame: the text is the error's.
        public static let frameError = Reason(rawValue: 2)
        /// The clocks have come too far apart.
        public static let clock = Reason(rawValue: 3)
        /// There is another link to the same node, which is kept.
        public static let duplicate = Reason(rawValue: 4)
        /// The peer was silent, or took nothing, for too long.
        public static let silence = Reason(rawValue: 5)
    }

    /// Why.
    public let reason: Reason
    /// Why, in words: at most 512 bytes, no control characters.
    public let text: String

    /// A goodbye. What is too long or a control character in the text is left out.
    public init(_ reason: Reason, _ text: String) {
        self.reason = reason
        self.text = text.plain(upTo: FrameLimits.reasonText)
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        reason = Reason(rawValue: try reader.word16(.reason, in: bytes))
        text = try reader.longText(.text, 0...FrameLimits.reasonText, in: bytes)
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        output.append(number: reason.rawValue)
        try writer.longText(text, .text, 0...FrameLimits.reasonText, to: &output)
    }
}

extension String {
    /// The text without control characters, cut at a scalar's end so that it has so many bytes at most.
    fileprivate func plain(upTo limit: Int) -> String {
        if utf8.count <= limit, isPlain { return self }
        var plain = String.UnicodeScalarView()
        var bytes = 0
        for scalar in unicodeScalars where scalar.isPlain {
            bytes += UTF8.width(scalar)
            if bytes > limit { break }
            plain.append(scalar)
        }
        return String(plain)
    }
}
