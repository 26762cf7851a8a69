import Presence
import PresenceRESP
import PresenceStore

/// `SET` on the key of a user: the table of what each value does.
enum PresenceRecords {
    /// Why a record was not taken: it is not one, or the store refused it.
    enum Failure: Error {
        case record(RecordError)
        case store(StoreError)

        var message: String {
            switch self {
            case .record(let error): "ERR " + error.message
            case .store(let error): error.message
            }
        }
    }

    /// The session that a record without `connectionId` means.
    private static let defaultSession = Array("default".utf8)

    /// Does what the record in `value` says; false if `condition` is not met.
    static func set(
        _ loop: ServerLoop, _ user: Range<Int>, _ value: Range<Int>, _ bytes: Span<UInt8>,
        _ condition: StringSetOptions.Condition, _ end: Timestamp?, _ keepsTTL: Bool
    ) throws(Failure) -> Bool {
        let json = bytes.extracting(value)
        let record: PresenceRecord
        do throws(RecordError) {
            record = try PresenceRecord.parse(json)
        } catch {
            throw .record(error)
        }
        if record.status == .offline, condition != .always {
            let exists = loop.store.exists(.presence, bytes.extracting(user), at: loop.now)
            guard exists == (condition == .ifPresent) else { return false }
        }
        if record.unknownFieldCount > 0 { loop.counters.unknownFields.add(record.unknownFieldCount) }
        let ttl = end.map { $0.milliseconds(since: loop.now) }
        if let ttl, ttl <= 0 {
            // Redis: a key whose end has passed when it is set is gone.
            _ = loop.store.remove(.presence, bytes.extracting(user), at: loop.now)
            return true
        }
        return try record.withTexts(in: json) { texts throws(Failure) in
            try write(record, texts, bytes.extracting(user), condition, ttl, keepsTTL, loop)
        }
    }

    private static func write(
        _ record: PresenceRecord, _ texts: Span<UInt8>, _ user: Span<UInt8>,
        _ condition: StringSetOptions.Condition, _ ttl: Int64?, _ keepsTTL: Bool, _ loop: ServerLoop
    ) throws(Failure) -> Bool {
        guard record.status != .offline else {
            if let session = record.connectionID {
                loop.store.disconnect(user, session: texts.extracting(session), at: loop.now)
            } else {
                loop.store.disconnectAll(user, at: loop.now)
            }
            return true
        }
        let none = 0..<0
        let write = RecordWrite(
            status: record.status, activity: record.lastSeen, ttlMilliseconds: ttl, keepsTTL: keepsTTL,
            condition: condition)
        do throws(StoreError) {
            if let session = record.connectionID {
                return try loop.store.write(
                    user, session: texts.extracting(session), device: texts.extracting(record.device ?? none),
                    platform: texts.extracting(record.platform ?? none),
                    server: texts.extracting(record.server ?? none), write, at: loop.now)
            } else {
                return try loop.store.write(
                    user, session: defaultSession.span, device: texts.extracting(record.device ?? none),
                    platform: texts.extracting(record.platform ?? none),
                    server: texts.extracting(record.server ?? none), write, at: loop.now)
            }
        } catch {
            throw .store(error)
        }
    }
}
