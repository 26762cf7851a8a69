extension PresenceRecord {
    /// Reads the value of a `SET` to a presence key.
    ///
    /// A JSON object with `status`; the other fields of `Field` may be absent or `null`. Texts are strings, instants ISO
    /// 8601 strings or epoch milliseconds (a fraction is cut). Of a field that is there twice the last counts; fields of
    /// other names are checked, counted and dropped. The bare word `offline` is a record without a session id.
    ///
    /// One pass, linear in the length; allocates only to decode escapes. Bytes of texts need not be UTF-8.
    ///
    /// - Throws: `RecordError`.
    public static func parse(_ json: Span<UInt8>) throws(RecordError) -> PresenceRecord {
        guard json.count <= maximumByteCount else { throw .tooLong(limit: maximumByteCount) }
        if json.isEqual(to: ["o", "f", "f", "l", "i", "n", "e"]) { return PresenceRecord(status: .offline) }
        var reader = JSONReader()
        reader.skipBlanks(in: json)
        guard reader.peek(in: json) == UInt8(ascii: "{") else { throw .notARecord }
        var fields = RecordFields()
        try reader.readObject(in: json) { (name, reader) throws(RecordError) in
            if let field = Field(name: name, in: json) {
                try fields.read(field, with: &reader, in: json)
            } else {
                fields.unknownCount += 1
                try reader.skipValue(in: json, depth: 2)
            }
        }
        reader.skipBlanks(in: json)
        guard reader.position == json.count else { throw .malformed(offset: reader.position) }
        return try fields.record(in: json)
    }
}

extension PresenceRecord.Field {
    /// The field of a name, or nil.
    fileprivate init?(name: JSONString, in json: Span<UInt8>) {
        guard name.hasEscapes else {
            self.init(plain: json.extracting(name.range))
            return
        }
        var plain: [UInt8] = []
        name.decode(in: json, to: &plain)
        self.init(plain: plain.span)
    }

    private init?(plain name: Span<UInt8>) {
        if name.isEqual(to: ["s", "t", "a", "t", "u", "s"]) {
            self = .status
        } else if name.isEqual(to: ["u", "s", "e", "r", "I", "d"]) {
            self = .userID
        } else if name.isEqual(to: ["l", "a", "s", "t", "S", "e", "e", "n"]) {
            self = .lastSeen
        } else if name.isEqual(to: ["l", "a", "s", "t", "H", "e", "a", "r", "t", "b", "e", "a", "t"]) {
            self = .lastHeartbeat
        } else if name.isEqual(to: ["d", "e", "v", "i", "c", "e", "T", "y", "p", "e"]) {
            self = .device
        } else if name.isEqual(to: ["p", "l", "a", "t", "f", "o", "r", "m"]) {
            self = .platform
        } else if name.isEqual(to: ["c", "o", "n", "n", "e", "c", "t", "i", "o", "n", "I", "d"]) {
            self = .connectionID
        } else if name.isEqual(to: ["s", "e", "r", "v", "e", "r", "I", "d"]) {
            self = .server
        } else if name.isEqual(to: ["a", "c", "t", "i", "v", "i", "t", "y"]) {
            self = .activity
        } else {
            return nil
        }
    }
}

/// The fields of a record while they are read.
private struct RecordFields {
    var status: Status?
    var lastSeen: Timestamp?
    var lastHeartbeat: Timestamp?
    var device: JSONString?
    var platform: JSONString?
    var connectionID: JSONString?
    var server: JSONString?
    var activity: JSONString?
    var unknownCount = 0

    /// Reads the value of one field; a later one of the same name replaces it.
    mutating func read(
        _ field: PresenceRecord.Field, with reader: inout JSONReader, in json: Span<UInt8>
    ) throws(RecordError) {
        switch field {
        case .userID: try reader.skipValue(in: json, depth: 2)
        case .status: status = try RecordFields.status(with: &reader, in: json)
        case .lastSeen: lastSeen = try RecordFields.instant(field, with: &reader, in: json)
        case .lastHeartbeat: lastHeartbeat = try RecordFields.instant(field, with: &reader, in: json)
        case .device: device = try RecordFields.text(field, with: &reader, in: json)
        case .platform: platform = try RecordFields.text(field, with: &reader, in: json)
        case .connectionID: connectionID = try RecordFields.text(field, with: &reader, in: json)
        case .server: server = try RecordFields.text(field, with: &reader, in: json)
        case .activity: activity = try RecordFields.text(field, with: &reader, in: json)
        }
    }

