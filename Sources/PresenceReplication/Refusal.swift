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
        /// The node takes no link now: it stops.
        public static let unavailable = Reason(rawValue: 7)
        /// The node's certificate is another node's.
        public static let certificate = Reason(rawValue: 8)
        /// Another secret, by which users are named.
        public static let secret = Reason(rawValue: 9)
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
    public static func versions(answering: ClosedRange<UInt16>, dialing: ClosedRange<UInt16>) -> Refusal {
        let older = answering.upperBound < dialing.lowerBound ? "the answering node" : "the dialing node"
        return Refusal(
            .versions,
            "the answering node speaks protocol versions \(answering.lowerBound) to \(answering.upperBound), the dialing "
                + "node \(dialing.lowerBound) to \(dialing.upperBound); upgrade \(older)")
    }

    /// Two clusters.
    public static func cluster(answering: String, dialing: String) -> Refusal {
        Refusal(
            .cluster,
            "the answering node is of cluster '\(answering)', the dialing node of '\(dialing)'; set 'cluster' alike, or "
                + "dial another address")
    }

    /// Two nodes of one number.
    public static func sameNode(answering: NodeIdentity, dialing: NodeIdentity) -> Refusal {
        Refusal(
            .sameNode,
            "the answering node is \(answering.words), the dialing node says that it is \(dialing.words); the numbers of "
                + "nodes must differ ('node' lines)")
    }

    /// A node that no `node` line names.
    public static func unknownNode(_ dialing: NodeIdentity) -> Refusal {
        Refusal(
            .unknownNode,
            "\(dialing.words) is in no 'node' line of the answering node; have the same cluster.conf on all nodes")
    }

    /// A start of the node older than one already seen.
    public static func oldIncarnation(_ dialing: NodeIdentity, seen: UInt64) -> Refusal {
        Refusal(
            .oldIncarnation,
            "\(dialing.words) was seen in incarnation \(seen) and now says \(dialing.incarnation); is it running twice, or "
                + "was its clock set back?")
    }

    /// A certificate that is not that of the node.
    ///
    /// - Parameters:
    ///   - own: who refuses.
    ///   - other: who the peer says that he is.
    ///   - names: the names in the peer's certificate.
    public static func certificate(_ own: NodeIdentity, other: NodeIdentity, names: String) -> Refusal {
        Refusal(
            .certificate,
            "\(own.words) was shown the certificate of \(names) by who says that it is \(other.words); a node's certificate "
                + "names that node, or a host that is its alone")
    }

    /// Two secrets.
    public static func secret(_ own: NodeIdentity, other: NodeIdentity) -> Refusal {
        Refusal(
            .secret,
            "\(own.words) and \(other.words) have different secrets; have the same secret-file on all nodes")
    }

    /// A node that stops while somebody comes.
    public static func unavailable(_ answering: NodeIdentity) -> Refusal {
        Refusal(.unavailable, "\(answering.words) stops; try again when it is back")
    }

    /// Clocks too far apart.
    ///
    /// - Parameters:
    ///   - answering: the clock of the node that answered, now.
    ///   - dialing: the clock of the node that dialed, now.
    ///   - error: how far their difference may be wrong, in milliseconds.
    ///   - maximum: `max-clock-offset` in milliseconds.
    public static func clock(answering: Timestamp, dialing: Timestamp, error: Int64, maximum: Int64) -> Refusal {
        Refusal(
            .clock,
            "the answering node's clock shows \(answering) ms since 1970, the dialing node's \(dialing): "
                + "\(dialing.milliseconds(since: answering)) ms apart (error at most \(error)), max-clock-offset is "
                + "\(maximum); set the clock that is wrong")
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
        /// Who dialed does not link with who answered: the text is what a `refuse` would say.
        public static let refused = Reason(rawValue: 6)
        /// Who sends it could not merge all that was told, and can now: the next link goes on from before that.
        public static let refusedChanges = Reason(rawValue: 7)
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
