/// The copying of some keys, in three exchanges: ask the source for their kinds, for their values and TTLs, tell the target.
///
/// Each step takes the replies to the one before and says what to send; nothing here waits.
struct CopyBatch: Sendable {
    /// What is read of a key.
    private enum Read: Sendable {
        case string
        case hash
        case nothing
        /// It is of a kind that holds no presence.
        case otherKind
    }

    /// What the target is told of a key.
    private enum Write: Sendable {
        case record(SourceRecord.Live)
        case end([UInt8])
    }

    private let entries: [ChangedKeys.Entry]
    private let names: KeyNames
    private let hardLimitMilliseconds: Int64
    private var reads: [Read] = []
    /// What each command to the target is: of which user and key, and what.
    private var writes: [(user: [UInt8], entry: Int, write: Write)] = []
    private var requests = Requests()

    /// - Parameter hardLimitMilliseconds: the longest TTL that the target takes.
    init(_ entries: [ChangedKeys.Entry], names: KeyNames, hardLimitMilliseconds: Int64) {
        self.entries = entries
        self.names = names
        self.hardLimitMilliseconds = hardLimitMilliseconds
    }

    // MARK: - Source

    /// Asks for the kinds of the keys.
    func kinds() -> Requests {
        var requests = Requests()
        for entry in entries { requests.add([[UInt8]("TYPE"), entry.key]) }
        return requests
    }

    /// Asks for the values and TTLs of those keys that can hold a presence.
    mutating func values(_ kinds: [Reply], _ counts: inout MigrationCounts) throws(MigrationError) -> Requests {
        counts.keys += entries.count
        var requests = Requests()
        for (entry, kind) in zip(entries, kinds) {
            if case .error(let text) = kind { throw CopyBatch.failure("TYPE", text) }
            switch kind.string {
            case "string", "presence":
                reads.append(.string)
                requests.add([[UInt8]("GET"), entry.key])
                requests.add([[UInt8]("PTTL"), entry.key])
            case "hash":
                reads.append(.hash)
                requests.add([[UInt8]("HMGET"), entry.key] + CopyBatch.hashFieldNames)
                requests.add([[UInt8]("PTTL"), entry.key])
            case "none", nil:
                reads.append(.nothing)
            case let other?:
                reads.append(.otherKind)
                counts.otherKinds[other, default: 0] += 1
            }
        }
        return requests
    }

    private static let hashFieldNames = SourceRecord.hashFields.map { [UInt8]("\($0.name)") }

    // MARK: - Target

    /// Tells the target what was read.
    ///
    /// - Parameters:
    ///   - replies: to ``values(_:_:)``.
    ///   - again: is called with keys that changed their kind meanwhile.
    mutating func commands(
        _ replies: [Reply], _ mirror: inout Mirror, _ counts: inout MigrationCounts, again: ([UInt8]) -> Void
    ) throws(MigrationError) -> Requests {
        var next = replies.makeIterator()
        for (index, read) in reads.enumerated() {
            let key = entries[index].key
            let isRead = read == .string || read == .hash
            let value = isRead ? next.next() ?? .null : .null
            let ttl = isRead ? next.next() ?? .null : .null
            guard let user = names.userID(of: key) else {
                counts.noteBad(key, "the key does not begin with the prefix, or names nobody behind it")
                continue
            }
            if value.errorCode == "WRONGTYPE" {
                again(key)
                continue
            }
            for case .error(let text) in [value, ttl] { throw CopyBatch.failure(read == .hash ? "HMGET" : "GET", text) }
            guard value != .null, case .integer(let milliseconds) = ttl, milliseconds > 0 || milliseconds == -1 else {
                if read != .otherKind, entries[index].change != .ended { counts.gone += 1 }
                lapse(user, index, &mirror)
                continue
            }
            switch CopyBatch.record(value, user) {
            case .present(let record):
                set(record, milliseconds, user, index, mirror, &counts)
            case .offline:
                counts.offline += 1
                end(user, index, mirror)
            case .bad(let why):
                counts.noteBad(key, why)
                end(user, index, mirror)
            }
        }
        return requests
    }

    private static func record(_ value: Reply, _ user: [UInt8]) -> SourceRecord {
        switch value {
        case .array(let values): SourceRecord(hash: values, userID: user)
        case .bytes(let bytes): SourceRecord(string: bytes)
        case .oversized: .tooLong
        default: .bad("the source's reply is of another kind than the key")
        }
    }

    private mutating func set(
        _ record: SourceRecord.Live, _ ttl: Int64, _ user: [UInt8], _ index: Int, _ mirror: Mirror,
        _ counts: inout MigrationCounts
    ) {
        var words = [[UInt8]("SET"), names.targetKey(ofUser: user), record.value]
        if ttl == -1 {
            counts.withoutTTL += 1
        } else {
            if ttl > hardLimitMilliseconds { counts.shortened += 1 }
            words += [[UInt8]("PX"), [UInt8]("\(min(ttl, hardLimitMilliseconds))")]
        }
        requests.add(words)
        writes.append((user, index, .record(record)))
        // A key holds one session: a new one replaces the one before. That leaves last, so the user stays online.
        if mirror.session(ofUser: user) != record.session { end(user, index, mirror) }
    }

    /// A key that is not there. If it was deleted, its session ends; if its time ran out, so does that of the session.
    /// If neither was heard of yet, it will be: which of them is not known before, and the session stays known until then.
    private mutating func lapse(_ user: [UInt8], _ index: Int, _ mirror: inout Mirror) {
        switch entries[index].change {
        case .ended: end(user, index, mirror)
        case .expired: mirror.forget(user: user)
        case .written: break
        }
    }

    /// Ends the session that was written for this key, if one was. Sessions that the user has on the target itself stay.
    private mutating func end(_ user: [UInt8], _ index: Int, _ mirror: Mirror) {
        guard let session = mirror.session(ofUser: user) else { return }
        requests.add([[UInt8]("PRESENCE.DISCONNECT"), names.targetKey(ofUser: user), session])
        writes.append((user, index, .end(session)))
    }

    /// Takes the target's replies.
    func finish(_ replies: [Reply], _ mirror: inout Mirror, _ counts: inout MigrationCounts) throws(MigrationError) {
        for ((user, index, write), reply) in zip(writes, replies) {
            if case .error(let text) = reply {
                if reply.errorCode == "LOADING" { throw .lost(.target, text) }
                counts.noteRefused(entries[index].key, text)
                continue
            }
            switch write {
            case .record(let record):
                counts.note(record.form)
                counts.droppedFields += record.droppedFields
                mirror.note(record.session, ofUser: user)
            case .end(let session):
                counts.ended += 1
                mirror.forget(session, ofUser: user)
            }
        }
    }

    /// An error of the source on a command that every Redis has.
    private static func failure(_ command: String, _ text: String) -> MigrationError {
        text.hasPrefix("LOADING") || text.hasPrefix("MASTERDOWN")
            ? .lost(.source, text) : .refused(.source, command, text)
    }
}