    /// The record, its texts decoded if one has an escape.
    func record(in json: Span<UInt8>) throws(RecordError) -> PresenceRecord {
        guard let status else { throw .statusMissing }
        var record = PresenceRecord(status: status)
        record.lastSeen = lastSeen
        record.lastHeartbeat = lastHeartbeat
        record.unknownFieldCount = unknownCount
        guard hasEscapes else {
            record.device = device?.range
            record.platform = platform?.range
            record.connectionID = connectionID?.range
            record.server = server?.range
            record.activity = activity?.range
            return record
        }
        var bytes: [UInt8] = []
        record.device = device?.decode(in: json, to: &bytes)
        record.platform = platform?.decode(in: json, to: &bytes)
        record.connectionID = connectionID?.decode(in: json, to: &bytes)
        record.server = server?.decode(in: json, to: &bytes)
        record.activity = activity?.decode(in: json, to: &bytes)
        record.decoded = bytes
        return record
    }

    private var hasEscapes: Bool {
        device?.hasEscapes == true || platform?.hasEscapes == true || connectionID?.hasEscapes == true
            || server?.hasEscapes == true || activity?.hasEscapes == true
    }

    private static func status(with reader: inout JSONReader, in json: Span<UInt8>) throws(RecordError) -> Status? {
        guard let word = try text(.status, with: &reader, in: json) else { return nil }
        if let status = Status(word: json.extracting(word.range)) { return status }
        guard word.hasEscapes else { throw .statusUnknown }
        var plain: [UInt8] = []
        word.decode(in: json, to: &plain)
        guard let status = Status(word: plain.span) else { throw .statusUnknown }
        return status
    }

    /// A string, or nil for `null`.
    private static func text(
        _ field: PresenceRecord.Field, with reader: inout JSONReader, in json: Span<UInt8>
    ) throws(RecordError) -> JSONString? {
        switch reader.peek(in: json) {
        case UInt8(ascii: "\""): return try reader.readString(in: json)
        case UInt8(ascii: "n"):
            try reader.skipValue(in: json, depth: 2)
            return nil
        default:
            try reader.skipValue(in: json, depth: 2)
            throw .wrongType(field)
        }
    }

    /// An instant, or nil for `null`.
    private static func instant(
        _ field: PresenceRecord.Field, with reader: inout JSONReader, in json: Span<UInt8>
    ) throws(RecordError) -> Timestamp? {
        switch reader.peek(in: json) {
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
            let start = reader.position
            try reader.skipValue(in: json, depth: 2)
            let number = json.extracting(start..<reader.position)
            guard let instant = Timestamp(epochMilliseconds: number) else { throw .badInstant(field) }
            return instant
        default:
            guard let text = try text(field, with: &reader, in: json) else { return nil }
            guard let instant = Timestamp(iso8601: json.extracting(text.range)) else { throw .badInstant(field) }
            return instant
        }
    }
}

extension Timestamp {
    /// The instant of a JSON number of milliseconds, its fraction cut; nil for one with an exponent or out of the range
    /// that has an ISO 8601 text.
    fileprivate init?(epochMilliseconds number: Span<UInt8>) {
        let isNegative = number[0] == UInt8(ascii: "-")
        var value: Int64 = 0
        var position = isNegative ? 1 : 0
        while position < number.count, number[position] != UInt8(ascii: ".") {
            let digit = Int64(number[position]) - 0x30
            guard (0...9).contains(digit) else { return nil }
            value = value * 10 + digit
            guard value <= Timestamp.maximumISO8601Milliseconds else { return nil }
            position += 1
        }
        while position < number.count {
            guard number[position] != UInt8(ascii: "e"), number[position] != UInt8(ascii: "E") else { return nil }
            position += 1
        }
        self.init(milliseconds: isNegative ? -value : value)
    }
}
