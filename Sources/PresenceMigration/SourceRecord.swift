import Presence

/// What a key of the source says of its user, as the target takes it.
///
/// Three forms are read: the seed's JSON, a hash with the seed's field names, and a status as a bare word. Linear in the
/// bytes of the value.
enum SourceRecord: Hashable, Sendable {
    /// A session to open or to beat.
    case present(Live)
    /// The user is offline: there is no session to copy.
    case offline
    /// No presence; why.
    case bad(String)

    /// How a source writes a presence down.
    enum Form: Hashable, Sendable {
        case json
        case hash
        case word
    }

    /// A user who is there: the value of a `SET` on the target.
    struct Live: Hashable, Sendable {
        var value: [UInt8]
        /// The session's id, as the target will have it.
        var session: [UInt8]
        /// What the source had.
        var form: Form
        /// Fields that the target does not keep.
        var droppedFields = 0
    }

    /// The session of a record that names none.
    static let defaultSession = [UInt8]("default")

    /// A value that was not even read.
    static let tooLong = SourceRecord.bad(RecordError.tooLong(limit: PresenceRecord.maximumByteCount).problem)

    /// The fields that a hash is asked for, in this order.
    static let hashFields: [PresenceRecord.Field] = [
        .status, .lastSeen, .device, .platform, .connectionID, .server, .activity,
    ]

    // MARK: - Strings

    /// Reads the value of a string key. JSON that is a record goes on as it is.
    init(string bytes: [UInt8]) {
        if let status = Status(word: bytes.span) {
            guard status != .offline else {
                self = .offline
                return
            }
            let value = [UInt8](#"{"status":"\#(status.word)"}"#)
            self = .present(Live(value: value, session: SourceRecord.defaultSession, form: .word))
            return
        }
        do throws(RecordError) {
            let record = try PresenceRecord.parse(bytes.span)
            guard record.status != .offline else {
                self = .offline
                return
            }
            let session = record.connectionID.map { range in
                record.withTexts(in: bytes.span) { texts in
                    texts.extracting(range).withBytes { Array($0) }
                }
            }
            self = .present(
                Live(
                    value: bytes, session: session ?? SourceRecord.defaultSession, form: .json,
                    droppedFields: record.unknownFieldCount + (record.activity == nil ? 0 : 1)))
        } catch {
            self = .bad(error.problem)
        }
    }

    // MARK: - Hashes

    /// Reads the values of ``hashFields``, as `HMGET` answers them. An empty value is none.
    init(hash values: [Reply], userID: [UInt8]) {
        var texts: [PresenceRecord.Field: [UInt8]] = [:]
        for (field, value) in zip(SourceRecord.hashFields, values) {
            switch value {
            case .bytes(let bytes) where !bytes.isEmpty: texts[field] = bytes
            case .oversized:
                self = .tooLong
                return
            default: continue
            }
        }
        guard let word = texts[.status] else {
            self = .bad("the hash lacks the field status")
            return
        }
        guard let status = Status(word: word.span) else {
            self = .bad(RecordError.statusUnknown.problem)
            return
        }
        guard status != .offline else {
            self = .offline
            return
        }
        let lastSeen = texts[.lastSeen].flatMap(Timestamp.init(text:))
        guard (lastSeen == nil) == (texts[.lastSeen] == nil) else {
            self = .bad(RecordError.badInstant(.lastSeen).problem)
            return
        }
        let kept = [userID] + [.device, .platform, .connectionID, .server].compactMap { texts[$0] }
        let room = PresenceRecordWriter.maximumByteCount(textByteCount: kept.reduce(0) { $0 + $1.count })
        guard room <= PresenceRecord.maximumByteCount else {
            self = .tooLong
            return
        }
        let (device, platform) = (texts[.device], texts[.platform])
        let (connectionID, server) = (texts[.connectionID], texts[.server])
        let value = [UInt8](capacity: room) { output in
            PresenceRecordWriter.write(
                userID: userID.span, status: status, lastSeen: lastSeen, lastHeartbeat: nil, device: device?.span,
                platform: platform?.span, connectionID: connectionID?.span, server: server?.span, activity: nil,
                into: &output)
        }
        self = .present(
            Live(
                value: value, session: connectionID ?? SourceRecord.defaultSession, form: .hash,
                droppedFields: texts[.activity] == nil ? 0 : 1))
    }
}

extension Timestamp {
    /// The instant of a hash's field: ISO 8601, or epoch milliseconds, a fraction of which is cut.
    fileprivate init?(text: [UInt8]) {
        if let instant = Timestamp(iso8601: text.span) {
            self = instant
            return
        }
        let digits = text.prefix { $0 != UInt8(ascii: ".") }
        guard let milliseconds = Int64(String(decoding: digits, as: UTF8.self)) else { return nil }
        self.init(milliseconds: milliseconds)
    }
}

extension Span where Element == UInt8 {
    /// Calls `body` with a copy of these bytes.
    fileprivate func withBytes<Result>(_ body: ([UInt8]) -> Result) -> Result {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for index in indices { bytes.append(self[index]) }
        return body(bytes)
    }
}
